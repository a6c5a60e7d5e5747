"""The wire of the Live API."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.live import messages
from gateway.live.messages import (
    GenerationComplete,
    GoAway,
    HandleUpdate,
    Interrupted,
    ModelWords,
    ServiceError,
    SetupComplete,
    SetupOptions,
    Speech,
    ToolCall,
    ToolCalls,
    ToolCallsCancelled,
    TurnComplete,
    Unplayable,
    UsageReport,
    UserWords,
    parse,
)
from tests.wire import check_client, check_server

CORPUS = Path(__file__).parents[2] / "corpus/gemini"
DEVELOPER = (CORPUS / "developer.jsonl").read_text().splitlines()
VERTEX = (CORPUS / "vertex.jsonl").read_text().splitlines()

GOLDEN = [
    [SetupComplete(None)],
    [HandleUpdate("95e91930-b35b-482b-8880-17efc49ec2f2", True)],
    [HandleUpdate(None, False)],
    [],
    [UserWords(" my")],
    [Speech(b"\0\0"), ModelWords(" and 12")],
    [],
    [Interrupted()],
    [GenerationComplete()],
    [TurnComplete(None), UsageReport(482, 69, 551, {"TEXT": 360, "AUDIO": 122})],
    [TurnComplete("PROHIBITED_INPUT_CONTENT")],
    [
        Speech(b"\1\0\2\0"),
        ModelWords("Bye."),
        GenerationComplete(),
        TurnComplete(None),
        UsageReport(10, 5, 15, {}),
    ],
    [ToolCalls((ToolCall("function-call-3225422447732038294", "record_reading", {"zqx": 5}),))],
    [ToolCallsCancelled(("function-call-3225422447732038294",))],
    [GoAway(9.5)],
]
GOLDEN_VERTEX = [
    [SetupComplete("d12cd384-0000-4000-8000-000000000000")],
    [],
    [Speech(b"\1\0\2\0")],
    [],
    [TurnComplete(None), UsageReport(100, 20, 120, {"AUDIO": 100})],
    [HandleUpdate("handle", True)],
    [ToolCalls((ToolCall(None, "no_id", {}),))],
]


@pytest.mark.parametrize(
    ("raw", "expected"), [*zip(DEVELOPER, GOLDEN, strict=True), *zip(VERTEX, GOLDEN_VERTEX, strict=True)]
)
def test_each_shape_of_the_service_is_understood(raw: str, expected: list[messages.ServerEvent]) -> None:
    """Every message of the corpus gives exactly these events, as text and as bytes."""
    assert parse(raw) == expected
    assert parse(raw.encode()) == expected


def test_the_corpus_is_what_the_service_sends() -> None:
    """Google's SDK reads the same lines without a complaint."""
    for raw in DEVELOPER:
        check_server(raw.encode())
    for raw in VERTEX:
        check_server(raw.encode(), vertex=True)


def test_more_may_follow_a_turn() -> None:
    """An interaction in progress is told from one that is over."""
    assert parse('{"serverContent":{"turnComplete":true,"interactionStatus":"IN_PROGRESS"}}') == [
        TurnComplete(None, True)
    ]


def test_an_error_in_the_stream_is_understood() -> None:
    """The service may send an error object, at which its own SDK stumbles."""
    assert parse('{"error":{"code":13,"message":"Internal","status":"INTERNAL"}}') == [ServiceError(13, "Internal")]


def test_sound_that_cannot_be_played_is_named() -> None:
    """Another format or rate is not played at the wrong speed."""
    raw = '{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=48000","data":"AAA="}}]}}}'
    assert parse(raw) == [Unplayable("audio/pcm;rate=48000")]


@pytest.mark.parametrize("raw", ["", "{", "[]", '"text"', "null", b"\xff\xfe"])
def test_what_is_no_object_is_a_value_error(raw: str | bytes) -> None:
    """The caller can tell it from everything else."""
    with pytest.raises(ValueError, match=r"."):
        parse(raw)


