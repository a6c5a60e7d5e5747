"""How much of the model's context is used, as the service counts it.

Owns the token counts of one conversation. It must not know messages in flight or time.
**Invariant: what is counted is what was heard, seen, written and said; compression drops it to its target.**
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

AUDIO_TOKENS_PER_S = 25  # as documented for audio in; audio out looks the same in recordings
FRAME_TOKENS = {"MEDIA_RESOLUTION_LOW": 64}
FRAME_TOKENS_DEFAULT = 258
CHARS_PER_TOKEN = 4
WINDOW_TOKENS = 131_072
TRIGGER_DEFAULT = WINDOW_TOKENS * 8 // 10  # of `contextWindowCompression` without numbers


@dataclass(frozen=True, slots=True)
class Context:
    """Tokens in the context, by modality, and those of the newest answer."""

    text: float = 0.0
    audio: float = 0.0
    image: float = 0.0
    answer_audio: float = 0.0

    @property
    def total(self) -> int:
        """All tokens of the context."""
        return round(self.text + self.audio + self.image)

    def hear(self, duration_s: float) -> Context:
        """With this much more of the person's sound."""
        return replace(self, audio=self.audio + duration_s * AUDIO_TOKENS_PER_S)

    def see(self, media_resolution: str | None) -> Context:
        """With one more frame."""
        return replace(self, image=self.image + FRAME_TOKENS.get(media_resolution or "", FRAME_TOKENS_DEFAULT))

    def read(self, text: str) -> Context:
        """With more text."""
        return replace(self, text=self.text + len(text) / CHARS_PER_TOKEN)

    def say(self, duration_s: float) -> Context:
        """With an answer of this length; the next usage report tells it."""
        tokens = duration_s * AUDIO_TOKENS_PER_S
        return replace(self, audio=self.audio + tokens, answer_audio=tokens)

    def compress(self, compression: dict[str, Any] | None) -> Context:
        """As it is before a turn: shrunk to the target when the setup asked for that and the trigger is passed."""
        if compression is None:
            return self
        trigger = int(compression.get("triggerTokens", TRIGGER_DEFAULT))
        target = int(compression.get("slidingWindow", {}).get("targetTokens", trigger // 2))
        if self.total <= trigger:
            return self
        part = target / self.total
        return replace(self, text=self.text * part, audio=self.audio * part, image=self.image * part)

    def usage(self, *, vertex: bool) -> dict[str, Any]:
        """The `usageMetadata` after an answer."""
        response = round(self.answer_audio)
        prompt = max(0, self.total - response)
        counts = (("TEXT", self.text), ("AUDIO", self.audio - self.answer_audio), ("IMAGE", self.image))
        details = [{"modality": name, "tokenCount": round(count)} for name, count in counts if round(count) > 0]
        prefix = "candidates" if vertex else "response"
        return {
            "promptTokenCount": prompt,
            f"{prefix}TokenCount": response,
            "totalTokenCount": prompt + response,
            "promptTokensDetails": details,
            f"{prefix}TokensDetails": [{"modality": "AUDIO", "tokenCount": response}],
        }
