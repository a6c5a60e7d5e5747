"""The edits of session descriptions."""

import pytest

from gateway.media.answer import clean_offer, transform_answer, usable_candidate

ANSWER = """v=0
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:0
a=rtpmap:111 opus/48000/2
a=fmtp:111 usedtx=1
a=candidate:1 1 udp 2130706431 192.0.2.2 40000 typ host
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:1
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
"""

TRANSFORMED = """v=0
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:0
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 nack
a=fmtp:111 minptime=10;useinbandfec=1;stereo=0;maxaveragebitrate=40000
a=candidate:1 1 udp 2130706431 192.0.2.2 40000 typ host
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
b=AS:600
a=mid:1
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
"""


def test_the_answer_asks_for_resilient_speech_and_modest_video() -> None:
    """Opus gets FEC and retransmission and never DTX, video a bandwidth; data is left alone."""
    assert transform_answer(ANSWER.replace("\n", "\r\n")) == TRANSFORMED.replace("\n", "\r\n")


def test_transforming_twice_changes_nothing_more() -> None:
    """The edit is idempotent."""
    once = transform_answer(ANSWER)
    assert transform_answer(once) == once


def test_an_answer_without_opus_is_left_alone() -> None:
    """There is nothing to edit then."""
    other = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\n"
    assert transform_answer(other) == other


@pytest.mark.parametrize(
    ("candidate", "usable"),
    [
        ("candidate:1 1 udp 2122260223 192.0.2.7 51234 typ host generation 0", True),
        ("candidate:1 1 UDP 2122260223 2001:db8::7 51234 typ host", True),
        ("candidate:1 1 udp 1686052607 198.51.100.7 51234 typ srflx raddr 0.0.0.0 rport 0", True),
        ("candidate:2 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active", False),
        ("candidate:3 1 udp 2122260223 9b36eaac-bb2e-49bb-bb78-21c41c499900.local 51234 typ host", False),
        ("candidate:4 1 udp", False),
    ],
)
def test_which_candidates_are_of_use(candidate: str, usable: bool) -> None:
    """UDP to an address is; TCP and mDNS names are not."""
    assert usable_candidate(candidate) is usable


def test_an_offer_loses_only_useless_candidates() -> None:
    """Everything else of the offer stays, with CRLF line ends."""
    offer = "v=0\na=candidate:1 1 udp 1 192.0.2.7 5 typ host\na=candidate:2 1 tcp 1 192.0.2.7 9 typ host\na=mid:0\n"
    assert clean_offer(offer) == "v=0\r\na=candidate:1 1 udp 1 192.0.2.7 5 typ host\r\na=mid:0\r\n"
