"""Whether the event loop turns.

Owns the beat, which is how the lateness of the loop is measured, and the watch over it from a thread of its own: a loop
that is stuck cannot say so itself. It must not know what the loop is busy with, but tells where.
**Invariant: a stall of more than `STALE_S` is logged while it lasts, once, with the line of code it is stuck in; the
thread ends with `close`.**
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path

from gateway.telemetry import metrics

logger = logging.getLogger(__name__)

BEAT_S = 0.1  # ten beats a second cost 0.05 % of a processor
STALE_S = 4.0  # calls have been silent for twice as long as a person puts up with
REMEMBER_S = 10.0  # a probe that comes just after a stall has to hear of it


class Pulse:
    """The beat of one event loop: `open` on it, `close` at the end. `follow` is told at each how late it was, in s."""

    def __init__(self) -> None:
        self.follow: Callable[[float], None] | None = None
        self._lags: deque[tuple[float, float]] = deque()  # (when, how late)
        self._due_s = time.monotonic()
        self._ended = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._watch: threading.Thread | None = None

    def open(self) -> None:
        """Begin."""
        self._due_s = time.monotonic() + BEAT_S
        self._task = asyncio.create_task(self._beat(), name="pulse")
        self._watch = threading.Thread(
            target=self._watch_over, args=(threading.get_ident(),), name="pulse", daemon=True
        )
        self._watch.start()

    async def close(self) -> None:
        """End."""
        self._ended.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._watch is not None:
            self._watch.join()

    @property
    def worst_lag_s(self) -> float:
        """How late the loop was at its worst lately; 0 when it is in time."""
        self._forget(time.monotonic())
        return max((lag_s for _, lag_s in self._lags), default=0.0)

    @property
    def is_stale(self) -> bool:
        """Whether the loop has been stuck lately."""
        return self.worst_lag_s > STALE_S

    async def _beat(self) -> None:
        while True:
            self._due_s = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            now_s = time.monotonic()
            self.note(now_s, max(0.0, now_s - self._due_s))

    def note(self, now_s: float, lag_s: float) -> None:
        """The loop woke up so late."""
        metrics.LOOP_LAG_S.observe(lag_s)
        self._forget(now_s)
        self._lags.append((now_s, lag_s))
        if self.follow is not None:
            self.follow(lag_s)

    def _forget(self, now_s: float) -> None:
        while self._lags and now_s - self._lags[0][0] > REMEMBER_S:
            self._lags.popleft()

    def _watch_over(self, thread_id: int) -> None:
        told = False
        while not self._ended.wait(1.0):
            late_s = time.monotonic() - self._due_s
            if late_s > STALE_S and not told:
                frame = sys._current_frames().get(thread_id)
                stack = traceback.extract_stack(frame)[:-4:-1] if frame is not None else []
                where = ", from ".join(f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in stack)
                logger.error("the event loop has been stuck for %.1f s, here: %s", late_s, where)
            told = late_s > STALE_S
