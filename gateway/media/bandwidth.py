"""How much the camera may send.

Owns one rule: less while speech has to queue behind pictures, more again while it has not. It must not know packets,
reports or clocks: times are arguments.
**Invariant: the rate stays between `LEAST_BPS` and `MOST_BPS`; it falls at most once in `SETTLE_S`.**

Loss alone does not lower it: on a phone's network most of it comes from the air, where fewer pictures help nobody.
"""

from __future__ import annotations

from collections import deque

from gateway.media.answer import VIDEO_AS_KBPS

MOST_BPS = VIDEO_AS_KBPS * 1000
START_BPS = 120_000  # a first picture within a second on 300 kbit/s, and speech beside it
LEAST_BPS = 40_000  # a small picture a second
WINDOW_S = 1.0
QUEUED_S = 0.07  # of ten packets of speech the second latest is so late: more than the jitter of a good network
FREE_S = 0.04
LATE_SHARE = 0.9
LESS = 0.7
MORE_AT_FIRST, MORE = 1.1, 1.02  # until the limit was met, and after that: speech pays for each try
SETTLE_S = 0.5  # until a step down is felt: a round trip, and the queue has to run empty
GROW_S = 1.0


class Bandwidth:
    """The rate of one camera; fed with how late each packet of speech came after the fastest."""

    def __init__(self) -> None:
        self.bps = START_BPS
        self._lags: deque[tuple[float, float]] = deque()
        self._queued = self._free = 0  # of them, those above `QUEUED_S`, and those below `FREE_S`
        self._more = MORE_AT_FIRST
        self._changed_s = float("-inf")

    def add(self, lag_s: float, now_s: float) -> None:
        """A packet of speech arrived, the first time and unasked."""
        lags = self._lags
        lags.append((now_s, lag_s))
        self._queued += lag_s > QUEUED_S
        self._free += lag_s < FREE_S
        while now_s - lags[0][0] > WINDOW_S:
            over_s = lags.popleft()[1]
            self._queued -= over_s > QUEUED_S
            self._free -= over_s < FREE_S

    def look(self, now_s: float) -> bool:
        """Decide anew; True when the camera has to be told at once."""
        in_time = int(len(self._lags) * LATE_SHARE)
        waited_s = now_s - self._changed_s
        if len(self._lags) - self._queued <= in_time and waited_s >= SETTLE_S and self.bps > LEAST_BPS and self._lags:
            self.bps = max(LEAST_BPS, int(self.bps * LESS))
            self._more = MORE
            self._changed_s = now_s
            return True
        if self._free > in_time and waited_s >= GROW_S and self.bps < MOST_BPS:
            self.bps = min(MOST_BPS, int(self.bps * self._more))
            self._changed_s = now_s
        return False
