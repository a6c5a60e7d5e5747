"""The circuit breaker of a used-up quota, shared by all conversations of a process.

Owns until when nobody asks. It must not know who asks or what time it is.
**Invariant: while it is open no link is tried; one success closes it.**
"""

from __future__ import annotations

OPEN_FIRST_S = 30.0  # a per-minute quota is not free again any sooner
OPEN_MAX_S = 300.0


class Breaker:
    """Open while the quota is used up."""

    def __init__(self) -> None:
        self._open_until_s = 0.0
        self._open_s = OPEN_FIRST_S

    def wait_s(self, now_s: float) -> float:
        """How long to wait before the next try; 0 when it is closed."""
        return max(0.0, self._open_until_s - now_s)

    def trip(self, now_s: float, retry_after_s: float | None = None) -> None:
        """The quota is used up. Conversations that notice it together open it once."""
        if self.wait_s(now_s):
            return
        self._open_until_s = now_s + (self._open_s if retry_after_s is None else retry_after_s)
        self._open_s = min(OPEN_MAX_S, self._open_s * 2)

    def success(self) -> None:
        """A link was opened."""
        self._open_until_s = 0.0
        self._open_s = OPEN_FIRST_S
