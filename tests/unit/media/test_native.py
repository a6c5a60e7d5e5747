"""What is in C does what it stands for in Python: both side by side, with whatever bytes."""

import os
import random
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import astuple
from typing import Any

import pylibsrtp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from bench.capacity.recording import speech
from gateway.media import datagrams, loudness, native, opus, rtp, srtp
from tests.pure import pure

pure_rtp, pure_srtp, pure_opus = pure("gateway.media.rtp"), pure("gateway.media.srtp"), pure("gateway.media.opus")
pure_loudness, pure_datagrams = pure("gateway.media.loudness"), pure("gateway.media.datagrams")
KEY = bytes(range(30))
RED_HEAD = struct.pack("!I", 1 << 31 | 111 << 24 | 960 << 10 | 3) + bytes([111])


@pytest.fixture(autouse=True)
def _in_c() -> None:
    if not native.IN_C:
        message = "nothing is built in C: install a C compiler and Python's headers, then make clean setup"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)


def outcome(function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """What comes of a call, in a form that does not tell one copy of a class from another."""
    try:
        found = function(*arguments, **more)
    except (ValueError, pylibsrtp.Error) as error:
        return type(error).__name__, str(error)
    packets = found if isinstance(found, list) else [found]
    return [astuple(one) if hasattr(one, "payload") else one for one in packets]


def test_both_are_there() -> None:
    """Each module has a function in C, and its copy one in Python; else the rest of this file would prove nothing."""
    for ours, copy, name in (
        (rtp, pure_rtp, "parse"),
        (rtp, pure_rtp, "unwrap_red"),
        (srtp, pure_srtp, "srtp_pass"),
        (opus, pure_opus, "opus_encode"),
        (opus, pure_opus, "opus_decode"),
        (loudness, pure_loudness, "mean_square"),
        (datagrams, pure_datagrams, "receive"),
    ):
        assert type(getattr(ours, name)).__name__ == "builtin_function_or_method"
        assert type(getattr(copy, name)).__name__ == "function"


levels = st.none() | st.integers(0, 255)
CASES = 20_000  # of those that say what follows, which leads deeper than any bytes; the same in each run


@given(st.binary(max_size=80), levels)
def test_any_bytes_are_read_alike(data: bytes, level: int | None) -> None:
    """As a packet, or as none."""
    assert outcome(rtp.parse, data, level) == outcome(pure_rtp.parse, data, level)


def test_any_header_is_read_alike() -> None:
    """Extensions of both kinds and of none, sources that contribute, padding, and where one of them is cut off."""
    chance = random.Random(1)
    # Of elements that are found, passed over, end the rest, or are longer than there is room.
    elements = (0, 1, 2, 3, 0x10, 0x11, 0x13, 0x20, 0x21, 0xF0, 0x85, 0xC0, 0xFF)
    for _ in range(CASES):
        head = bytes([chance.choice((0x80, 0x90, 0x90, 0x90, 0xA0, 0xB0, 0x92)), chance.randrange(256)])
        profile = chance.choice((b"\xbe\xde", b"\x10\0", b"\x10\x07", b"\x10\x10")) + bytes([0, chance.randrange(5)])
        rest = bytes(chance.choices(elements, k=chance.randrange(22)))
        data, level = head + chance.randbytes(10) + profile + rest, chance.choice((None, 1, 2, 15))
        assert outcome(rtp.parse, data, level) == outcome(pure_rtp.parse, data, level), data.hex()


def test_any_red_is_unwrapped_alike() -> None:
    """With copies and without, whatever the heads say of the lengths."""
    chance = random.Random(1)
    for _ in range(CASES):
        lengths = [chance.choice((0, 1, 2, 5, 1023)) for _ in range(chance.randrange(4))]
        words = [1 << 31 | chance.randrange(128) << 24 | chance.randrange(1 << 14) << 10 | one for one in lengths]
        payload = b"".join(word.to_bytes(4, "big") for word in words) + chance.randbytes(chance.randrange(14))
        fields = 63, chance.randrange(1 << 16), chance.randrange(1 << 32), 5, payload, True, -20, True
        for copies in ({}, {"copies": True}, {"copies": False}):
            ours = outcome(rtp.unwrap_red, rtp.Packet(*fields), **copies)
            assert ours == outcome(pure_rtp.unwrap_red, pure_rtp.Packet(*fields), **copies), payload.hex()


def test_what_calls_it_wrongly_is_told() -> None:
    """A mistake of ours is a TypeError or AttributeError, not a crash."""
    packet = rtp.Packet(63, 0, 0, 5, b"")
    for wrong in (
        lambda: rtp.parse(bytearray(20)),
        lambda: rtp.parse(b"", None, None),
        lambda: rtp.unwrap_red(b""),
        lambda: rtp.unwrap_red(packet, wanted=True),
        lambda: rtp.unwrap_red(rtp.Packet(63, 0, 0, 5, bytearray(4))),
        lambda: srtp.srtp_pass(srtp.PROTECT, 1, "text"),
        lambda: opus.opus_decode(1, 1, "text", 20, False),
        lambda: opus.opus_encode(1, 1, None),
        lambda: loudness.mean_square(bytearray(4)),
        lambda: datagrams.receive(None, 1),
    ):
        with pytest.raises(TypeError):
            wrong()
    del packet.payload
    with pytest.raises(AttributeError, match="payload"):
        rtp.unwrap_red(packet)
    for nobody in (
        lambda: opus.opus_decode(1, 0, b"", 20, False),
        lambda: opus.opus_decode(1, 1, b"", 5761, False),
        lambda: opus.opus_encode(1, 0, b""),
        lambda: srtp.srtp_pass(srtp.PROTECT, 0, b""),
    ):
        with pytest.raises(ValueError, match=r"^(opus|srtp)_\w+: no "):
            nobody()


def sessions(module: Any) -> tuple[Any, Any]:
    """(sealing, opening) sessions of one key."""
    kinds = Policy.SSRC_ANY_OUTBOUND, Policy.SSRC_ANY_INBOUND
    out, into = (module.Srtp(Session(policy=Policy(key=KEY, ssrc_type=kind))) for kind in kinds)
    return out, into


def test_packets_are_sealed_and_opened_alike() -> None:
    """RTP and RTCP, and what is refused: forged, repeated, too short, too long."""
    (out, into), (pure_out, pure_into) = sessions(srtp), sessions(pure_srtp)
    report = struct.pack("!BBHI", 0x80, 201, 1, 1)
    for number in range(1, 50):
        packet = rtp.build(111, number, number * 960, 1, bytes(number * 30 % 1400))
        sealed = out.protect(packet)
        assert sealed == pure_out.protect(packet)
        assert into.unprotect(sealed) == pure_into.unprotect(sealed) == packet
        told = out.protect_rtcp(report)
        assert told == pure_out.protect_rtcp(report)
        assert into.unprotect_rtcp(told) == pure_into.unprotect_rtcp(told) == report
    for bad in (sealed, sealed[:-1] + b"?", sealed[:12], b"", bytes(1501)):
        for refused in ("unprotect", "unprotect_rtcp"):
            assert outcome(getattr(into, refused), bad) == outcome(getattr(pure_into, refused), bad)


def test_sound_is_coded_alike() -> None:
    """Speech, what is made up for it, the copy inside a packet, and what cannot be read."""
    ours, theirs = opus.OpusDecoder(16_000), pure_opus.OpusDecoder(16_000)
    encoders = opus.OpusEncoder(16_000), pure_opus.OpusEncoder(16_000)
    for packet in speech()[:50]:
        pcm = ours.decode(packet.payload)
        assert pcm == theirs.decode(packet.payload)
        coded = encoders[0].encode(pcm)
        assert coded == encoders[1].encode(pcm)
        assert ours.decode_fec(coded, 20) == theirs.decode_fec(coded, 20)
        assert ours.conceal(15) == theirs.conceal(15)
    for bad in (b"\x03", b"\xff" * 40, b"\x4b\x7f" + bytes(20)):
        assert outcome(ours.decode, bad) == outcome(theirs.decode, bad)
    assert outcome(encoders[0].encode, bytes(1234)) == outcome(encoders[1].encode, bytes(1234))


@given(st.binary(max_size=400))
def test_loudness_is_the_same(pcm: bytes) -> None:
    """To the last bit."""
    assert outcome(loudness.mean_square, pcm[: len(pcm) & ~1]) == outcome(
        pure_loudness.mean_square, pcm[: len(pcm) & ~1]
    )


@pytest.fixture(params=["127.0.0.1", "::1"])
def line(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """(to send with, to read)."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with ExitStack() as stack:
        there, here = (stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)) for _ in range(2))
        for one in (there, here):
            one.bind((request.param, 0))
            one.setblocking(False)
        yield there, here


def test_datagrams_are_received_alike(line: tuple[socket.socket, socket.socket]) -> None:
    """In order, empty and too long ones too, not more than are wanted, and none when there is none."""
    there, here = line
    sizes = [0, 1, 1500, 1501, 3000, *range(2, 40)]
    for receive in (datagrams.receive, pure_datagrams.receive):
        for size in sizes:
            there.sendto(bytes([size % 251]) * size, here.getsockname())
        first, rest, none = receive(here, 20), receive(here, 200), receive(here, 200)
        assert first + rest == [
            (bytes([size % 251]) * min(size, datagrams.READ_BYTES), there.getsockname()[:2]) for size in sizes
        ]
        assert (len(first), none) == (20, [])


def test_a_port_that_is_closed_over_there_is_no_reason_to_stop(line: tuple[socket.socket, socket.socket]) -> None:
    """The error that the system tells of it ends one look; the next one finds what came."""
    there, here = line
    for receive in (datagrams.receive, pure_datagrams.receive):
        with socket.socket(here.family, socket.SOCK_DGRAM) as closed:
            closed.bind((here.getsockname()[0], 0))
            nobody = closed.getsockname()
        here.sendto(b"?", nobody)
        there.sendto(b"still", here.getsockname())
        came = receive(here, 10) or receive(here, 10)
        assert [data for data, _ in came] == [b"still"]


def test_nothing_is_leaked() -> None:
    """Not what is given back, nor what was made before something was refused."""
    out, into = sessions(srtp)
    sealed = out.protect(rtp.build(111, 1, 960, 1, b"sound"))
    into.unprotect(sealed)
    decoder, packet = opus.OpusDecoder(16_000), rtp.Packet(63, 0, 100, 5, RED_HEAD + b"oldnew", level_dbov=-20)
    extended = b"\x90\x6f" + bytes(range(10)) + b"\xbe\xde\0\1\x10\xc0\0\0" + b"sound"
    there, here = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
    shared = pylibsrtp, pylibsrtp.Error, pylibsrtp.ERRORS, pylibsrtp.ERRORS[9], packet.ssrc, packet.payload

    def once() -> None:
        for data in (extended, b"", extended[:14], b"\xa0" + extended[1:]):
            rtp.parse(data, 1)
        rtp.unwrap_red(packet)
        rtp.unwrap_red(packet, copies=False)
        rtp.unwrap_red(rtp.Packet(63, 0, 100, 5, RED_HEAD))
        outcome(into.unprotect, sealed)
        outcome(into.unprotect, bytes(1501))
        outcome(decoder.decode, b"\x03")
        decoder.conceal(20)
        loudness.mean_square(b"\1\0")
        there.sendto(b"hello", here.getsockname())
        datagrams.receive(here, 2)

    with there, here:
        here.bind(("127.0.0.1", 0))
        here.setblocking(False)
        for _ in range(50):
            once()
        before, references = sys.getallocatedblocks(), [sys.getrefcount(one) for one in shared]
        for _ in range(2000):
            once()
        assert sys.getallocatedblocks() - before < 100
        assert [sys.getrefcount(one) for one in shared] == references
