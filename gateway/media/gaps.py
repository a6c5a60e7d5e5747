"""How regularly packets come.

Owns the counting of gaps. It must not know packets or clocks: time is an argument.
**Invariant: counts only rise, so that whoever looks twice knows what happened in between.**
"""

from __future__ import annotations

OVER_MS = (60, 200, 1000)  # three packets late; a syllable is missing; a pause of the network


class Gaps:
    """The gaps between the packets of one stream."""

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self._over = dict.fromkeys(OVER_MS, 0)
        self._last_s: float | None = None

    def add(self, now_s: float) -> None:
        """A packet came."""
        if self._last_s is not None:
            gap_ms = (now_s - self._last_s) * 1000
            if gap_ms > self.longest_ms:
                self.longest_ms = gap_ms
            if gap_ms > OVER_MS[0]:
                for over_ms in OVER_MS:
                    self._over[over_ms] += gap_ms > over_ms
        self._last_s = now_s

    def as_json(self) -> dict[str, float]:
        """`over_60_ms` and so on: how many gaps were longer; and the longest."""
        counts = {f"over_{over_ms}_ms": count for over_ms, count in self._over.items()}
        return {**counts, "longest_ms": round(self.longest_ms)}
