"""What happens to datagrams on a bad network.

Owns the decision for each datagram: when it arrives, how often, or not at all. It must not know sockets or clocks: time
is an argument.
**Invariant: the same seed and the same datagrams give the same fate; what waits is bounded by `queue_ms`.**
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Conditions:
    """One direction of a network. Delays are as netem's: `delay_ms` ± `jitter_ms`, evenly, each datagram for itself, so
    that they overtake each other."""

    loss: float = 0.0  # share of the datagrams, 0 to 1
    burst: float = 1.0  # mean length of a run of losses; above 1 by the model of Gilbert and Elliott
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    duplicate: float = 0.0
    rate_bps: float = 0.0  # 0: no limit
    queue_ms: float = 300.0  # of a limited rate; what would wait longer is dropped
    blackouts: tuple[tuple[float, float], ...] = field(default=())  # (from, to) in seconds since the start

    def __post_init__(self) -> None:
        if not 0 <= self.loss < 1 or self.burst < 1 or min(self.delay_ms, self.jitter_ms, self.rate_bps) < 0:
            raise ValueError("conditions need 0 <= loss < 1, burst >= 1, and nothing below 0")


class Impairment:
    """One direction, with its own chance."""

    def __init__(self, conditions: Conditions, seed: int) -> None:
        self.conditions = conditions
        self.lost = 0
        self.passed = 0
        self._random = random.Random(seed)
        self._bad = False
        self._free_s = 0.0  # when the limited rate has sent what waits

    def deliveries(self, size_bytes: int, now_s: float) -> list[float]:
        """When this datagram arrives: no time (lost), one, or two (repeated)."""
        conditions = self.conditions
        if self._loses() or any(begin <= now_s < end for begin, end in conditions.blackouts):
            self.lost += 1
            return []
        sent_s = now_s
        if conditions.rate_bps:
            sent_s = max(now_s, self._free_s) + size_bytes * 8 / conditions.rate_bps
            if (sent_s - now_s) * 1000 > conditions.queue_ms:
                self.lost += 1
                return []
            self._free_s = sent_s
        self.passed += 1
        copies = 2 if self._random.random() < conditions.duplicate else 1
        return [sent_s + self._delay_s() for _ in range(copies)]

    def _delay_s(self) -> float:
        spread = self._random.uniform(-1, 1) * self.conditions.jitter_ms
        return max(0.0, self.conditions.delay_ms + spread) / 1000

    def _loses(self) -> bool:
        loss, burst = self.conditions.loss, self.conditions.burst
        if burst == 1:
            return self._random.random() < loss
        if self._bad:
            self._bad = self._random.random() >= 1 / burst
        elif loss:
            self._bad = self._random.random() < loss / (1 - loss) / burst
        return self._bad
