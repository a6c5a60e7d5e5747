"""The model's voice as RTP: numbered, remembered for those who ask again, reported."""

import itertools

from aiortc.rtp import RtcpRrPacket, RtcpSrPacket

from gateway.media import rtcp, rtp
from gateway.media.sender import HISTORY, RtpSender


def sent(sender: RtpSender, count: int) -> list[rtp.Packet]:
    """So many packets, read again."""
    found = []
    for index in range(count):
        packet = rtp.parse(sender.packet(111, b"%d" % index, index * 960, 1000 + index * 0.02, begins=index == 0))
        assert packet is not None
        found.append(packet)
    return found


def test_numbers_rise_by_one_over_the_wrap_around() -> None:
    """More packets than there are numbers; only the first after a silence is marked."""
    packets = sent(RtpSender(5), 70_000)
    assert all((after.sequence - before.sequence) % 65536 == 1 for before, after in itertools.pairwise(packets))
    assert [packet.marker for packet in packets[:3]] == [True, False, False]
    assert packets[0].sequence < 1 << 15


def test_what_was_lost_is_sent_again_once_a_round_trip() -> None:
    """The same bytes; not what is too old, and not twice for two requests of the same loss."""
    sender = RtpSender(5)
    packets = sent(sender, HISTORY + 10)
    newest = packets[-1].sequence
    again = sender.again(newest, 1.0, 0.1)
    assert again is not None
    assert rtp.parse(again) == packets[-1]
    assert sender.again(newest, 1.05, 0.1) is None
    assert sender.again(newest, 1.11, 0.1) is not None
    assert sender.again(packets[0].sequence, 1.0, 0.1) is None
    assert sender.resent == 2


def test_a_report_says_where_the_stream_is() -> None:
    """RTP time goes on with the clock through silence; before the first packet it is a plain RR."""
    sender = RtpSender(5)
    assert isinstance(rtcp.parse(sender.report(1000.0, 48_000, "name", []))[0], RtcpRrPacket)
    packet = sent(sender, 3)[-1]
    report, _ = rtcp.parse(sender.report(1000.04 + 0.5, 48_000, "name", []))
    assert isinstance(report, RtcpSrPacket)
    info = report.sender_info
    assert (info.packet_count, info.octet_count) == (3, 3)
    assert (info.rtp_timestamp - packet.timestamp) % 2**32 == 24_000
