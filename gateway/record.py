"""What is kept of a session, and what is told of it.

Owns the form of a record: fields from which another process can go on, or someone can read what was said. It must not
know stores.
**Invariant: what `Kept.fields` tells `Kept.from_fields` reads.**
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.guard.claims import Claims
from gateway.live.past import NO_PAST, Past, turns_of
from gateway.store.store import Fields

SEQ_MARGIN = 10_000  # more events than a session tells between two writes of its record


@dataclass(frozen=True, slots=True)
class Kept:
    """A session as its record has it."""

    claims: Claims
    past: Past = NO_PAST
    started_at: float = 0.0  # seconds since the epoch
    next_seq: int = 1  # of its events
    turn: int = 1  # of its events
    ended: str = ""  # why
    name: str | None = None  # by which a camera finds it again
    spent_tokens: int = 0  # with its token, or by the session where there is none
    spent_frames: int = 0

    @property
    def is_resumed(self) -> bool:
        """Whether another process had the session before."""
        return self.next_seq > 1

    def fields(self, since_turn: int) -> Fields:
        """The fields, with the turns from one on."""
        session = {
            "claims": self.claims.as_json(),
            "started_at": self.started_at,
            "next_seq": self.next_seq + SEQ_MARGIN,
            "turn": self.turn,
            "ended": self.ended,
            "name": self.name,
            "spent_tokens": self.spent_tokens,
            "spent_frames": self.spent_frames,
        }
        return {"session": session, **self.past.fields(since_turn)}

    @classmethod
    def from_fields(cls, fields: Fields) -> Kept:
        """Read a record."""
        session = fields["session"]
        return cls(**{**session, "claims": Claims.from_json(session["claims"]), "past": Past.from_fields(fields)})


def told(fields: Fields) -> dict[str, Any]:
    """What was said, for the person whose session it is."""
    turns = [turn.as_json() for turn in turns_of(fields)]
    return {"turns": turns, "dropped_turns": fields["conversation"]["dropped_turns"]}
