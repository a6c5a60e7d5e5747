"""How busy this process is.

Owns the measuring: how late the event loop is, how much of a processor its thread uses, how much memory is taken, how
long pictures wait for the decoder. It must not know what follows from it.
**Invariant: a measurement describes the last `WINDOW_S` seconds and not their worst moment; where something cannot be
measured it is 0.**
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.telemetry import metrics

logger = logging.getLogger(__name__)

PROBE_S = 0.1  # between two looks at how late the loop is; ten a second cost 0.05 % of a processor
TELL_EVERY = 5  # probes
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
    """Measures until it is cancelled. `decode_wait_s` tells how long the oldest picture has waited."""

    def __init__(self, decode_wait_s: Callable[[], float], tell: Callable[[Load], None]) -> None:
        self._decode_wait_s = decode_wait_s
        self._tell = tell
        self._memory_max_bytes = memory_max_bytes()

    async def run(self) -> None:
        """Measure, and tell twice a second."""
        loop = asyncio.get_running_loop()
        probes = round(WINDOW_S / PROBE_S)
        lags_s: deque[float] = deque(maxlen=probes)
        waits_s: deque[float] = deque(maxlen=probes)
        used: deque[tuple[float, float]] = deque([(loop.time(), time.thread_time())], maxlen=probes // TELL_EVERY + 1)
        while True:
            for _ in range(TELL_EVERY):
                due_s = loop.time() + PROBE_S
                await asyncio.sleep(PROBE_S)
                lags_s.append(loop.time() - due_s)
                waits_s.append(self._decode_wait_s())
            used.append((loop.time(), time.thread_time()))
            (begun_s, cpu_before_s), (now_s, cpu_s) = used[0], used[-1]
            load = Load(
                lag_ms=_late(lags_s) * 1000,
                cpu=(cpu_s - cpu_before_s) / max(now_s - begun_s, PROBE_S),
                memory=memory_bytes() / self._memory_max_bytes if self._memory_max_bytes else 0.0,
                decode_ms=_late(waits_s) * 1000,
            )
            for name in ("lag_ms", "cpu", "memory", "decode_ms"):
                metrics.LOAD.labels(name).set(getattr(load, name))
            try:
                self._tell(load)
            except Exception:
                logger.exception("a measurement of the load could not be acted on")


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
