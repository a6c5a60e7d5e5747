"""The beat of a worker: 20 ms, in phases, for all its calls.

Owns when each call is looked after. It must not know what is done then.
**Invariant: one that raises is logged and beaten on; after a stall the beats that were missed are told, not made up
for.**
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)

TICK_S = 0.02
PHASES = 4  # so that a hundred calls do not wait for each other
LATE_MAX_S = 0.06  # after a longer stall what was missed is skipped instead of sent in a burst

Beat = Callable[[float, int], None]  # (loop time, how many beats were missed before this one)


class Ticker:
    """The beats of one event loop; it runs while anyone listens."""

    def __init__(self) -> None:
        self._phases: list[list[Beat]] = [[] for _ in range(PHASES)]
        self._timers: list[asyncio.TimerHandle | None] = [None] * PHASES

    def start(self, beat: Beat) -> Callable[[], None]:
        """Call this every 20 ms from now on; returns what stops it."""
        phase = min(range(PHASES), key=lambda index: len(self._phases[index]))
        self._phases[phase].append(beat)
        if self._timers[phase] is None:
            loop = asyncio.get_running_loop()
            first_s = loop.time() + phase * TICK_S / PHASES
            # The beat is everybody's: it must not carry the context of the call that happened to begin it.
            nobodys = contextvars.Context()
            self._timers[phase] = loop.call_at(first_s, self._run, phase, first_s, context=nobodys)

        def stop() -> None:
            if beat in self._phases[phase]:
                self._phases[phase].remove(beat)

        return stop

    def _run(self, phase: int, due_s: float) -> None:
        loop = asyncio.get_running_loop()
        beats = self._phases[phase]
        if not beats:
            self._timers[phase] = None
            return
        now_s = loop.time()
        late_s = now_s - due_s
        missed = int(late_s / TICK_S) if late_s > LATE_MAX_S else 0
        for beat in tuple(beats):
            try:
                beat(now_s, missed)
            except Exception:
                logger.exception("a call could not be looked after")
        next_s = due_s + (missed + 1) * TICK_S
        self._timers[phase] = loop.call_at(next_s, self._run, phase, next_s)
