"""The loopback page as a person sees it: a gateway, a browser, and the page with everything unfolded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.callpage import DESK, chromium
from tests.programs import Program

RUN_TIMEOUT_MS = 300_000


@asynccontextmanager
async def loopback(directory: Path, query: str = "") -> AsyncIterator[Page]:
    """The page of a gateway of its own."""
    serving = Program(["serve", "--port", "0"], r"Open (http://\S+)", directory / "gateway.log")
    with serving as gateway:
        async with chromium(directory / "devices", "--autoplay-policy=no-user-gesture-required", scene=True) as browser:
            size = {"width": DESK[0], "height": DESK[1]}
            context = await browser.new_context(viewport=size, permissions=["microphone", "camera"])
            page = await context.new_page()
            await page.goto(f"{gateway.found}loopback{query}")
            yield page
            await context.close()


async def report_of(page: Page) -> dict[str, object]:
    """The report, once the run is over."""
    await page.wait_for_function("() => window.__report", timeout=RUN_TIMEOUT_MS)
    report: dict[str, object] = json.loads(await page.evaluate("() => JSON.stringify(window.__report)"))
    return report


async def compare_with(page: Page, report: Path) -> None:
    """Load an earlier report, as a person does."""
    await page.get_by_label("Compare with an earlier report").set_input_files(report)
    await expect(page.locator(".compared:not([hidden])").first).to_be_visible()


async def unfold(page: Page) -> None:
    """Open all details."""
    await page.evaluate("() => document.querySelectorAll('details:not([hidden])').forEach((one) => (one.open = true))")
