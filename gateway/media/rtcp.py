"""RTCP: what we report and ask for, and what the browser reports (RFC 3550 §6, RFC 4585 §6).

Owns the compound packets of the plane and the statistics of reception behind them. It must not know sockets or SRTP;
the encoding of single packets is aiortc's.
**Invariant: whatever the bytes are, `parse` returns packets and raises nothing.**
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from aiortc.rtp import (
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    pack_remb_fci,
)

from gateway.media.rtp import SEQUENCES, TIMES, Unwrapper

ReceptionReport = RtcpReceiverInfo

NACK = 1  # RTPFB (RFC 4585 §6.2.1)
PLI = 1  # PSFB (RFC 4585 §6.3.1)
APPLICATION = 15  # PSFB: REMB (draft-alvestrand-rmcat-remb-03)
SDES_CNAME = 1
NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970
LOST_MAX = (1 << 23) - 1  # of the cumulative count (RFC 3550 §6.4.1)


def parse(data: bytes) -> list[AnyRtcpPacket]:
    """The packets of a compound one; none when it cannot be read."""
    try:
        return list(RtcpPacket.parse(data))
    except (ValueError, IndexError, struct.error):
        return []


def ntp(wall_s: float) -> int:
    """Seconds of the Unix clock as a 64-bit NTP time (RFC 3550 §4)."""
    return int((wall_s + NTP_EPOCH_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def ntp_middle(ntp_time: int) -> int:
    """The middle 32 bits, as LSR has them."""
    return ntp_time >> 16 & 0xFFFFFFFF


def nack(ssrc: int, media_ssrc: int, sequences: Iterable[int]) -> bytes:
    """Ask for these again."""
    packet = RtcpRtpfbPacket(fmt=NACK, ssrc=ssrc, media_ssrc=media_ssrc)
    packet.lost = sorted({sequence % SEQUENCES for sequence in sequences})
    return bytes(packet)


def pli(ssrc: int, media_ssrc: int) -> bytes:
    """Ask for a key frame."""
    return bytes(RtcpPsfbPacket(fmt=PLI, ssrc=ssrc, media_ssrc=media_ssrc))


def remb(ssrc: int, bitrate_bps: int, media_ssrcs: list[int]) -> bytes:
    """Tell the sender how much it may send."""
    fci = pack_remb_fci(bitrate_bps, media_ssrcs)
    return bytes(RtcpPsfbPacket(fmt=APPLICATION, ssrc=ssrc, media_ssrc=0, fci=fci))


def receiver_report(ssrc: int, reports: list[ReceptionReport]) -> bytes:
    """RR; also needed, empty, before a feedback message of someone who sends nothing."""
    return bytes(RtcpRrPacket(ssrc=ssrc, reports=reports))


def sender_report(
    ssrc: int, ntp_time: int, rtp_time: int, packets: int, octets: int, cname: str, reports: list[ReceptionReport]
) -> bytes:
    """SR and SDES."""
    sender = RtcpSenderInfo(
        ntp_timestamp=ntp_time,
        rtp_timestamp=rtp_time % TIMES,
        packet_count=packets & 0xFFFFFFFF,
        octet_count=octets & 0xFFFFFFFF,
    )
    described = RtcpSourceInfo(ssrc=ssrc, items=[(SDES_CNAME, cname.encode())])
    return bytes(RtcpSrPacket(ssrc=ssrc, sender_info=sender, reports=reports)) + bytes(
        RtcpSdesPacket(chunks=[described])
    )


def bye(ssrc: int) -> bytes:
    """Nothing more is sent."""
    return bytes(RtcpByePacket(sources=[ssrc]))


@dataclass(slots=True)
class _SenderReport:
    ntp_middle: int
    arrived_s: float


class Reception:
    """The statistics of one stream that comes in (RFC 3550 appendix A.3 and A.8).

    Only first arrivals count: a sender that sees its losses adds redundancy (LBRR), and one that sees them repaired by
    retransmission does not.
    """

    def __init__(self, ssrc: int, clock_hz: int) -> None:
        self.ssrc = ssrc
        self.received = 0
        self._clock_hz = clock_hz
        self._sequences = Unwrapper()
        self._first: int | None = None
        self._expected_before = self._received_before = 0
        self.latest = (0, 0)  # packets expected, and lost, between the last two reports
        self._jitter = 0.0
        self._transit: float | None = None
        self._report: _SenderReport | None = None

    def add(self, sequence: int, timestamp: int, arrived_s: float) -> None:
        """A packet arrived for the first time, and was not asked for again."""
        number = self._sequences.unwrap(sequence)
        self._first = number if self._first is None else min(self._first, number)
        self.received += 1
        transit = arrived_s * self._clock_hz - timestamp
        if self._transit is not None:
            step = abs(transit - self._transit)
            if step < self._clock_hz:  # a reset of the sender's clock is not jitter
                self._jitter += (step - self._jitter) / 16
        self._transit = transit

    def sender_report(self, ntp_time: int, arrived_s: float) -> None:
        """An SR of the stream arrived."""
        self._report = _SenderReport(ntp_middle(ntp_time), arrived_s)

    @property
    def expected(self) -> int:
        """How many packets were sent, by their numbers."""
        if self._first is None or self._sequences.newest is None:
            return 0
        return self._sequences.newest - self._first + 1

    @property
    def jitter_ms(self) -> float:
        """Mean deviation of the arrival times."""
        return self._jitter / self._clock_hz * 1000

    def info(self, now_s: float) -> ReceptionReport | None:
        """What to report since the report before; None when nothing has come yet."""
        if self._first is None or self._sequences.newest is None:
            return None
        expected = self.expected
        expected_now, received_now = expected - self._expected_before, self.received - self._received_before
        self._expected_before, self._received_before = expected, self.received
        lost_now = max(0, expected_now - received_now)
        self.latest = expected_now, lost_now
        fraction = min(255, lost_now * 256 // expected_now) if expected_now > 0 else 0
        lsr, dlsr = 0, 0
        if self._report is not None:
            lsr = self._report.ntp_middle
            dlsr = int(min(max(0.0, now_s - self._report.arrived_s), 65535.0) * 65536)
        return ReceptionReport(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            packets_lost=max(0, min(LOST_MAX, expected - self.received)),
            highest_sequence=self._sequences.newest & 0xFFFFFFFF,
            jitter=int(self._jitter) & 0xFFFFFFFF,
            lsr=lsr,
            dlsr=dlsr,
        )
