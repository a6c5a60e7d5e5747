"""How busy this process is.

Owns the measuring: how late the event loop is by its beat (`telemetry.pulse`), how much of a processor its thread
uses, how much memory is taken, how long pictures wait for the decoder. It must not know what follows from it.
**Invariant: a measurement describes the last `WINDOW_S` seconds and not their worst moment; where something cannot be
measured it is 0.**
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.telemetry import metrics
from gateway.telemetry.pulse import BEAT_S

logger = logging.getLogger(__name__)

TELL_EVERY = 5  # beats
WINDOW_S = 2.0
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of cgroup v2 and v1
LATE_SHARE = 0.9  # one long step of the loop in two seconds is not a load; two are


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement."""

    lag_ms: float = 0.0  # of ten wake-ups nine were less late
    cpu: float = 0.0  # of one processor, by the loop's thread
    memory: float = 0.0  # of what this process may take
    decode_ms: float = 0.0  # how long the oldest picture has waited


class LoadSampler:
    """Notes each beat of the loop, on its thread, and tells the load twice a second.

    `decode_wait_s` tells how long the oldest picture has waited.
    """

    def __init__(
        self,
        decode_wait_s: Callable[[], float],
        tell: Callable[[Load], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._decode_wait_s = decode_wait_s
        self._tell = tell
        self._clock = clock
        self._memory_max_bytes = memory_max_bytes()
        beats = round(WINDOW_S / BEAT_S)
        self._lags_s: deque[float] = deque(maxlen=beats)
        self._waits_s: deque[float] = deque(maxlen=beats)
        self._used: deque[tuple[float, float]] = deque(maxlen=beats // TELL_EVERY + 1)  # (when, of the processor)
        self._beats = 0

    def note(self, lag_s: float) -> None:
        """The loop woke up so late."""
        if not self._used:
            self._used.append((self._clock(), time.thread_time()))
        self._lags_s.append(lag_s)
        self._waits_s.append(self._decode_wait_s())
        self._beats += 1
        if self._beats % TELL_EVERY == 0:
            load = self._measured()
            for name in ("lag_ms", "cpu", "memory", "decode_ms"):
                metrics.LOAD.labels(name).set(getattr(load, name))
            try:
                self._tell(load)
            except Exception:
                logger.exception("a measurement of the load could not be acted on")

    def _measured(self) -> Load:
        self._used.append((self._clock(), time.thread_time()))
        (begun_s, cpu_before_s), (now_s, cpu_s) = self._used[0], self._used[-1]
        return Load(
            lag_ms=_late(self._lags_s) * 1000,
            cpu=(cpu_s - cpu_before_s) / max(now_s - begun_s, BEAT_S),
            memory=memory_bytes() / self._memory_max_bytes if self._memory_max_bytes else 0.0,
            decode_ms=_late(self._waits_s) * 1000,
        )


def _late(values: deque[float]) -> float:
    return max(0.0, sorted(values)[int(len(values) * LATE_SHARE)])


def memory_bytes() -> int:
    """What this process takes; 0 where it cannot be told."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory_max_bytes() -> int:
    """What this process may take: the limit of its container, else the machine's memory; 0 where neither is known."""
    found = []
    for path in LIMITS:
        try:
            found.append(int(Path(path).read_text(encoding="ascii")))
        except (OSError, ValueError):  # not there, or "max"
            continue
    with contextlib.suppress(OSError, ValueError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=0)
