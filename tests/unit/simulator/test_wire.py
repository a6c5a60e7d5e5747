"""What the simulated service takes and refuses."""

import json

import pytest

from gateway.simulator import wire
from gateway.simulator.flavours import FLAVOURS, flavour_for
from gateway.simulator.wire import Refused, check_content, check_setup, read

SETUP = {"model": "models/gemini-3.8-live", "generationConfig": {"responseModalities": ["AUDIO"]}}


@pytest.mark.parametrize(
    ("raw", "code", "words"),
    [
        ("{", 1007, "Invalid JSON payload received"),
        ("[]", 1007, "Invalid JSON payload received"),
        ('{"hello":{}}', 1007, 'Unknown name "hello"'),
        ('{"setup":{},"realtimeInput":{}}', 1007, "oneof"),
        ('{"realtimeInput":{"mediaChunks":[]}}', 1007, "realtime_input.media_chunks is deprecated. Use audio, video"),
        ('{"realtime_input":{"media_chunks":[]}}', 1007, "realtime_input.media_chunks is deprecated. Use audio, video"),
        ('{"realtimeInput":{"sound":{}}}', 1007, "Unknown name \"sound\" at 'realtime_input'"),
        ('{"realtimeInput":{"text":"a","audioStreamEnd":true}}', 1007, "invalid argument"),
        ('{"setup":5}', 1007, "invalid argument"),
    ],
)
def test_what_the_service_refuses_is_refused_with_its_code(raw: str, code: int, words: str) -> None:
    """And in its words."""
    with pytest.raises(Refused) as refused:
        read(raw)
    assert refused.value.code == code
    assert words in refused.value.reason


def test_both_spellings_mean_the_same() -> None:
    """Google's Python SDK mixes snake_case and camelCase in one message; what is the user's own stays as it is."""
    snake = '{"tool_response":{"functionResponses":[{"will_continue":false,"id":"1","response":{"my_key":1}}]}}'
    expected = {"functionResponses": [{"willContinue": False, "id": "1", "response": {"my_key": 1}}]}
    assert read(snake) == ("toolResponse", expected)


def test_what_json_does_not_have_is_refused() -> None:
    """Python's parser would take NaN."""
    with pytest.raises(Refused, match="Unexpected token"):
        read('{"toolResponse": {"functionResponses": [{"id": "1", "name": "f", "response": {"x": NaN}}]}}')


def test_both_alphabets_of_base64_are_read() -> None:
    """The SDK sends the URL-safe one, others the standard one, padded or not."""
    for data in ("-__-APv__gA=", "+//+APv//gA=", "-__-APv__gA"):
        assert wire.blob({"mimeType": "audio/pcm", "data": data})[1] == b"\xfb\xff\xfe\x00\xfb\xff\xfe\x00"
    with pytest.raises(Refused, match="Base64"):
        wire.blob({"data": "????"})


@pytest.mark.parametrize(
    ("flavour", "change", "words"),
    [
        ("3.8", {"colour": "red"}, "Unknown name \"colour\" at 'setup'"),
        ("3.8", {"generationConfig": {"inputAudioTranscription": {}}}, "at 'setup.generationConfig'"),
        ("3.8", {"generationConfig": {"responseModalities": ["TEXT"]}}, "(TEXT) is not supported by the model"),
        ("3.8", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}, "invalid argument"),
        ("extended-thinking", {}, "invalid argument"),
        (
            "extended-thinking",
            {"generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}},
            "invalid argument",
        ),
        ("3.8", {"sessionResumption": {"transparent": True}}, "invalid argument"),
        ("vertex", {"historyConfig": {"initialHistoryInClientContent": True}}, "invalid argument"),
        ("3.1", {"tools": [{"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING"}]}]}, "invalid argument"),
    ],
)
def test_each_family_refuses_what_it_does_not_take(flavour: str, change: wire.Json, words: str) -> None:
    """A wrong setup closes with 1007 and says which field where the service says it."""
    with pytest.raises(Refused) as refused:
        check_setup({**SETUP, **change}, FLAVOURS[flavour])
    assert refused.value.code == 1007
    assert words in refused.value.reason


def test_a_good_setup_is_taken_by_each_family() -> None:
    """The level of thinking makes the difference for the extended one."""
    for name, flavour in FLAVOURS.items():
        thinking = {"thinkingConfig": {"thinkingLevel": "LOW"}} if name == "extended-thinking" else {}
        check_setup({**SETUP, "generationConfig": {"responseModalities": ["AUDIO"], **thinking}}, flavour)


def test_function_parts_in_history_are_refused() -> None:
    """Tool calls of the past have to be told as text."""
    check_content({"turns": [{"role": "user", "parts": [{"text": "hi"}]}]})
    for turn in ({"role": "system", "parts": []}, {"role": "user", "parts": [{"functionCall": {"name": "f"}}]}):
        with pytest.raises(Refused):
            check_content({"turns": [turn]})


def test_models_belong_to_their_platform() -> None:
    """A retired model is unknown everywhere; the reason fits into a close frame."""
    found = flavour_for("models/gemini-3.8-live-extended-thinking", vertex=False)
    assert found is FLAVOURS["extended-thinking"]
    assert flavour_for("models/gemini-1.5-pro", vertex=False) is None
    assert flavour_for("publishers/google/models/gemini-live-2.5-flash-native-audio", vertex=True) is FLAVOURS["vertex"]
    assert len(wire.model_not_found("models/" + "x" * 200, "v1beta", vertex=False).reason.encode()) <= wire.REASON_BYTES


def test_a_message_is_read_from_text_and_bytes() -> None:
    """Clients send either."""
    raw = json.dumps({"realtimeInput": {"audioStreamEnd": True}})
    assert read(raw) == read(raw.encode()) == ("realtimeInput", {"audioStreamEnd": True})
