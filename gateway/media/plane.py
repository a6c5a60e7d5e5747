"""The RTP plane of one peer: every packet that comes and goes.

Owns SRTP in and out, who a packet is for, feedback (NACK, PLI, REMB) and reports (SR, RR). It must not know sessions,
SDP or how a datagram travels.
**Invariant: nothing that arrives raises or stalls; reports are sent from `tick` only.**
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pylibsrtp
from aiortc.rtp import RtcpRrPacket, RtcpRtpfbPacket, RtcpSrPacket

from gateway.guard.intake import Intake
from gateway.media import rtcp, rtp
from gateway.media.answer import Formats
from gateway.media.audio_uplink import AudioUplink
from gateway.media.bandwidth import LEAST_BPS, Bandwidth
from gateway.media.knocking import Knocking
from gateway.media.protection import COPIES_MOST, Protection, protection
from gateway.media.reorder import RTT_START_S
from gateway.media.sender import RtpSender
from gateway.media.srtp import Srtp
from gateway.media.video_uplink import VideoUplink
from gateway.media.voice_stream import RTP_HZ
from gateway.telemetry import metrics

MISSED_S = 0.1  # five packets of speech
SENDS_S = 1.0  # without media before the last report: then silence means nothing
REPORT_S = 1.0  # between reports, varied by half (RFC 3550 §6.2 asks for that)
FIRST_REPORT_S = 0.2  # a camera starts at a low rate until the first REMB
LOSS_SMOOTHING = 0.3
LOSS_LEAST_PACKETS = 10  # of the voice since the report before, for one to say something


class Way(Protocol):
    """How datagrams travel."""

    @property
    def srtp(self) -> tuple[Srtp, Srtp] | None:
        """(in, out) sessions; None before the handshake is over."""

    @property
    def rtt_s(self) -> float | None:
        """The round trip, once it was measured."""

    def send(self, datagram: bytes) -> bool:
        """Send a datagram; False when there is no way."""


@dataclass(slots=True)
class PlaneStats:
    """What was counted, for tests, metrics and the bench."""

    packets: int = 0
    rtcp_packets: int = 0
    nacks_sent: int = 0
    plis_sent: int = 0
    voice_loss_percent: float = 0.0  # of the model's voice: what the browser reports, or asked for again
    microphone_loss_percent: float = 0.0  # of the packets of speech, before any repair


class Plane:
    """RTP and RTCP of one peer; `received` gets what is neither STUN nor DTLS."""

    def __init__(
        self,
        way: Way,
        formats: Formats,
        ssrc: int,
        audio: AudioUplink | None,
        video: VideoUplink | None,
        intake: Intake,
        on_protection: Callable[[Protection], None] | None,
        on_unheard: Callable[[float], None],
    ) -> None:
        self.stats = PlaneStats()
        self.dropped: Counter[str] = Counter()
        self.last_packet_s: float | None = None  # when something authentic last came
        self.last_rtp_s: float | None = None
        self.is_shown: Callable[[int], bool] = lambda ssrc: True  # which of the video streams the model is to see
        self._way = way
        self._formats = formats
        self._audio = audio
        self._video = video
        self._intake = intake
        self._video_types = frozenset((*formats.video, *formats.rtx))
        self._on_protection = on_protection
        self._on_unheard = on_unheard
        self._knocking = Knocking()
        self._sender = RtpSender(ssrc)
        self._protection = Protection()
        self._voice_before: deque[tuple[bytes, int]] = deque(maxlen=COPIES_MOST)  # payload and RTP time
        self._counted = (0, 0)  # packets of the voice, and those asked for again, at the report before
        self._audio_reception: rtcp.Reception | None = None
        self._video_reception: rtcp.Reception | None = None
        self._bandwidth = Bandwidth()
        self._loop = asyncio.get_running_loop()
        self._report_s = self._loop.time() + FIRST_REPORT_S
        self._cname = f"{ssrc:08x}"

    @property
    def rtt_s(self) -> float:
        """The round trip."""
        return self._way.rtt_s or RTT_START_S

    def figures(self) -> dict[str, Any]:
        """What is known of this connection, as JSON (docs/protocol.md)."""
        stats = self.stats
        reception = self._audio_reception
        audio = {
            **(self._audio.figures() if self._audio is not None else {}),
            "packets_expected": reception.expected if reception is not None else 0,
            "packets_received": reception.received if reception is not None else 0,
            "jitter_ms": round(reception.jitter_ms, 1) if reception is not None else 0.0,
            "loss_percent": round(stats.microphone_loss_percent, 1),
        }
        return {
            "rtt_ms": None if self._way.rtt_s is None else round(self._way.rtt_s * 1000, 1),
            "packets": stats.packets,
            "nacks_sent": stats.nacks_sent,
            "plis_sent": stats.plis_sent,
            "voice_loss_percent": round(stats.voice_loss_percent, 1),
            "video_bps": round(self._bandwidth.bps),
            "dropped": dict(self.dropped),
            "audio": audio,
            "video": self._video.figures() if self._video is not None else None,
        }

    # In

    def misses(self, data: bytes) -> bool:
        """Whether a datagram from an unknown address looks like one of the browser, which is silent where it was."""
        if self.last_packet_s is None or self._loop.time() - self.last_packet_s < MISSED_S:
            return False
        receptions = (self._audio_reception, self._video_reception)
        return any(one is not None and rtp.is_of(data, one.ssrc) for one in receptions)

    def received(self, data: bytes) -> None:
        """A datagram from the browser's address."""
        sessions = self._way.srtp
        if sessions is None or len(data) < 12 or not 128 <= data[0] < 192:
            self.dropped["early" if sessions is None else "kind"] += 1
            return
        is_rtcp = 64 <= data[1] & 0x7F < 96  # RFC 5761 §4
        try:
            plain = sessions[0].unprotect_rtcp(data) if is_rtcp else sessions[0].unprotect(data)
        except (pylibsrtp.Error, ValueError):
            self.dropped["srtp"] += 1
            return
        # What counts is authentic: an address can be forged, and a stranger must not use up the caller's share.
        if not self._intake.take(len(data), data[1] & 0x7F in self._video_types):
            self.dropped["too much"] += 1
            return
        now_s = self._loop.time()
        self.last_packet_s = now_s
        if is_rtcp:
            self._rtcp(plain, now_s)
        else:
            self._rtp(plain, now_s)

    def _rtp(self, data: bytes, now_s: float) -> None:
        packet = rtp.parse(data, self._formats.level_extension)
        if packet is None:
            self.dropped["rtp"] += 1
            return
        self.stats.packets += 1
        self.last_rtp_s = now_s
        kind = packet.payload_type
        if kind in (self._formats.opus, self._formats.red) and self._audio is not None:
            self._audio_packet(self._audio, packet, now_s)
        elif kind in self._formats.video and not self.is_shown(packet.ssrc):
            self.dropped["not shown"] += 1
        elif kind in self._formats.video and self._video is not None:
            self._count_video(packet, now_s)
            self._video.push(packet, self._formats.video[kind], now_s)
        elif (
            kind in self._formats.rtx
            and self._video is not None
            and self._video.frames.ssrc is not None
            and self.is_shown(packet.ssrc)
        ):
            original = self._formats.rtx[kind]
            again = rtp.unwrap_rtx(packet, original, self._video.frames.ssrc)
            if again is not None and original in self._formats.video:
                self._video.push(again, self._formats.video[original], now_s)
        else:
            self.dropped["payload type"] += 1

    def _audio_packet(self, audio: AudioUplink, packet: rtp.Packet, now_s: float) -> None:
        if self._audio_reception is None or self._audio_reception.ssrc != packet.ssrc:
            self._audio_reception = rtcp.Reception(packet.ssrc, RTP_HZ)
        audio.packets.rtt_s = self.rtt_s
        source = audio.push(packet, now_s, is_red=packet.payload_type == self._formats.red)
        if source == "received":
            self._audio_reception.add(packet.sequence, packet.timestamp, now_s)
            self._bandwidth.add(audio.packets.newest_lag_s, now_s)
        if lost := self._lost_audio(now_s):
            self._send_rtcp(lost)

    def _count_video(self, packet: rtp.Packet, now_s: float) -> None:
        if self._video_reception is None or self._video_reception.ssrc != packet.ssrc:
            self._video_reception = rtcp.Reception(packet.ssrc, rtp.VIDEO_HZ)
        self._video_reception.add(packet.sequence, packet.timestamp, now_s)

    def _rtcp(self, data: bytes, now_s: float) -> None:
        self.stats.rtcp_packets += 1
        for packet in rtcp.parse(data):
            if isinstance(packet, RtcpSrPacket):
                for reception in (self._audio_reception, self._video_reception):
                    if reception is not None and reception.ssrc == packet.ssrc:
                        reception.sender_report(packet.sender_info.ntp_timestamp, now_s)
            if isinstance(packet, (RtcpSrPacket, RtcpRrPacket)):
                for report in packet.reports:
                    if report.ssrc == self._sender.ssrc:
                        self._voice_loss(report.fraction_lost * 100 / 256)
            if isinstance(packet, RtcpRtpfbPacket) and packet.media_ssrc == self._sender.ssrc:
                self._send_again(packet.lost if packet.fmt == rtcp.NACK else [], now_s)

    def _voice_loss(self, percent: float) -> None:
        """A report of the browser. What was repeated in time is not lost to it, but to us it was."""
        sent, missed = (
            now - before for now, before in zip((self._sender.packets, self._sender.missed), self._counted, strict=True)
        )
        if sent < LOSS_LEAST_PACKETS:
            return
        self._counted = self._sender.packets, self._sender.missed
        _count("voice", sent, max(missed, round(sent * percent / 100)))
        percent = min(100.0, max(percent, 100 * missed / sent))
        self.stats.voice_loss_percent += LOSS_SMOOTHING * (percent - self.stats.voice_loss_percent)
        self._protect_voice()

    def _protect_voice(self) -> None:
        """As the worse of both directions asks: what is lost on the way here is known first."""
        loss_percent = max(self.stats.voice_loss_percent, self.stats.microphone_loss_percent)
        chosen = protection(loss_percent, red=self._formats.red is not None)
        if chosen != self._protection:
            self._protection = chosen
            if self._on_protection is not None:
                self._on_protection(chosen)

    # Out

    def send_voice(self, payload: bytes, rtp_time: int, begins: bool) -> None:
        """One packet of the model's voice."""
        if self._way.srtp is None or self._formats.opus is None:
            return
        if begins:
            self._voice_before.clear()
        payload_type, sent, copies = self._formats.opus, payload, self._protection.copies
        if copies and self._formats.red is not None:
            earlier = [(before, rtp_time - then) for before, then in self._voice_before]
            payload_type, sent = self._formats.red, rtp.wrap_red(payload_type, payload, *earlier[-copies:])
        self._voice_before.append((payload, rtp_time))
        self._protect(self._sender.packet(payload_type, sent, rtp_time, time.time(), begins=begins))

    def forget_voice(self) -> None:
        """What was sent so far will be said anew, so a request for it comes to nothing."""
        self._sender.forget()

    def _send_again(self, sequences: list[int], now_s: float) -> None:
        for sequence in sequences:
            packet = self._sender.again(sequence, now_s, self.rtt_s)
            if packet is not None:
                self._protect(packet)

    def _protect(self, packet: bytes) -> None:
        sessions = self._way.srtp
        if sessions is not None:
            self._way.send(sessions[1].protect(packet))

    def _send_rtcp(self, *packets: bytes) -> None:
        """Feedback goes after a report (RFC 3550 §6.1), here an empty one."""
        sessions = self._way.srtp
        if sessions is not None:
            compound = b"".join((rtcp.receiver_report(self._sender.ssrc, []), *packets))
            self._way.send(sessions[1].protect_rtcp(compound))

    def tick(self, now_s: float) -> None:
        """Hand on what is due, and ask for what is missing."""
        if self._audio is not None:
            self._audio.tick(now_s)
        feedback = []
        if lost_audio := self._lost_audio(now_s):
            feedback.append(lost_audio)
        media_ssrc = self._video.frames.ssrc if self._video is not None and not self._video.paused else None
        if self._video is not None and media_ssrc is not None and self.is_shown(media_ssrc):
            frames = self._video.frames
            self._video.look(now_s, self.rtt_s)
            if lost := frames.requests(now_s, self.rtt_s):
                self.stats.nacks_sent += len(lost)
                feedback.append(rtcp.nack(self._sender.ssrc, media_ssrc, lost))
            if frames.wants_pli(now_s):
                self.stats.plis_sent += 1
                feedback.append(rtcp.pli(self._sender.ssrc, media_ssrc))
        if self._bandwidth.look(now_s) and (remb := self._remb()) is not None:
            feedback.append(remb)
        if feedback:
            self._send_rtcp(*feedback)
        self._knock(now_s)
        if now_s >= self._report_s:
            self._report_s = now_s + REPORT_S * (0.5 + random.random())
            self._report(now_s)

    def _knock(self, now_s: float) -> None:
        """Help a browser that sent media until it was not heard any more."""
        if self.last_packet_s is None or self.last_rtp_s is None or self.last_packet_s - self.last_rtp_s >= SENDS_S:
            return
        silent_s = now_s - self.last_packet_s
        does = self._knocking.look(silent_s, now_s)
        if does == "tell":
            self._on_unheard(silent_s)
        elif does == "knock":
            self._send_rtcp()

    def _lost_audio(self, now_s: float) -> bytes | None:
        """A request for what is missing of the microphone; at once, because each millisecond counts."""
        if self._audio is None or self._audio_reception is None or not (lost := self._audio.packets.requests(now_s)):
            return None
        self.stats.nacks_sent += len(lost)
        return rtcp.nack(self._sender.ssrc, self._audio_reception.ssrc, lost)

    def _remb(self) -> bytes | None:
        """How much the camera may send."""
        if self._video is None or self._video_reception is None:
            return None
        bitrate_bps = LEAST_BPS if self._video.paused else self._bandwidth.bps
        return rtcp.remb(self._sender.ssrc, bitrate_bps, [self._video_reception.ssrc])

    def key_frame(self) -> None:
        """The way has changed: what was under way is lost, and a key frame is the fastest way back."""
        if self._video is not None:
            self._video.frames.broken()

    def goodbye(self) -> None:
        """Nothing more is sent."""
        sessions = self._way.srtp
        if sessions is not None:
            goodbye = rtcp.receiver_report(self._sender.ssrc, []) + rtcp.bye(self._sender.ssrc)
            self._way.send(sessions[1].protect_rtcp(goodbye))

    def _report(self, now_s: float) -> None:
        sessions = self._way.srtp
        if sessions is None:
            return
        receptions = [one for one in (self._audio_reception, self._video_reception) if one is not None]
        reports = [info for one in receptions if (info := one.info(now_s)) is not None]
        for stream, one in (("microphone", self._audio_reception), ("camera", self._video_reception)):
            if one is not None:
                _count(stream, *one.latest)
        if self._way.rtt_s is not None:
            metrics.RTT_S.observe(self._way.rtt_s)
        for info in reports:
            if self._audio_reception is not None and info.ssrc == self._audio_reception.ssrc:
                percent = info.fraction_lost * 100 / 256
                self.stats.microphone_loss_percent += LOSS_SMOOTHING * (percent - self.stats.microphone_loss_percent)
                self._protect_voice()
        compound = self._sender.report(time.time(), RTP_HZ, self._cname, reports)
        if (remb := self._remb()) is not None:
            compound += remb
        self._way.send(sessions[1].protect_rtcp(compound))


def _count(stream: str, packets: int, lost: int) -> None:
    metrics.PACKETS.labels(stream).inc(max(0, packets))
    metrics.PACKETS_LOST.labels(stream).inc(lost)
