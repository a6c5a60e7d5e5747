"""Function calls under everything that can happen to them. On a virtual clock, without sockets."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.live import events as live
from gateway.simulator import Fault
from gateway.tools.calls import Asked
from gateway.tools.profile import Declared
from gateway.tools.registry import client_tool
from gateway.tools.tool import Tool, from_function
from tests import wire
from tests.clock import virtually
from tests.talk import Talk, talk

BLOCKING_31 = "models/gemini-3.1-flash-live-preview"
BLOCKING_25 = "models/gemini-2.5-flash-native-audio-latest"
LONG = "please tell me a very long story about the sea and the ships and the whales and the men " * 3


@dataclass
class Inventory:
    """A slow inventory that counts what is asked of it."""

    asked: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    takes_s: float = 0.5

    def tools(self, **options: Any) -> list[Tool]:
        """`look_up(serial)` and the ones that misbehave."""

        async def look_up(serial: str = "A1") -> dict[str, str]:
            """Find a device."""
            self.asked.append(serial)
            try:
                await asyncio.sleep(self.takes_s)
            except asyncio.CancelledError:
                self.ended.append(serial)
                raise
            return {"device": f"switch {serial}"}

        async def undo(serial: str = "A1") -> None:
            self.undone.append(serial)

        async def raises() -> str:
            """Fail."""
            raise RuntimeError("the secret is 1234")

        async def huge() -> str:
            """Say too much."""
            return "x" * 2_000_000

        async def odd() -> float:
            """Say what is no number."""
            return float("nan")

        others = [from_function(function) for function in (raises, huge, odd)]
        return [from_function(look_up, compensate=undo, **options), *others]


def called(name: str = "look_up", at: Any = "turn", connection: int | None = 1, **more: Any) -> Fault:
    """The model calls a function."""
    return Fault(at=at, do="tool_call", connection=connection, name=name, **more)


def responses(talking: Talk, number: int = 1) -> list[dict[str, Any]]:
    """What a connection was answered, each message read by Google's own types."""
    if len(talking.simulator.connections) < number:
        return []
    heard = talking.simulator.connections[number - 1]
    for sender, raw in heard.raw:
        if sender == "client":
            wire.check_client(raw)
    sent = [message["toolResponse"]["functionResponses"] for message in heard.messages if "toolResponse" in message]
    return [one for some in sent for one in some]


def spoken(talking: Talk) -> str:
    """Everything that the model said."""
    return "".join(event.text for event in talking.all(live.ModelWords))


def written(talking: Talk, number: int) -> str:
    """What was written to a connection."""
    messages = talking.simulator.connections[number - 1].messages
    return str([message["clientContent"] for message in messages if "clientContent" in message])


async def answered_by(talking: Talk, count: int, number: int = 1) -> list[dict[str, Any]]:
    """Until so many responses were sent."""
    await talking.until(lambda: len(responses(talking, number)) >= count)
    return responses(talking, number)


@virtually
async def test_one_call_is_answered_and_spoken_about() -> None:
    """With the id of the call, where the model speaks when it is idle; the browser is told, the arguments are not."""
    inventory = Inventory()
    async with talk(called(args={"serial": "B2"}), tools=inventory.tools()) as talking:
        await talking.ask("which device is this?")
        await talking.answered(2)
        (response,) = responses(talking)
        assert response == {
            "id": talking.all(live.ToolCalls)[0].calls[0].id,
            "name": "look_up",
            "response": {"device": "switch B2"},
            "scheduling": "WHEN_IDLE",
        }
        assert "switch B2" in spoken(talking)
        assert [kind for kind, _ in talking.told] == ["llm-function-call-started", "llm-function-call-stopped"]
        assert "B2" not in str(talking.told)
        assert ['look_up = {"device": "switch B2"}'] in [
            [str(used) for used in turn.tools] for turn in talking.conversation.transcript.turns()
        ]


