"""Silence that should not be."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.live.watchdog import ANSWER_S, EMPTY_S, MORE_S, Alarm, Remedy, Trouble, Watchdog


def test_an_answer_in_time_is_no_trouble() -> None:
    """Any sound of the model will do."""
    watchdog = Watchdog()
    watchdog.user_ended(0.0)
    assert watchdog.is_waiting
    assert watchdog.due(ANSWER_S - 0.1) is None
    watchdog.sound()
    assert not watchdog.is_waiting
    assert watchdog.due(1000) is None


def test_the_ladder_is_climbed_and_ends() -> None:
    """Ask again, resume, rehydrate, say so; then silence, until the person speaks again."""
    watchdog = Watchdog()
    watchdog.user_ended(0.0)
    remedies = [watchdog.due((step + 1) * ANSWER_S) for step in range(6)]
    assert remedies == [
        Alarm(Trouble.NO_ANSWER, Remedy.NUDGE),
        Alarm(Trouble.NO_ANSWER, Remedy.RESUME),
        Alarm(Trouble.NO_ANSWER, Remedy.REHYDRATE),
        Alarm(Trouble.NO_ANSWER, Remedy.GIVE_UP),
        None,
        None,
    ]
    watchdog.user_ended(100.0)
    assert watchdog.due(100 + ANSWER_S) == Alarm(Trouble.NO_ANSWER, Remedy.NUDGE)


def test_a_sound_puts_the_ladder_back() -> None:
    """Trouble of last time does not count against this time."""
    watchdog = Watchdog()
    watchdog.user_ended(0.0)
    watchdog.due(ANSWER_S)
    watchdog.sound()
    watchdog.user_ended(100.0)
    assert watchdog.due(100 + ANSWER_S) == Alarm(Trouble.NO_ANSWER, Remedy.NUDGE)


def test_a_person_who_goes_on_speaking_waits_for_nothing() -> None:
    """The time runs from the end of speech."""
    watchdog = Watchdog()
    watchdog.user_ended(0.0)
    watchdog.user_started()
    assert watchdog.due(1000) is None


def test_a_turn_without_sound_is_trouble_when_something_was_asked() -> None:
    """Soon, but not at once: it may be the late end of a turn that was interrupted."""
    watchdog = Watchdog()
    watchdog.turn_complete(0.0, expects_more=False)
    assert watchdog.due(1000) is None
    watchdog.user_ended(2000)
    watchdog.turn_complete(2000, expects_more=False)
    assert watchdog.due(2000 + EMPTY_S) == Alarm(Trouble.EMPTY_TURN, Remedy.NUDGE)


def test_a_turn_that_announces_more_owes_it() -> None:
    """Background work may take longer than an answer."""
    watchdog = Watchdog()
    watchdog.sound()
    watchdog.turn_complete(0.0, expects_more=True)
    assert watchdog.due(MORE_S - 1) is None
    assert watchdog.due(MORE_S) == Alarm(Trouble.NO_MORE, Remedy.NUDGE)


def test_an_interruption_by_nobody_is_trouble() -> None:
    """One by the person is not."""
    watchdog = Watchdog()
    watchdog.interrupted(0.0, user_speaks=True)
    assert watchdog.due(1000) is None
    watchdog.interrupted(2000, user_speaks=False)
    assert watchdog.due(2000 + ANSWER_S) == Alarm(Trouble.PHANTOM_INTERRUPTION, Remedy.NUDGE)


def test_waiting_on_purpose_is_forgiven() -> None:
    """`waitingForInput`, a tool call, or a person who has left."""
    for forgive in (Watchdog.forgive, Watchdog.tool_call):
        watchdog = Watchdog()
        watchdog.user_ended(0.0)
        forgive(watchdog)
        watchdog.turn_complete(0.0, expects_more=False)
        assert watchdog.due(1000) is None


@given(st.lists(st.sampled_from(["user", "sound", "turn", "more", "interrupted", "look"]), max_size=200))
def test_alarms_are_bounded(steps: list[str]) -> None:
    """However events come, there are no more than four alarms between two words of the person or the model."""
    watchdog = Watchdog()
    now_s, alarms = 0.0, 0
    for step in steps:
        now_s += 5.0
        if step == "user":
            watchdog.user_ended(now_s)
            alarms = 0
        elif step == "sound":
            watchdog.sound()
            alarms = 0
        elif step == "turn":
            watchdog.turn_complete(now_s, expects_more=False)
        elif step == "look":
            alarms += watchdog.due(now_s) is not None
        assert alarms <= 4
