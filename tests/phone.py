"""A phone's microphone at the far end of a bad network, on a virtual clock: hours of it take seconds.

The sender does what a browser does: 20 ms of Opus a packet, RED when asked, an answer to each NACK unless it answered
the same within a round trip. The network is `gateway.impair`'s, seeded; the receiver is the gateway's `AudioUplink` and
what `Plane` does around it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from gateway.impair import Conditions, Impairment
from gateway.media.audio_uplink import AudioUplink
from gateway.media.opus import OpusEncoder
from gateway.media.rtp import SEQUENCES, TIMES, Packet, wrap_red

RATE_HZ = 16_000
PACKET_S = 0.02
PACKET_TICKS = 960
OPUS, RED = 111, 63
SSRC = 7
BEGIN_S = 100.0  # clocks do not begin at 0
TAIL_S = 0.3
BEAT_OFFSET_S = 0.0071  # nor with the packets


@dataclass
class Heard:
    """What came out."""

    pcm: bytearray = field(default_factory=bytearray)
    first_s: float | None = None  # when, since the first packet was sent
    delays_s: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    levels_ms: float = 0.0  # of sound whose level was told
    most_waiting: int = 0
    asked: int = 0
    resent: int = 0

    @property
    def sound(self) -> np.ndarray:
        """From -1 to 1."""
        return np.frombuffer(bytes(self.pcm), "<i2") / 32768


class Phone:
    """One microphone and its way; `sent` may be changed by tests before `run`."""

    def __init__(
        self,
        pcm: bytes,
        up: Conditions | None = None,
        down: Conditions | None = None,
        *,
        red: bool = False,
        seed: int = 1,
        ppm: float = 0.0,
        packet_ms: int = 20,
        first_sequence: int = 65_500,
        first_timestamp: int = 4_294_960_000,
    ) -> None:
        encoder = OpusEncoder(RATE_HZ)
        encoder.tune(bitrate_bps=32_000, loss_percent=20)
        size, ticks = packet_ms * RATE_HZ // 1000 * 2, packet_ms * PACKET_TICKS // 20
        payloads = [encoder.encode(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)]
        self.sent = [
            (
                index * packet_ms / 1000 * (1 + ppm * 1e-6),
                Packet(
                    RED if red else OPUS,
                    (first_sequence + index) % SEQUENCES,
                    (first_timestamp + index * ticks) % TIMES,
                    SSRC,
                    wrap_red(OPUS, payload, *[(payloads[index - 1], ticks)][:index]) if red else payload,
                    level_dbov=-30,
                ),
            )
            for index, payload in enumerate(payloads)
        ]
        self.heard = Heard()
        up = up if up is not None else Conditions()
        down = down if down is not None else up
        self.up, self.down = Impairment(up, seed), Impairment(down, seed + 1)
        self.rtt_s = (up.delay_ms + down.delay_ms) / 1000
        self.uplink = AudioUplink(self._audio, lambda: self.heard.pauses.append(self._now_s), self._level)
        self._red = red
        self._now_s = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._answered: dict[int, float] = {}

    def run(self, seconds: float | None = None, look: Callable[[float], None] | None = None) -> Heard:
        """Send everything and listen to its end; `look` is called at each beat with the time."""
        by_sequence = {}
        for at_s, packet in self.sent:
            self._at(at_s, partial(self._send, packet))
            by_sequence[packet.sequence] = packet
        self._by_sequence = by_sequence
        self._look = look
        self.uplink.packets.rtt_s = max(self.rtt_s, 0.001)
        end_s = seconds if seconds is not None else self.sent[-1][0] + TAIL_S
        self._beat(BEAT_OFFSET_S)
        while self._queue and self._queue[0][0] < end_s:
            self._now_s, _, happens = heapq.heappop(self._queue)
            happens()
        return self.heard

    def _at(self, at_s: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (at_s, next(self._order), happens))

    def _send(self, packet: Packet) -> None:
        for at_s in self.up.deliveries(100, self._now_s):
            self._at(at_s, partial(self._arrive, packet))

    def _arrive(self, packet: Packet) -> None:
        self.uplink.push(packet, BEGIN_S + self._now_s, is_red=self._red)
        self._ask()

    def _beat(self, at_s: float) -> None:
        self.uplink.tick(BEGIN_S + self._now_s)
        if self._look is not None:
            self._look(self._now_s)
        self._ask()
        self._at(at_s + PACKET_S, partial(self._beat, at_s + PACKET_S))

    def _ask(self) -> None:
        packets = self.uplink.packets
        lost = packets.requests(BEGIN_S + self._now_s)
        self.heard.asked += len(lost)
        self.heard.most_waiting = max(self.heard.most_waiting, len(packets._waiting) + len(packets._missing))
        for at_s in self.down.deliveries(60, self._now_s) if lost else ():
            self._at(at_s, partial(self._answer, [sequence % SEQUENCES for sequence in lost]))

    def _answer(self, sequences: list[int]) -> None:
        for sequence in sequences:
            if self._now_s - self._answered.get(sequence, -1.0) >= self.rtt_s and sequence in self._by_sequence:
                self._answered[sequence] = self._now_s
                self.heard.resent += 1
                self._send(self._by_sequence[sequence])

    def _audio(self, pcm: bytes) -> None:
        if self.heard.first_s is None:
            self.heard.first_s = self._now_s
        self.heard.pcm += pcm
        self.heard.delays_s.append(self.uplink.timeline.lag_s)

    def _level(self, level_dbov: float, duration_ms: float) -> None:
        self.heard.levels_ms += duration_ms
