"""The beat of a worker."""

import asyncio
import time

from gateway.media.ticker import PHASES, TICK_S, Ticker
from tests.clock import virtually


@virtually
async def test_every_call_is_looked_after_every_20_ms_in_phases() -> None:
    """A hundred calls are spread over the phases; each has 50 beats a second."""
    ticker, beats = Ticker(), [[] for _ in range(100)]
    stops = [ticker.start(lambda now_s, _, times=times: times.append(now_s)) for times in beats]
    await asyncio.sleep(1.001)
    assert {len(times) for times in beats} <= {50, 51}
    assert len({round(times[0] % TICK_S, 4) for times in beats}) == PHASES
    for stop in stops:
        stop()
    before = sum(map(len, beats))
    await asyncio.sleep(1)
    assert sum(map(len, beats)) == before
    assert not any(task is not asyncio.current_task() for task in asyncio.all_tasks())


@virtually
async def test_a_defect_of_one_call_leaves_the_others() -> None:
    """The beat goes on for everyone, the defective one too."""
    ticker, beats = Ticker(), []

    def broken(now_s: float, missed: int) -> None:
        beats.append(now_s)
        raise RuntimeError("a defect")

    stop = ticker.start(broken)
    await asyncio.sleep(0.1)
    stop()
    assert len(beats) >= 5


async def test_after_a_stall_the_missed_beats_are_told_and_not_made_up_for() -> None:
    """A loop that was blocked for 200 ms beats once, with the number of those it missed."""
    ticker, beats = Ticker(), []
    stop = ticker.start(lambda now_s, missed: beats.append((now_s, missed)))
    while len(beats) < 2:
        await asyncio.sleep(0.001)
    time.sleep(0.2)  # noqa: ASYNC251 - the stall
    count = len(beats)
    while len(beats) == count:
        await asyncio.sleep(0)
    stop()
    (before_s, _), (after_s, missed) = beats[count - 1], beats[count]
    assert missed >= 5
    assert abs((after_s - before_s) / TICK_S - missed - 1) < 1.5
