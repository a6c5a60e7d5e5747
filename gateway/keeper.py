"""When the record of a session is written.

Owns the rhythm: soon after a change, and now and then without one, so that the record outlives its process by the time
a browser has to come back. It must not know what is in the record, nor which store keeps it.
**Invariant: while the store can be reached the record is at most `WRITE_S` behind; what this process no longer owns it
does not write.**
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.store.store import Fields, Ownership, Store, StoreUnavailable

logger = logging.getLogger(__name__)

WRITE_S = 0.5  # a process that dies loses the words of half a second
TOUCH_S = 20.0  # a record without changes is said to be kept on
MARGIN_S = 60.0  # by so much the record outlives the grace of a browser

Tell = Callable[[int], tuple[Fields, int]]


class Keeper:
    """Writes the record of one session.

    `tell` is asked for the record from a turn on, since what is older was written, and says which turn was the last.
    """

    def __init__(self, store: Store, ownership: Ownership, grace_s: float) -> None:
        self._store = store
        self._ownership = ownership
        self._keep_s = grace_s + MARGIN_S
        self._since_turn = 0
        self._changed = True
        self._reachable = True

    def changed(self) -> None:
        """There is something to be written."""
        self._changed = True

    async def run(self, tell: Tell) -> None:
        """Write until cancelled; raises OwnershipLost."""
        loop = asyncio.get_running_loop()
        touched_s = loop.time()
        while True:
            if self._changed or loop.time() - touched_s >= TOUCH_S:
                self._changed = False
                touched_s = loop.time()
                try:
                    await self._write(tell, self._keep_s)
                except StoreUnavailable as error:
                    self._changed = True
                    if self._reachable:
                        logger.warning("%s Records are written when it is back.", error)
                    self._reachable = False
                else:
                    self._reachable = True
            await asyncio.sleep(WRITE_S)

    async def finish(self, tell: Tell, keep_s: float) -> None:
        """Write for the last time, to be kept for so long, and let go; raises OwnershipLost and StoreUnavailable."""
        await self._write(tell, keep_s)
        await self._store.release(self._ownership)

    async def _write(self, tell: Tell, keep_s: float) -> None:
        fields, last_turn = tell(self._since_turn)
        await self._store.save(self._ownership, fields, keep_s)
        self._since_turn = last_turn
