"""The model's turn."""

from gateway.live.answer import Answer

SECOND = bytes(48_000)


def test_what_was_not_played_of_an_answer_is_a_share_of_its_sound() -> None:
    """Of two seconds, half a second was not heard."""
    answer = Answer()
    answer.goes_on(SECOND)
    answer.goes_on()
    answer.goes_on(SECOND)
    assert answer.heard_share(500) == 0.75


def test_an_answer_without_sound_has_no_share() -> None:
    """Words alone are not heard."""
    answer = Answer()
    answer.goes_on()
    assert answer.is_on
    assert answer.heard_share(0) is None


def test_sound_is_counted_until_the_next_turn_begins() -> None:
    """What is still played after the end of a turn is of that turn."""
    answer = Answer()
    answer.goes_on(SECOND)
    answer.over()
    assert (answer.is_on, answer.is_generating) == (False, False)
    assert answer.heard_share(250) == 0.75
    answer.goes_on(SECOND * 2)
    assert answer.heard_share(500) == 0.75
