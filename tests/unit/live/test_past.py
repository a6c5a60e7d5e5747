"""A conversation as fields, and back."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.live.past import NO_PAST, Past, turns_of
from gateway.live.transcript import Transcript, Turn, Used

TURNS = st.lists(
    st.builds(
        Turn,
        number=st.integers(1, 1000),
        user=st.text(max_size=20),
        model=st.text(max_size=20),
        tools=st.lists(st.builds(Used, st.text(max_size=5), st.text(max_size=5)), max_size=2),
        cut=st.booleans(),
    ),
    max_size=5,
    unique_by=lambda turn: turn.number,
).map(lambda turns: tuple(sorted(turns, key=lambda turn: turn.number)))


@given(turns=TURNS, summary=st.text(max_size=20), handle=st.none() | st.text(max_size=20))
def test_what_is_told_is_read(turns: tuple[Turn, ...], summary: str, handle: str | None) -> None:
    """All of it."""
    past = Past(turns, 0, summary, 3, handle, 7)
    assert Past.from_fields(past.fields()) == past


def test_turns_that_were_written_are_not_told_again() -> None:
    """Fields of several writings together are the whole."""
    first, second, third = Turn(1, user="a", model="b"), Turn(2, user="c", model="d"), Turn(3, user="e")
    written: dict[str, Any] = dict(Past((first, second)).fields())
    later = Past((first, second, third)).fields(since_turn=2)
    assert "turn:1" not in later
    written.update(later)
    assert turns_of(written) == [first, second, third]


def test_turns_that_were_dropped_stay_away() -> None:
    """Although their fields are still there."""
    written: dict[str, Any] = dict(Past((Turn(1, user="a"), Turn(2, user="b"))).fields())
    written.update(Past((Turn(2, user="b"),), dropped_turns=1).fields(since_turn=2))
    assert Past.from_fields(written).turns == (Turn(2, user="b"),)


def test_a_transcript_goes_on_after_its_past() -> None:
    """With the next number, and the words of before."""
    transcript = Transcript((Turn(4, user="a", model="b"),), dropped_turns=3)
    transcript.typed("c")
    assert [turn.number for turn in transcript.turns()] == [4, 5]
    assert NO_PAST.last_turn == 0
    assert Past(tuple(transcript.turns())).last_turn == 5
