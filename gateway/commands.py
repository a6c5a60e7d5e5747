"""What a client says during a call, over whichever carrier.

Owns the reading of messages in the shapes of RTVI 2, how large and how frequent they may be, and the answers. It must
not know carriers or what a session does with a command; the time is an argument.
**Invariant: whatever a client sends, nothing raises, and what is not done is answered in a sentence; a flood is
answered once a second.**
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gateway import __version__, events
from gateway.guard.bucket import TokenBucket
from gateway.lifecycle import EndReason
from gateway.live.transcript import without_results
from gateway.telemetry import metrics

TEXT_MAX_CHARS = 8000
BURST_S = 3.0  # so much of the rate may come at once: a page that was away sends what it kept
TOLD_EVERY_S = 1.0
PING = "ping: "  # Pipecat's clients say so once a second, without JSON, and expect nothing
TRACKS = ("microphone", "camera", "screen")  # by the index that `trackStatus` gives them
ALONE = frozenset(("microphone", "camera"))  # of a client that says nothing about its tracks


@dataclass(frozen=True, slots=True)
class ClientReady:
    """A client has said that it can be told events."""

    message_id: Any
    version: str  # of RTVI
    after: int | None  # the `seq` of the last event it has seen, if it has seen any


class Microphoned(Protocol):
    """The person who is listened to."""

    def microphone_is(self, state: Literal["on", "off", "taken"]) -> None:
        """Off: the person is not to be heard; taken: the system has given the microphone to somebody else."""


class Commanded(Protocol):
    """The session that is spoken to."""

    @property
    def is_ready(self) -> bool:
        """Whether the model has been there."""

    @property
    def speech(self) -> Microphoned:
        """Whose microphone it is."""

    @property
    def transcript(self) -> dict[str, Any]:
        """What was said."""

    def send_text(self, text: str) -> None:
        """Say something to the model in writing."""

    def tool_result(self, call_id: str, result: Any) -> bool:
        """The answer to a client tool; False when nobody waits for it."""

    def end(self, reason: EndReason) -> None:
        """End the session."""


class Commands:
    """The messages of one client over one carrier, `websocket` or `data_channel`."""

    def __init__(self, session: Commanded, carrier: str, message_max_bytes: int, messages_per_s: float) -> None:
        self._session = session
        self._carrier = carrier
        self._message_max_bytes = message_max_bytes
        self._messages_per_s = messages_per_s
        self._bucket = TokenBucket(messages_per_s, max(1.0, BURST_S * messages_per_s))
        self._told_s: float | None = None
        self._waiting: ClientReady | None = None  # for the model
        self.on_ready: Callable[[ClientReady], None] = ignore  # told of each `client-ready`, before it is answered
        self.on_tracks: Callable[[], None] = nothing  # told that the tracks that are on have changed
        self.tracks_on = set(ALONE)  # of `TRACKS`; the others may be sent all the same, black or silent

    def take(self, data: str | bytes, now_s: float) -> list[events.Message]:
        """Do what one message asks; the answers, for this client alone."""
        if not self._bucket.take(now_s):
            return self._too_many(now_s)
        if isinstance(data, bytes):
            return self._refuse("binary", "Messages are text: JSON objects as docs/protocol.md has them.")
        size_bytes = len(data.encode())
        if size_bytes > self._message_max_bytes:
            words = f"The message has {size_bytes} bytes; there may be {self._message_max_bytes}."
            return self._refuse("too_large", words)
        if data.startswith(PING):
            return []
        try:
            command = json.loads(data)
            kind, message_id = command.get("type"), command.get("id")
        except (ValueError, AttributeError, RecursionError):
            return self._refuse("unreadable", "The message is not a JSON object.")
        content = command.get("data")
        return self._do(kind, message_id, content if isinstance(content, dict) else {}, command)

    def bot_is_ready(self) -> list[events.Message]:
        """The model is there: the answer to a client that is waiting for it."""
        waiting, self._waiting = self._waiting, None
        return [] if waiting is None else [bot_ready(waiting)]

    def forget_tracks(self) -> None:
        """Another client, which has said nothing about its tracks."""
        self.tracks_on = set(ALONE)
        self._session.speech.microphone_is("on")

    def _do(self, kind: Any, message_id: Any, data: dict[str, Any], command: dict[str, Any]) -> list[events.Message]:
        match kind:
            case "client-ready":
                return self._client_ready(message_id, data)
            case "send-text":
                return self._send_text(message_id, data)
            case "llm-function-call-result":
                call_id = data.get("tool_call_id")
                if not isinstance(call_id, str) or not self._session.tool_result(call_id, data.get("result")):
                    return [_refusal(message_id, "No function call waits for this result.")]
            case "client-message":
                return [self._response(message_id, data)]
            case "signalling":
                self._signalling(command.get("message"))
            case "disconnect-bot":
                self._session.end(EndReason.USER)
            case _:
                return [_refusal(message_id, f"The gateway does not know messages of type {str(kind)[:40]!r}.")]
        return []

    def _client_ready(self, message_id: Any, data: dict[str, Any]) -> list[events.Message]:
        version, after = data.get("version"), data.get("after")
        self._waiting = ClientReady(
            message_id,
            version if isinstance(version, str) else events.PROTOCOL_VERSION,
            after if isinstance(after, int) else None,
        )
        self.on_ready(self._waiting)
        return self.bot_is_ready() if self._session.is_ready else []

    def _send_text(self, message_id: Any, data: dict[str, Any]) -> list[events.Message]:
        content, options = data.get("content"), data.get("options")
        if not isinstance(content, str) or not content.strip() or len(content) > TEXT_MAX_CHARS:
            return [_refusal(message_id, f"send-text needs data.content: 1 to {TEXT_MAX_CHARS} characters.")]
        if isinstance(options, dict) and False in (options.get("run_immediately"), options.get("audio_response")):
            words = (
                "A live model answers whatever it is told, and aloud: leave run_immediately and audio_response true."
            )
            return [_refusal(message_id, words)]
        self._session.send_text(content)
        return []

    def _response(self, message_id: Any, data: dict[str, Any]) -> events.Message:
        """The answer to a request of the client's own kind (`t`); there is one kind."""
        asked = data.get("t")
        if asked == "transcript":
            return events.message(
                "server-response", {"t": asked, "d": without_results(self._session.transcript)}, message_id
            )
        return _refusal(message_id, f"The gateway has no answer to client messages of type {str(asked)[:40]!r}.")

    def _signalling(self, message: Any) -> None:
        """What clients say about their tracks, in the words of Pipecat's and of W3C's `MediaStreamTrack`: `enabled` by
        the person, `muted` by the system. What else they may signal asks for nothing."""
        if not isinstance(message, dict) or message.get("type") != "trackStatus":
            return
        index = message.get("receiver_index")
        if isinstance(index, int) and 0 <= index < len(TRACKS):
            enabled = bool(message.get("enabled"))
            (self.tracks_on.add if enabled else self.tracks_on.discard)(TRACKS[index])
            if TRACKS[index] == "microphone":
                self._session.speech.microphone_is("taken" if message.get("muted") else "on" if enabled else "off")
            self.on_tracks()

    def _refuse(self, why: str, words: str) -> list[events.Message]:
        metrics.MESSAGES_REFUSED.labels(self._carrier, why).inc()
        return [_refusal(None, words)]

    def _too_many(self, now_s: float) -> list[events.Message]:
        answer = self._refuse(
            "too_many", f"There may be {self._messages_per_s:g} messages a second; those above are left unread."
        )
        if self._told_s is not None and now_s - self._told_s < TOLD_EVERY_S:
            return []
        self._told_s = now_s
        return answer


def bot_ready(client: ClientReady) -> events.Message:
    """The model is there. A client of RTVI 1 is told its own version, because it does not read ours."""
    version = client.version if client.version.startswith("1.") else events.PROTOCOL_VERSION
    return events.bot_ready(__version__, client.message_id, version)


def ignore(_: ClientReady) -> None:
    """For a carrier that tells its events to whoever reads."""


def nothing() -> None:
    """For a carrier whose clients say nothing about their tracks."""


def _refusal(message_id: Any, words: str) -> events.Message:
    return events.message("error-response", {"error": words}, message_id)
