"""The wire of the Gemini Live API: what we send, and what we understand of what comes.

Owns the encoding of client messages (camelCase, standard base64, one kind a message) and the parsing of server messages
of both platforms. It must not know sockets, links or time.
**Invariant: everything in a server message is read, whatever else is in it, and nothing that a server sends raises
anything but `ValueError` for what is not a JSON object.**
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.live.models import capabilities

Json = dict[str, Any]

INPUT_MIME_TYPE = "audio/pcm;rate=16000"
OUTPUT_HZ = 24_000
COUNT_MAX_DIGITS = 18  # of a 64-bit number; Python refuses to read thousands of digits
UNNAMED = "unnamed-"  # ids of ours for calls that the service gave none, as Vertex once did
SILENCE_MS = 500  # how long the model waits for the person to go on; shorter cuts people off, longer feels slow


@dataclass(frozen=True, slots=True)
class Declaration:
    """A function the model may call; `parameters` is an OpenAPI schema."""

    name: str
    description: str
    parameters: Json
    blocking: bool = False  # the conversation waits for it, where the model can do otherwise


@dataclass(frozen=True, slots=True)
class SetupOptions:
    """What an operator chooses of a `setup`."""

    system_instruction: str
    voice: str | None = None
    # Without compression a session with video ends after 2 minutes, as documented, and every turn bills all of it.
    compression_trigger_tokens: int = 48_000
    functions: tuple[Declaration, ...] = ()


def setup(model: str, options: SetupOptions, handle: str | None = None, *, history: bool = False) -> str:
    """The first message of a link; `model` is the full resource name. Fields differ by `capabilities(model)`.

    `history` announces that `history()` follows, to models that want it announced.
    """
    generation: Json = {"responseModalities": ["AUDIO"], "mediaResolution": "MEDIA_RESOLUTION_LOW"}
    if options.voice:
        generation["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": options.voice}}}
    match capabilities(model).thinking:
        case "level_required":
            generation["thinkingConfig"] = {"thinkingLevel": "LOW"}
        case "budget":
            generation["thinkingConfig"] = {"thinkingBudget": 0}  # thinking only delays the first audio
    fields: Json = {
        "model": model,
        "generationConfig": generation,
        "realtimeInputConfig": {
            "automaticActivityDetection": {
                "startOfSpeechSensitivity": "START_SENSITIVITY_HIGH",
                "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
                "prefixPaddingMs": 20,
                "silenceDurationMs": SILENCE_MS,
            },
            "activityHandling": "START_OF_ACTIVITY_INTERRUPTS",
        },
        "sessionResumption": {"handle": handle} if handle else {},
        "contextWindowCompression": {
            "triggerTokens": options.compression_trigger_tokens,
            "slidingWindow": {"targetTokens": options.compression_trigger_tokens // 2},
        },
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
    }
    if options.system_instruction:
        fields["systemInstruction"] = {"parts": [{"text": options.system_instruction}]}
    if options.functions:
        fields["tools"] = [{"functionDeclarations": [_declaration(model, one) for one in options.functions]}]
    if history and capabilities(model).history == "announced":
        fields["historyConfig"] = {"initialHistoryInClientContent": True}
    return _encode({"setup": fields})


def history(model: str, turns: Sequence[tuple[str, str]]) -> str | None:
    """Earlier turns, (`user` | `model`, text) each, as content; None when this model cannot be told them this way."""
    takes = capabilities(model).history
    if takes is None or not turns:
        return None
    contents = [{"role": role, "parts": [{"text": text}]} for role, text in turns]
    # An announced history is complete at once; elsewhere the service waits for the turn that follows.
    return _encode({"clientContent": {"turns": contents, "turnComplete": takes == "announced"}})


def blocks(model: str, function: Declaration) -> bool:
    """Whether the conversation waits for a call of this function: media meanwhile ends the call, or the link."""
    able = capabilities(model)
    return not able.async_tools or (function.blocking and able.blocking_tools)


def _declaration(model: str, function: Declaration) -> Json:
    declared: Json = {"name": function.name, "description": function.description}
    if function.parameters.get("properties"):
        declared["parameters"] = function.parameters
    if capabilities(model).async_tools:  # others refuse the field
        declared["behavior"] = "BLOCKING" if blocks(model, function) else "NON_BLOCKING"
    return declared


def tool_response(call_id: str, name: str, response: Json, scheduling: str | None) -> str:
    """The answer to a call; `scheduling` only where the model does not wait for it."""
    answer: Json = {"id": call_id, "name": name, "response": response}
    if call_id.startswith(UNNAMED):
        del answer["id"]
    if scheduling is not None:
        answer["scheduling"] = scheduling
    return _encode({"toolResponse": {"functionResponses": [answer]}})


def audio(pcm: bytes) -> str:
    """16 kHz mono s16le, 20 to 100 ms of it."""
    return _media("audio", INPUT_MIME_TYPE, pcm)


def video(jpeg: bytes) -> str:
    """One frame."""
    return _media("video", "image/jpeg", jpeg)


def audio_stream_end() -> str:
    """The microphone pauses for more than a second: what was said so far is complete."""
    return _encode({"realtimeInput": {"audioStreamEnd": True}})


def typed(model: str, text: str) -> str:
    """A turn of the person in writing, in the form that makes this model answer."""
    if capabilities(model).text_is_a_turn:
        return _encode({"realtimeInput": {"text": text}})
    turn = {"role": "user", "parts": [{"text": text}]}
    return _encode({"clientContent": {"turns": [turn], "turnComplete": True}})


@dataclass(frozen=True, slots=True)
class SetupComplete:
    """The link is ready."""

    session_id: str | None


@dataclass(frozen=True, slots=True)
class Speech:
    """The next of the model's voice."""

    pcm: bytes  # 24 kHz mono s16le


