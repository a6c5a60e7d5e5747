"""The beat of the event loop."""

import asyncio
import threading
import time

import pytest

from gateway.telemetry import pulse
from gateway.telemetry.pulse import REMEMBER_S, STALE_S, Pulse


def test_a_stall_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that comes just after it hears of it; one that comes much later does not."""
    now_s = 1000.0
    monkeypatch.setattr(pulse.time, "monotonic", lambda: now_s)
    beat = Pulse()
    beat.note(now_s, 0.01)
    assert not beat.is_stale
    beat.note(now_s, STALE_S + 1)
    assert beat.is_stale
    assert beat.worst_lag_s == STALE_S + 1
    now_s += REMEMBER_S + 1
    assert not beat.is_stale
    assert beat.worst_lag_s == 0


async def test_where_the_loop_is_stuck_is_told_while_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By a thread of its own, once, with the function that does not come back."""
    monkeypatch.setattr(pulse, "STALE_S", 0.1)
    beat = Pulse()
    beat.open()
    await asyncio.sleep(0)

    def this_never_returns() -> None:
        deadline_s = time.monotonic() + 20
        while not caplog.records and time.monotonic() < deadline_s:
            time.sleep(0.02)

    this_never_returns()
    await beat.close()
    (record,) = caplog.records
    assert "the event loop has been stuck for" in record.getMessage()
    assert "this_never_returns" in record.getMessage()
    assert "pulse" not in {thread.name for thread in threading.enumerate()}


async def test_each_beat_is_told_to_whoever_follows() -> None:
    """With how late it was; nobody has to."""
    beat = Pulse()
    beat.note(1.0, 0.1)
    told: list[float] = []
    beat.follow = told.append
    beat.open()
    while len(told) < 2:
        await asyncio.sleep(0.01)
    await beat.close()
    assert min(told) >= 0


def test_what_is_long_past_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long nobody asks how late the loop was."""
    monkeypatch.setattr(pulse.time, "monotonic", lambda: 0.0)
    beat = Pulse()
    for number in range(10_000):
        beat.note(number * pulse.BEAT_S, 0.0)
    assert len(beat._lags) <= REMEMBER_S / pulse.BEAT_S + 1
