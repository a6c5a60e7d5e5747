"""What a browser is told, and the log from which it is told.

Owns the event vocabulary: messages in the shapes of RTVI 2 (`{"label":"rtvi-ai","type",…,"data"}`), facts that are the
gateway's own as `server-message` with a `type` inside. One vocabulary for every carrier. It must not know sockets,
sessions or media.
**Invariant: each message of a session has the next `seq`; a reader that comes back with the last `seq` it saw misses
nothing that the ring still holds, and a reader that does not keep up is cut off and costs no more memory.**
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

Message = dict[str, Any]

LABEL = "rtvi-ai"
PROTOCOL_VERSION = "2.1.0"  # of RTVI, as the `bot-ready` of its reference server says it

RING_MESSAGES = 512  # a reload within the detach grace gets the captions of the last minutes back
READER_MESSAGES = 1024  # two rings: one replayed at once, one while it is being written out


def message(kind: str, data: Message | None = None, message_id: str | None = None) -> Message:
    """An RTVI message of this type."""
    built: Message = {"label": LABEL, "type": kind}
    if message_id is not None:
        built["id"] = message_id
    if data is not None:
        built["data"] = data
    return built


def bot_ready(gateway_version: str, message_id: str | None = None, version: str = PROTOCOL_VERSION) -> Message:
    """The model is there and listens."""
    about = {"library": "gemini-live-gateway", "library_version": gateway_version}
    return message("bot-ready", {"version": version, "about": about}, message_id)


def user_transcription(text: str, *, final: bool, timestamp: str) -> Message:
    """What the person has said in this turn so far; `timestamp` is ISO 8601."""
    return message("user-transcription", {"text": text, "user_id": "user", "timestamp": timestamp, "final": final})


def user_text(text: str) -> Message:
    """What the person said to the model in writing."""
    return message("user-llm-text", {"text": text})


def bot_output(text: str, turn: int) -> Message:
    """The next words of the model's speech; the words of one turn share a `segment_id`."""
    segment = f"turn-{turn}"
    return message("bot-output", {"text": text, "segment_id": segment, "aggregated_by": "word", "will_be_spoken": True})


def error(text: str, *, code: str, fatal: bool) -> Message:
    """Something failed. RTVI servers say `error`, its clients read `message`: both are there."""
    return message("error", {"error": text, "message": text, "code": code, "fatal": fatal})


def server_message(kind: str, **facts: Any) -> Message:
    """A fact that is the gateway's own."""
    return message("server-message", {"type": kind, **facts})


def state(name: str, reason: str = "", **facts: Any) -> Message:
    """Where the call is: `connecting`, `live`, `reconnecting` or `ended`, with the reason in words."""
    return server_message("state", state=name, reason=reason, **facts)


def usage(prompt_tokens: int, response_tokens: int, total_tokens: int) -> Message:
    """Tokens, as the model counts them."""
    return server_message(
        "usage", prompt_tokens=prompt_tokens, response_tokens=response_tokens, total_tokens=total_tokens
    )


def frame(frame_id: int, age_ms: int, width: int, height: int, size_bytes: int) -> Message:
    """This picture has gone to the model."""
    return server_message("frame", id=frame_id, age_ms=age_ms, width=width, height=height, bytes=size_bytes)


VIDEO_NOT_ALLOWED = server_message(
    "notice", code="video_not_allowed", text="This call is voice alone: your camera is not taken.", level="info"
)


class Subscription:
    """One reader of an `EventLog`: iterate it; it ends when the log is closed and everything was read."""

    def __init__(self, log: EventLog, backlog: list[Message]) -> None:
        self._log = log
        self._queue = deque(backlog)
        self._wake = asyncio.Event()
        self._left = False
        self.overrun = False  # True: this reader was too slow and was cut off

    def put(self, item: Message) -> None:
        """Hand over one message; called by the log only."""
        if len(self._queue) >= READER_MESSAGES:
            self.overrun = True
            self.close()
        else:
            self._queue.append(item)
        self._wake.set()

    def wake(self) -> None:
        """Let the reader look whether the log has been closed."""
        self._wake.set()

    def close(self) -> None:
        """Stop reading, after what is queued."""
        self._left = True
        self._log.unsubscribe(self)
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            while self._queue:
                yield self._queue.popleft()
            if self._log.closed or self._left:
                return
            self._wake.clear()
            await self._wake.wait()


class EventLog:
    """The messages of one session: a ring of the newest, and the readers that wait for more.

    `first_seq` is larger than 1 where another process has told the ones before.
    """

    def __init__(self, first_seq: int = 1) -> None:
        self._ring: deque[Message] = deque(maxlen=RING_MESSAGES)
        self.next_seq = first_seq
        self._readers: set[Subscription] = set()
        self.closed = False

    def publish(self, item: Message) -> None:
        """Number a message, keep it, and hand it to every reader. Ignored once the log is closed."""
        if self.closed:
            return
        numbered = {**item, "seq": self.next_seq}
        self.next_seq += 1
        self._ring.append(numbered)
        for reader in tuple(self._readers):
            reader.put(numbered)

    def subscribe(self, after: int | None = None) -> Subscription:
        """Read from the first message the ring holds whose `seq` is larger than `after` (None: all it holds)."""
        reader = Subscription(self, [item for item in self._ring if item["seq"] > (after or 0)])
        self._readers.add(reader)
        return reader

    def unsubscribe(self, reader: Subscription) -> None:
        """Forget a reader."""
        self._readers.discard(reader)

    def close(self) -> None:
        """No more messages come; readers end after what they have not read yet."""
        self.closed = True
        for reader in tuple(self._readers):
            reader.wake()
