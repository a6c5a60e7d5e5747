"""How busy the process is, as it measures itself."""

import os
import time
from pathlib import Path

import pytest

from gateway.telemetry import load
from gateway.telemetry.load import TELL_EVERY, WINDOW_S, Load, LoadSampler, memory_bytes, memory_max_bytes
from gateway.telemetry.pulse import BEAT_S


def test_an_idle_loop_is_not_late() -> None:
    """Told twice a second, with what waits for the decoder."""
    told: list[Load] = []
    sampler = LoadSampler(lambda: 0.3, told.append)
    for _ in range(round(5 / BEAT_S)):
        sampler.note(0.0)
    assert len(told) == round(5 / (BEAT_S * TELL_EVERY))
    assert told[-1].lag_ms == 0
    assert told[-1].decode_ms == 300
    assert 0 < told[-1].memory < 1


def test_a_loop_that_is_always_late_is_seen_and_one_long_step_is_not() -> None:
    """Nine of ten wake-ups are what counts."""
    told: list[Load] = []
    sampler = LoadSampler(lambda: 0.0, told.append)
    beats = round(WINDOW_S / BEAT_S)
    for lag_s in (*[0.0] * beats, 1.0, *[0.0] * beats):
        sampler.note(lag_s)
    assert max(one.lag_ms for one in told) == 0
    for _ in range(beats):
        sampler.note(0.02)
    assert told[-1].lag_ms >= 20


def test_the_share_of_the_processor_is_that_of_the_loop() -> None:
    """What the loop's own thread uses, by the processor's clock: half of this time, and then all of it."""
    told: list[Load] = []
    now_s = 0.0
    sampler = LoadSampler(lambda: 0.0, told.append, clock=lambda: now_s)
    for share in (0.5, 1.0):
        for _ in range(2 * TELL_EVERY + 1):
            begun_s = time.thread_time()
            while time.thread_time() - begun_s < 0.01:
                pass
            now_s += (time.thread_time() - begun_s) / share
            sampler.note(0.0)
        if share == 0.5:
            half = told[-1].cpu
    assert 0.4 < half < told[-1].cpu


def test_whoever_cannot_act_on_a_measurement_does_not_stop_the_measuring() -> None:
    """It is logged, and the next one comes."""
    count = 0

    def fails(_: Load) -> None:
        nonlocal count
        count += 1
        raise RuntimeError("no")

    sampler = LoadSampler(lambda: 0.0, fails)
    for _ in range(5 * TELL_EVERY):
        sampler.note(0.0)
    assert count == 5


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
