"""What one call may cost, counted in function calls instead of time: the same on every machine, and each time.

A call on a virtual clock (`tests/pipeline.py`) is followed by the interpreter's own profiler. A figure that is passed
by `SLACK` is work that a hundred calls would do fifty times a second each: find out where it comes from (`REPORT=1
pytest tests/unit/test_budget.py -s` prints the functions), and write down a new budget only when it is worth it. One
that has become much smaller is to be written down too, or the next decay would hide behind it.
"""

import gc
import os
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType

import pytest

from bench.capacity.model import answer
from bench.capacity.recording import SoundPacket, speech
from gateway.media.native import IN_C
from tests.clock import run_virtual
from tests.pipeline import Pipeline

SLACK = 0.02  # reports at random times are a tenth of a percent; one idle log line with each packet is 3 %
SECONDS = 5
WARM_S = 4  # the network is judged, the first report sent
# In a second, CPython 3.11: with the innermost steps in C, and without.
LISTENING, ANSWERING = (14_470.0, 16_350.0) if IN_C else (15_540.0, 17_630.0)


class Profiler:
    """Counts calls of functions, of Python and of C, while the context lasts."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> "Profiler":
        gc.collect()
        gc.disable()  # when it runs depends on what ran before
        sys.setprofile(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        gc.enable()

    def _event(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            self.counts[f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_code.co_name}"] += 1
        elif event == "c_call":
            self.counts[getattr(argument, "__qualname__", "?")] += 1


def counted(sound: tuple[SoundPacket, ...], says: Callable[[Pipeline], None] | None = None) -> float:
    """Function calls in a second of a call."""
    profiler = Profiler()

    async def talk() -> None:
        pipeline = Pipeline(sound)
        async with pipeline.running():
            await pipeline.speak(WARM_S * 50)
            if says is not None:
                says(pipeline)
            with profiler:
                await pipeline.speak(SECONDS * 50)

    run_virtual(talk())
    if "REPORT" in os.environ:
        for name, count in profiler.counts.most_common(60):
            print(f"{count / SECONDS:8.1f} {name}")
    return profiler.counts.total() / SECONDS


def answers(pipeline: Pipeline) -> None:
    """The model speaks: four seconds of every ten."""
    for _, message in answer():
        pipeline.socket.say(message)


def judge(calls: float, budget: float) -> None:
    """Within the slack on both sides."""
    assert calls <= budget * (1 + SLACK), f"{calls:.0f} function calls a second of a call; {budget:.0f} are granted"
    assert calls >= budget * (1 - SLACK), f"only {calls:.0f} function calls: well done; write the new budget down"


of_this_python = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="others count other calls as calls")


@of_this_python
def test_listening_stays_within_its_budget() -> None:
    """A person speaks, the model listens."""
    judge(counted(speech()), LISTENING)


@of_this_python
def test_an_answer_stays_within_its_budget() -> None:
    """The model speaks 40 % of the time."""
    judge(counted(speech(), answers), ANSWERING)


def test_the_count_hardly_differs() -> None:
    """Or it would be no measure."""
    assert counted(speech()) == pytest.approx(counted(speech()), rel=0.01)
