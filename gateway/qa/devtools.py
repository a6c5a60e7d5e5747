"""One page of a Chromium, driven over the DevTools protocol.

Owns the messages of that protocol as far as a page needs to be opened and asked. It must not know what the page is.
**Invariant: every command has an answer or raises; a page that is gone is said to be.**
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from gateway.errors import ConfigError

Json = dict[str, Any]


class Tab:
    """A page; made by `open_tab`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self._waiting: dict[int, asyncio.Future[Json]] = {}

    async def attach(self) -> None:
        """Make the page."""
        target = await self.command("Target.createTarget", url="about:blank")
        attached = await self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = str(attached["sessionId"])
        await self.command("Page.enable")

    async def before_load(self, source: str) -> None:
        """Run this script before those of every page."""
        await self.command("Page.addScriptToEvaluateOnNewDocument", source=source)

    async def go(self, url: str) -> None:
        """Open an address; raises ConfigError when nothing answers there."""
        found = await self.command("Page.navigate", url=url)
        if reason := found.get("errorText"):
            raise ConfigError(f"{url.partition('#')[0]} cannot be opened: {reason}.")

    async def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON; raises ConfigError when it throws."""
        found = await self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if thrown := found.get("exceptionDetails"):
            raise ConfigError(f"The page failed: {thrown.get('exception', {}).get('description', thrown['text'])}")
        return found["result"].get("value")

    async def command(self, method: str, **parameters: Any) -> Json:
        """Do one command; its result."""
        number = next(self._numbers)
        message: Json = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json(message)
        result: Json = await answer
        return result

    async def listen(self) -> None:
        """Hand the answers to those who wait, until the browser is gone."""
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            said = message.json()
            answer = self._waiting.pop(said.get("id"), None)
            if answer is None or answer.done():
                continue  # an event
            if "error" in said:
                answer.set_exception(ConfigError(f"Chromium refuses: {said['error'].get('message')}."))
            else:
                answer.set_result(said["result"])
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConfigError("Chromium is gone."))


@asynccontextmanager
async def open_tab(url: str) -> AsyncIterator[Tab]:
    """A page of the Chromium whose DevTools are at this address."""
    async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=0) as socket:
        tab = Tab(socket)
        listening = asyncio.create_task(tab.listen())
        try:
            await tab.attach()
            yield tab
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
