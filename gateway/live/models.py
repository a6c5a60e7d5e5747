"""What each family of Live models can do.

Owns the capability table; every difference between models that the gateway acts on is a column here. It must not know
how the differences are used.
**Invariant: every model has a row; one that is not in the table gets the most careful one.**
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Capabilities:
    """One family of models."""

    prefix: str
    async_tools: bool  # function calls that do not stop the conversation (`behavior: NON_BLOCKING`)
    blocking_tools: bool
    thinking: Literal["forbidden", "level", "level_required", "budget"]
    content_at_any_time: bool  # `clientContent` is taken after the first media; otherwise it closes with 1007
    text_is_a_turn: bool  # `realtimeInput.text` alone makes the model answer
    interaction_status: bool  # only `interactionStatus: IDLE` ends an interaction
    history: Literal["plain", "announced"] | None  # whether `clientContent` may tell earlier turns to a new link


# As documented and seen on the wire in autumn 2026.
TABLE = (
    Capabilities("gemini-3.8-live-extended-thinking", True, False, "level_required", True, False, True, "plain"),
    Capabilities("gemini-3.8-live", True, True, "forbidden", True, False, False, "plain"),
    Capabilities("gemini-3.1-flash-live", False, True, "level", False, True, False, "announced"),
    Capabilities("gemini-2.5-flash-native-audio", True, True, "budget", True, False, False, None),
    Capabilities("gemini-live-2.5-flash", False, True, "budget", True, False, False, None),
)
CAREFUL = Capabilities("", False, True, "level", False, True, False, None)


def capabilities(model: str) -> Capabilities:
    """The row of a model; `models/…` and Vertex publisher paths are understood, the longest prefix wins."""
    model_id = model.rpartition("/")[2]
    rows = [row for row in TABLE if model_id.startswith(row.prefix)]
    return max(rows, key=lambda row: len(row.prefix), default=CAREFUL)
