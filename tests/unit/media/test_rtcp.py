"""RTCP: what is said is said as the standards have it, and losses are counted as RFC 3550 counts them."""

from aiortc.rtp import RtcpByePacket, RtcpPsfbPacket, RtcpRrPacket, RtcpRtpfbPacket, RtcpSdesPacket, RtcpSrPacket
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import rtcp

CLOCK_HZ = 48_000


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_nothing_raises(data: bytes) -> None:
    """Nonsense is no packet, also behind a header that promises one."""
    for head in (b"", b"\x80\xc8", b"\x8f\xcd\x00\x02", b"\x81\xce"):
        rtcp.parse(head + data)


def test_requests_and_reports_read_as_they_were_meant() -> None:
    """NACK over the wrap-around, PLI, REMB, SR with SDES, BYE; each through a parser."""
    compound = (
        rtcp.receiver_report(1, [])
        + rtcp.nack(1, 2, [65535, 0, 40, 65535 + 1])
        + rtcp.pli(1, 3)
        + rtcp.remb(1, 600_000, [3])
        + rtcp.sender_report(1, rtcp.ntp(1000.5), 2**32 + 7, 2**33, 2**34, "name", [])
        + rtcp.bye(1)
    )
    report, nack, pli, remb, sender, names, goodbye = rtcp.parse(compound)
    assert isinstance(report, RtcpRrPacket)
    assert isinstance(nack, RtcpRtpfbPacket)
    assert (nack.fmt, nack.media_ssrc, sorted(nack.lost)) == (rtcp.NACK, 2, [0, 40, 65535])
    assert isinstance(pli, RtcpPsfbPacket)
    assert (pli.fmt, pli.media_ssrc) == (rtcp.PLI, 3)
    assert isinstance(remb, RtcpPsfbPacket)
    assert remb.fmt == rtcp.APPLICATION
    assert isinstance(sender, RtcpSrPacket)
    assert sender.sender_info.rtp_timestamp == 7
    assert sender.sender_info.ntp_timestamp >> 32 == 1000 + rtcp.NTP_EPOCH_S
    assert isinstance(names, RtcpSdesPacket)
    assert isinstance(goodbye, RtcpByePacket)


def test_losses_are_counted_since_the_last_report() -> None:
    """A quarter lost is 64 of 256; a report without loss follows with 0, and the total stays."""
    reception = rtcp.Reception(9, CLOCK_HZ)
    for number in range(40):
        if number % 4 != 2:
            reception.add((65520 + number) % 65536, number * 960, number * 0.02)
    first = reception.info(1.0)
    assert first is not None
    assert (first.fraction_lost, first.packets_lost) == (64, 10)
    assert first.highest_sequence & 0xFFFF == (65520 + 39) % 65536
    for number in range(40, 60):
        reception.add((65520 + number) % 65536, number * 960, number * 0.02)
    second = reception.info(2.0)
    assert second is not None
    assert (second.fraction_lost, second.packets_lost) == (0, 10)


def test_nothing_is_reported_before_anything_came() -> None:
    """There is no stream yet."""
    assert rtcp.Reception(9, CLOCK_HZ).info(1.0) is None


def test_the_delay_since_the_senders_report_is_told() -> None:
    """LSR and DLSR, by which the other side measures the round trip (RFC 3550 §6.4.1)."""
    reception = rtcp.Reception(9, CLOCK_HZ)
    reception.add(1, 0, 0.0)
    ntp_time = rtcp.ntp(5.0)
    reception.sender_report(ntp_time, 1.0)
    report = reception.info(1.5)
    assert report is not None
    assert (report.lsr, report.dlsr) == (rtcp.ntp_middle(ntp_time), 32768)


def test_jitter_is_learned_and_a_reset_of_the_clock_is_none() -> None:
    """Every other packet 10 ms late is 10 ms of jitter; a timestamp from nowhere changes nothing."""
    reception = rtcp.Reception(9, CLOCK_HZ)
    for number in range(200):
        reception.add(number, number * 960, number * 0.02 + 0.01 * (number % 2))
    assert 9 < reception.jitter_ms < 11
    reception.add(200, 3_000_000_000, 4.0)
    assert 9 < reception.jitter_ms < 11
