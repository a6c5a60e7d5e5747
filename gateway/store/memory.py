"""Records in the memory of the process: the default, which needs nothing.

Owns the records and their end. It must not know what is in them.
**Invariant: no more than `RECORDS_MAX` are kept; the oldest go first.**
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
