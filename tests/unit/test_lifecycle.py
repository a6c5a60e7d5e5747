"""The table of a session's life."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lifecycle import TABLE, EndReason, IllegalStep, Lifecycle, State, Trigger

# What the session can really do: a peer reports while there may be one, the end can come at any time, and the
# release follows the end once.
PEER_TRIGGERS = st.sampled_from([Trigger.PEER_CONNECTED, Trigger.PEER_LOST])
STEPS = st.lists(st.one_of(PEER_TRIGGERS, st.sampled_from(EndReason)), max_size=30)


@given(STEPS)
def test_no_order_of_events_is_illegal_before_the_release(steps: list[Trigger | EndReason]) -> None:
    """Peers that come and go and reasons to end may arrive in any order; the table has a row for each."""
    life = Lifecycle()
    for step in steps:
        if isinstance(step, EndReason):
            life.end(step)
        else:
            life.step(step)
        assert (life.reason is None) == (life.state in {State.STARTING, State.LIVE, State.DETACHED})
    life.end(EndReason.SHUTDOWN)
    assert life.step(Trigger.RELEASED) is State.ENDED


@given(STEPS, st.sampled_from(EndReason))
def test_the_first_reason_is_kept(steps: list[Trigger | EndReason], last: EndReason) -> None:
    """Whatever reasons follow, a session ends for the first one, once."""
    life = Lifecycle()
    reasons = [step for step in [*steps, last] if isinstance(step, EndReason)]
    told = [life.end(reason) for reason in reasons]
    assert told == [True] + [False] * (len(reasons) - 1)
    assert life.reason is reasons[0]
    assert life.words == reasons[0].words


@given(st.lists(st.sampled_from(Trigger), max_size=30))
def test_nothing_leads_back_from_the_end(steps: list[Trigger]) -> None:
    """Once a session is ending it never becomes live again."""
    life = Lifecycle()
    order = [State.STARTING, State.LIVE, State.DETACHED, State.ENDING, State.ENDED]
    furthest = 0
    for step in steps:
        try:
            state = life.step(step)
        except IllegalStep:
            continue
        if furthest >= order.index(State.ENDING):
            assert order.index(state) >= furthest
        furthest = max(furthest, order.index(state)) if order.index(state) >= 3 else furthest


def test_a_step_without_a_row_is_a_defect_that_says_so() -> None:
    """A live session cannot be released: it has to be ended first."""
    life = Lifecycle(State.LIVE)
    with pytest.raises(IllegalStep, match="live cannot take released"):
        life.step(Trigger.RELEASED)
    assert life.state is State.LIVE


def test_every_state_is_reachable_and_all_but_the_last_can_be_left() -> None:
    """The table has no dead rows."""
    reachable = {State.STARTING} | set(TABLE.values())
    assert reachable == set(State)
    for state in set(State) - {State.ENDED}:
        assert any(source is state and target is not state for (source, _), target in TABLE.items())


def test_every_reason_has_a_sentence() -> None:
    """A person is told why, in words."""
    assert all(reason.words.endswith((".", "details.")) for reason in EndReason)


def test_more_exact_words_replace_the_general_ones() -> None:
    """The upstream's own sentence is kept when there is one."""
    life = Lifecycle()
    life.end(EndReason.UPSTREAM, "The key was refused.")
    assert life.words == "The key was refused."