NAMES = (
    "serverContent modelTurn parts inlineData data mimeType turnComplete usageMetadata promptTokenCount goAway "
    "timeLeft toolCall functionCalls args ids toolCallCancellation error promptTokensDetails tokenCount "
    "sessionResumptionUpdate newHandle outputTranscription text"
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(NAMES.split()), JSON, max_size=3))
@example({"toolCallCancellation": {"ids": 5}})
@example({"usageMetadata": {"promptTokensDetails": [{"tokenCount": None}], "promptTokenCount": "12"}})
@example({"serverContent": {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm", "data": 3}}]}}})
def test_nothing_the_service_sends_breaks_the_parser(message: dict[str, object]) -> None:
    """Fields of any other type than documented are passed over."""
    parse(json.dumps(message))


@pytest.mark.parametrize(
    "model",
    [
        "models/gemini-3.8-live",
        "models/gemini-3.8-live-extended-thinking",
        "models/gemini-3.1-flash-live-preview",
        "models/gemini-2.5-flash-native-audio-latest",
        "projects/p/locations/us-central1/publishers/google/models/gemini-live-2.5-flash-native-audio",
    ],
)
def test_the_setup_is_one_the_sdk_would_send(model: str) -> None:
    """Audio out, both transcripts, compression and resumption are always asked for."""
    raw = messages.setup(model, SetupOptions("Be brief.", "Kore"))
    check_client(raw)
    setup = json.loads(raw)["setup"]
    assert setup["generationConfig"]["responseModalities"] == ["AUDIO"]
    assert setup["sessionResumption"] == {}
    assert {"contextWindowCompression", "inputAudioTranscription", "outputAudioTranscription"} <= setup.keys()
    assert setup["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"] == "Kore"


def test_thinking_is_asked_for_as_each_family_takes_it() -> None:
    """3.8 refuses the field, its extended sibling requires a level, 2.5 takes a budget."""

    def thinking(model: str) -> object:
        return json.loads(messages.setup(model, SetupOptions("")))["setup"]["generationConfig"].get("thinkingConfig")

    assert thinking("models/gemini-3.8-live") is None
    assert thinking("models/gemini-3.8-live-extended-thinking") == {"thinkingLevel": "LOW"}
    assert thinking("models/gemini-2.5-flash-native-audio-latest") == {"thinkingBudget": 0}


def test_a_handle_resumes() -> None:
    """The same setup with the handle of the former link."""
    setup = json.loads(messages.setup("models/gemini-3.8-live", SetupOptions("x"), "handle"))["setup"]
    assert setup["sessionResumption"] == {"handle": "handle"}


def test_media_and_text_are_sent_one_kind_a_message() -> None:
    """PCM with its rate, JPEG, the end of the stream, and typed turns in the form that each family answers."""
    for raw in (
        messages.audio(b"\1\0\xfb\xff"),
        messages.video(b"\xff\xd8\xff"),
        messages.audio_stream_end(),
        messages.typed("models/gemini-3.8-live", "hello"),
        messages.typed("models/gemini-3.1-flash-live-preview", "hello"),
    ):
        check_client(raw)
    assert json.loads(messages.audio(b"\1\0\xfb\xff")) == {
        "realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": "AQD7/w=="}}
    }
    assert "clientContent" in json.loads(messages.typed("models/gemini-3.8-live", "hello"))
    assert "realtimeInput" in json.loads(messages.typed("models/gemini-3.1-flash-live-preview", "hello"))


@pytest.mark.parametrize("count", [-5, "-5", "9" * 5000, 1.5, None])
def test_what_cannot_be_a_count_is_none(count: object) -> None:
    """Counters only rise, and no number of a service may end a call."""
    events = parse(json.dumps({"usageMetadata": {"promptTokenCount": 10, "responseTokenCount": count}}))
    assert [(one.prompt_tokens, one.response_tokens) for one in events if isinstance(one, UsageReport)] == [(10, 0)]
