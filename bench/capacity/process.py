"""The programs of a measurement, each in a process of its own, and what the machine says of them.

Owns starting, talking to, measuring and ending them. It must not know what they do.
**Invariant: a program that `running` started has ended when it is left.**
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.programs import environment

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STOP_TIMEOUT_S = 30.0
START_TIMEOUT_S = 60.0
LINE_MAX_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Usage:
    """What some processes have used and hold."""

    cpu_s: float
    memory_bytes: int
    threads: int

    @classmethod
    def of(cls, pids: Sequence[int]) -> Usage:
        """Of these processes together: the first, and those of the others that still run."""
        stats = [Path(f"/proc/{pids[0]}/stat").read_text(encoding="utf-8")]
        for pid in pids[1:]:
            with suppress(FileNotFoundError, ProcessLookupError):  # a browser's helpers come and go
                stats.append(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"))
        return parse_stats(stats, TICKS_PER_S, os.sysconf("SC_PAGE_SIZE"))


def parse_stats(stats: Sequence[str], ticks_per_s: int, page_bytes: int) -> Usage:
    """The sum of what `/proc/PID/stat` says of each process (proc(5)); a name may hold spaces and parentheses."""
    fields = [text.rpartition(")")[2].split() for text in stats]  # from the third field on
    return Usage(
        cpu_s=sum(int(one[11]) + int(one[12]) for one in fields) / ticks_per_s,
        memory_bytes=sum(int(one[21]) for one in fields) * page_bytes,
        threads=sum(int(one[17]) for one in fields),
    )


def descendants(pid: int) -> list[int]:
    """The processes that a process has started and that run, and those that they have started."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text(encoding="ascii").split()):
                found += [child, *descendants(child)]
    return found


class Process:
    """A running program; it hears lines and says lines."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self.pid = process.pid

    @property
    def pids(self) -> list[int]:
        """It and what it has started."""
        return [self.pid, *descendants(self.pid)]

    def usage(self) -> Usage:
        """What all of it has used and holds."""
        return Usage.of(self.pids)

    async def line(self, pattern: str, timeout_s: float = START_TIMEOUT_S) -> str:
        """The group of the next line that it says in this form; raises RuntimeError with its log."""
        assert self._process.stdout is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while line := await self._process.stdout.readline():
                    if match := re.search(pattern, line.decode()):
                        return match[1]
        raise RuntimeError(f"no line like {pattern!r}: {self._log.read_text(encoding='utf-8')[-2000:]}")

    async def ask(self, text: str, pattern: str, timeout_s: float = START_TIMEOUT_S) -> str:
        """Say a line and wait for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())
        return await self.line(pattern, timeout_s)

    async def stop(self) -> None:
        """End it."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


@asynccontextmanager
async def running(
    command: Sequence[str], log: Path, *, python: str = sys.executable, **settings: str
) -> AsyncIterator[Process]:
    """`python -m command…` with these variables, until the context is left; its errors go to `log`."""
    with log.open("w", encoding="utf-8") as errors:
        process = await asyncio.create_subprocess_exec(
            python,
            "-m",
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=LINE_MAX_BYTES,
            env=environment(PYTHONUNBUFFERED="1", **settings),
        )
    started = Process(process, log)
    try:
        yield started
    finally:
        await started.stop()


async def told() -> AsyncIterator[list[str]]:
    """On the other side of `ask`: each line that this process is told, as words; SIGINT is the end of them."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    loop.add_signal_handler(signal.SIGINT, reader.feed_eof)
    while line := await reader.readline():
        yield line.decode().split()


def now_s() -> float:
    """The clock that all processes of a machine share."""
    return time.monotonic()
