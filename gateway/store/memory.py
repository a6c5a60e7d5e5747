"""The store in the memory of the process: the default, which needs nothing.

Owns the records, owners, names, nodes, used tokens and what they spent, and the end of each. It must not know what
is in a record.
**Invariant: of sessions that nobody owns no more than `RECORDS_MAX` are kept; the oldest go first; a used
token is remembered as long as it could be used.**
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.store.store import FIRST_SAVE_S, Fields, Node, OwnedElsewhere, Ownership, OwnershipLost

RECORDS_MAX = 1000  # at most 200 kB each


@dataclass(slots=True)
class _Entry:
    owner: str = ""
    epoch: int = 0
    until_s: float = 0.0
    fields: dict[str, Any] = field(default_factory=dict)


class MemoryStore:
    """A `Store` in dictionaries; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._nodes: dict[str, tuple[float, Node]] = {}
        self._used: dict[str, float] = {}  # until when; only tokens that the operator signed come here
        self._spent: dict[str, tuple[float, tuple[int, int]]] = {}  # until when; tokens and frames
        self._names: dict[str, tuple[float, str]] = {}  # until when, and which session; each cost a session
        self._sweep_at = RECORDS_MAX
        self._key = secrets.token_urlsafe()

    async def save(self, ownership: Ownership, fields: Fields, keep_s: float) -> None:
        """Set fields of a record."""
        entry = self._entries.get(ownership.session_id)
        if entry is None or (entry.owner, entry.epoch) != (ownership.node_id, ownership.epoch):
            raise OwnershipLost
        entry.fields.update(fields)
        for name in [name for name, value in entry.fields.items() if value is None]:
            del entry.fields[name]
        entry.until_s = self._clock() + keep_s
        self._entries.move_to_end(ownership.session_id)

    async def load(self, session_id: str) -> Fields | None:
        """Find a record."""
        entry = self._living(session_id)
        return dict(entry.fields) if entry is not None and entry.fields else None

    async def use_once(self, token_id: str, keep_s: float) -> bool:
        """Use a token."""
        now_s = self._clock()
        if self._used.get(token_id, now_s) > now_s:
            return False
        if len(self._used) >= self._sweep_at:
            self._used = {used: until_s for used, until_s in self._used.items() if until_s > now_s}
            self._sweep_at = max(RECORDS_MAX, 2 * len(self._used))
        self._used[token_id] = now_s + keep_s
        return True

    async def give_back(self, token_id: str) -> None:
        """It was not used."""
        self._used.pop(token_id, None)

    async def spend(self, token_id: str, tokens: int, frames: int, keep_s: float) -> tuple[int, int]:
        """Add to what was spent."""
        now_s = self._clock()
        self._spent = {other: kept for other, kept in self._spent.items() if kept[0] > now_s}
        _, (tokens_before, frames_before) = self._spent.get(token_id, (0.0, (0, 0)))
        total = tokens_before + tokens, frames_before + frames
        self._spent[token_id] = now_s + keep_s, total
        return total

    async def bind(self, name: str, session_id: str, keep_s: float) -> None:
        """A name means a session."""
        now_s = self._clock()
        self._names = {other: kept for other, kept in self._names.items() if kept[0] > now_s}
        self._names[name] = now_s + keep_s, session_id

    async def bound(self, name: str) -> str | None:
        """Which session it means."""
        until_s, session_id = self._names.get(name, (0.0, None))
        return session_id if until_s > self._clock() else None

    async def own(self, session_id: str, node_id: str, gone: str = "") -> Ownership:
        """Become the owner of a session."""
        entry = self._living(session_id)
        if entry is None:
            entry = self._entries[session_id] = _Entry()
        if entry.owner == node_id:
            return Ownership(session_id, node_id, entry.epoch)
        if entry.owner and entry.owner != gone and self._node(entry.owner) is not None:
            raise OwnedElsewhere(entry.owner)
        entry.owner = node_id
        entry.epoch += 1
        entry.until_s = max(entry.until_s, self._clock() + FIRST_SAVE_S)
        self._forget()
        return Ownership(session_id, node_id, entry.epoch)

    async def release(self, ownership: Ownership) -> None:
        """Let go of a session."""
        entry = self._entries.get(ownership.session_id)
        if entry is not None and (entry.owner, entry.epoch) == (ownership.node_id, ownership.epoch):
            entry.owner = ""
            self._forget()

    async def owner(self, session_id: str) -> Node | None:
        """Who owns a session."""
        entry = self._living(session_id)
        return self._node(entry.owner) if entry is not None else None

    async def announce(self, node: Node, lease_s: float) -> None:
        """A node lives."""
        self._nodes[node.id] = self._clock() + lease_s, node

    async def leave(self, node_id: str) -> None:
        """A node goes."""
        self._nodes.pop(node_id, None)

    async def nodes(self) -> list[Node]:
        """All nodes."""
        return [node for node_id in tuple(self._nodes) if (node := self._node(node_id)) is not None]

    async def key(self) -> str:
        """A secret of this process."""
        return self._key

    async def close(self) -> None:
        """Nothing to let go of."""

    def _living(self, session_id: str) -> _Entry | None:
        entry = self._entries.get(session_id)
        return entry if entry is not None and entry.until_s > self._clock() else None

    def _node(self, node_id: str) -> Node | None:
        until_s, node = self._nodes.get(node_id, (0.0, None))
        return node if until_s > self._clock() else None

    def _forget(self) -> None:
        now_s = self._clock()
        for stale in [key for key, entry in self._entries.items() if entry.until_s <= now_s]:
            del self._entries[stale]
        free = [key for key, entry in self._entries.items() if not entry.owner]
        for oldest in free[: max(0, len(free) - RECORDS_MAX)]:
            del self._entries[oldest]
