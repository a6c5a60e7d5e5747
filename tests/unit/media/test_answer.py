"""The edits of session descriptions."""

import pytest

from gateway.media.answer import (
    AUDIO_LEVEL,
    clean_offer,
    finished_answer,
    formats_of,
    redundancy,
    transform_answer,
    usable_candidate,
    with_baseline,
    with_packet_time,
    with_redundancy,
)

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


OFFERED = """v=0
m=audio 9 UDP/TLS/RTP/SAVPF 111 63
a=rtpmap:111 opus/48000/2
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
m=video 9 UDP/TLS/RTP/SAVPF 96
a=rtpmap:96 VP8/90000
"""


def test_red_is_the_first_choice_where_it_is_offered() -> None:
    """RFC 2198: its payload type comes first, and has Opus in it twice; without an offer there is none."""
    assert redundancy(OFFERED) == (63, 111)
    assert redundancy(OFFERED.replace("red/48000/2", "red/8000")) is None
    answer = with_redundancy(ANSWER, 63, 111)
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n" in answer
    assert "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:111 opus/48000/2\r\n" in answer


def test_what_was_agreed_on_is_read_from_the_answer() -> None:
    """Opus, RED, the id of the audio level, the video codecs and what repeats them."""
    answer = with_redundancy(ANSWER, 63, 111).replace(
        "a=rtpmap:96 VP8/90000\r\n",
        "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 H264/90000\r\n",
    )
    answer = answer.replace("a=mid:0\r\n", f"a=mid:0\r\na=extmap:4 {AUDIO_LEVEL}\r\n")
    formats = formats_of(answer)
    assert (formats.opus, formats.red, formats.level_extension) == (111, 63, 4)
    assert (formats.video, formats.rtx) == ({96: "vp8", 98: "h264"}, {97: 96})
    assert formats_of("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 98\r\na=rtpmap:98 H264/90000\r\n").opus is None


def h264(*formats: tuple[int, str]) -> str:
    """A video section with these H.264 formats."""
    lines = [f"a=rtpmap:{number} H264/90000\r\na=fmtp:{number} {parameters}\r\n" for number, parameters in formats]
    return "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n" + "".join(lines)


def test_a_camera_of_another_profile_is_taken_and_told_its_own() -> None:
    """Main and high are what IP cameras and x264 send; aiortc sees a baseline, and the answer repeats the offer's."""
    offer = h264((106, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64000c"))
    assert "profile-level-id=42e01f" in with_baseline(offer)
    answered = h264((106, "packetization-mode=1;profile-level-id=42e01f"))
    assert "profile-level-id=64000c" in finished_answer(offer, answered, one_way=True, redundant=False, packet_ms=20)


@pytest.mark.parametrize(
    "formats",
    [
        [(98, "packetization-mode=1;profile-level-id=42001f"), (100, "packetization-mode=1;profile-level-id=64001f")],
        [(98, "packetization-mode=1;profile-level-id=6e001f")],
        [(98, "packetization-mode=0;profile-level-id=64001f")],
    ],
    ids=["a baseline is there", "ten bits", "one packet a unit"],
)
def test_other_profiles_are_left_alone(formats: list[tuple[int, str]]) -> None:
    """Where a baseline is offered it is enough; what our decoder or depacketiser does not take stays refused."""
    assert with_baseline(h264(*formats)) == h264(*formats)


def test_so_much_sound_is_asked_for_in_each_packet() -> None:
    """RFC 8866 §6.4, in the sections of sound alone."""
    answer = "v=0\r\nm=audio 9 X 111\r\na=mid:0\r\nm=video 9 X 96\r\na=mid:1\r\n"
    assert with_packet_time(answer, 40) == answer.replace("a=mid:0\r\n", "a=mid:0\r\na=ptime:40\r\n")


def test_one_way_answers_say_that_rtcp_has_no_port_of_its_own() -> None:
    """`rtcp-mux-only` in each section (RFC 9725 §4.4.1), and only there."""
    answer = ANSWER.replace("a=mid:0\n", "a=mid:0\na=rtcp-mux\n").replace("a=mid:1\n", "a=mid:1\na=rtcp-mux\n")
    one_way = finished_answer("v=0\r\n", answer, one_way=True, redundant=False, packet_ms=20)
    assert one_way.count("a=rtcp-mux\r\na=rtcp-mux-only\r\n") == 2
    assert "rtcp-mux-only" not in finished_answer("v=0\r\n", answer, one_way=False, redundant=False, packet_ms=20)


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_where_nothing_is_sent_no_stream_is_announced(direction: str) -> None:
    """RFC 8829 §5.3.1: a section that does not send names no track and no source."""
    named = "a=msid:stream track\r\na=ssrc:1 cname:x\r\na=ssrc-group:FID 1 2\r\n"
    section = f"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nb=AS:600\r\na={direction}\r\n"
    assert transform_answer(section + named) == section
    sends = section.replace(direction, "sendonly") + named
    assert transform_answer(sends) == sends


def test_the_end_of_candidates_is_not_told_to_the_agent() -> None:
    """It would give up at once where none is of use, and the browser's first check may be lost."""
    assert "a=end-of-candidates" not in clean_offer("v=0\r\nm=audio 9 X 111\r\na=end-of-candidates\r\n")


def test_a_section_that_is_bundled_only_is_open() -> None:
    """Port 0 there does not mean refused (RFC 8843 §6); elsewhere it does."""
    bundled = "v=0\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\n"
    assert "m=video 9 " in clean_offer(bundled)
    assert "m=video 0 " in clean_offer(bundled.replace("a=bundle-only\r\n", ""))
