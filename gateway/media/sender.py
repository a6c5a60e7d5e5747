"""The model's voice as a stream of RTP packets.

Owns sequence numbers, the history that answers NACKs, and the figures of a sender report. It must not know codecs,
sockets or clocks: times are arguments.
**Invariant: sequence numbers rise by one a packet; a packet is sent again at most once within a round trip.**
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass

from gateway.media import rtcp, rtp

HISTORY = 128  # packets: 2.5 s, more than a browser's playout waits
RESEND_LEAST_S = 0.02  # between two copies, however short the way


@dataclass(slots=True)
class _Sent:
    packet: bytes
    again_s: float | None = None


class RtpSender:
    """One outgoing stream."""

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self.resent = 0
        self.missed = 0  # packets that were asked for again at least once
        # Below 2^15, so that a first wrap-around cannot be mistaken while SRTP learns the stream (RFC 3711 §3.3.1).
        self._sequence = secrets.randbelow(1 << 15)
        self._origin = secrets.randbits(32)
        self._last: tuple[int, float] | None = None  # RTP time and wall clock of the newest packet
        self._history: OrderedDict[int, _Sent] = OrderedDict()

    def packet(self, payload_type: int, payload: bytes, rtp_time: int, wall_s: float, *, begins: bool) -> bytes:
        """The next packet; `begins` marks the first one after a silence (RFC 3551 §4.1)."""
        timestamp = self._origin + rtp_time
        data = rtp.build(payload_type, self._sequence, timestamp, self.ssrc, payload, marker=begins)
        self._history[self._sequence] = _Sent(data)
        if len(self._history) > HISTORY:
            self._history.popitem(last=False)
        self._sequence = (self._sequence + 1) % rtp.SEQUENCES
        self._last = timestamp, wall_s
        self.packets += 1
        self.octets += len(payload)
        return data

    def again(self, sequence: int, now_s: float, rtt_s: float) -> bytes | None:
        """A packet that was asked for; None when it is gone, or is on its way already."""
        sent = self._history.get(sequence % rtp.SEQUENCES)
        if sent is None or (sent.again_s is not None and now_s - sent.again_s < max(RESEND_LEAST_S, rtt_s)):
            return None
        self.missed += sent.again_s is None
        sent.again_s = now_s
        self.resent += 1
        return sent.packet

    def forget(self) -> None:
        """What was sent so far is not sent again, whoever asks."""
        self._history.clear()

    def report(self, wall_s: float, clock_hz: int, cname: str, reports: list[rtcp.ReceptionReport]) -> bytes:
        """SR and SDES, or an RR while nothing was sent yet."""
        if self._last is None:
            return rtcp.receiver_report(self.ssrc, reports)
        timestamp, sent_s = self._last
        rtp_time = timestamp + round((wall_s - sent_s) * clock_hz)
        return rtcp.sender_report(self.ssrc, rtcp.ntp(wall_s), rtp_time, self.packets, self.octets, cname, reports)
