"""How full the model's context is.

Owns the count: what the service reported last, and an estimate of what was added since. It must not know links or
time.
**Invariant: a report replaces the estimate; a fresh link starts from its seed.**
"""

from __future__ import annotations

from gateway.live.outbox import PCM_BYTES_PER_MS

AUDIO_TOKENS_PER_S = 25  # documented
FRAME_TOKENS = 64  # at MEDIA_RESOLUTION_LOW, as our setup asks
CHARS_PER_TOKEN = 4


class ContextMeter:
    """The context of one link."""

    def __init__(self, budget_tokens: int) -> None:
        self._budget_tokens = budget_tokens
        self._reported = 0.0
        self._added = 0.0

    @property
    def tokens(self) -> int:
        """The best guess."""
        return round(self._reported + self._added)

    @property
    def over_budget(self) -> bool:
        """True when it is time to summarise."""
        return self.tokens > self._budget_tokens

    def report(self, total_tokens: int) -> None:
        """What the service counted; reports of parts of an answer, which carry no prompt, are not for here."""
        self._reported, self._added = float(total_tokens), 0.0

    def audio(self, pcm: bytes) -> None:
        """Sound went out."""
        self._added += len(pcm) / PCM_BYTES_PER_MS / 1000 * AUDIO_TOKENS_PER_S

    def frame(self) -> None:
        """A frame went out."""
        self._added += FRAME_TOKENS

    def restart(self, seed: str) -> None:
        """A fresh link that knows this much."""
        self._reported, self._added = len(seed) / CHARS_PER_TOKEN, 0.0
