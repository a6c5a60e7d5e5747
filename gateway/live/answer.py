"""The model's turn: whether it is on, and how much of it sounded.

Owns the state of one answer. It must not know playout or words.
**Invariant: `bytes` are those of the turn that is on, or else of the last one that sounded.**
"""

from __future__ import annotations

from gateway.live.messages import OUTPUT_HZ

BYTES_PER_MS = OUTPUT_HZ * 2 / 1000


class Answer:
    """The model's turns, one after the other."""

    def __init__(self) -> None:
        self.is_generating = False
        self.is_on = False  # the model has begun a turn that is not complete
        self._bytes = 0

    def goes_on(self, pcm: bytes = b"") -> None:
        """Words of it, or a piece of its sound."""
        if not self.is_on:
            self._bytes = 0
        self.is_on = self.is_generating = True
        self._bytes += len(pcm)

    def over(self) -> None:
        """The turn is complete."""
        self.is_on = self.is_generating = False

    def heard_share(self, unheard_ms: float) -> float | None:
        """Which share (up to 1) of its sound was played when so much was not; None when there was none."""
        return 1.0 - unheard_ms * BYTES_PER_MS / self._bytes if self._bytes else None
