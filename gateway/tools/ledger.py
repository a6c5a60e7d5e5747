"""Which calls are open, and what may still be said about each.

Owns the state of every call of a session. It must not know tasks, links or what a tool does: a link is a number.
**Invariant: each call id is answered once or not at all; an id of a former link is never answered.**
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

REMEMBERED_S = 30.0  # for so long after a call the same one on another link is a repetition of it


class Verdict(Enum):
    """What to do with a call that comes in."""

    RUN = "run"
    JOIN = "join"  # the same call is running since before the link changed: one result for both
    REPEAT = "repeat"  # the same call is just over: its result again
    KNOWN = "known"  # this id has been seen: nothing to do


class Delivery(Enum):
    """What to do with a result."""

    ANSWER = "answer"  # by its id, on the link that asked
    TELL = "tell"  # as text: the link that asked is gone
    DROP = "drop"  # it was cancelled


@dataclass(slots=True)
class Entry:
    """One call; a repetition of it on another link is the same entry under one more id."""

    started_id: str
    call_id: str  # the newest id: the one to answer
    key: str  # what is called: the same for the same call
    generation: int
    state: str = "running"  # running, over, cancelled
    over_s: float = 0.0
    response: dict[str, Any] | None = None


class Ledger:
    """The calls of one session."""

    def __init__(self) -> None:
        self._generation = 0
        self._entries: dict[str, Entry] = {}

    def link(self, generation: int) -> None:
        """From here calls come from this link."""
        self._generation = generation

    def begin(self, call_id: str, name: str, args: dict[str, Any], now_s: float) -> tuple[Verdict, Entry]:
        """A call comes in. With JOIN and REPEAT the entry is the one whose result counts."""
        self._forget(now_s)
        if call_id in self._entries:
            return Verdict.KNOWN, self._entries[call_id]
        key = name + json.dumps(args, sort_keys=True, default=str)
        for entry in self._entries.values():
            if entry.key == key and entry.generation < self._generation and entry.state != "cancelled":
                entry.call_id, entry.generation = call_id, self._generation
                self._entries[call_id] = entry
                return Verdict.JOIN if entry.state == "running" else Verdict.REPEAT, entry
        entry = self._entries[call_id] = Entry(call_id, call_id, key, self._generation)
        return Verdict.RUN, entry

    def finish(self, call_id: str, response: dict[str, Any], now_s: float) -> tuple[Delivery, str]:
        """A result is there: what to do with it, and the id it belongs to now."""
        entry = self._entries[call_id]
        if entry.state == "cancelled":
            return Delivery.DROP, call_id
        entry.state, entry.over_s, entry.response = "over", now_s, response
        return (Delivery.ANSWER if entry.generation == self._generation else Delivery.TELL), entry.call_id

    def cancel(self, call_id: str) -> str | None:
        """The call is not wanted any more; the id under which it was started, or None when it does not run."""
        entry = self._entries.get(call_id)
        if entry is None or entry.state != "running":
            return None
        entry.state = "cancelled"
        return entry.started_id

    @property
    def running(self) -> list[str]:
        """Ids under which the calls that run were started."""
        return [
            call_id
            for call_id, entry in self._entries.items()
            if entry.state == "running" and entry.started_id == call_id
        ]

    def _forget(self, now_s: float) -> None:
        stale = [
            call_id
            for call_id, entry in self._entries.items()
            if entry.state != "running" and entry.generation < self._generation and now_s - entry.over_s > REMEMBERED_S
        ]
        for call_id in stale:
            del self._entries[call_id]
