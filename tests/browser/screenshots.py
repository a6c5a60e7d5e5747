"""Makes a picture of every state of the call page, for the eye: `make screenshots`, then look into build/screenshots.

Each state at the size of a phone and of a desk, in light and in dark; axe-core looks at each too. What it finds fails
the run, and so does an error that a page throws. Everything is real but what is named here: the sentences of limits and
notices, answers of the network that do not come, the second camera of the phone, and a browser that plays nothing
before a tap.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.callpage import (
    DESK,
    FOREVER,
    HELD_BACK,
    PATIENCE_MS,
    PHONE,
    TWO_CAMERAS,
    Whisper,
    accessible,
    chromium,
    phone,
    state,
)
from tests.programs import gateway_and_simulator

SETTLE_MS = 700  # transitions of the page take half a second
NOTICE = "Your device sends more than a call may: your camera is not looked at until it sends less."


@dataclass(frozen=True)
class Shot:
    """One size in one colour scheme."""

    context: BrowserContext
    url: str
    directory: Path
    name: str
    found: list[str]  # what axe-core has to say, and what a page threw

    async def open(self, script: str = "") -> Page:
        """The page as it is once it has asked the gateway, with a script before its own."""
        page = await self.context.new_page()
        if script:
            await page.add_init_script(script)
        await page.goto(self.url)
        await expect(page.locator("#consent")).not_to_be_empty()
        return page

    async def take(self, page: Page, state: str) -> None:
        """What can be seen without scrolling."""
        await page.wait_for_timeout(SETTLE_MS)
        await page.screenshot(path=self.directory / f"{state}-{self.name}.png")
        self.found.extend(f"{state}-{self.name}: {line}" for line in await accessible(page))


async def before_it_is_whole(shot: Shot) -> None:
    """While a module is missing, and when it does not come for long."""
    page = await shot.context.new_page()
    await page.route("**/js/main.js", lambda _: None)
    await page.goto(shot.url, wait_until="commit")
    await expect(page.locator("#state")).to_have_text("Loading")
    await shot.take(page, "00-loading")
    await page.evaluate("() => document.getAnimations().forEach((one) => one.finish())")
    await expect(page.locator(".late")).to_be_visible()
    await shot.take(page, "00-loading-late")
    await page.close()


async def before_the_call(shot: Shot) -> None:
    """First visit, devices that work, connecting, the question for permission, its refusal."""
    page = await shot.open()
    await shot.take(page, "01-idle")
    await page.get_by_role("button", name="Try camera and microphone").click()
    await expect(page.locator("#mic-words")).to_have_text("You are heard well.", timeout=PATIENCE_MS)
    await shot.take(page, "02-ready")
    held: list[Route] = []
    await page.route("**/v1/sessions", lambda route: held.append(route))
    await page.get_by_role("button", name="Start call").click()
    await state(page, "connecting")
    await shot.take(page, "05-connecting")
    for route in held:
        await route.abort()
    await page.close()

    page = await shot.open(FOREVER)
    await page.get_by_role("button", name="Start call").click()
    await state(page, "permission")
    await shot.take(page, "03-permission")
    await page.close()

    await shot.context.clear_permissions()
    await shot.context.grant_permissions(["geolocation"])
    page = await shot.open()
    await page.get_by_role("button", name="Start call").click()
    await state(page, "ended")
    await shot.take(page, "04-refused")
    await page.close()
    await shot.context.grant_permissions(["microphone", "camera"])


async def in_the_call(shot: Shot) -> None:
    """Speaking, captions, notices and pills, details, camera off and muted, offline, the end."""
    page = await shot.context.new_page()
    whisper = Whisper()
    await whisper.open(page)
    await page.goto(shot.url)
    await page.get_by_role("button", name="Start call").click()
    await state(page, "live")
    await expect(page.locator("#turn")).to_have_attribute("data-turn", "speaking", timeout=PATIENCE_MS)
    await expect(page.locator("#seen")).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.locator("#quality")).to_be_visible(timeout=PATIENCE_MS)
    whisper.say("server-message", type="limits", left_s=582, video=True)
    await shot.take(page, "10-speaking")

    await page.get_by_label("Write to the model").fill("And which cable is the blue one?")
    await page.get_by_label("Write to the model").press("Enter")
    await expect(page.locator("#captions [data-typed]")).to_be_visible(timeout=PATIENCE_MS)
    whisper.say("server-message", type="notice", code="video_paused", text=NOTICE, level="warning")
    whisper.say("llm-function-call-started", function_name="lookup_serial", tool_call_id="1")
    whisper.say("server-message", type="limits", left_s=42, video=False)
    await shot.take(page, "11-notices")
    whisper.say("llm-function-call-stopped", function_name="lookup_serial", tool_call_id="1", cancelled=False)
    whisper.say("server-message", type="notice", code="video_resumed", text="Looked at again.", level="info")
    whisper.say("server-message", type="limits", left_s=40, video=True)

    await page.get_by_role("button", name="Mute").click()
    await page.get_by_role("button", name="Camera").click()
    await shot.take(page, "12-muted-camera-off")
    await page.get_by_role("button", name="Camera").click()

    await page.get_by_role("button", name="Details").click()
    await shot.take(page, "13-details")
    await page.locator("#events").scroll_into_view_if_needed()
    await shot.take(page, "14-events")
    await page.keyboard.press("Escape")

    other = await shot.open()
    await expect(other.locator("#elsewhere")).to_be_visible()
    await shot.take(other, "15-elsewhere")
    await other.close()

    await shot.context.set_offline(True)
    await shot.take(page, "16-offline")
    await shot.context.set_offline(False)
    await page.get_by_role("button", name="End", exact=True).click()
    await state(page, "ended")
    await shot.take(page, "17-ended")
    await page.close()


async def after_the_call(shot: Shot) -> None:
    """A voice that is held back, reconnecting, and an end with a next step and a wait."""
    page = await shot.open(HELD_BACK)
    await page.get_by_role("button", name="Start call").click()
    await state(page, "live")
    await expect(page.get_by_role("button", name="Tap to hear")).to_be_visible(timeout=PATIENCE_MS)
    await shot.take(page, "09-held-back")
    await page.get_by_role("button", name="Tap to hear").click()
    await page.route("**/v1/sessions/**", lambda route: route.abort())
    await page.evaluate("() => window.dispatchEvent(new Event('online'))")
    await state(page, "reconnecting")
    await shot.take(page, "18-reconnecting")
    await page.unroute("**/v1/sessions/**")
    await page.get_by_role("button", name="End", exact=True).click()
    body = '{"detail": "All places are taken.", "code": "too_many_sessions"}'
    headers = {"Retry-After": "12", "Content-Type": "application/problem+json"}
    await page.route("**/v1/sessions", lambda route: route.fulfill(status=503, headers=headers, body=body))
    await page.get_by_role("button", name="Start call").click()
    await expect(page.locator("#retry")).to_be_visible(timeout=PATIENCE_MS)
    await shot.take(page, "19-full")
    await page.close()


STATES: list[Callable[[Shot], Awaitable[None]]] = [before_it_is_whole, before_the_call, in_the_call, after_the_call]


@asynccontextmanager
async def shots(browser: Browser, url: str, directory: Path) -> AsyncIterator[list[Shot]]:
    """Phone and desk, light and dark."""
    made: list[Shot] = []
    found: list[str] = []
    for scheme in ("light", "dark"):
        handheld = await phone(browser, color_scheme=scheme, device_scale_factor=2)
        await handheld.add_init_script(TWO_CAMERAS)
        desk = await phone(
            browser,
            color_scheme=scheme,
            viewport={"width": DESK[0], "height": DESK[1]},
            is_mobile=False,
            has_touch=False,
        )
        for context, (width, height) in ((handheld, PHONE), (desk, DESK)):
            context.on("weberror", lambda error: found.append(f"a page threw {error.error}"))
            made.append(Shot(context, url, directory, f"{width}x{height}-{scheme}", found))
    yield made
    for shot in made:
        await shot.context.close()


async def main() -> int:
    """All states, at all sizes; 1 when axe-core has something to say."""
    parser = argparse.ArgumentParser(description="Pictures of every state of the call page.")
    parser.add_argument("--into", type=Path, default=Path("build/screenshots"))
    parser.add_argument("--only", default="", help="part of the name of a size, as 360x780-dark")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        with gateway_and_simulator(directory, directory / "recorded", GATEWAY_MAX_SESSIONS="4") as (gateway, _):
            async with (
                chromium(directory / "devices", scene=True) as browser,
                shots(browser, gateway.found, options.into) as made,
            ):
                for shot in made:
                    if options.only in shot.name:
                        for take in STATES:
                            await take(shot)
    print(f"{len(list(options.into.glob('*.png')))} pictures in {options.into}", *made[0].found, sep="\n")
    return 1 if made[0].found else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
