"""The events of a session over the browser's data channel, the second carrier beside the event WebSocket.

Owns which channel is used, from where a client is told, and the end. It must not know SCTP, nor what messages mean.
**Invariant: nothing is told before the client has said that it is ready; what may have been lost with one channel is
told again over the next; a slow or hostile client costs bounded memory and nothing of the call.**
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from gateway import events
from gateway.commands import ClientReady, Commands
from gateway.dialect import Dialect
from gateway.media.channel import Channel
from gateway.media.peer import Picture
from gateway.telemetry import metrics

Show = Callable[[Picture | None], None]
Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]

SENT_MAX = 2 * events.READER_MESSAGES  # whose arrival is not known; far more than fit into a channel's buffers
LOOK_S, GOODBYE_LOOKS = 0.02, 25  # half a second for the last messages to arrive before the connection is closed
ENDLESS = "A message over the data channel had no end, so the channel was closed. The call goes on."
LEFT_OUT = "Some events were left out: they came faster than your connection took them."


class DataCarrier:
    """The data channels of one session, one after the other."""

    def __init__(self, log: events.EventLog, commands: Commands, spawn: Spawn) -> None:
        self._log = log
        self._commands = commands
        commands.on_ready = self._client_ready
        commands.on_tracks = self._tracks_changed
        self._spawn = spawn
        self._channel: Channel | None = None
        self._telling: asyncio.Task[None] | None = None
        self._subscription: events.Subscription | None = None
        self._dialect: Dialect | None = None  # of the client, once it is ready
        self._show: Show | None = None
        self._goes_on = False  # the client is the one of the former channel
        self._sent: deque[int | None] = deque(maxlen=SENT_MAX)  # `seq` of each message, where it is of the log
        self._after: int | None = None  # what the client has seen before its first message here

    @property
    def picture(self) -> Picture | None:
        """What the client shows: a track that it has switched off may be sent all the same, and be black."""
        tracks = self._commands.tracks_on
        return "screen" if "screen" in tracks else "camera" if "camera" in tracks else None

    @property
    def was_hung_up(self) -> bool:
        """Whether the client has ended the call from its side."""
        return self._channel is not None and self._channel.was_hung_up

    def expect(self, show: Show, *, same_client: bool) -> None:
        """A new peer, which is told what to show: of the same client, which says neither again that it is ready nor
        which tracks are on, or perhaps of another."""
        self._goes_on = same_client
        self._show = show
        if not same_client:
            self._commands.forget_tracks()
        self._tracks_changed()

    def opened(self, channel: Channel) -> None:
        """The browser opened a channel."""
        self._stop()
        self._after = self._seen() if self._goes_on else None
        self._channel = channel
        self._sent.clear()
        channel.listen(lambda data: self._received(channel, data))
        if not self._goes_on:
            self._dialect = None
        elif self._dialect is not None:
            self._tell(channel)

    def dropped(self, why: str) -> None:
        """Something of the channel was turned away before it was a message."""
        metrics.MESSAGES_REFUSED.labels("data_channel", why).inc()
        if why == "endless":
            self._log.publish(events.server_message("notice", code="data_channel", text=ENDLESS, level="warning"))

    async def close(self) -> None:
        """Tell what is left, wait a moment for it to arrive, and stop."""
        if self._subscription is not None:
            self._subscription.close()
        for _ in range(GOODBYE_LOOKS):
            if not self._is_busy():
                break
            await asyncio.sleep(LOOK_S)
        self._stop()

    def _is_busy(self) -> bool:
        telling = self._telling is not None and not self._telling.done()
        channel = self._channel
        return channel is not None and channel.is_open and (telling or channel.unacknowledged > 0)

    def _tracks_changed(self) -> None:
        if self._show is not None:
            self._show(self.picture)

    def _received(self, channel: Channel, data: str | bytes) -> None:
        for answer in self._commands.take(data, asyncio.get_running_loop().time()):
            self._send(channel, answer, None)

    def _client_ready(self, client: ClientReady) -> None:
        """Called before the answer goes out. Who says so twice is answered twice, and told once."""
        if self._dialect is None and self._channel is not None:
            self._dialect = Dialect(client.version)
            self._after = client.after
            self._tell(self._channel)

    def _tell(self, channel: Channel) -> None:
        assert self._dialect is not None
        self._telling = self._spawn(self._carry(channel, self._dialect))

    async def _carry(self, channel: Channel, dialect: Dialect) -> None:
        """Tell every event from `_after` on, until the channel or the log is closed."""
        while channel.is_open:
            self._subscription = subscription = self._log.subscribe(self._after)
            try:
                async for event in subscription:
                    answers = self._commands.bot_is_ready() if event["type"] == "bot-ready" else []
                    for told in (*answers, *dialect.told(event)):
                        if not await channel.room() or not self._send(channel, told, event["seq"]):
                            return
                    self._after = event["seq"]
            finally:
                subscription.close()
            if not subscription.overrun:
                return
            self._log.publish(events.server_message("notice", code="events_left_out", text=LEFT_OUT, level="warning"))

    def _send(self, channel: Channel, told: events.Message, seq: int | None) -> bool:
        numbered = {**told, "seq": seq} if seq is not None and "label" in told else told
        if not channel.send(json.dumps(numbered, separators=(",", ":"))):
            return False
        self._sent.append(seq)
        return True

    def _seen(self) -> int | None:
        """The last event before the first that may not have arrived over the former channel."""
        unknown = 0 if self._channel is None else self._channel.unacknowledged
        lost = [seq for seq in list(self._sent)[max(0, len(self._sent) - unknown) :] if seq is not None]
        return lost[0] - 1 if lost else self._after

    def _stop(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
