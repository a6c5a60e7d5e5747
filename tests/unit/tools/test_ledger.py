"""What may be said about each call."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.tools.ledger import REMEMBERED_S, Delivery, Ledger, Verdict

ARGS = {"serial": "A1"}
DONE = {"output": "done"}


def begun(ledger: Ledger, call_id: str, now_s: float = 0.0, args: dict[str, Any] | None = None) -> Verdict:
    """A call comes in."""
    return ledger.begin(call_id, "look_up", args or ARGS, now_s)[0]


def test_a_call_runs_once_and_is_answered_on_its_link() -> None:
    """The same id again is nothing new, whether it runs or is over."""
    ledger = Ledger()
    assert begun(ledger, "1") is Verdict.RUN
    assert begun(ledger, "1") is Verdict.KNOWN
    assert ledger.running == ["1"]
    assert ledger.finish("1", DONE, 1.0) == (Delivery.ANSWER, "1")
    assert begun(ledger, "1") is Verdict.KNOWN
    assert ledger.running == []


def test_two_equal_calls_of_one_link_are_two_calls() -> None:
    """The model may well ask twice."""
    ledger = Ledger()
    assert begun(ledger, "1") is begun(ledger, "2") is Verdict.RUN


def test_the_result_of_a_former_link_is_told_and_not_answered() -> None:
    """Its id means nothing there."""
    ledger = Ledger()
    begun(ledger, "1")
    ledger.link(2)
    assert ledger.finish("1", DONE, 1.0) == (Delivery.TELL, "1")


def test_a_repetition_on_another_link_shares_the_result() -> None:
    """While it runs it joins; for a while after, it is told again; then it is a new call."""
    ledger = Ledger()
    begun(ledger, "1")
    ledger.link(2)
    assert begun(ledger, "2") is Verdict.JOIN
    assert begun(ledger, "other", args={"serial": "B2"}) is Verdict.RUN
    assert ledger.finish("1", DONE, 1.0) == (Delivery.ANSWER, "2")
    ledger.link(3)
    verdict, entry = ledger.begin("3", "look_up", ARGS, 2.0)
    assert (verdict, entry.response) == (Verdict.REPEAT, DONE)
    ledger.link(4)
    assert begun(ledger, "4", now_s=3.0 + REMEMBERED_S) is Verdict.RUN


def test_a_cancelled_call_is_never_answered() -> None:
    """It can be cancelled once, and only while it runs."""
    ledger = Ledger()
    begun(ledger, "1")
    assert ledger.cancel("1") == "1"
    assert ledger.cancel("1") is None
    assert ledger.cancel("unknown") is None
    assert ledger.finish("1", DONE, 1.0) == (Delivery.DROP, "1")
    begun(ledger, "2")
    ledger.finish("2", DONE, 1.0)
    assert ledger.cancel("2") is None


def test_a_repetition_can_be_cancelled_and_outlived_too() -> None:
    """Its new id is as good as the old one: it cancels the call, and dies with its link."""
    ledger = Ledger()
    begun(ledger, "1")
    ledger.link(2)
    begun(ledger, "2")
    assert ledger.running == ["1"]
    ledger.link(3)
    assert ledger.finish("1", DONE, 1.0) == (Delivery.TELL, "2")
    begun(ledger, "3", args={"serial": "B2"})
    ledger.link(4)
    begun(ledger, "4", args={"serial": "B2"})
    assert ledger.cancel("4") == "3"
    assert ledger.finish("3", DONE, 2.0) == (Delivery.DROP, "3")


STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "begin", "finish", "cancel", "link"]), st.integers(0, 1)), max_size=40
)


@given(STEPS)
def test_no_id_is_ever_answered_twice_or_on_another_link(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order."""
    ledger = Ledger()
    generation, seen_on, running, answered = 1, {}, [], []
    ledger.link(generation)
    for number, (step, which) in enumerate(steps):
        call_id = f"call-{generation}-{which}"
        match step:
            case "begin":
                seen_on.setdefault(call_id, generation)
                if begun(ledger, call_id, float(number), {"serial": which}) is Verdict.RUN:
                    running.append(call_id)
            case "finish" if running:
                delivery, to = ledger.finish(running.pop(0), DONE, float(number))
                if delivery is Delivery.ANSWER:
                    answered.append(to)
                    assert seen_on[to] == generation
            case "cancel":
                ledger.cancel(call_id)
            case "link":
                generation += 1
                ledger.link(generation)
    assert len(answered) == len(set(answered))
