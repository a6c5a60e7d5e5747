"""Debian's Firefox, driven by WebDriver BiDi, which it speaks itself: no driver program, no patched browser.

Playwright's own way to a stock Firefox (`channel="moz-firefox"`) stops at a command that this ESR does not know yet.
Fake devices are Firefox's own: a tone and a picture that changes its colour.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from tests.programs import require

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
READY = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")
START_TIMEOUT_S = 60
LOOK_S = 0.1


class Firefox:
    """One tab. Scripts are functions as text; elements are found by selector."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._context = ""
        self.console: list[str] = []  # errors of the page and of its scripts

    async def another_tab(self) -> Firefox:
        """A second tab of the same person; errors of both are in one list."""
        tab = copy.copy(self)
        made = await self._send("browsingContext.create", type="tab")
        tab._context = made["context"]
        return tab

    async def before_load(self, function: str) -> None:
        """Run this before the scripts of every page."""
        await self._send("script.addPreloadScript", functionDeclaration=function)

    async def open(self, url: str) -> None:
        """Load a page."""
        await self._send("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def reload(self) -> None:
        """Load it again."""
        await self._send("browsingContext.reload", context=self._context, wait="complete")

    async def resize(self, width: int, height: int) -> None:
        """Change the size of the window's inside."""
        viewport = {"width": width, "height": height}
        await self._send("browsingContext.setViewport", context=self._context, viewport=viewport)

    async def evaluate(self, function: str) -> Any:
        """What a function of the page returns, as far as it is JSON."""
        result = await self._send(
            "script.callFunction",
            functionDeclaration=f"async () => JSON.stringify(await ({function})() ?? null)",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert result["type"] == "success", result
        return json.loads(result["result"]["value"])

    async def wait_for(self, function: str, timeout_s: float) -> None:
        """Until a function of the page returns something true."""
        async with asyncio.timeout(timeout_s):
            while not await self.evaluate(function):
                await asyncio.sleep(LOOK_S)

    async def click(self, selector: str) -> None:
        """A click of a real pointer in the middle of an element."""
        found = await self._send(
            "browsingContext.locateNodes",
            context=self._context,
            locator={"type": "css", "value": selector},
            maxNodeCount=1,
        )
        origin = {"type": "element", "element": {"sharedId": found["nodes"][0]["sharedId"]}}
        pressed = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        await self._act({"type": "pointer", "id": "mouse", "actions": pressed})

    async def type(self, text: str) -> None:
        """Keys, one after the other, to whatever has the focus."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        await self._act({"type": "key", "id": "keyboard", "actions": keys})

    async def _act(self, source: dict[str, Any]) -> None:
        await self._send("input.performActions", context=self._context, actions=[source])

    async def _send(self, method: str, **parameters: Any) -> Any:
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return await self._answers[number]

    async def begin(self) -> None:
        """A session, its tab, and its errors."""
        await self._send("session.new", capabilities={})
        await self._send("session.subscribe", events=["log.entryAdded"])
        tree = await self._send("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def listen(self) -> None:
        """Take what the browser says, until it is gone."""
        async for received in self._socket:
            message = json.loads(received.data)
            if message["type"] == "event":
                if message["params"]["level"] == "error":
                    self.console.append(message["params"]["text"])
            elif (answer := self._answers.pop(message["id"], None)) is not None:
                if message["type"] == "success":
                    answer.set_result(message["result"])
                else:
                    answer.set_exception(AssertionError(f"{message['error']}: {message['message']}"))


@asynccontextmanager
async def firefox(directory: Path, **preferences: bool | int | str) -> AsyncIterator[Firefox]:
    """Firefox without a window, with a profile in this directory."""
    program = require("firefox-esr", "apt-get install firefox-esr")
    write_profile(directory, PREFERENCES | preferences)
    process = await asyncio.create_subprocess_exec(
        *[program, "--headless", "--no-remote", "--profile", str(directory), "--remote-debugging-port", "0"],
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            while not (found := READY.search(line := await process.stderr.readline())):
                assert line, "Firefox ended before it was ready"
        draining = asyncio.create_task(process.stderr.read())
        url = f"{found[1].decode()}/session"
        async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=0) as socket:
            driven = Firefox(socket)
            listening = asyncio.create_task(driven.listen())
            await driven.begin()
            yield driven
            listening.cancel()
        draining.cancel()
    finally:
        process.terminate()
        await process.wait()


def write_profile(directory: Path, preferences: dict[str, bool | int | str]) -> None:
    """A profile with these preferences."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
    (directory / "user.js").write_text("\n".join(lines), encoding="utf-8")
