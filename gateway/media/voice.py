"""The model's voice as a WebRTC track.

Owns the beat of 20 ms at which speech is taken from the playout, encoded and sent. It must not know the model's leg.
**Invariant: RTP time follows the clock, also through silence, in which nothing is sent.**
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from aiortc import MediaStreamTrack

from gateway.media.opus import OpusEncoder
from gateway.media.playout import CHUNK_MS, RATE_HZ, Playout

RTP_HZ = 48_000  # of Opus, whatever the encoder's rate (RFC 7587 §4.1)
TICK_S = CHUNK_MS / 1000
TICK_RTP = RTP_HZ * CHUNK_MS // 1000
LATE_MAX_S = 0.06  # after a longer stall the beat starts anew instead of sending a burst
QUIET_TICKS = 25  # half a second without sound is the end of speaking, not a gap in it
UNREAD_MAX = 10  # packets; a sender that takes none has stopped


class VoiceTrack(MediaStreamTrack):
    """Hands encoded packets to aiortc's sender, which sends them as they are."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._packets: asyncio.Queue[av.Packet[Any]] = asyncio.Queue(UNREAD_MAX)

    def put(self, packet: av.Packet[Any]) -> None:
        """Send this next."""
        if self._packets.full():
            self._packets.get_nowait()
        self._packets.put_nowait(packet)

    async def recv(self) -> av.Packet[Any]:
        """The next packet; waits for as long as the model is silent."""
        return await self._packets.get()


class Voice:
    """Plays one playout to one track."""

    def __init__(self, playout: Playout, on_speaking: Callable[[bool], None]) -> None:
        self.track = VoiceTrack()
        self._playout = playout
        self._on_speaking = on_speaking
        self._encoder = OpusEncoder(RATE_HZ)
        self._speaking = False
        self._quiet_ticks = 0

    async def play(self) -> None:
        """Keep the beat; runs until it is cancelled."""
        loop = asyncio.get_running_loop()
        rtp_time = 0
        next_s = loop.time()
        try:
            while True:
                self._tick(rtp_time)
                rtp_time += TICK_RTP
                next_s += TICK_S
                late_s = loop.time() - next_s
                if late_s > LATE_MAX_S:
                    missed = int(late_s / TICK_S)
                    rtp_time += missed * TICK_RTP
                    next_s += missed * TICK_S
                await asyncio.sleep(max(0.0, next_s - loop.time()))
        finally:
            self._change(False)

    def _tick(self, rtp_time: int) -> None:
        pcm = self._playout.take()
        if pcm is None:
            self._quiet_ticks += 1
            if self._playout.complete or self._quiet_ticks >= QUIET_TICKS:
                self._change(False)
            return
        self._quiet_ticks = 0
        self._change(True)
        packet = av.Packet(self._encoder.encode(pcm))
        packet.pts, packet.time_base = rtp_time, Fraction(1, RTP_HZ)
        self.track.put(packet)

    def _change(self, speaking: bool) -> None:
        if speaking != self._speaking:
            self._speaking = speaking
            self._on_speaking(speaking)
