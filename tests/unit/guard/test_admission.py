"""Who is let in, and what is shed before anyone is turned away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LimitReached, Overloaded, TooManySessions, TooManySessionsOfSubject, TooManySetups
from gateway.guard.admission import HOLD_MOST_S, HOLD_S, RELAPSE_S, Admission, Level, Occupancy
from gateway.settings import Settings
from gateway.telemetry.load import Load

SETTINGS = Settings(max_sessions=10, sessions_per_subject=2, setups_at_once=3, load_lag_ms=40)
CALM, BUSY, TOO_BUSY = Load(lag_ms=4), Load(lag_ms=30), Load(lag_ms=80)
ROOM = Occupancy(sessions=0, setting_up=0, of_subject=0)


def fed(admission: Admission, load: Load, from_s: float, until_s: float) -> list[tuple[float, Level]]:
    """The changes while it is fed the same twice a second."""
    ticks = range(round(from_s * 2), round(until_s * 2))
    return [(tick / 2, admission.level) for tick in ticks if admission.feed(load, tick / 2)]


def calms(admission: Admission, from_s: float) -> float:
    """When it is back to normal, under no load."""
    tick = from_s
    while admission.level is not Level.NORMAL:
        admission.feed(CALM, tick)
        tick += 0.5
    return tick


@pytest.mark.parametrize(
    ("taken", "error"),
    [
        (Occupancy(10, 0, 0), TooManySessions),
        (Occupancy(5, 0, 2), TooManySessionsOfSubject),
        (Occupancy(5, 3, 0), TooManySetups),
        (Occupancy(9, 2, 1), None),
        (Occupancy(9, 2, None), None),
    ],
)
def test_each_limit_of_places_has_its_error(taken: Occupancy, error: type[LimitReached] | None) -> None:
    """With the time after which it makes sense to come back; up to the limit nothing is said."""
    admission = Admission(SETTINGS)
    if error is None:
        admission.check(taken)
        return
    with pytest.raises(error) as refused:
        admission.check(taken)
    assert refused.value.retry_after_s
    assert refused.value.http_status in (429, 503)


def test_video_is_shed_before_calls_are_turned_away() -> None:
    """A step at a time, however suddenly the load came; only then is a new session refused."""
    admission = Admission(SETTINGS)
    assert admission.feed(TOO_BUSY, 0.0)
    assert admission.level is Level.LESS_VIDEO
    admission.check(ROOM)
    assert fed(admission, TOO_BUSY, 0.5, 3.0) == [(0.5, Level.NO_VIDEO), (1.0, Level.FULL)]
    with pytest.raises(Overloaded):
        admission.check(ROOM)


def test_a_load_that_is_borne_with_less_video_goes_no_further() -> None:
    """Each level has a load of its own."""
    admission = Admission(SETTINGS)
    assert fed(admission, BUSY, 0.0, 60.0) == [(0.0, Level.LESS_VIDEO)]


def test_what_was_shed_comes_back_step_by_step() -> None:
    """Each step after some calm; a load between the thresholds changes nothing."""
    admission = Admission(SETTINGS)
    fed(admission, TOO_BUSY, 0.0, 2.0)
    between = Load(lag_ms=33)
    assert fed(admission, between, 2.0, 30.0) == []
    changes = fed(admission, CALM, 30.0, 60.0)
    assert [level for _, level in changes] == [Level.NO_VIDEO, Level.LESS_VIDEO, Level.NORMAL]
    assert [at_s for at_s, _ in changes] == [30 + HOLD_S, 30 + 2 * HOLD_S, 30 + 3 * HOLD_S]


def test_a_relapse_makes_it_more_careful() -> None:
    """What came back and was too much comes back later the next time, up to a bound; long calm forgives."""
    admission = Admission(SETTINGS)
    now_s, waited = 0.0, []
    for _ in range(8):
        assert admission.feed(BUSY, now_s)
        back_s = calms(admission, now_s + 0.5)
        waited.append(back_s - now_s)
        now_s = back_s + 1.0
    assert waited == sorted(waited)
    assert waited[0] == pytest.approx(HOLD_S, abs=1)
    assert waited[-1] == pytest.approx(HOLD_MOST_S, abs=1)
    fed(admission, CALM, now_s, now_s + RELAPSE_S + 1)
    now_s += RELAPSE_S + 2
    assert admission.feed(BUSY, now_s)
    assert calms(admission, now_s + 0.5) - now_s == pytest.approx(HOLD_S, abs=1)


@pytest.mark.parametrize("load", [Load(lag_ms=41), Load(cpu=0.9), Load(memory=0.95), Load(decode_ms=600)])
def test_each_measure_counts(load: Load) -> None:
    """The worst of them decides."""
    admission = Admission(SETTINGS)
    fed(admission, load, 0.0, 3.0)
    assert admission.level is Level.FULL


@given(st.lists(st.floats(0, 200), max_size=200))
def test_levels_change_by_one(lags_ms: list[float]) -> None:
    """Whatever is measured."""
    admission = Admission(SETTINGS)
    before = admission.level
    for index, lag_ms in enumerate(lags_ms):
        changed = admission.feed(Load(lag_ms=lag_ms), index / 2)
        assert changed == (admission.level is not before)
        assert abs(admission.level - before) <= 1
        before = admission.level
