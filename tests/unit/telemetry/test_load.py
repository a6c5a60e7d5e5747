"""How busy the process is, as it measures itself."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.telemetry import load
from gateway.telemetry.load import PROBE_S, TELL_EVERY, WINDOW_S, Load, LoadSampler, memory_bytes, memory_max_bytes
from tests.clock import VirtualLoop, virtually


@asynccontextmanager
async def sampling(tell: Callable[[Load], None], decode_wait_s: float = 0.0) -> AsyncIterator[asyncio.Task[None]]:
    """A sampler at work."""
    task = asyncio.create_task(LoadSampler(lambda: decode_wait_s, tell).run())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@virtually
async def test_an_idle_loop_is_not_late() -> None:
    """Told twice a second, with what waits for the decoder."""
    told: list[Load] = []
    async with sampling(told.append, decode_wait_s=0.3):
        await asyncio.sleep(5.05)
    assert len(told) == round(5 / (PROBE_S * TELL_EVERY))
    assert told[-1].lag_ms == 0
    assert told[-1].decode_ms == 300
    assert 0 < told[-1].memory < 1


@virtually
async def test_a_loop_that_is_always_late_is_seen_and_one_long_step_is_not() -> None:
    """Nine of ten wake-ups are what counts."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    told: list[Load] = []

    async def burdens(seconds: float, late_s: float) -> None:
        until_s = loop.time() + seconds
        while loop.time() < until_s:
            await asyncio.sleep(0.02)
            loop._virtual.now_s += late_s  # a step that takes so long

    async with sampling(told.append):
        await burdens(WINDOW_S, 0.0)
        loop._virtual.now_s += 1.0
        await burdens(WINDOW_S, 0.0)
        assert max(one.lag_ms for one in told) == 0
        await burdens(2 * WINDOW_S, 0.05)
        assert told[-1].lag_ms >= 20


async def test_the_share_of_the_processor_is_that_of_the_loop() -> None:
    """What the loop's own thread uses, by the processor's clock."""
    told: list[Load] = []
    async with sampling(told.append):
        while not told or told[-1].cpu < 0.1:  # works until it is seen, however slow the machine is
            until_s = time.thread_time() + 0.05
            while time.thread_time() < until_s:
                pass
            await asyncio.sleep(0)
    assert told[-1].cpu <= 1.1


@virtually
async def test_whoever_cannot_act_on_a_measurement_does_not_stop_the_measuring() -> None:
    """It is logged, and the next one comes."""
    count = 0

    def fails(_: Load) -> None:
        nonlocal count
        count += 1
        raise RuntimeError("no")

    async with sampling(fails) as task:
        await asyncio.sleep(3)
        assert not task.done()
    assert count >= 5


@pytest.mark.parametrize("text", ["1000000\n", "max\n", None])
def test_the_memory_of_a_container_is_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """The smaller one of what the container and the machine have; `max` is no limit."""
    limit = tmp_path / "memory.max"
    if text is not None:
        limit.write_text(text)
    monkeypatch.setattr(load, "LIMITS", (str(limit),))
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert memory_max_bytes() == (1_000_000 if text == "1000000\n" else machine)
    assert memory_bytes() > 10_000_000