@virtually
async def test_parallel_calls_run_at_the_same_time() -> None:
    """Three calls of one message are over when one would be, and each has its own answer."""
    inventory = Inventory()
    also = ({"name": "look_up", "args": {"serial": "C3"}}, {"name": "look_up", "args": {"serial": "D4"}})
    async with talk(called(args={"serial": "B2"}, also=also), tools=inventory.tools()) as talking:
        await talking.ask("which devices are these?")
        begun_s = talking.at(live.ToolCalls)
        answers = await answered_by(talking, 3)
        assert asyncio.get_running_loop().time() - begun_s < 0.6
        wanted = {call.id: f"switch {call.args['serial']}" for call in talking.all(live.ToolCalls)[0].calls}
        assert {answer["id"]: answer["response"]["device"] for answer in answers} == wanted
        assert len(wanted) == 3


@virtually
async def test_a_call_in_the_middle_of_an_utterance_does_not_stop_what_is_heard() -> None:
    """Where calls do not block, the microphone goes on through the call."""
    inventory = Inventory()
    async with talk(called(at="audio", after_s=1.0), tools=inventory.tools()) as talking:
        await talking.opened()
        await talking.speak(4.0)
        await answered_by(talking, 1)
        assert len(talking.simulator.connections[0].audio) == pytest.approx(5.0 * 32_000, rel=0.02)


@pytest.mark.parametrize("model", [BLOCKING_31, BLOCKING_25])
@virtually
async def test_the_microphone_pauses_during_a_blocking_call(model: str) -> None:
    """Sound would end the link there; it goes on after the response, and the link has held."""
    inventory = Inventory(takes_s=2.0)
    async with talk(called(at="audio", after_s=0.5), model=model, tools=inventory.tools(blocking=True)) as talking:
        await talking.opened()
        await talking.speak(4.0)
        (response,) = await answered_by(talking, 1)
        assert "scheduling" not in response
        assert talking.ways == ["fresh"]
        heard_s = len(talking.simulator.connections[0].audio) / 32_000
        assert heard_s == pytest.approx(3.0, abs=0.3)  # of five seconds, two were the call


@virtually
async def test_a_blocking_call_holds_the_microphone_for_ten_seconds_at_most() -> None:
    """The person is heard again although the function hangs; the call is then the model's to cancel."""
    tools = Inventory(takes_s=30.0).tools(timeout_s=40.0, blocking=True)
    async with talk(called(at="audio", after_s=0.5), tools=tools) as talking:
        await talking.opened()
        await talking.speak(14.0)
        assert talking.all(live.ToolCallsCancelled)
        assert responses(talking) == []
        heard_s = len(talking.simulator.connections[0].audio) / 32_000
        assert heard_s == pytest.approx(5.0, abs=0.3)


@virtually
async def test_a_person_who_speaks_over_a_call_cancels_it() -> None:
    """Its task is ended, what it began is undone, it is never answered, and the next question is."""
    inventory = Inventory(takes_s=5.0)
    async with talk(called(args={"serial": "B2"}), tools=inventory.tools()) as talking:
        await talking.ask("which device is this?")
        await talking.until(lambda: inventory.asked)
        await talking.speak(1.0)
        await talking.answered(2)
        assert inventory.ended == inventory.undone == ["B2"]
        assert responses(talking) == []
        assert talking.told[-1][1]["cancelled"] is True
        assert talking.ways == ["fresh"]


