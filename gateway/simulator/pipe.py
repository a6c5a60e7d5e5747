"""Two ends of a WebSocket without a network, for conversations on a virtual clock.

Owns as much of the interface of a websockets connection as the gateway's link and the simulator use. It must not know
what is said.
**Invariant: what one end sends the other receives in order; an end whose peer reads nothing is held back, as by TCP.**
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close
from websockets.protocol import State

Data = str | bytes

HIGH_WATER_BYTES = 32 * 1024  # as websockets' own write limit


class PipeTransport:
    """The transport of one end: what is unsent, and the ways to break it."""

    def __init__(self, end: PipeEnd) -> None:
        self._end = end

    def get_write_buffer_size(self) -> int:
        """Bytes the other end has not taken."""
        return self._end.peer.inbox_bytes

    def pause_reading(self) -> None:
        """Take nothing any more."""
        self._end.reading = False

    def resume_reading(self) -> None:
        """Take what has waited."""
        self._end.reading = True
        self._end.changed()

    def abort(self) -> None:
        """Cut the line: neither end gets a close frame."""
        for end in (self._end, self._end.peer):
            end.fail()


class PipeEnd:
    """One end; made in pairs by `pipe`."""

    peer: PipeEnd

    def __init__(self) -> None:
        self.inbox_bytes = 0
        self.reading = True
        self.transport = PipeTransport(self)
        self._inbox: deque[Data] = deque()
        self._closed: ConnectionClosed | None = None
        self._change = asyncio.Event()

    @property
    def protocol(self) -> PipeEnd:
        """Where a message is put that is sent without waiting."""
        return self

    @property
    def state(self) -> State:
        """Whether it can be sent on."""
        return State.OPEN if self._closed is None else State.CLOSED

    def send_text(self, data: bytes) -> None:
        """Send a text message, however much the other end has to read."""
        self._put(data.decode())

    def _put(self, data: Data) -> None:
        self.peer._inbox.append(data)
        self.peer.inbox_bytes += len(data)
        self.peer.changed()

    def send_data(self) -> None:
        """Nothing is left to be done: what was put is there."""

    async def send(self, data: Data) -> None:
        """Send a message; waits while the other end has too much to read."""
        if self._closed is not None:
            raise self._closed
        self._put(data)
        while self.peer.inbox_bytes > HIGH_WATER_BYTES and self._closed is None:
            await self._wait()

    async def recv(self, decode: bool | None = None) -> Data:
        """The next message, as it was sent; raises ConnectionClosed."""
        while not (self._inbox and self.reading):
            if self._closed is not None:
                raise self._closed
            await self._wait()
        data = self._inbox.popleft()
        self.inbox_bytes -= len(data)
        self.peer.changed()
        return data

    async def __aiter__(self) -> AsyncIterator[Data]:
        try:
            while True:
                yield await self.recv()
        except ConnectionClosedOK:
            return

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close both ends with a frame."""
        if self._closed is None:
            frame = Close(code, reason)
            kind = ConnectionClosedOK if code in (1000, 1001) else ConnectionClosedError
            self._end_with(kind(frame, frame, False))
            self.peer._end_with(kind(frame, frame, True))

    async def wait_closed(self) -> None:
        """Until it is closed."""
        while self._closed is None:
            await self._wait()

    def fail(self) -> None:
        """The line is cut."""
        self._end_with(ConnectionClosedError(None, None))

    def changed(self) -> None:
        """Let everyone who waits look again."""
        self._change.set()

    def _end_with(self, closed: ConnectionClosed) -> None:
        self._closed = self._closed or closed
        self.changed()

    async def _wait(self) -> None:
        self._change.clear()
        await self._change.wait()


def pipe() -> tuple[PipeEnd, PipeEnd]:
    """(client's end, server's end)."""
    client, server = PipeEnd(), PipeEnd()
    client.peer, server.peer = server, client
    return client, server
