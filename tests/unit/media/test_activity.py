"""Voice activity from levels."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.media.activity import HANGOVER_MS, VoiceActivity

STEP_MS = 40.0


def changes(levels: list[float]) -> list[tuple[int, str]]:
    """(index, change) for a sequence of 40 ms levels."""
    activity = VoiceActivity()
    told = ((index, activity.feed(level, STEP_MS)) for index, level in enumerate(levels))
    return [(index, change) for index, change in told if change is not None]


def test_speech_in_a_quiet_room_starts_and_stops() -> None:
    """The start comes after the onset, the stop after the hangover."""
    assert changes([-70.0] * 25 + [-25.0] * 25 + [-70.0] * 25) == [(26, "started"), (50 + 12, "stopped")]


def test_pauses_between_words_are_part_of_speaking() -> None:
    """A gap shorter than the hangover does not stop a turn."""
    gap = [-70.0] * (int(HANGOVER_MS / STEP_MS) - 1)
    assert [change for _, change in changes(([-25.0] * 10 + gap) * 5)] == ["started"]


def test_a_click_is_not_speech() -> None:
    """One loud message alone starts nothing."""
    assert changes([-70.0] * 10 + [-10.0] + [-70.0] * 10) == []


def test_a_steady_noise_stops_counting_as_voice() -> None:
    """A fan that is switched on may start a turn, but is learned and ends it."""
    told = [change for _, change in changes([-70.0] * 25 + [-42.0] * 500)]
    assert told == ["started", "stopped"]


@given(st.lists(st.floats(-127.0, 0.0), max_size=200))
def test_starts_and_stops_alternate(levels: list[float]) -> None:
    """Whatever the levels, a start comes first and is followed by a stop."""
    told = [change for _, change in changes(levels)]
    assert told == ["started", "stopped"] * (len(told) // 2) + ["started"] * (len(told) % 2)
