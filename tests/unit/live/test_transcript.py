"""The shadow log."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.live.transcript import CHARS_MAX, TURN_SHARE, Transcript, Turn, Used


def test_words_of_a_turn_belong_together_in_whatever_order_they_come() -> None:
    """Gemini 3 tells what it heard after it has answered."""
    transcript = Transcript()
    transcript.model_words("It is")
    transcript.model_words(" a fern.")
    transcript.user_words(" what is this")
    transcript.end_turn()
    assert transcript.turns() == [Turn(1, " what is this", "It is a fern.")]
    assert list(transcript.turns()[0].lines()) == ["User: what is this", "You: It is a fern."]


def test_new_words_after_an_answer_begin_a_turn() -> None:
    """Spoken or written, whether or not the service said that the turn was complete."""
    transcript = Transcript()
    transcript.typed("one")
    transcript.model_words("first")
    transcript.typed("two")
    transcript.model_words("second")
    transcript.user_words("three")
    assert [(turn.number, turn.user, turn.model) for turn in transcript.turns()] == [
        (1, "one", "first"),
        (2, "two", "second"),
        (3, "three", ""),
    ]


def test_what_was_not_heard_was_not_said() -> None:
    """An interruption keeps whole words, as many as were played."""
    transcript = Transcript()
    transcript.model_words("one two three four five six seven eight nine ten")
    transcript.cut(0.3)
    transcript.end_turn()
    (turn,) = transcript.turns()
    assert (turn.model, turn.cut) == ("one two three", True)
    assert list(turn.lines()) == ["You: one two three —"]


def test_an_unanswered_question_is_known() -> None:
    """So is one whose answer was cut off."""
    assert Turn(1, "why?").is_unanswered
    assert Turn(1, "why?", "because", cut=True).is_unanswered
    assert not Turn(1, "why?", "because").is_unanswered
    assert not Turn(1, "", "hello").is_unanswered


def test_tools_are_kept_as_text() -> None:
    """They are part of what a new link has to know."""
    transcript = Transcript()
    transcript.tool(Used("weather", "rain"))
    transcript.end_turn()
    assert transcript.turns()[0].as_json() == {
        "number": 1,
        "user": "",
        "model": "",
        "tools": [{"name": "weather", "result": "rain"}],
        "cut": False,
    }


def test_empty_turns_leave_no_trace() -> None:
    """A service may complete turns in which nothing was said."""
    transcript = Transcript()
    transcript.end_turn()
    transcript.end_turn()
    transcript.typed("hello")
    assert transcript.turns()[0].number == 1


@given(st.lists(st.text(max_size=400), max_size=60), st.floats(-1, 2))
def test_the_log_is_bounded_and_never_loses_the_newest(words: list[str], share: float) -> None:
    """Whatever is said, and whatever share was heard."""
    transcript = Transcript()
    for text in words:
        transcript.typed(text * 50)
        transcript.model_words(text)
        transcript.cut(share)
        transcript.end_turn()
    assert sum(turn.chars for turn in transcript.turns()[:-1]) <= CHARS_MAX
    said = [text for text in words if text]
    if said:
        assert transcript.turns()[-1].user == said[-1] * 50


@given(
    st.lists(st.tuples(st.sampled_from(["typed", "user_words", "model_words", "tool", "end"]), st.text()), max_size=60)
)
def test_the_log_is_bounded_whatever_is_said(said: list[tuple[str, str]]) -> None:
    """Also in one turn that never ends; what was not kept is counted."""
    transcript = Transcript(chars_max=100)
    for how, text in said:
        if how == "end":
            transcript.end_turn()
        elif how == "tool":
            transcript.tool(Used("weather", text * 9))
        else:
            getattr(transcript, how)(text * 9)
        assert sum(turn.chars for turn in transcript.turns()) <= 100 + 100 // TURN_SHARE
        assert transcript.open.chars <= 100 // TURN_SHARE


def test_a_turn_that_never_ends_keeps_its_beginning() -> None:
    """A flood of written words pushes nothing else out."""
    transcript = Transcript(chars_max=1000)
    transcript.typed("before")
    transcript.end_turn()
    for _ in range(100):
        transcript.typed("x" * 50)
    assert transcript.turns()[0].user == "before"
    assert transcript.dropped_chars > 4000
