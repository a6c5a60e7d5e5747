"""The events of a session as a client of RTVI understands them.

Owns the differences between the gateway's vocabulary (`events`) and what Pipecat's client libraries read: whole
sentences with a number each, the beginning and end of what the model generates, function calls by the name of the
client's version, one `bot-ready`. It must not know carriers or sessions.
**Invariant: nothing that is told is lost in translation but `bot-ready`, which each client gets once, as its answer.**
"""

from __future__ import annotations

from itertools import count
from typing import Any

from gateway import events
from gateway.events import Message, message

SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")
CLOSING = "\"'”’»)]"
PROCESSOR = "gemini-live"  # what RTVI calls a metric's source
PEER_LEFT: Message = {"type": "signalling", "message": {"type": "peerLeft"}}


class Dialect:
    """One client's, from its first `client-ready` on."""

    def __init__(self, version: str = events.PROTOCOL_VERSION) -> None:
        self.version = version
        self._segments = count(1)
        self._sentence = ""
        self._speaks = False

    def told(self, event: Message) -> list[Message]:
        """What to tell the client for an event of the log."""
        data: dict[str, Any] = event.get("data", {})
        match event["type"]:
            case "bot-ready":
                return []
            case "bot-output":
                return self._words(str(data["text"]))
            case "bot-interrupted":
                return [*self._finish(), event]
            case "llm-function-call" if not self.version.startswith("1."):
                call = {"function_name": data["function_name"], "tool_call_id": data["tool_call_id"]}
                return [message("llm-function-call-in-progress", {**call, "arguments": data["args"]})]
            case "server-message":
                return self._fact(event, data)
            case _:
                return [event]

    def _fact(self, event: Message, data: dict[str, Any]) -> list[Message]:
        match data["type"]:
            case "turn":
                return [*self._finish(), event]
            case "ttfab" if data["to"] == "payload":
                value = {"processor": PROCESSOR, "value": data["ms"] / 1000}
                return [event, message("metrics", {"ttfb": [value]})]
            case "state" if data["state"] == "ended":
                return [*self._finish(), event, PEER_LEFT]
            case _:
                return [event]

    def _words(self, text: str) -> list[Message]:
        begins = [] if self._speaks else [message("bot-llm-started"), message("bot-tts-started")]
        self._speaks = True
        said = [message("bot-llm-text", {"text": text}), message("bot-tts-text", {"text": text})]
        self._sentence += text
        ended = self._sentence.rstrip().rstrip(CLOSING).endswith(SENTENCE_ENDS)
        return [*begins, *said, *(self._output() if ended else [])]

    def _output(self) -> list[Message]:
        text, self._sentence = self._sentence.strip(), ""
        if not text:
            return []
        output = {"text": text, "segment_id": next(self._segments), "aggregated_by": "sentence"}
        # `spoken` is what clients of RTVI 1 read; version 2 shows only what is new or is not spoken at all.
        return [message("bot-output", {**output, "will_be_spoken": True, "spoken_status": "new", "spoken": True})]

    def _finish(self) -> list[Message]:
        """The model has said what it will say in this turn."""
        if not self._speaks:
            return []
        self._speaks = False
        return [*self._output(), message("bot-llm-stopped"), message("bot-tts-stopped")]
