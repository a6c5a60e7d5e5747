"""A way of TCP between a browser and its gateway that can be made narrow, or be lost for a while."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

READ_BYTES = 1400  # what is paced is a packet, not a page
# As small as the kernel makes it: what a browser has sent is to wait at its own side, as it does before a slow modem.
BUFFER_BYTES = 4096


class NarrowWay:
    """`async with NarrowWay(host, port) as way: way.url`. All connections share `up_bps`; None is no bound."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self.up_bps: float | None = None
        self._free_s = 0.0  # when the next packet may go
        self._there = asyncio.Event()
        self._there.set()
        self._sockets: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> NarrowWay:
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        self._server = await asyncio.start_server(self._accepted, sock=listening, limit=READ_BYTES)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lose(self) -> None:
        """Nothing gets through any more, either way, and nobody is told."""
        self._there.clear()

    def find(self) -> None:
        """The network is there again, under another address: connections of before are dead, new ones get through."""
        self._cut()
        self._there.set()

    def _cut(self) -> None:
        for writer in tuple(self._sockets):
            writer.transport.abort()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._there.wait()  # the packets that ask for a connection are repeated until they arrive
            await self._carry(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # cancelled at the end of the test: asyncio's server would take it for a failure
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection(*self._target)
        self._sockets |= {writer, there}
        ways = [
            asyncio.create_task(self._pump(reader, there, narrow=True)),
            asyncio.create_task(self._pump(there_reader, writer, narrow=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._sockets -= {writer, there}
            there.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, narrow: bool) -> None:
        while data := await source.read(READ_BYTES):
            if narrow:
                await self._turn(len(data))
            await self._there.wait()
            sink.write(data)
            await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()
        await sink.drain()

    async def _turn(self, size_bytes: int) -> None:
        """Until this many bytes have gone over the narrow part."""
        if self.up_bps is None:
            return
        self._free_s = max(self._free_s, time.monotonic()) + size_bytes * 8 / self.up_bps
        await asyncio.sleep(self._free_s - time.monotonic())