@virtually
async def test_a_function_that_hangs_is_answered_in_time() -> None:
    """With words that the model can say."""
    inventory = Inventory(takes_s=60.0)
    async with talk(called(), tools=inventory.tools()) as talking:
        await talking.ask("which device is this?")
        begun_s = talking.at(live.ToolCalls)
        (response,) = await answered_by(talking, 1)
        assert response["response"] == {"error": "look_up took longer than 8 s."}
        assert asyncio.get_running_loop().time() - begun_s == pytest.approx(8.0, abs=0.1)
        assert inventory.ended == ["A1"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (called("raises"), "raises failed: RuntimeError."),
        (called("huge"), "The result has 2000014 bytes, and 16384 can be told. Ask for less."),
        (called("odd"), "The result cannot be told: it is not JSON."),
        (called("nothing_of_the_kind"), "There is no function nothing_of_the_kind."),
        (called(args={"serial": 7}), "The arguments are wrong: serial: Input should be a valid string"),
        (called(args={"rack": "7"}), "The arguments are wrong: rack: Extra inputs are not permitted"),
    ],
    ids=["raises", "2-MB", "NaN", "unknown", "wrong-type", "unknown-argument"],
)
@virtually
async def test_what_goes_wrong_in_a_call_is_told_to_the_model(call: Fault, said: str) -> None:
    """As an error it can speak about; the session goes on, and nothing of an exception's text is told."""
    async with talk(call, tools=Inventory().tools()) as talking:
        await talking.ask("which device is this?")
        (response,) = await answered_by(talking, 1)
        assert response["response"] == {"error": said}
        await talking.answered(2)
        assert said.partition(":")[0] in spoken(talking)
        await talking.ask("and now?")
        assert talking.ways == ["fresh"]
        assert "1234" not in str(talking.told)


@pytest.mark.parametrize(
    "end",
    [
        Fault(at="tool", do="close", connection=1),
        Fault(at="tool", do="abort", connection=1),
        Fault(at="tool", do="close", connection=1, code=1008, reason="Operation is not implemented, or supported."),
    ],
    ids=["1011", "reset", "1008"],
)
@virtually
async def test_a_call_outlives_its_link_and_its_result_is_told_in_words(end: Fault) -> None:
    """The id is unknown to the new link: it is not answered there, and the model still learns the result."""
    inventory = Inventory(takes_s=3.0)
    async with talk(called(args={"serial": "B2"}), end, tools=inventory.tools()) as talking:
        talking.conversation.send_text("which device is this?")
        await talking.opened(2)
        await talking.until(lambda: "switch B2" in written(talking, 2))
        await talking.answered(2)
        assert responses(talking, 1) == responses(talking, 2) == []
        assert inventory.asked == ["B2"]
        assert talking.ways[0] == "fresh"
        assert len(talking.ways) == 2


@virtually
async def test_a_result_that_comes_between_two_links_is_told_in_words_too() -> None:
    """Neither link has asked for it by the time it is there: no id is answered, which the service would not forgive."""
    inventory = Inventory(takes_s=3.0)
    end = Fault(at="tool", do="close", connection=1)
    away = Fault(at="handshake", do="refuse", connection=2, retry_after_s=6)
    async with talk(called(args={"serial": "B2"}), end, away, tools=inventory.tools()) as talking:
        talking.conversation.send_text("which device is this?")
        await talking.opened(2)
        await talking.answered(2)
        assert "switch B2" in written(talking, 2)
        assert responses(talking, 1) == responses(talking, 2) == []
        assert len(talking.ways) == 2


@virtually
async def test_the_same_call_after_a_resume_is_not_made_twice() -> None:
    """A model that asks again on the new link gets the result of the call that is running."""
    inventory = Inventory(takes_s=3.0)
    again = called(connection=2, at="audio", args={"serial": "B2"})
    faults = (called(args={"serial": "B2"}), Fault(at="tool", do="close", connection=1), again)
    async with talk(*faults, tools=inventory.tools()) as talking:
        talking.conversation.send_text("which device is this?")
        await talking.opened(2)
        talking.conversation.send_audio(bytes(1280))
        (response,) = await answered_by(talking, 1, number=2)
        assert response["response"] == {"device": "switch B2"}
        assert inventory.asked == ["B2"]
        assert response["id"] == talking.all(live.ToolCalls)[1].calls[0].id


