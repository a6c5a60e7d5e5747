"""Key frames on demand: a picture that builds on nothing, instead of all those it would build on.

Owns when a camera is asked for a key frame because one is cheaper to decode than what waits. It must not know codecs,
packets or clocks: times are arguments.
**Invariant: coded frames wait `EVERY_S` for the request and `PATIENCE_S` for its answer at most; a camera that does not
answer is left in peace for `DEAF_S`.**
"""

from __future__ import annotations

import math
from typing import Literal

WORTH_FRAMES = 5  # that wait: fewer are not worth a key frame and its bandwidth
EVERY_S = 0.5  # between two requests: browsers answer no sooner than 0.3 s after the one before
PATIENCE_S = 0.4  # a long round trip and a large picture
TRIES = 2  # a request can be lost; two in a row seldom are
DEAF_S = 30.0


class KeyFrames:
    """The requests to one camera."""

    def __init__(self) -> None:
        self._asked_s: float | None = None  # the request that is not answered yet
        self._next_s = self._deaf_until_s = -math.inf
        self._unanswered = 0

    def came(self) -> None:
        """A key frame has come, asked for or not."""
        self._asked_s, self._unanswered = None, 0

    def look(self, waiting: int, now_s: float) -> Literal["decode", "ask", "wait"]:
        """What to do when a picture is wanted and so many coded frames wait, of which the first may be a key frame."""
        if self._asked_s is not None:
            if now_s - self._asked_s <= PATIENCE_S:
                return "wait"
            self._asked_s = None
            self._unanswered += 1
            if self._unanswered >= TRIES:
                self._unanswered, self._deaf_until_s = 0, now_s + DEAF_S
            return "decode"
        if waiting < WORTH_FRAMES or now_s < self._deaf_until_s:
            return "decode"
        if now_s < self._next_s:
            return "wait"
        self._asked_s, self._next_s = now_s, now_s + EVERY_S
        return "ask"
