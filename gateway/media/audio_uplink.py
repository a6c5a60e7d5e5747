"""The microphone: from RTP packets to 40 ms messages for the model.

Owns the joining of buffer, decoder and line. It must not know the model's leg or sockets.
**Invariant: messages leave by the clock, however packets arrive; a pause is told once.**
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from gateway.media.gaps import Gaps
from gateway.media.loudness import level_dbov
from gateway.media.opus import OpusDecoder, packet_ms
from gateway.media.reorder import Reorder, Source
from gateway.media.rtp import Packet, unwrap_red
from gateway.media.timeline import BLOCK_MS, RATE_HZ, Timeline
from gateway.telemetry import metrics

COUNT_S = 1.0  # between two additions to the metrics
LOOK_EACH = 5  # blocks: so many of 20 ms lie between two whose delay is counted, and whose level is told to who asks
NEWEST_BLOCKS = 10  # of those: a second


class AudioUplink:
    """One microphone; `on_level` gets (dBov, ms), `on_audio` 40 ms of PCM."""

    def __init__(
        self,
        on_audio: Callable[[bytes], None],
        on_pause: Callable[[], None],
        on_level: Callable[[float, float], None],
    ) -> None:
        self.packets = Reorder()
        self.timeline = Timeline(self.packets, OpusDecoder(RATE_HZ))
        self._on_audio = on_audio
        self._on_pause = on_pause
        self._on_level = on_level
        self._half = b""
        self._gaps = Gaps()
        self._newest: deque[bytes] = deque(maxlen=NEWEST_BLOCKS)
        self._unlooked = 0
        self._has_levels = False
        self._counted_ms: dict[str, float] = {}
        self._count_s = 0.0

    def push(self, packet: Packet, now_s: float, *, is_red: bool = False) -> Source | None:
        """A packet arrived; how it came, or None when it was known."""
        blocks = unwrap_red(packet, copies=not self.packets.is_next(packet)) if is_red else [packet]
        if not blocks:
            return None
        for block in blocks[:-1]:
            self.packets.push(block, now_s, red=True)
        source = self.packets.push(blocks[-1], now_s)
        if source == "received":
            self._gaps.add(now_s)
        if source is not None and packet.level_dbov is not None:
            self._has_levels = True
            self._on_level(packet.level_dbov, packet_ms(blocks[-1].payload))
        return source

    def tick(self, now_s: float) -> None:
        """Hand on what is due."""
        was_paused = self.timeline.paused
        for block in self.timeline.take(now_s):
            self._unlooked += 1
            if self._unlooked == LOOK_EACH:  # an odd number: first and second halves take turns
                self._unlooked = 0
                self._newest.append(block)
                metrics.UPLINK_DELAY_S.observe(self.timeline.lag_s + (0.0 if self._half else BLOCK_MS / 1000))
            if not self._has_levels:
                self._on_level(level_dbov(block), BLOCK_MS)
            if self._half:
                self._on_audio(self._half + block)
                self._half = b""
            else:
                self._half = block
        if self.timeline.paused and not was_paused:
            if self._half:
                self._on_audio(self._half)
                self._half = b""
            self._on_pause()
        if now_s >= self._count_s:
            self._count_s = now_s + COUNT_S
            self._count()

    def figures(self) -> dict[str, Any]:
        """What is known of this microphone, as JSON (docs/protocol.md)."""
        line, packets = self.timeline, self.packets
        sound = b"".join(self._newest)
        peak = int(np.abs(np.frombuffer(sound, dtype="<i2").astype(np.int32)).max()) if sound else 0
        return {
            "paused": line.paused,
            "shares_ms": {how: round(total_ms) for how, total_ms in asdict(line.shares).items()},
            "gaps": self._gaps.as_json(),
            "delay_ms": round(line.lag_s * 1000),
            "wait_ms": round(line.wait_s * 1000),
            "stretched_ms": round(line.stretched_ms),
            "waited_ms": round(line.waited_ms),
            "played": line.played,
            "skew_ppm": round(packets.skew_ppm, 1),
            "late": packets.late,
            "duplicates": packets.duplicates,
            "undecodable": line.undecodable,
            "rms_dbov": round(level_dbov(sound), 1),
            "peak": round(peak / 32768, 4),
        }

    def _count(self) -> None:
        for how, total_ms in asdict(self.timeline.shares).items():
            metrics.UPLINK_MS.labels(how).inc(total_ms - self._counted_ms.get(how, 0.0))
            self._counted_ms[how] = total_ms
