"""A call whose instructions are counted: `valgrind $OPTIONS python -m tests.instructions`, with `OPTIONS` from here.

It is run by `tests/unit/test_instructions.py`. The calls are those of `tests/unit/test_budget.py`, on the same virtual
clock. valgrind writes a file at each mark: one in which the model listens is `PARTS[0]`, one in which it answers
`PARTS[1]`.
"""

from __future__ import annotations

import gc
import os
import subprocess

from bench.capacity.recording import speech
from tests.clock import run_virtual
from tests.pipeline import Pipeline
from tests.unit.test_budget import answers

PACKETS = 200  # of a part: four seconds
OPTIONS = "--tool=callgrind", "--instr-atstart=no", "--dump-before=getloadavg"
PARTS = 2, 4  # the numbers of their files


def mark() -> None:
    """Where valgrind writes what was counted since the last mark: a function of libc that nobody else calls."""
    os.getloadavg()


def start_counting() -> None:
    """Tell the valgrind that runs this: it listens between instructions, not while they wait."""
    with subprocess.Popen(["vgdb", f"--pid={os.getpid()}", "instrumentation", "on"], stdout=subprocess.DEVNULL) as told:
        while told.poll() is None:
            pass


async def talk() -> None:
    """One call."""
    pipeline = Pipeline(speech())
    async with pipeline.running():
        await pipeline.speak(PACKETS)  # the network is judged, the first report sent
        gc.collect()
        start_counting()
        mark()
        await pipeline.speak(PACKETS)
        mark()
        answers(pipeline)
        mark()
        await pipeline.speak(PACKETS)
        mark()


if __name__ == "__main__":
    gc.disable()  # when it runs depends on what ran before
    run_virtual(talk())
