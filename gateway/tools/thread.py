"""Plain functions, each in a thread.

Owns the threads. It must not know tools.
**Invariant: a function that hangs holds up nobody: not the loop's own pool of threads, which resolves names for every
session, and not the end of the process; there are never more threads than functions have run at once.**
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any

Work = Callable[[], Callable[[], None]]


class _Threads:
    """Threads that wait for work; daemons, unlike those of `concurrent.futures`, which are waited for at the end."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Work] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    def run(self, work: Work) -> None:
        """Do this soon, and then what it returns; both raise nothing."""
        with self._lock:
            starts = not self._idle
            self._idle -= not starts
        self._work.put(work)
        if starts:
            threading.Thread(target=self._serve, name="tool", daemon=True).start()

    def _serve(self) -> None:
        while True:
            tell = self._work.get()()
            with self._lock:
                self._idle += 1  # before anyone can know that it is over, and come with more
            tell()


_threads = _Threads()


async def in_thread(function: Callable[[], Any]) -> Any:
    """What the function returns or raises. It cannot be stopped: a first cancellation is followed when the function is
    over, so that its end can be waited for; a second one at once."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[Any] = loop.create_future()

    def settle(returned: Any, raised: BaseException | None) -> None:
        if over.done():
            return
        if raised is None:
            over.set_result(returned)
        else:
            over.set_exception(RuntimeError(repr(raised)) if isinstance(raised, StopIteration) else raised)

    def work() -> Callable[[], None]:
        returned, raised = None, None
        try:
            returned = copied.run(function)
        except BaseException as error:
            raised = error
        return partial(tell, returned, raised)

    def tell(returned: Any, raised: BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, returned, raised)

    copied = copy_context()
    _threads.run(work)
    try:
        return await asyncio.shield(over)
    except asyncio.CancelledError:
        await asyncio.wait({over})
        raise
