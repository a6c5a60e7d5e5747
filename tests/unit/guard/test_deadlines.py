"""When a session has to end, and how often that is announced."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.guard.deadlines import Deadlines, Over, Soon


def told(deadlines: Deadlines, until_s: float, active_s: tuple[float, ...] = ()) -> list[tuple[float, Soon | Over]]:
    """Everything that is due, looked at when `next_s` says so, up to the end."""
    found: list[tuple[float, Soon | Over]] = []
    now_s, activity = 0.0, list(active_s)
    while now_s < until_s:
        now_s = max(now_s, deadlines.next_s)
        while activity and activity[0] <= now_s:
            deadlines.active(activity.pop(0))
        if now_s < deadlines.next_s:
            continue
        while (due := deadlines.look(now_s)) is not None:
            found.append((now_s, due))
            if isinstance(due, Over):
                return found
    return found


def test_the_end_is_announced_twice() -> None:
    """60 and 10 seconds ahead; then it comes, at its second."""
    assert told(Deadlines(300.0, 1e6, 0.0), 1e3) == [
        (240.0, Soon("time", 60.0)),
        (290.0, Soon("time", 10.0)),
        (300.0, Over("time")),
    ]


def test_a_short_session_is_not_announced_as_it_begins() -> None:
    """What would come in its first half is left out."""
    assert told(Deadlines(60.0, 1e6, 0.0), 1e3) == [(50.0, Soon("time", 10.0)), (60.0, Over("time"))]
    assert told(Deadlines(5.0, 1e6, 0.0), 1e3) == [(5.0, Over("time"))]


def test_silence_ends_a_session_and_a_word_puts_that_off() -> None:
    """It is announced; whoever speaks after that is announced it again."""
    assert told(Deadlines(1e6, 100.0, 0.0), 1e3) == [(70.0, Soon("idle", 30.0)), (100.0, Over("idle"))]
    assert told(Deadlines(1e6, 100.0, 0.0), 1e3, (40.0, 120.0)) == [
        (110.0, Soon("idle", 30.0)),
        (190.0, Soon("idle", 30.0)),
        (220.0, Over("idle")),
    ]


def test_after_a_stall_only_the_nearest_announcement_is_made() -> None:
    """What is overdue twice is said once."""
    deadlines = Deadlines(300.0, 1e6, 0.0)
    soon = deadlines.look(293.0)
    assert isinstance(soon, Soon)
    assert soon.left_s == 7.0
    assert deadlines.look(293.0) is None
    assert deadlines.look(301.0) == Over("time")


@given(st.floats(1, 1e4), st.floats(1, 1e4), st.lists(st.floats(0, 1e4), max_size=20))
def test_activity_never_puts_off_the_end_of_time(
    session_max_s: float, idle_end_s: float, active_s: list[float]
) -> None:
    """A session ends at its time at the latest, and never of silence before its silence is over."""
    active_s = sorted(active_s)
    at_s, last = told(Deadlines(session_max_s, idle_end_s, 0.0), 1e6, tuple(active_s))[-1]
    assert isinstance(last, Over)
    assert at_s <= session_max_s
    if last.kind == "idle":
        before = [0.0, *(one for one in active_s if one <= at_s)]
        assert at_s - max(before) >= idle_end_s - 1e-6
