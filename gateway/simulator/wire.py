"""What Google takes from a client, and its words for what it refuses.

Owns the reading of client messages: both spellings of keys, both alphabets of base64, one kind a message, and the check
of a setup. It must not know sockets or what the model then does.
**Invariant: a message that the real service closes the connection for raises `Refused` with the code and the text of
the real service; any other comes back in camelCase with its bytes decoded.**
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from gateway.simulator.flavours import Flavour

Json = dict[str, Any]

INVALID_ARGUMENT = "Request contains an invalid argument."
NOT_FOUND = "Requested entity was not found."
NOT_ENABLED = "Operation is not implemented, or supported, or enabled."
MEDIA_CHUNKS = "realtime_input.media_chunks is deprecated. Use audio, video, or text instead."
SETUP_FIRST = "setup must be the first message and only the first"
DEADLINE = "Deadline expired before operation could complete."

ASSUMED_HZ = 16_000
REASON_BYTES = 123  # RFC 6455 §5.5: a control frame carries 125 bytes, 2 of them the code

# Keys below these belong to the user, not to the protocol.
FOREIGN = {"args", "response", "parameters", "parametersJsonSchema", "labels"}

ANY: Json = {}


def _names(names: str) -> Json:
    return dict.fromkeys(names.split(), ANY)


SETUP: Json = {
    **_names("model tools inputAudioTranscription outputAudioTranscription safetySettings labels"),
    **_names("explicitVadSignal avatarConfig"),
    "generationConfig": {
        **_names("responseModalities temperature topP topK maxOutputTokens seed candidateCount presencePenalty"),
        **_names("frequencyPenalty speechConfig mediaResolution thinkingConfig enableAffectiveDialog"),
        **_names("translationConfig"),
    },
    "systemInstruction": _names("parts role"),
    "realtimeInputConfig": {
        "automaticActivityDetection": {
            **_names("disabled startOfSpeechSensitivity endOfSpeechSensitivity prefixPaddingMs"),
            **_names("silenceDurationMs"),
        },
        **_names("activityHandling turnCoverage interimTranscriptTimestampEnabled"),
    },
    "sessionResumption": _names("handle transparent"),
    "contextWindowCompression": {"triggerTokens": ANY, "slidingWindow": _names("targetTokens")},
    "proactivity": _names("proactiveAudio proactiveVideo"),
    "historyConfig": _names("initialHistoryInClientContent"),
}
KINDS = ("setup", "clientContent", "realtimeInput", "toolResponse", "contextUpdate")
REALTIME = ("audio", "video", "text", "activityStart", "activityEnd", "audioStreamEnd")


class Refused(Exception):
    """The service closes the connection with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:REASON_BYTES].decode(errors="ignore")


def _no_number(name: str) -> None:
    """Python reads NaN and Infinity; JSON does not have them (RFC 8259 §6)."""
    raise ValueError(name)


