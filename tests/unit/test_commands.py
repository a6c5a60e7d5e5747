"""What clients say, whichever carrier brings it."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands import Commands
from gateway.lifecycle import EndReason
from gateway.telemetry import metrics

MESSAGE_MAX_BYTES = 16_384
PER_S = 20.0


@dataclass
class FakeSpeech:
    """A person whose microphone is noted."""

    microphone: list[str] = field(default_factory=list)

    def microphone_is(self, state: str) -> None:
        """Note."""
        self.microphone.append(state)


@dataclass
class FakeSession:
    """A session that notes what it is told."""

    is_ready: bool = True
    speech: FakeSpeech = field(default_factory=FakeSpeech)
    texts: list[str] = field(default_factory=list)
    results: list[tuple[str, Any]] = field(default_factory=list)
    ended: list[EndReason] = field(default_factory=list)
    transcript: dict[str, Any] = field(default_factory=lambda: {"turns": [], "dropped_turns": 0})

    def send_text(self, text: str) -> None:
        """Note."""
        self.texts.append(text)

    def tool_result(self, call_id: str, result: Any) -> bool:
        """Somebody waits for `call-1`."""
        self.results.append((call_id, result))
        return call_id == "call-1"

    def end(self, reason: EndReason) -> None:
        """Note."""
        self.ended.append(reason)


@pytest.fixture
def session() -> FakeSession:
    """A session whose model is there."""
    return FakeSession()


@pytest.fixture
def commands(session: FakeSession) -> Commands:
    """The commands of a client of it."""
    return Commands(session, "data_channel", MESSAGE_MAX_BYTES, PER_S)


def say(commands: Commands, kind: str, data: Any = None, message_id: str = "m", now_s: float = 0.0) -> Any:
    """Take one message; its answers."""
    text = json.dumps({"label": "rtvi-ai", "type": kind, "id": message_id, "data": data})
    return commands.take(text, now_s)


def refused(why: str) -> float:
    """How many messages were turned away for this."""
    return metrics.MESSAGES_REFUSED.labels("data_channel", why)._value.get()


def test_text_goes_to_the_model(commands: Commands, session: FakeSession) -> None:
    """With the options that clients send by default."""
    assert say(commands, "send-text", {"content": "hello"}) == []
    assert say(commands, "send-text", {"content": "you", "options": {"run_immediately": True}}) == []
    assert session.texts == ["hello", "you"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"content": " "}, "needs data.content"),
        ({"content": "x" * 8001}, "needs data.content"),
        ({"content": 7}, "needs data.content"),
        (None, "needs data.content"),
        ({"content": "x", "options": {"run_immediately": False}}, "A live model answers whatever it is told"),
        ({"content": "x", "options": {"audio_response": False}}, "and aloud"),
    ],
)
def test_text_that_cannot_be_sent_is_refused(commands: Commands, session: FakeSession, data: Any, words: str) -> None:
    """In a sentence, to the message it answers."""
    [answer] = say(commands, "send-text", data, "7")
    assert (answer["type"], answer["id"]) == ("error-response", "7")
    assert words in answer["data"]["error"]
    assert session.texts == []


def test_results_of_functions_reach_who_waits(commands: Commands, session: FakeSession) -> None:
    """And only them."""
    assert say(commands, "llm-function-call-result", {"tool_call_id": "call-1", "result": {"a": 1}}) == []
    [answer] = say(commands, "llm-function-call-result", {"tool_call_id": "call-2", "result": 1})
    assert answer["data"]["error"] == "No function call waits for this result."
    assert session.results == [("call-1", {"a": 1}), ("call-2", 1)]


def test_a_client_is_answered_when_the_model_is_there(session: FakeSession) -> None:
    """At once, or as soon as it is; a client of RTVI 1 in its own version."""
    session.is_ready = False
    commands = Commands(session, "data_channel", MESSAGE_MAX_BYTES, PER_S)
    told = []
    commands.on_ready = told.append
    assert say(commands, "client-ready", {"version": "1.2.0", "about": {}}, "first") == []
    assert say(commands, "client-ready", {"version": "2.1.0", "after": 7}, "second") == []
    assert [(ready.version, ready.after) for ready in told] == [("1.2.0", None), ("2.1.0", 7)]
    [answer] = commands.bot_is_ready()
    assert (answer["type"], answer["id"], answer["data"]["version"]) == ("bot-ready", "second", "2.1.0")
    assert commands.bot_is_ready() == []
    session.is_ready = True
    [answer] = say(commands, "client-ready", {"version": "1.2.0"}, "third")
    assert (answer["id"], answer["data"]["version"]) == ("third", "1.2.0")


def test_the_transcript_can_be_asked_for(commands: Commands, session: FakeSession) -> None:
    """By a client request; others have no answer, and say so."""
    [answer] = say(commands, "client-message", {"t": "transcript", "d": None}, "9")
    assert answer == {
        "label": "rtvi-ai",
        "type": "server-response",
        "id": "9",
        "data": {"t": "transcript", "d": session.transcript},
    }
    [answer] = say(commands, "client-message", {"t": "weather"})
    assert "'weather'" in answer["data"]["error"]


def test_a_client_is_not_told_what_tools_returned(commands: Commands, session: FakeSession) -> None:
    """It is told which were used; what they returned is for the model, and for the operator."""
    turn = {"role": "model", "text": "It rains.", "tools": [{"name": "weather", "result": "rain in 12345 Berlin"}]}
    session.transcript = {"turns": [turn], "dropped_turns": 0}
    [answer] = say(commands, "client-message", {"t": "transcript"})
    assert answer["data"]["d"] == {"turns": [{**turn, "tools": [{"name": "weather"}]}], "dropped_turns": 0}
    assert session.transcript["turns"] == [turn]


def test_the_end_and_what_asks_for_nothing(commands: Commands, session: FakeSession) -> None:
    """`disconnect-bot` ends; pings and signalling are taken in silence; the rest is unknown."""
    assert say(commands, "disconnect-bot", {}) == []
    assert session.ended == [EndReason.USER]
    assert commands.take("ping: 1764096000000", 0.0) == []
    assert commands.take('{"type":"signalling","message":{"type":"else"}}', 0.0) == []
    [answer] = say(commands, "dtmf", {"buttons": ["1"]})
    assert "'dtmf'" in answer["data"]["error"]


def test_tracks_go_on_and_off(commands: Commands) -> None:
    """As `trackStatus` says by index; an index of no track changes nothing."""
    changes = []
    commands.on_tracks = lambda: changes.append(set(commands.tracks_on))

    def track(index: Any, enabled: bool) -> None:
        message = {"type": "trackStatus", "receiver_index": index, "enabled": enabled}
        assert commands.take(json.dumps({"type": "signalling", "message": message}), 0.0) == []

    track(1, False)
    track(2, True)
    track(3, True)
    track("1", True)
    track(1, True)
    assert changes == [{"microphone"}, {"microphone", "screen"}, {"microphone", "screen", "camera"}]


def test_a_microphone_is_on_off_or_taken(commands: Commands, session: FakeSession) -> None:
    """By the person (`enabled`) or by the system (`muted`, which only some clients tell); another client's is on."""
    for status in ({"enabled": False}, {"enabled": False, "muted": True}, {"enabled": True, "muted": False}, {}):
        message = {"type": "trackStatus", "receiver_index": 0, **status}
        assert commands.take(json.dumps({"type": "signalling", "message": message}), 0.0) == []
    assert session.speech.microphone == ["off", "taken", "on", "off"]
    commands.forget_tracks()
    assert session.speech.microphone[4:] == ["on"]
    assert "microphone" in commands.tracks_on


