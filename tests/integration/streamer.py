"""A client of the stream door for tests: what it says and shows is numbered, and it plays what it hears."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from aiohttp import ClientWebSocketResponse, WSMsgType
from aiohttp.test_utils import TestClient

from gateway.media.stream_wire import HEADER, SOUND_BYTES, SOUND_MS, Kind, write
from tests.message_schema import check

TONE_HZ = 500
BLOCK = SOUND_BYTES // 2
PATIENCE_S = 20.0


def tone(seq: int) -> bytes:
    """The block of a steady tone that has this number."""
    at = np.arange(seq * BLOCK, (seq + 1) * BLOCK)
    return (9000 * np.sin(2 * np.pi * TONE_HZ * at / 16_000)).astype("<i2").tobytes()


class Streamer:
    """One socket. `plays` is whether it tells what it has played, as a client must."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.told: dict[str, Any] = {}
        self.plays = True
        self.heard = -1  # how much of the sound has come, as the gateway tells
        self.voice: list[tuple[int, bytes]] = []
        self.flushes: list[int] = []
        self.close_code: int | None = None

    @property
    def session(self) -> str:
        """The id of the session."""
        return str(self.told["session"])

    @property
    def events(self) -> str:
        """The address of its events."""
        return f"/v1/sessions/{self.session}/events"

    @property
    def again(self) -> str:
        """The address of another socket for the same stream."""
        played = f"&heard={self.voice[-1][0]}" if self.voice else ""
        return f"/v1/sessions/{self.session}/stream?stream={self.told['stream']}{played}"

    async def say(self, first: int, count: int, *, silent: bool = False, paced: bool = True) -> None:
        """Blocks of the tone, the first of which has this number, at the pace of speech or at once."""
        for seq in range(first, first + count):
            await self.socket.send_bytes(write(Kind.SOUND, seq, bytes(SOUND_BYTES) if silent else tone(seq)))
            if paced:
                await asyncio.sleep(SOUND_MS / 1000)

    async def show(self, seq: int, jpeg: bytes, part_bytes: int = 4096) -> None:
        """A picture, in parts."""
        for at in range(0, len(jpeg), part_bytes):
            more = at + part_bytes < len(jpeg)
            await self.socket.send_bytes(write(Kind.PICTURE, seq, jpeg[at : at + part_bytes], more=more))

    async def listen(self) -> None:
        """Take what comes until the socket is closed."""
        with contextlib.suppress(ConnectionError):
            async for message in self.socket:
                if message.type is WSMsgType.TEXT:
                    self.told = json.loads(message.data)
                    check(self.told, "stream")
                elif message.type is WSMsgType.BINARY:
                    await self._take(message.data)
        self.close_code = self.socket.close_code

    async def _take(self, data: bytes) -> None:
        kind, _, seq = HEADER.unpack_from(data)
        if kind == Kind.HEARD:
            assert seq >= self.heard
            self.heard = seq
        elif kind == Kind.FLUSH:
            self.flushes.append(seq)
        else:
            self.voice.append((seq, data[HEADER.size :]))
            if self.plays:
                await self.socket.send_bytes(write(Kind.HEARD, seq))


@asynccontextmanager
async def streaming(client: TestClient, path: str = "/v1/stream", **options: Any) -> AsyncIterator[Streamer]:
    """A socket, open and told of its session."""
    socket = await client.ws_connect(path, **options)
    streamer = Streamer(socket)
    listening = asyncio.create_task(streamer.listen())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not streamer.told:
                await asyncio.sleep(0.01)
        yield streamer
    finally:
        await socket.close()
        await asyncio.wait_for(listening, PATIENCE_S)
