"""A Chromium of this machine, without a window.

Owns where it is looked for, how it is started and that it ends. It must not know what it is used for.
**Invariant: when the context is left no process and no profile of it is there.**
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.errors import ConfigError

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
LISTENING = re.compile(r"DevTools listening on (ws://\S+)")
START_TIMEOUT_S = 60.0  # a busy machine with a cold disk
END_TIMEOUT_S = 5.0
LAST_LINES = 5  # of what it wrote, when it does not start

ARGUMENTS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page in no window is in the background, where timers and sound are slowed down.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",  # nobody is there to allow the microphone
)
FAKE_DEVICES = "--use-fake-device-for-media-stream"


def find_chromium(given: Path | None = None) -> str:
    """Path of the program; raises ConfigError with what to do."""
    for name in (str(given),) if given else NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    if given is not None:
        raise ConfigError(f"--chromium {given} is not a program that can be run.")
    raise ConfigError("No Chromium, Chrome or Edge was found: install one, or name it with --chromium.")


@asynccontextmanager
async def chromium(program: str, *arguments: str) -> AsyncIterator[str]:
    """A running Chromium with a fresh profile: the address of its DevTools.

    Raises ConfigError when it does not start.
    """
    # Chromium's sandbox does not work for root, which containers usually are.
    root = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    with tempfile.TemporaryDirectory(prefix="gateway-qa-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program,
            *ARGUMENTS,
            *root,
            *arguments,
            f"--user-data-dir={profile}",
            "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # its helpers end with it
        )
        try:
            url = await _listening(program, process)
            reading = asyncio.create_task(_drain(process))
            try:
                yield url
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        finally:
            await _end(process)


async def _listening(program: str, process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said: list[str] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_TIMEOUT_S):
            async for line in process.stderr:
                text = line.decode(errors="replace").strip()
                if found := LISTENING.search(text):
                    return found[1]
                said.append(text)
    last = " / ".join(said[-LAST_LINES:]) or "it said nothing"
    raise ConfigError(f"{program} does not start: {last}.")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read what it says, so that it never waits for a reader."""
    assert process.stderr is not None
    while await process.stderr.read(65536):
        pass


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await process.wait()
                return
