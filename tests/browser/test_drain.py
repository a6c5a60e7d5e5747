"""The call page while the gateway behind it is restarted, one process after the other."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.callpage import DEVICES_OF_THE_PAGE, PATIENCE_MS, chromium, phone
from tests.browser.test_call_page import LIVE_DEVICES, end, state, write
from tests.programs import Program

pytestmark = [pytest.mark.browser, pytest.mark.pages]

WORKERS = 2
LINES_OF_THE_PAGE = """
window.lines = [];
new MutationObserver(() => {
  const line = document.querySelector("#state")?.textContent;
  if (line && line !== window.lines.at(-1)) window.lines.push(line);
}).observe(document, { subtree: true, childList: true, characterData: true });
"""
MOVES = "Reconnecting: the call moves to another machine of the gateway; your conversation is kept."


async def replaced(gateway: Program, worker: int) -> None:
    """End a worker as an operator does, and wait until it has gone and another is there."""
    os.kill(worker, signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while worker in gateway.children or len(gateway.children) < WORKERS:
            await asyncio.sleep(0.1)


async def test_a_call_goes_on_while_every_process_of_the_gateway_is_replaced(tmp_path: Path) -> None:
    """Asked to move, the page says so and brings a new peer by itself; devices, captions and conversation stay, and
    what is said afterwards is answered."""
    with Program(
        ["serve", "--port", "0", "--workers", str(WORKERS)], r"Open (http\S+)/", tmp_path / "gateway.log"
    ) as gateway:
        async with chromium(tmp_path / "devices") as browser:
            page = await (await phone(browser)).new_page()
            await page.add_init_script(DEVICES_OF_THE_PAGE)
            await page.add_init_script(LINES_OF_THE_PAGE)
            await page.goto(gateway.found)
            await page.get_by_role("button", name="Start call").tap()
            await state(page, "live")
            await page.get_by_role("button", name="Mute").tap()  # a question aloud would cut the answer off
            await write(page, "keep this")
            captions = page.locator("#captions")
            await expect(captions).to_contain_text("You wrote: keep this", timeout=PATIENCE_MS)
            call = await page.evaluate("() => document.documentElement.dataset.call")
            for worker in gateway.children:
                await replaced(gateway, worker)
            await state(page, "live")
            lines = await page.evaluate("() => window.lines")
            assert MOVES in lines
            assert not [line for line in lines if line.startswith("Ended")]
            assert await page.evaluate("() => document.documentElement.dataset.call") == call
            assert await page.evaluate(LIVE_DEVICES) == len(await page.evaluate("() => window.devices")) == 2
            await expect(captions).to_contain_text("You wrote: keep this")
            await write(page, "and this")
            await expect(captions).to_contain_text("You wrote: and this", timeout=PATIENCE_MS)
            told = await page.evaluate("async (call) => (await fetch(`${call}/transcript`)).json()", call)
            written = [turn["user"] for turn in told["turns"] if turn["user"] in ("keep this", "and this")]
            assert written == ["keep this", "and this"]
            await end(page)
        assert "Traceback" not in gateway.log
