"""A browser that is not heard."""

from collections import Counter

from gateway.media.knocking import AFTER_S, GIVEN_UP_S, KNOCK_S, UNHEARD_S, Knocking

BEAT_S = 0.02


def played(gap_s: float, begin_s: float = 10.0, rule: Knocking | None = None) -> list[tuple[float, str]]:
    """What is done, and when since the last packet, around a gap of so long; afterwards packets come again."""
    rule = rule or Knocking()
    done = []
    for beat in range(int((gap_s + 3.0) / BEAT_S)):
        after_s = beat * BEAT_S
        silent_s = after_s if after_s <= gap_s else 0.0
        if (does := rule.look(silent_s, begin_s + after_s)) is not None:
            done.append((after_s, does))
    return done


def test_a_gap_is_told_once_and_knocked_through() -> None:
    """Told after its first 0.6 s, knocked at ten times a second, and for a second longer."""
    done = played(2.0)
    assert done[0][1] == "tell"
    assert UNHEARD_S < done[0][0] <= UNHEARD_S + 2 * BEAT_S
    assert Counter(does for _, does in done)["tell"] == 1
    knocks = [after_s for after_s, does in done if does == "knock"]
    assert knocks[-1] <= 2.0 + AFTER_S
    assert abs(len(knocks) - (2.0 + AFTER_S - UNHEARD_S) / KNOCK_S) <= 1


def test_what_is_no_gap_is_left_alone() -> None:
    """Speech, silence that its sender saves, and lost packets."""
    assert played(UNHEARD_S - BEAT_S) == []


def test_a_browser_that_is_away_is_not_knocked_at_for_ever() -> None:
    """A second after the call is detached it is over."""
    done = played(60.0)
    assert done[-1][0] <= GIVEN_UP_S + AFTER_S
    assert Counter(does for _, does in done)["tell"] == 1


def test_the_next_gap_is_told_again() -> None:
    """Each is, unless it follows at once."""
    rule = Knocking()
    first, second = played(0.8, 10.0, rule), played(0.8, 20.0, rule)
    assert [first[0], second[0]] == [first[0]] * 2