@virtually
async def test_a_link_is_not_changed_inside_a_call() -> None:
    """`goAway` during a call: the response goes out on the link that asked, and then the link is changed."""
    inventory = Inventory(takes_s=3.0)
    faults = (called(), Fault(at="tool", do="go_away", connection=1, time_left_s=30))
    async with talk(*faults, tools=inventory.tools()) as talking:
        talking.conversation.send_text("which device is this?")
        await answered_by(talking, 1)
        assert talking.ways == ["fresh"]
        await talking.opened(2)
        assert not talking.all(live.LinkLost)


@virtually
async def test_a_call_is_answered_once() -> None:
    """The same id a second time is not run again, and a second answer of the page is refused; the service, which closes
    the link for an answer too many, is content."""
    declared = client_tool(Declared(name="show", description="Show something."))
    async with talk(called("show"), tools=[declared]) as talking:
        await talking.ask("show me")
        await talking.until(lambda: any(kind == "llm-function-call" for kind, _ in talking.told))
        call_id = talking.all(live.ToolCalls)[0].calls[0].id
        talking.calls.start(Asked(call_id, "show", {}))
        assert talking.calls.client_result(call_id, {"shown": True})
        assert not talking.calls.client_result(call_id, {"shown": False})
        await answered_by(talking, 1)
        assert not talking.calls.client_result(call_id, {"shown": False})
        talking.calls.start(Asked(call_id, "show", {}))
        await talking.answered(2)
        assert [response["response"] for response in responses(talking)] == [{"shown": True}]
        assert [kind for kind, _ in talking.told].count("llm-function-call") == 1
        assert talking.ways == ["fresh"]


@virtually
async def test_an_answer_too_many_would_end_the_link() -> None:
    """What the ledger is for: the simulator is as strict as the service."""
    async with talk(called(), tools=Inventory().tools()) as talking:
        await talking.ask("which device is this?")
        (response,) = await answered_by(talking, 1)
        talking.conversation.answer_tool(response["id"], "look_up", {"again": True}, "WHEN_IDLE")
        await talking.opened(2)
        assert talking.all(live.LinkLost)


@virtually
async def test_a_page_that_does_not_answer_is_not_waited_for() -> None:
    """The model is told so after the time-out of the tool."""
    declared = client_tool(Declared(name="show", description="Show something.", timeout_s=2))
    async with talk(called("show"), tools=[declared]) as talking:
        await talking.ask("show me")
        (response,) = await answered_by(talking, 1)
        assert response["response"] == {"error": "The page did not answer show in time."}


@pytest.mark.parametrize(("scheduling", "speaks"), [("WHEN_IDLE", True), ("INTERRUPT", True), ("SILENT", False)])
@virtually
async def test_the_declaration_says_when_the_model_speaks_about_a_result(scheduling: str, speaks: bool) -> None:
    """`scheduling` goes out as declared where calls do not block; SILENT is answered with silence."""
    async with talk(called(), tools=Inventory().tools(scheduling=scheduling)) as talking:
        await talking.ask("note this down")
        (response,) = await answered_by(talking, 1)
        assert response["scheduling"] == scheduling
        await asyncio.sleep(12)
        assert ("switch" in spoken(talking)) is speaks
        assert talking.notices == []  # nobody waits for an answer to what is SILENT


@virtually
async def test_a_call_of_a_long_turn_is_answered_although_the_model_still_speaks() -> None:
    """A call inside an answer runs beside it."""
    async with talk(called(at="speaking", after_s=1.0), tools=Inventory().tools()) as talking:
        talking.conversation.send_text(LONG)
        await answered_by(talking, 1)
        assert not talking.all(live.TurnComplete)
        await talking.answered(2)
        assert "switch A1" in spoken(talking)


@virtually
async def test_nothing_is_left_of_a_call_when_the_session_ends() -> None:
    """Closing cancels it and waits until it is undone."""
    inventory = Inventory(takes_s=100.0)
    async with talk(called(), tools=inventory.tools(timeout_s=200.0)) as talking:
        await talking.ask("which device is this?")
        await talking.until(lambda: inventory.asked)
    assert inventory.ended == inventory.undone == ["A1"]
