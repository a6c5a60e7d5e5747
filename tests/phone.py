"""A phone's microphone at the far end of a bad network, on a virtual clock: hours of it take seconds.

The sender does what a browser does: 20 ms of Opus a packet, RED when asked, an answer to each NACK unless it answered
the same within a round trip. The network is `gateway.impair`'s, seeded; the receiver is the gateway's `AudioUplink` and
what `Plane` does around it.
"""

from __future__ import annotations

import heapq
import itertools
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from gateway.impair import Conditions, Impairment
from gateway.media.audio_uplink import AudioUplink
from gateway.media.opus import OpusEncoder
from gateway.media.rtp import SEQUENCES, TIMES, Packet

RATE_HZ = 16_000
PACKET_S = 0.02
PACKET_BYTES = int(RATE_HZ * PACKET_S) * 2
PACKET_TICKS = 960
OPUS, RED = 111, 63
SSRC = 7
BEGIN_S = 100.0  # clocks do not begin at 0


@dataclass
class Heard:
    """What came out."""

    pcm: bytearray = field(default_factory=bytearray)
    first_s: float | None = None  # when, since the first packet was sent
    delays_s: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
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
        first_sequence: int = 65_500,
        first_timestamp: int = 4_294_960_000,
    ) -> None:
        encoder = OpusEncoder(RATE_HZ)
        encoder.tune(bitrate_bps=32_000, loss_percent=20)
        payloads = [
            encoder.encode(pcm[at : at + PACKET_BYTES]) for at in range(0, len(pcm) - PACKET_BYTES + 1, PACKET_BYTES)
        ]
        self.sent = [
            (
                index * PACKET_S * (1 + ppm * 1e-6),
                Packet(
                    RED if red else OPUS,
                    (first_sequence + index) % SEQUENCES,
                    (first_timestamp + index * PACKET_TICKS) % TIMES,
                    SSRC,
                    _red(payloads, index) if red else payload,
                ),
            )
            for index, payload in enumerate(payloads)
        ]
        self.heard = Heard()
        up = up if up is not None else Conditions()
        down = down if down is not None else up
        self._up, self._down = Impairment(up, seed), Impairment(down, seed + 1)
        self.rtt_s = (up.delay_ms + down.delay_ms) / 1000
        self._red = red
        self._now_s = 0.0
        self.uplink = AudioUplink(self._audio, lambda: self.heard.pauses.append(self._now_s), lambda *_: None)

    def run(self, seconds: float | None = None, look: Callable[[float], None] | None = None) -> Heard:
        """Send everything and listen to its end; `look` is called at each beat with the time."""
        order = itertools.count()
        queue: list[tuple[float, int, str, Packet | list[int]]] = []
        by_sequence = {}
        for at_s, packet in self.sent:
            heapq.heappush(queue, (at_s, next(order), "send", packet))
            by_sequence[packet.sequence] = packet
        end_s = seconds if seconds is not None else self.sent[-1][0] + 1.0
        for beat in range(int(end_s / PACKET_S)):
            heapq.heappush(queue, (beat * PACKET_S + 0.0071, next(order), "beat", []))
        answered: dict[int, float] = {}
        packets = self.uplink.packets
        packets.rtt_s = max(self.rtt_s, 0.001)
        while queue and queue[0][0] < end_s:
            now_s, _, what, thing = heapq.heappop(queue)
            self._now_s = now_s
            asks = False
            if what in ("send", "again"):
                assert isinstance(thing, Packet)
                for at_s in self._up.deliveries(100, now_s):
                    heapq.heappush(queue, (at_s, next(order), "arrive", thing))
            elif what == "arrive":
                assert isinstance(thing, Packet)
                self.uplink.push(thing, BEGIN_S + now_s, is_red=self._red)
                asks = True
            elif what == "beat":
                self.uplink.tick(BEGIN_S + now_s)
                if look is not None:
                    look(now_s)
                asks = True
            elif what == "nack":
                for sequence in thing:
                    if now_s - answered.get(sequence, -1.0) >= self.rtt_s and sequence in by_sequence:
                        answered[sequence] = now_s
                        self.heard.resent += 1
                        heapq.heappush(queue, (now_s, next(order), "again", by_sequence[sequence]))
            if asks and (lost := packets.requests(BEGIN_S + now_s)):
                self.heard.asked += len(lost)
                for at_s in self._down.deliveries(60, now_s):
                    heapq.heappush(queue, (at_s, next(order), "nack", [one % SEQUENCES for one in lost]))
            self.heard.most_waiting = max(self.heard.most_waiting, len(packets._waiting) + len(packets._missing))
        return self.heard

    def _audio(self, pcm: bytes) -> None:
        if self.heard.first_s is None:
            self.heard.first_s = self._now_s
        self.heard.pcm += pcm
        self.heard.delays_s.append(self.uplink.timeline.lag_s)


def _red(payloads: list[bytes], index: int) -> bytes:
    """RFC 2198: the packet before, then this one."""
    if index == 0:
        return bytes([OPUS]) + payloads[0]
    head = struct.pack("!I", 1 << 31 | OPUS << 24 | PACKET_TICKS << 10 | len(payloads[index - 1]))
    return head + bytes([OPUS]) + payloads[index - 1] + payloads[index]
