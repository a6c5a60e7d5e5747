"""How long the model takes for an answer.

Owns the thinking time that a script asks for. It must not know sockets or clocks: time is an argument.
**Invariant: the more frames have come lately, the longer it takes, and never less than `think_ms`.**
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 3.0  # in which frames are counted: a rate that has just changed shows in the next answer


class Pace:
    """The pace of one connection."""

    def __init__(self, think_ms: float, think_ms_per_fps: float) -> None:
        self._think_ms = think_ms
        self._think_ms_per_fps = think_ms_per_fps
        self._frames: deque[float] = deque()

    def frame(self, now_s: float) -> None:
        """A frame came."""
        self._frames.append(now_s)
        self._forget(now_s)

    def think_s(self, now_s: float) -> float:
        """How long the next answer takes."""
        self._forget(now_s)
        return (self._think_ms + self._think_ms_per_fps * len(self._frames) / WINDOW_S) / 1000

    def _forget(self, now_s: float) -> None:
        while self._frames and now_s - self._frames[0] > WINDOW_S:
            self._frames.popleft()
