"""A call whose instructions are counted: `valgrind --tool=callgrind --instr-atstart=no python -m tests.instructions`.

It is run by `tests/unit/test_instructions.py`. The calls are those of `tests/unit/test_budget.py`, on the same virtual
clock; instructions are counted only while somebody speaks, and written to a file for each part: one in which the model
listens, one in which it answers.
"""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from bench.capacity.recording import speech
from tests.clock import run_virtual
from tests.pipeline import Pipeline
from tests.unit.test_budget import answers

PACKETS = 200  # of a part: four seconds


def valgrind(*command: str) -> None:
    """Tell the valgrind that runs this: it listens between instructions, not while they wait."""
    with subprocess.Popen(["vgdb", f"--pid={os.getpid()}", *command], stdout=subprocess.DEVNULL) as told:
        while told.poll() is None:
            pass


@contextmanager
def counted() -> Iterator[None]:
    """Count meanwhile, and write it down."""
    gc.collect()
    valgrind("instrumentation", "on")
    yield
    valgrind("instrumentation", "off")
    valgrind("dump")


async def talk() -> None:
    """One call."""
    pipeline = Pipeline(speech())
    async with pipeline.running():
        await pipeline.speak(PACKETS)  # the network is judged, the first report sent
        with counted():
            await pipeline.speak(PACKETS)
        answers(pipeline)
        with counted():
            await pipeline.speak(PACKETS)


if __name__ == "__main__":
    gc.disable()  # when it runs depends on what ran before
    run_virtual(talk())
