"""The model's voice as the packets of one listener.

Owns encoding, RTP time and how silence is said. It must not know where the voice comes from, who else hears it, sockets
or RTP headers.
**Invariant: RTP time follows the clock, also through silence, of which only the beginning is sent.**
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.media.opus import OpusEncoder
from gateway.media.playout import CHUNK_MS, RATE_HZ
from gateway.media.protection import Protection

RTP_HZ = 48_000  # of Opus, whatever the encoder's rate (RFC 7587 §4.1)
TICK_RTP = RTP_HZ * CHUNK_MS // 1000
# After the last words the line is silent, which is said in two ways. The sound of silence (RFC 6716 §4.3: CELT, 20 ms,
# mono, with its flag of silence) ends what a decoder would go on humming. Nothing but a TOC (§3.1: wideband SILK, 20
# ms, mono) says that nothing more is sent: a browser would take it for loss, and make up sound; and the loss of the
# last words would never be noticed.
HUSH, SILENCE = b"\xd8\xff\xfe", b"\x48"
ENDING = (HUSH, HUSH, SILENCE, SILENCE, SILENCE)  # one of each arrives

Send = Callable[[bytes, int, bool], None]  # payload, RTP time, whether it begins after a silence


class VoiceStream:
    """One stream of Opus; an `Ear` of the voice."""

    unheard_ms = 0.0  # what was sent has been heard: a browser's buffer of RTP is shorter than a word

    def __init__(self, send: Send) -> None:
        self._send = send
        self._encoder = OpusEncoder(RATE_HZ)
        self.protect(Protection())
        self._rtp_time = 0
        self._silent_ticks = len(ENDING)

    def play(self, pcm: bytes | None, missed: int) -> None:
        """The next 20 ms, 24 kHz mono s16le, or None for silence, after so many beats that were missed."""
        self._rtp_time += missed * TICK_RTP
        if pcm is not None:
            self._send(self._encoder.encode(pcm), self._rtp_time, self._silent_ticks >= len(ENDING))
            self._silent_ticks = 0
        elif self._silent_ticks < len(ENDING):
            self._send(ENDING[self._silent_ticks], self._rtp_time, False)
            self._silent_ticks += 1
        self._rtp_time += TICK_RTP

    def flush(self) -> float:
        """What has gone has gone."""
        return self.unheard_ms

    def protect(self, protection: Protection) -> None:
        """The coming packets for another network."""
        self._encoder.tune(bitrate_bps=protection.bitrate_bps, loss_percent=protection.coarse_percent)
