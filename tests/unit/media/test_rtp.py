"""RTP packets are read and written as the standards have them, and nonsense is refused without a sound."""

import struct

from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import rtp


def raw(*, first: int = 0x80, second: int = 111, payload: bytes = b"opus", extension: bytes = b"") -> bytes:
    """A packet with sequence number 7, timestamp 960 and SSRC 5."""
    return struct.pack("!BBHII", first, second, 7, 960, 5) + extension + payload


def test_a_packet_is_read() -> None:
    """Header fields, marker and payload; contributing sources are passed over."""
    packet = rtp.parse(raw(first=0x82, second=0x80 | 111, extension=bytes(8)))
    assert packet == rtp.Packet(111, 7, 960, 5, b"opus", True)


def test_padding_is_not_payload() -> None:
    """The last byte tells how much of the end is padding (RFC 3550 §5.1)."""
    packet = rtp.parse(raw(first=0xA0, payload=b"opus\0\0\3"))
    assert packet is not None
    assert packet.payload == b"opus"


def test_the_audio_level_is_read_from_both_kinds_of_extension() -> None:
    """One-byte and two-byte headers (RFC 8285), after padding and after other extensions; RFC 6464 in it."""
    one = struct.pack("!HH", 0xBEDE, 2) + bytes([0, 0x21, 1, 2, 0x10, 0x80 | 30, 0, 0])
    two = struct.pack("!HH", 0x1000, 2) + bytes([2, 1, 9, 0, 1, 1, 30, 0])
    for extension, voice in ((one, True), (two, False)):
        packet = rtp.parse(raw(first=0x90, extension=extension), 1)
        assert packet is not None
        assert (packet.level_dbov, packet.voice, packet.payload) == (-30, voice, b"opus")
    unwanted = rtp.parse(raw(first=0x90, extension=one))
    assert unwanted is not None
    assert unwanted.level_dbov is None


def test_what_comes_after_the_reserved_extension_is_not_read() -> None:
    """RFC 8285 §4.2: at 15 a reader of one-byte headers stops; a level without its byte is none either."""
    for elements in ([0xF0, 0, 0x10, 0x80 | 30], [0, 0, 0, 0x10]):
        packet = rtp.parse(raw(first=0x90, extension=struct.pack("!HH", 0xBEDE, 1) + bytes(elements)), 1)
        assert packet is not None
        assert (packet.level_dbov, packet.payload) == (None, b"opus")


def test_what_is_cut_off_or_of_another_version_is_refused() -> None:
    """Too short, an extension or a padding longer than the packet, version 1."""
    whole = raw(first=0x90, extension=struct.pack("!HH", 0xBEDE, 1) + bytes(4), payload=b"")
    assert rtp.parse(whole) is not None
    assert rtp.parse(whole[:-1]) is None
    assert rtp.parse(raw()[:11]) is None
    assert rtp.parse(raw(first=0x40)) is None
    assert rtp.parse(raw(first=0xA0, payload=b"\xff")) is None
    assert rtp.parse(raw(first=0xA0, payload=b"\0")) is None
    assert rtp.parse(raw(first=0x8F)) is None


@given(st.binary(max_size=120), st.integers(1, 14))
def test_whatever_the_bytes_are_nothing_raises(data: bytes, level_extension: int) -> None:
    """A packet or nothing comes out, and so it does of what is wrapped in it."""
    packet = rtp.parse(b"\x90\x6f" + data, level_extension)
    if packet is not None:
        rtp.unwrap_red(packet)
        rtp.unwrap_rtx(packet, 96, 1)