@dataclass(frozen=True, slots=True)
class GenerationComplete:
    """All audio of the answer has been sent; it may still be playing."""


@dataclass(frozen=True, slots=True)
class TurnComplete:
    """The model's turn is over; `reason` is a `turnCompleteReason` when there was a special one."""

    reason: str | None
    expects_more: bool = False  # `interactionStatus: IN_PROGRESS`: more follows without a new turn of the person


@dataclass(frozen=True, slots=True)
class WaitingForInput:
    """The model deliberately says nothing and waits for the person."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The person spoke over the model: what has not been played must not be."""


@dataclass(frozen=True, slots=True)
class UserWords:
    """The next words the person said, as the model understood them."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelWords:
    """The next words of the model's speech; not in step with its audio."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One function the model wants called."""

    id: str | None
    name: str
    args: Json


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """Functions the model wants called, at the same time."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True)
class ToolCallsCancelled:
    """Calls whose answers are not wanted any more."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Tokens, as the model counts; `by_modality` is of the prompt."""

    prompt_tokens: int
    response_tokens: int
    total_tokens: int
    by_modality: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GoAway:
    """The service ends this link soon."""

    time_left_s: float


@dataclass(frozen=True, slots=True)
class HandleUpdate:
    """`resumable` with a handle: from here the conversation can be resumed. Without: not at this moment."""

    handle: str | None
    resumable: bool


@dataclass(frozen=True, slots=True)
class ServiceError:
    """An error inside the stream, in the words of the service."""

    code: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Unplayable:
    """Sound in a format that is not documented for the Live API."""

    mime_type: str


ServerEvent = (
    SetupComplete
    | Speech
    | GenerationComplete
    | TurnComplete
    | Interrupted
    | WaitingForInput
    | UserWords
    | ModelWords
    | ToolCalls
    | ToolCallsCancelled
    | UsageReport
    | GoAway
    | HandleUpdate
    | ServiceError
    | Unplayable
)


def parse(raw: str | bytes) -> list[ServerEvent]:
    """All that one server message says, in the order in which it is to be acted on; raises ValueError."""
    try:
        message = json.loads(raw)
    except RecursionError:
        raise ValueError("a server message is nested too deeply") from None
    if not isinstance(message, dict):
        raise ValueError("a server message is not a JSON object")
    return list(_events(message))