def read(raw: str | bytes) -> tuple[str, Json]:
    """Kind and body of a client message; raises Refused."""
    try:
        message = json.loads(raw, parse_constant=_no_number)
    except ValueError:
        raise Refused(1007, "Invalid JSON payload received. Unexpected token.") from None
    if not isinstance(message, dict):
        raise Refused(1007, "Invalid JSON payload received. Expected an object.")
    message = _camel(message)
    for name in message:
        if name not in KINDS:
            raise Refused(1007, f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    if len(message) != 1:
        raise Refused(1007, "Invalid value (oneof), oneof field 'message_type' must be set exactly once.")
    kind, body = next(iter(message.items()))
    if not isinstance(body, dict):
        raise Refused(1007, INVALID_ARGUMENT)
    if kind == "realtimeInput":
        _check_realtime(body)
    return kind, body


def blob(body: Json) -> tuple[str, bytes]:
    """MIME type and bytes of a Blob, from standard or URL-safe base64; raises Refused."""
    data = body.get("data")
    if not isinstance(data, str):
        raise Refused(1007, INVALID_ARGUMENT)
    standard = data.replace("-", "+").replace("_", "/")
    try:
        return str(body.get("mimeType", "")), base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except binascii.Error:
        raise Refused(1007, "Invalid value: Base64 decoding failed.") from None


def check_setup(setup: Json, flavour: Flavour) -> None:
    """Raise Refused for what this family of models does not take."""
    _check_names(setup, SETUP, "setup")
    generation = setup.get("generationConfig", {})
    modalities = generation.get("responseModalities", ["AUDIO"])
    if modalities != ["AUDIO"]:
        wanted = ", ".join(map(str, modalities))
        raise Refused(
            1007, f"The requested combination of response modalities ({wanted}) is not supported by the model"
        )
    thinking = generation.get("thinkingConfig")
    level = (thinking or {}).get("thinkingLevel")
    if flavour.thinking == "forbidden" and thinking is not None:
        raise Refused(1007, INVALID_ARGUMENT)
    if flavour.thinking == "level_required" and level not in ("LOW", "MEDIUM", "HIGH"):
        raise Refused(1007, INVALID_ARGUMENT)
    if setup.get("sessionResumption", {}).get("transparent") and not flavour.vertex:
        raise Refused(1007, INVALID_ARGUMENT)
    if setup.get("historyConfig") and flavour.vertex:
        raise Refused(1007, INVALID_ARGUMENT)
    for declaration in declarations(setup):
        if declaration.get("behavior") == "NON_BLOCKING" and not flavour.non_blocking_tools:
            raise Refused(1007, INVALID_ARGUMENT)


def declarations(setup: Json) -> list[Json]:
    """The functions a setup declares."""
    return [declared for tool in setup.get("tools", []) for declared in tool.get("functionDeclarations", [])]


def detection_disabled(setup: Json) -> bool:
    """True when the client says itself when the person speaks."""
    return bool(setup.get("realtimeInputConfig", {}).get("automaticActivityDetection", {}).get("disabled"))


def interruptible(setup: Json) -> bool:
    """False when the person's voice does not interrupt the model."""
    return bool(setup.get("realtimeInputConfig", {}).get("activityHandling") != "NO_INTERRUPTION")


def rate_hz(mime_type: str) -> int:
    """The rate a MIME type declares; without one the service assumes 16 kHz."""
    for parameter in mime_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name == "rate" and value.isdigit() and 4000 <= int(value) <= 192_000:
            return int(value)
    return ASSUMED_HZ


def model_not_found(model: str, version: str, *, vertex: bool) -> Refused:
    """The refusal of a model that does not exist here."""
    if vertex:
        return Refused(1008, f"Publisher model `{model}` was not found")
    return Refused(
        1008, f"{model} is not found for API version {version}, or is not supported for bidiGenerateContent."
    )


def check_content(body: Json) -> None:
    """Raise Refused for turns that clientContent may not carry."""
    for turn in body.get("turns", []):
        if turn.get("role", "user") not in ("user", "model"):
            raise Refused(1007, "Please use a valid role: user, model.")
        for part in turn.get("parts", []):
            if not {"text", "inlineData", "thought"} >= part.keys():
                raise Refused(1007, INVALID_ARGUMENT)


def _check_realtime(body: Json) -> None:
    if "mediaChunks" in body:
        raise Refused(1007, MEDIA_CHUNKS)
    for name in body:
        if name not in REALTIME:
            raise Refused(
                1007, f"Invalid JSON payload received. Unknown name \"{name}\" at 'realtime_input': Cannot find field."
            )
    if len(body) != 1:
        raise Refused(1007, INVALID_ARGUMENT)


def _check_names(value: Json, known: Json, where: str) -> None:
    for name, inner in value.items():
        if name not in known:
            raise Refused(
                1007, f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."
            )
        if known[name] and isinstance(inner, dict):
            _check_names(inner, known[name], f"{where}.{name}")


def _camel(value: Any) -> Any:
    """The value with every key of the protocol in camelCase."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): inner for name, inner in value.items()}
    return {name: inner if name in FOREIGN else _camel(inner) for name, inner in renamed.items()}
