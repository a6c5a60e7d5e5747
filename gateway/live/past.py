"""What of a conversation another process has to know to go on with it.

Owns its form as fields of a record. It must not know stores, links or sessions.
**Invariant: what `fields` tells `from_fields` reads; a field that does not change is told the same, so that only what
changed has to be written.**
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gateway.live.transcript import Turn, Used

TURN = "turn:"  # and its number: a turn is a field of its own, since those that are over never change


@dataclass(frozen=True, slots=True)
class Past:
    """A conversation as it stood."""

    turns: tuple[Turn, ...] = ()
    dropped_turns: int = 0
    summary: str = ""
    summarised_turns: int = 0
    handle: str | None = None
    generation: int = 0

    def fields(self, since_turn: int = 0) -> dict[str, Any]:
        """As JSON, one field a turn, from a turn on: those before it have not changed."""
        about = {
            "dropped_turns": self.dropped_turns,
            "summary": self.summary,
            "summarised_turns": self.summarised_turns,
            "handle": self.handle,
            "generation": self.generation,
        }
        newer = [turn for turn in self.turns if turn.number >= since_turn]
        return {"conversation": about, **{f"{TURN}{turn.number}": asdict(turn) for turn in newer}}

    @property
    def last_turn(self) -> int:
        """Number of the newest turn; 0 when nothing was said."""
        return self.turns[-1].number if self.turns else 0

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Past:
        """Read what `fields` told."""
        return cls(turns=tuple(turns_of(fields)), **fields["conversation"])


NO_PAST = Past()


def turns_of(fields: Mapping[str, Any]) -> list[Turn]:
    """The turns of a record, in their order, without those that were dropped since they were written."""
    turns = [_turn(value) for name, value in fields.items() if name.startswith(TURN)]
    kept = [turn for turn in turns if turn.number > fields["conversation"]["dropped_turns"]]
    return sorted(kept, key=lambda turn: turn.number)


def _turn(told: Mapping[str, Any]) -> Turn:
    return Turn(**{**told, "tools": [Used(**used) for used in told["tools"]]})