@given(st.integers(0, 127), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.binary(max_size=50), st.booleans())
def test_what_is_built_reads_the_same_to_others(
    payload_type: int, sequence: int, timestamp: int, payload: bytes, marker: bool
) -> None:
    """aiortc's parser, an implementation of its own, agrees with ours."""
    data = rtp.build(payload_type, sequence, timestamp, 9, payload, marker=marker)
    ours, theirs = rtp.parse(data), RtpPacket.parse(data)
    assert ours is not None
    assert ours == rtp.Packet(payload_type, sequence, timestamp, 9, payload, marker)
    assert (theirs.payload_type, theirs.sequence_number, theirs.timestamp) == (payload_type, sequence, timestamp)
    assert (theirs.payload, theirs.marker) == (payload, int(marker))


def test_a_retransmission_carries_the_packet_it_repeats() -> None:
    """The original number is in front of the payload (RFC 4588 §4); probing packets carry none."""
    again = rtp.Packet(97, 500, 3000, 6, struct.pack("!H", 41) + b"vp8", True)
    assert rtp.unwrap_rtx(again, 96, 5) == rtp.Packet(96, 41, 3000, 5, b"vp8", True)
    assert rtp.unwrap_rtx(rtp.Packet(97, 501, 3000, 6, b""), 96, 5) is None


def test_red_carries_earlier_packets() -> None:
    """Oldest first, each with its own time; the level belongs to the newest (RFC 2198 §3)."""
    head = struct.pack("!I", 1 << 31 | 111 << 24 | 960 << 10 | 3) + bytes([111])
    packet = rtp.Packet(63, 0, 100, 5, head + b"oldnew", level_dbov=-20, voice=True)
    old, new = rtp.unwrap_red(packet)
    assert (old.sequence, old.timestamp, old.payload, old.level_dbov) == (65535, (100 - 960) % 2**32, b"old", None)
    assert (new.sequence, new.timestamp, new.payload, new.level_dbov) == (0, 100, b"new", -20)


def test_red_without_copies_is_the_packet_alone() -> None:
    """The same newest block, and the same refusals."""
    head = struct.pack("!I", 1 << 31 | 111 << 24 | 960 << 10 | 3) + bytes([111])
    packet = rtp.Packet(63, 0, 100, 5, head + b"oldnew", level_dbov=-20, voice=True)
    assert rtp.unwrap_red(packet, copies=False) == rtp.unwrap_red(packet)[-1:]
    assert rtp.unwrap_red(rtp.Packet(63, 0, 100, 5, head + b"ol"), copies=False) == []


def test_red_is_written_as_it_is_read() -> None:
    """With the packets before, oldest first, but those that its header has no room for."""
    old, older = (b"old", 960), (b"older", 1920)
    for earlier, read in (
        ((), [b"new"]),
        ((old,), [b"old", b"new"]),
        ((older, old), [b"older", b"old", b"new"]),
        (((bytes(1024), 1920), old), [b"old", b"new"]),
        (((b"older", 1 << 14), old), [b"old", b"new"]),
    ):
        blocks = rtp.unwrap_red(rtp.Packet(63, 0, 9600, 5, rtp.wrap_red(111, b"new", *earlier)))
        assert [block.payload for block in blocks] == read
        assert [(9600 - block.timestamp) // 960 for block in blocks] == list(range(len(read) - 1, -1, -1))


def test_red_that_cannot_be_read_is_nothing() -> None:
    """A header without end, a block longer than the packet, no block."""
    for payload in (b"", b"\xef", b"\xef\0\0\0", struct.pack("!I", 1 << 31 | 111 << 24 | 99) + b"\x6fx"):
        assert rtp.unwrap_red(rtp.Packet(63, 0, 100, 5, payload)) == []


@given(st.lists(st.integers(-300, 300), max_size=200), st.integers(0, 65535))
def test_unwrapped_numbers_keep_their_distances(steps: list[int], start: int) -> None:
    """Whatever the order, and over any number of wrap-arounds."""
    unwrapper, first = rtp.Unwrapper(), None
    number = start
    for step in [0, *steps]:
        number += step
        unwrapped = unwrapper.unwrap(number % 65536)
        first = unwrapped if first is None else first
        assert unwrapped - first == number - start
