"""What a new link is told."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.live.seed import (
    ASK_AGAIN,
    GO_ON,
    HEAD,
    SEED_MAX_CHARS,
    SUMMARY_MAX_CHARS,
    extract,
    instruction,
    seed,
    unanswered,
)
from gateway.live.transcript import Turn, Used


def test_without_a_past_the_instruction_is_as_it_is() -> None:
    """A first link is told nothing about a break."""
    assert instruction("Be brief.", "", []) == "Be brief."


def test_the_past_follows_the_instruction() -> None:
    """First what was long ago in short, then the last turns as they were."""
    told = instruction("Be brief.", "Ada lives in London.", [Turn(7, "who am I?", "Ada", cut=True)])
    assert told == (
        f"Be brief.\n\n{HEAD}\n\nWhat was said earlier, in short: Ada lives in London.\n\n"
        "The last turns were:\nUser: who am I?\nYou: Ada —"
    )


def test_the_newest_turns_are_kept_whole() -> None:
    """Older ones give way."""
    turns = [Turn(number, f"question {number} " + "x" * 500, "answer") for number in range(1, 60)]
    told = seed("", turns)
    assert "question 59 " in told
    assert "question 1 " not in told
    assert len(told) <= SEED_MAX_CHARS


def test_of_a_turn_that_is_too_long_its_end_is_kept() -> None:
    """The last words matter most."""
    told = seed("", [Turn(1, "a" * 50_000 + " and what is this?", "")])
    assert "and what is this?" in told
    assert len(told) <= SEED_MAX_CHARS


def test_a_new_link_is_asked_what_was_not_answered() -> None:
    """In the person's own words where it does not know them; nothing when nothing is owed."""
    asked, answered = Turn(1, " why? "), Turn(1, "why?", "because")
    assert unanswered(asked, owes=True, knows=False) == '(There was a technical break. I said: "why?" Please answer.)'
    assert unanswered(answered, owes=True, knows=False) == ASK_AGAIN
    assert unanswered(answered, owes=False, knows=False) is None
    assert unanswered(asked, owes=False, knows=True) == GO_ON
    assert unanswered(Turn(1, "why?", "be", cut=True), owes=False, knows=True) == GO_ON
    assert unanswered(answered, owes=False, knows=True) is None
    assert unanswered(None, owes=False, knows=True) is None


def test_an_extract_has_the_first_sentence_of_each() -> None:
    """And what was known before, and the tools."""
    turns = [Turn(1, "My name is Ada. I live in London.", "Nice to meet you. How are you?", [Used("weather", "rain")])]
    assert extract(turns, "Earlier.") == (
        "Earlier. The user said: My name is Ada. You said: Nice to meet you. A tool was used: weather = rain"
    )


TURNS = st.lists(st.builds(Turn, st.integers(1, 99), st.text(max_size=9000), st.text(max_size=9000)), max_size=12)


@given(st.text(max_size=9000), TURNS)
def test_a_seed_is_never_too_long(summary: str, turns: list[Turn]) -> None:
    """Whatever was said, and however long the summary is."""
    assert len(seed(summary, turns)) <= SEED_MAX_CHARS
    assert len(extract(turns, summary)) <= SUMMARY_MAX_CHARS
