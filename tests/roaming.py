"""A phone that calls a gateway of several nodes and comes back when its node is gone or asks it to, as a page does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

import aiohttp

from tests.integration.caller import Caller

RETRY_S = 0.3  # the page's first wait is 0.5 s
SILENT_S = 2.5  # the page looks for another way after 2 s without a byte
PATIENCE_S = 60.0


class Front:
    """What stands before the nodes: each request goes to any of them, also to one that is dead.

    By chance: those who try again at the same rhythm would each meet the same node for ever if they went in turn.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = list(urls)
        self._chance = random.Random(1)
        self._clients: dict[str, aiohttp.ClientSession] = {}

    def client(self) -> aiohttp.ClientSession:
        """A client of one node."""
        url = self._chance.choice(self.urls)
        if url not in self._clients:
            timeout = aiohttp.ClientTimeout(total=10)
            self._clients[url] = aiohttp.ClientSession(url, timeout=timeout)
        return self._clients[url]

    async def close(self) -> None:
        """Close all clients."""
        for client in self._clients.values():
            await client.close()


class RoamingPhone:
    """One call; `async with RoamingPhone(front) as phone`. It stays in the call until it leaves the context."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self.location = ""
        self.caller: Caller | None = None
        self.events: list[dict[str, Any]] = []
        self.peers = 0
        self._again = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def __aenter__(self) -> RoamingPhone:
        await self._new_peer()
        self._tasks = [asyncio.create_task(work()) for work in (self._listen, self._come_back, self._watch)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.caller is not None:
            await self.caller.__aexit__(None, None, None)
        async with asyncio.timeout(PATIENCE_S):
            while not await self._ended():
                await asyncio.sleep(RETRY_S)

    @property
    def heard(self) -> int:
        """Loud pieces of sound that the present peer has heard."""
        return self.caller.heard if self.caller is not None else 0

    async def say(self, text: str) -> None:
        """Write this to the model, when there is a way."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if self._socket is not None and not self._socket.closed:
                    await self._socket.send_json({"type": "send-text", "data": {"content": text}})
                    return
                await asyncio.sleep(0.05)

    async def transcript(self) -> dict[str, Any]:
        """What was said, from whichever node answers."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    answer = await self._front.client().get(self.location + "/transcript")
                    if answer.status == 200:
                        return dict(await answer.json())
                await asyncio.sleep(RETRY_S)

    async def _ended(self) -> bool:
        with suppress(aiohttp.ClientError, TimeoutError):
            answer = await self._front.client().delete(self.location)
            return answer.status in (204, 404)
        return False

    async def _new_peer(self) -> None:
        """Until a node gives an answer."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                caller = Caller(self._front.client(), silent=True, join=self.location or None)  # type: ignore[arg-type]
                try:
                    await caller.__aenter__()
                    break
                except (aiohttp.ClientError, AssertionError, TimeoutError):
                    await caller.__aexit__(None, None, None)
                    await asyncio.sleep(RETRY_S)
        before, self.caller = self.caller, caller
        self.location = caller.location
        self.peers += 1
        if before is not None:
            await before.__aexit__(None, None, None)

    async def _come_back(self) -> None:
        while True:
            await self._again.wait()
            self._again.clear()
            await self._new_peer()

    async def _watch(self) -> None:
        """Nothing came from the gateway for a while: reports come every second or so, also in silence."""
        caller, received, since_s = self.caller, 0, 0.0
        while True:
            await asyncio.sleep(0.25)
            now_s = asyncio.get_running_loop().time()
            if self.caller is not caller:
                caller, received, since_s = self.caller, 0, 0.0
            if caller is None or not caller.connected.is_set():
                continue
            stats = await caller.pc.getStats()
            total = sum(one.bytesReceived for one in stats.values() if one.type == "transport")
            if total != received or not since_s:
                received, since_s = total, now_s
            elif now_s - since_s > SILENT_S:
                since_s = now_s
                self._again.set()

    async def _listen(self) -> None:
        """The event socket, again and again; after each cut with what was missed."""
        after = 0
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._front.client().ws_connect(f"{self.location}/events?after={after}") as socket:
                    self._socket = socket
                    async for message in socket:
                        event = message.json()
                        if event.get("seq", after + 1) <= after:
                            continue
                        after = event.get("seq", after)
                        self.events.append(event)
                        data = event.get("data", {})
                        if data.get("type") == "move" or data.get("code") == "moved":
                            self._again.set()
            self._socket = None
            await asyncio.sleep(RETRY_S)
