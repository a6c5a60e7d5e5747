"""When media waits for a function."""

from gateway.live.messages import UNNAMED, Declaration, SetupOptions, ToolCall
from gateway.live.toolgate import GATE_MAX_S, ToolGate

FUNCTIONS = (
    Declaration("look_up", "Find.", {}),
    Declaration("confirm", "Ask back.", {}, blocking=True),
)


def gate(model: str) -> ToolGate:
    """The gate of a model with two functions, of which one wants to block."""
    return ToolGate(f"models/{model}", SetupOptions("", functions=FUNCTIONS))


def call(name: str, call_id: str = "1") -> ToolCall:
    """One call."""
    return ToolCall(call_id, name, {})


def test_the_capability_table_decides_what_blocks() -> None:
    """Every call does on 3.1; elsewhere what is declared so."""
    assert gate("gemini-3.1-flash-live-preview").called([call("look_up")], 0.0)
    assert not gate("gemini-3.8-live").called([call("look_up")], 0.0)
    assert gate("gemini-3.8-live").called([call("confirm")], 0.0)
    assert gate("gemini-9-live").called([call("look_up")], 0.0)


def test_the_gate_opens_with_the_last_answer() -> None:
    """Not with the first of two."""
    closed = gate("gemini-3.8-live")
    closed.called([call("confirm", "1"), call("confirm", "2")], 0.0)
    assert closed.is_closed(1.0)
    closed.over(["1"])
    assert closed.is_closed(1.0)
    closed.over(["2"])
    assert not closed.is_closed(1.0)
    assert not closed.has_calls


def test_a_call_that_does_not_block_does_not_keep_the_gate_closed() -> None:
    """The microphone waits for those that do, and for no other."""
    closed = gate("gemini-3.8-live")
    closed.called([call("look_up", "1"), call("confirm", "2")], 0.0)
    closed.over(["2"])
    assert not closed.is_closed(0.5)
    assert closed.has_calls


def test_each_blocking_call_has_its_own_ten_seconds() -> None:
    """One that hangs does not open the gate in the next one's time."""
    closed = gate("gemini-3.8-live")
    closed.called([call("confirm", "1")], 0.0)
    closed.called([call("confirm", "2")], 11.0)
    assert closed.is_closed(11.1)
    closed.over(["2"])
    assert not closed.is_closed(11.2)


def test_a_call_without_an_id_counts_too() -> None:
    """Its answer carries an id of ours."""
    closed = gate("gemini-3.8-live")
    closed.called([ToolCall(None, "confirm", {})], 0.0)
    assert closed.is_closed(0.1)
    assert closed.has_calls
    closed.over([f"{UNNAMED}1"])
    assert not closed.is_closed(0.2)
    assert not closed.has_calls


def test_the_gate_opens_after_ten_seconds_and_on_another_link() -> None:
    """Whatever became of the call."""
    closed = gate("gemini-3.8-live")
    closed.called([call("confirm")], 5.0)
    assert closed.is_closed(5.0 + GATE_MAX_S - 0.1)
    assert not closed.is_closed(5.0 + GATE_MAX_S)
    closed.reset()
    closed.called([call("confirm")], 50.0)
    closed.reset()
    assert not closed.is_closed(50.1)
    assert not closed.has_calls
