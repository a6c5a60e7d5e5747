"""Tests of sealing and opening, with libsrtp."""

import pylibsrtp
import pytest
from pylibsrtp import Policy, Session

from gateway.media import rtcp, rtp
from gateway.media.datagrams import DATAGRAM_MAX_BYTES
from gateway.media.srtp import Srtp

TAG_BYTES = 10  # RFC 3711 §5.2
INDEX_BYTES = 4  # of SRTCP (§3.4)


def pair(key: bytes) -> tuple[Srtp, Srtp]:
    """(sealing, opening) sessions of one key."""
    kinds = Policy.SSRC_ANY_OUTBOUND, Policy.SSRC_ANY_INBOUND
    out, into = (Srtp(Session(policy=Policy(key=key, ssrc_type=kind))) for kind in kinds)
    return out, into


def test_what_one_seals_the_other_opens() -> None:
    """RTP and RTCP go through, and are longer on the way by what RFC 3711 adds."""
    out, into = pair(bytes(range(30)))
    sound, report = rtp.build(111, 7, 960, 1, b"sound" * 30), rtcp.receiver_report(1, [])
    sealed, sealed_report = out.protect(sound), out.protect_rtcp(report)
    assert (len(sealed), len(sealed_report)) == (len(sound) + TAG_BYTES, len(report) + INDEX_BYTES + TAG_BYTES)
    assert sound[12:] not in sealed
    assert (into.unprotect(sealed), into.unprotect_rtcp(sealed_report)) == (sound, report)


def test_sessions_share_a_buffer_and_nothing_else() -> None:
    """Packets of two callers, in turns, come out as they went in."""
    callers = pair(bytes(range(30))), pair(bytes(range(1, 31)))
    packets = [rtp.build(111, number, number * 960, 1, bytes([number]) * (200 - number)) for number in range(40)]
    sealed = [[out.protect(packet) for out, _ in callers] for packet in packets]
    opened = [[into.unprotect(one) for (_, into), one in zip(callers, both, strict=True)] for both in sealed]
    assert opened == [[packet, packet] for packet in packets]


@pytest.mark.parametrize("change", ["forged", "again", "another key", "short", "nothing"])
def test_what_is_not_authentic_raises(change: str) -> None:
    """And the session goes on with what is."""
    out, into = pair(bytes(range(30)))
    first, second = (out.protect(rtp.build(111, number, number * 960, 1, b"sound")) for number in (1, 2))
    into.unprotect(first)
    bad = {
        "forged": second[:-1] + bytes([second[-1] ^ 1]),
        "again": first,
        "another key": pair(bytes(range(1, 31)))[0].protect(rtp.build(111, 2, 1920, 1, b"sound")),
        "short": second[:12],
        "nothing": b"",
    }[change]
    with pytest.raises(pylibsrtp.Error):
        into.unprotect(bad)
    assert into.unprotect(second).endswith(b"sound")


def test_what_is_too_long_raises() -> None:
    """The longest packet fits with what is added to it; one byte more is refused before it is copied."""
    out, _ = pair(bytes(range(30)))
    longest = rtp.build(111, 1, 960, 1, bytes(DATAGRAM_MAX_BYTES - 12))
    assert len(out.protect(longest)) == DATAGRAM_MAX_BYTES + TAG_BYTES
    for function in (out.protect, out.protect_rtcp, out.unprotect, out.unprotect_rtcp):
        with pytest.raises(ValueError, match="1501 bytes are too long"):
            function(longest + b"x")
