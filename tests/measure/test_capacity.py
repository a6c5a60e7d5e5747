"""What the bench of the capacity compares."""

from typing import Any

from bench.capacity.table import compared, largest


def step(calls: int, cadence_p99_ms: float, frames_per_s: float) -> dict[str, Any]:
    """As a report has it."""
    cadence = {"p99_ms": cadence_p99_ms, "share": 1.0}
    return {"calls": calls, "percent": 2.0, "cadence": cadence, "frames_per_s": frames_per_s}


def test_a_step_that_gave_pictures_or_sound_away_is_not_compared() -> None:
    """Or a gateway that does less would cost less."""
    steps = [step(10, 42.0, 2.6), step(50, 60.0, 2.6), step(60, 74.0, 0.8), step(70, 89.0, 2.6)]
    run = {"server": "gateway", "scenario": "page", "steps": steps}
    assert compared(run)["calls"] == largest([run], "page") == 50


def test_without_any_whole_step_the_smallest_is_compared() -> None:
    """And the gateway holds none."""
    run = {"server": "gateway", "scenario": "page", "steps": [step(10, 90.0, 2.6), step(50, 99.0, 2.6)]}
    assert compared(run)["calls"] == 10
    assert largest([run], "page") == 0
