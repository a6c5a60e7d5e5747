"""The model's voice on its way out: from the playout to packets, one every 20 ms.

Owns the beat's work: take, encode, hand over. It must not know the model's leg, sockets or RTP headers.
**Invariant: RTP time follows the clock, also through silence, of which only the beginning is sent.**
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.media.opus import BITRATE_BPS, EXPECTED_LOSS_PERCENT, OpusEncoder
from gateway.media.playout import CHUNK_MS, RATE_HZ, Playout
from gateway.telemetry import metrics

RTP_HZ = 48_000  # of Opus, whatever the encoder's rate (RFC 7587 §4.1)
TICK_RTP = RTP_HZ * CHUNK_MS // 1000
QUIET_TICKS = 25  # half a second without sound is the end of speaking, not a gap in it
# An Opus packet of nothing but its TOC (RFC 6716 §3.1: wideband SILK, 20 ms, mono): "nothing is said now". Without it a
# browser takes the silence for loss, and makes up sound for it; and the loss of the last words would never be noticed.
SILENCE = b"\x48"
SILENCE_TICKS = 3  # one of them arrives
LOSS_MAX_PERCENT = 30  # more redundancy than this leaves too few bits for the words
LOSSY_PERCENT = 5
LOSSY_BITRATE_BPS = 40_000  # room for the redundancy

Send = Callable[[bytes, int, bool], None]  # payload, RTP time, whether it begins after a silence


class Voice:
    """Plays one playout to one stream."""

    def __init__(self, playout: Playout, on_speaking: Callable[[bool], None], send: Send) -> None:
        self._playout = playout
        self._on_speaking = on_speaking
        self._send = send
        self._encoder = OpusEncoder(RATE_HZ)
        self._rtp_time = 0
        self._speaking = False
        self._was_silent = True
        self._quiet_ticks = 0

    def tick(self, missed: int = 0) -> None:
        """20 ms have passed, and so many more that were missed."""
        self._rtp_time += missed * TICK_RTP
        underruns = self._playout.underruns
        pcm = self._playout.take()
        metrics.UNDERRUNS.inc(self._playout.underruns - underruns)
        if pcm is None:
            self._quiet_ticks += 1
            if not self._was_silent:
                self._send(SILENCE, self._rtp_time, False)
                self._was_silent = self._quiet_ticks >= SILENCE_TICKS
            if self._playout.complete or self._quiet_ticks >= QUIET_TICKS:
                self._change(False)
        else:
            self._quiet_ticks = 0
            self._change(True)
            self._send(self._encoder.encode(pcm), self._rtp_time, self._was_silent)
            self._was_silent = False
        self._rtp_time += TICK_RTP

    def reported_loss(self, percent: float) -> None:
        """The browser tells how much of the voice it does not get."""
        lossy = percent >= LOSSY_PERCENT
        self._encoder.tune(
            bitrate_bps=LOSSY_BITRATE_BPS if lossy else BITRATE_BPS,
            loss_percent=round(min(LOSS_MAX_PERCENT, max(EXPECTED_LOSS_PERCENT, percent))),
        )

    def stop(self) -> None:
        """Nobody listens any more."""
        self._change(False)

    def _change(self, speaking: bool) -> None:
        if speaking != self._speaking:
            self._speaking = speaking
            self._on_speaking(speaking)