def test_a_message_that_is_too_large_is_refused_in_words(commands: Commands, session: FakeSession) -> None:
    """By its bytes, not its characters; the next one is taken."""
    before = refused("too_large")
    [answer] = commands.take("ä" * (MESSAGE_MAX_BYTES // 2 + 1), 0.0)
    assert (
        answer["data"]["error"] == f"The message has {MESSAGE_MAX_BYTES + 2} bytes; there may be {MESSAGE_MAX_BYTES}."
    )
    assert refused("too_large") == before + 1
    assert say(commands, "send-text", {"content": "still here"}) == []
    assert session.texts == ["still here"]


def test_a_flood_is_left_unread_and_told_once_a_second(commands: Commands, session: FakeSession) -> None:
    """What is within the rate is done; the client hears of the rest once a second; after it, all is as before."""
    before = refused("too_many")
    answers = [
        answer for index in range(400) for answer in say(commands, "send-text", {"content": "x"}, now_s=index / 200)
    ]
    assert len(session.texts) == 60 + 39  # three seconds of the rate at once, and then 1.995 s of it
    assert [answer["data"]["error"] for answer in answers] == [
        "There may be 20 messages a second; those above are left unread."
    ] * 2
    assert refused("too_many") == before + 400 - len(session.texts)
    assert say(commands, "send-text", {"content": "calm"}, now_s=60.0) == []
    assert session.texts[-1] == "calm"


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
KINDS = ["client-ready", "send-text", "llm-function-call-result", "client-message", "signalling", "disconnect-bot", "x"]


@given(
    st.one_of(
        st.text(max_size=200),
        st.binary(max_size=50),
        JSON_LIKE.map(json.dumps),
        st.fixed_dictionaries(
            {"type": st.sampled_from(KINDS), "id": JSON_LIKE, "data": JSON_LIKE, "message": JSON_LIKE}
        ).map(json.dumps),
    )
)
def test_nothing_that_is_sent_raises(data: str | bytes) -> None:
    """Each answer is a message that can be sent."""
    commands = Commands(FakeSession(), "data_channel", MESSAGE_MAX_BYTES, PER_S)
    for answer in commands.take(data, 0.0):
        assert json.loads(json.dumps(answer))["type"] in ("error-response", "bot-ready", "server-response")


@pytest.mark.parametrize("text", ["{", "[]", "7", '"x"', "[" * 20_000, "null"])
def test_what_is_no_object_is_told_so(text: str) -> None:
    """Also when it is nested too deeply to be read."""
    commands = Commands(FakeSession(), "data_channel", 65_536, PER_S)
    [answer] = commands.take(text, 0.0)
    assert answer["data"]["error"] == "The message is not a JSON object."
