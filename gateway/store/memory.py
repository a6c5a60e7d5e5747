"""Records in the memory of the process: the default, which needs nothing.

Owns the records and their end, and the tokens that were used. It must not know what is in a record.
**Invariant: no more than `RECORDS_MAX` records are kept, the oldest go first; a used token is remembered as long as it
could be used.**
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from gateway.store.store import Record

RECORDS_MAX = 1000  # at most 200 kB each


class MemoryStore:
    """A `SessionStore` in a dictionary; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._records: OrderedDict[str, tuple[float, Record]] = OrderedDict()
        self._used: dict[str, float] = {}  # until when; only tokens that the operator signed come here
        self._sweep_at = RECORDS_MAX

    async def save(self, session_id: str, record: Record, keep_s: float) -> None:
        """Keep a record."""
        self._records[session_id] = self._clock() + keep_s, record
        self._records.move_to_end(session_id)
        for stale in [key for key, (until_s, _) in self._records.items() if until_s <= self._clock()]:
            del self._records[stale]
        while len(self._records) > RECORDS_MAX:
            self._records.popitem(last=False)

    async def load(self, session_id: str) -> Record | None:
        """Find a record."""
        until_s, record = self._records.get(session_id, (0.0, None))
        return record if until_s > self._clock() else None

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
