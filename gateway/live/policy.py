"""What an operator chooses of a conversation.

Owns the translation of settings into what the Gemini leg understands. It must not know links.
**Invariant: whatever is not chosen has the default that fits most.**
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.live.messages import Declaration, SetupOptions
from gateway.live.transcript import CHARS_MAX
from gateway.live.watchdog import ANSWER_S, MORE_S
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a conversation is and how much it remembers."""

    answer_s: float = ANSWER_S
    more_s: float = MORE_S
    context_budget_tokens: int = 40_000
    rehydrate_with: Literal["instruction", "content"] = "instruction"
    transcript_max_chars: int = CHARS_MAX


def setup_options(settings: Settings, functions: tuple[Declaration, ...] = ()) -> SetupOptions:
    """What these settings choose of a setup. Gemini's own compression is the net below ours."""
    trigger_tokens = settings.context_budget_tokens * 6 // 5
    return SetupOptions(settings.system_instruction, settings.voice, trigger_tokens, functions)


def policy(settings: Settings) -> Policy:
    """What these settings choose of a conversation."""
    return Policy(
        answer_s=settings.answer_timeout_s,
        context_budget_tokens=settings.context_budget_tokens,
        rehydrate_with=settings.rehydrate_with,
        transcript_max_chars=settings.transcript_max_chars,
    )