def _events(message: Json) -> Iterator[ServerEvent]:
    if "setupComplete" in message:
        yield SetupComplete(_object(message, "setupComplete").get("sessionId"))
    if error := _object(message, "error"):
        code = error.get("code")
        yield ServiceError(code if isinstance(code, int) else None, str(error.get("message", "unknown error")))
    yield from _content_events(_object(message, "serverContent"))
    if calls := _objects(_object(message, "toolCall"), "functionCalls"):
        yield ToolCalls(tuple(_tool_call(call) for call in calls))
    ids = _object(message, "toolCallCancellation").get("ids")
    if ids and isinstance(ids, list):
        yield ToolCallsCancelled(tuple(map(str, ids)))
    if "sessionResumptionUpdate" in message:
        update = _object(message, "sessionResumptionUpdate")
        handle = update.get("newHandle") or None
        yield HandleUpdate(handle, bool(update.get("resumable")) and handle is not None)
    if "goAway" in message:
        yield GoAway(duration_s(_object(message, "goAway").get("timeLeft")))
    if usage := _object(message, "usageMetadata"):
        yield _usage(usage)


def _content_events(content: Json) -> Iterator[ServerEvent]:
    # First what stops the old answer, then what belongs to the new one, then what ends it: one message may carry all.
    if content.get("interrupted"):
        yield Interrupted()
    if text := _object(content, "inputTranscription").get("text"):
        yield UserWords(str(text))
    for part in _objects(_object(content, "modelTurn"), "parts"):
        yield from _part_events(part)
    if text := _object(content, "outputTranscription").get("text"):
        yield ModelWords(str(text))
    if content.get("generationComplete"):
        yield GenerationComplete()
    if content.get("waitingForInput"):
        yield WaitingForInput()
    if content.get("turnComplete"):
        reason = content.get("turnCompleteReason")
        yield TurnComplete(str(reason) if reason else None, content.get("interactionStatus") == "IN_PROGRESS")


def _part_events(part: Json) -> Iterator[ServerEvent]:
    blob = _object(part, "inlineData")
    if not blob or part.get("thought"):
        return
    mime_type = str(blob.get("mimeType", ""))
    # Vertex names no rate.
    if mime_type.replace(" ", "") not in ("audio/pcm", f"audio/pcm;rate={OUTPUT_HZ}"):
        yield Unplayable(mime_type)
        return
    try:
        yield Speech(base64.b64decode(str(blob.get("data", "")).replace("-", "+").replace("_", "/")))
    except binascii.Error:
        yield ServiceError(None, "a chunk of speech is not base64")


def duration_s(value: object) -> float:
    """Seconds of a protobuf Duration (`"9.5s"`); 0 for anything else."""
    try:
        return max(0.0, float(str(value).removesuffix("s")))
    except ValueError:
        return 0.0


def _usage(usage: Json) -> UsageReport:
    return UsageReport(
        _count(usage.get("promptTokenCount")),
        _count(usage.get("responseTokenCount", usage.get("candidatesTokenCount"))),  # the latter on Vertex
        _count(usage.get("totalTokenCount")),
        {
            str(detail.get("modality")): _count(detail.get("tokenCount"))
            for detail in _objects(usage, "promptTokensDetails")
        },
    )


def _count(value: object) -> int:
    """A count, which proto-JSON may write as a string; what cannot be one is 0."""
    if isinstance(value, str) and len(value) <= COUNT_MAX_DIGITS and value.isdecimal():
        return int(value)
    return max(0, value) if isinstance(value, int) else 0


def _tool_call(call: Json) -> ToolCall:
    call_id = call.get("id")
    return ToolCall(str(call_id) if call_id else None, str(call.get("name", "")), _object(call, "args"))


def _object(parent: Json, name: str) -> Json:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _objects(parent: Json, name: str) -> list[Json]:
    value = parent.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _media(kind: str, mime_type: str, data: bytes) -> str:
    """25 of these a second and call: base64 has nothing that JSON escapes, so nobody has to look for it."""
    blob = base64.b64encode(data).decode("ascii")
    return f'{{"realtimeInput":{{"{kind}":{{"mimeType":"{mime_type}","data":"{blob}"}}}}}}'


def _encode(message: Json) -> str:
    return json.dumps(message, separators=(",", ":"))
