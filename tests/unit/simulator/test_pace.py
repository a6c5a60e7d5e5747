"""How long the simulated model thinks."""

import pytest

from gateway.simulator.pace import WINDOW_S, Pace


def test_it_thinks_as_long_as_the_script_says() -> None:
    """Without frames."""
    assert Pace(0, 0).think_s(5.0) == 0
    assert Pace(250, 100).think_s(5.0) == 0.25


def test_frames_cost_time_while_they_are_new() -> None:
    """Three a second cost three times as much as one; when they have stopped they cost nothing."""
    busy, calm = Pace(0, 100), Pace(0, 100)
    for beat in range(9):
        busy.frame(10 + beat / 3)
    for beat in range(3):
        calm.frame(10.0 + beat)
    assert busy.think_s(13.0) == pytest.approx(0.3)
    assert calm.think_s(13.0) == pytest.approx(0.1)
    assert busy.think_s(13.0 + WINDOW_S) == 0
