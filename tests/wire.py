"""Strict validation of every message on the wire by the types of Google's own SDK.

The SDK's types forbid unknown fields, but they check neither that a message has one kind only nor, without help, that
an enum value exists; both are checked here. It uses private converters of the SDK, hence its exact pin.
"""

from __future__ import annotations

import json
import warnings

from google.genai import _live_converters as converters
from google.genai import types

KINDS = {"setup", "client_content", "realtime_input", "tool_response", "context_update"}


class _Setup(types.LiveClientSetup):
    """The SDK's own type lacks this field, which its client sends."""

    realtime_input_config: types.RealtimeInputConfig | None = None


class _ClientMessage(types.LiveClientMessage):
    setup: _Setup | None = None


def check_client(raw: str | bytes) -> types.LiveClientMessage:
    """A message of ours to the service; raises when the SDK would not send it."""
    assert isinstance(raw, str), "clients send text frames"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an unknown enum value is only warned of
        message = _ClientMessage.model_validate_json(raw)
    kinds = message.model_fields_set & KINDS
    assert len(kinds) == 1, f"one kind a message, not {kinds}"
    if message.realtime_input is not None:
        assert len(message.realtime_input.model_fields_set) == 1
    if message.tool_response is not None:
        for response in message.tool_response.function_responses or []:
            assert response.id
            assert response.name
    return message


def check_server(raw: str | bytes, *, vertex: bool = False) -> types.LiveServerMessage:
    """A message of the service to us; raises when the SDK would not understand all of it."""
    assert isinstance(raw, bytes), "the service sends binary frames"
    message = json.loads(raw)
    convert = converters._LiveServerMessage_from_vertex if vertex else converters._LiveServerMessage_from_mldev
    converted = convert(message)
    assert len(converted) == len(message), f"the SDK does not know all of {set(message)}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return types.LiveServerMessage.model_validate(converted)
