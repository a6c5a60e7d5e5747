"""What tests, screenshots and benches of the call page share: a browser that talks and shows, and looks at the page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, WebSocketRoute, async_playwright, expect
from scipy.io import wavfile

from tests.browser.camera import write_camera
from tests.browser.conftest import CHROMIUM, CORPUS, MICROPHONE_HZ
from tests.measure.sound import read_wav, resample
from tests.programs import Program, gateway_and_simulator, require

PATIENCE_MS = 60_000
ROOM = 3e-4  # of full scale: a quiet room; digital silence would be a broken microphone
PHONE = (360, 780)
DESK = (1280, 800)
# The narrowest that WCAG asks for; the phone; a phone on its side; 1280×800 at 200 % zoom; the desk.
SIZES = [(320, 568), PHONE, (780, 360), (640, 400), DESK]
DEVICES_OF_THE_PAGE = """
window.devices = [];
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await ask(wanted);
  window.devices.push(...stream.getTracks());
  return stream;
};
"""
FOREVER = "navigator.mediaDevices.getUserMedia = () => new Promise(() => {});"
# Where there is one camera: it is named twice, as if it could be flipped.
TWO_CAMERAS = """
if (navigator.mediaDevices) { // which an empty page has not
  const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
  navigator.mediaDevices.enumerateDevices = async () => {
    const found = await list();
    return [...found, ...found.filter(({ kind }) => kind === "videoinput")];
  };
}
"""
# As on a phone whose browser plays nothing before a tap. Chromium lets whoever records play, so this one thing is made.
HELD_BACK = """
const play = HTMLAudioElement.prototype.play;
HTMLAudioElement.prototype.play = function () {
  if (!this.srcObject || window.wasTapped) return play.call(this);
  this.autoplay = false;
  this.pause();
  return Promise.reject(new DOMException("a tap is needed", "NotAllowedError"));
};
addEventListener("click", ({ target }) => { window.wasTapped = target.id === "hear"; }, { capture: true });
"""

# What a person would call broken: cut, covered, too small to hit.
LAYOUT = """() => {
  const found = [];
  const name = (e) => `${e.tagName.toLowerCase()}#${e.id} "${e.textContent.trim().slice(0, 30)}"`;
  if (document.documentElement.scrollWidth > innerWidth) {
    found.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${innerWidth}`);
  }
  const scope = document.querySelector("dialog:modal") ?? document.body;
  for (const e of scope.querySelectorAll("button, select, input, p, h1, h2, h3, dd, label, li, figcaption")) {
    if (!e.checkVisibility({ visibilityProperty: true }) || e.matches(".unseen, .unseen *")) continue;
    e.scrollIntoView({ block: "nearest" });
    const { left, right, top, bottom } = e.getBoundingClientRect();
    if (left < -0.5 || right > innerWidth + 0.5) found.push(`${name(e)} is cut at the side`);
    const isBox = e.clientWidth > 0 && !e.matches("input, select"); // what is inline has no box of its own
    const isWide = isBox && e.scrollWidth > e.clientWidth + 1;
    if (isWide) found.push(`${name(e)} is wider than its box`);
    if (!e.matches("button, select, input")) continue;
    const around = e.type === "checkbox" ? (e.closest("p") ?? e.closest("label")) : e;
    const target = around.getBoundingClientRect();
    if (target.height < 44 || target.width < 44) found.push(`${name(e)} is ${target.width}×${target.height}`);
    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    if (!e.contains(hit)) found.push(`${name(e)} is under ${hit ? name(hit) : "nothing"}`);
  }
  return found;
}"""


@asynccontextmanager
async def chromium(directory: Path, *more: str, scene: bool = False) -> AsyncIterator[Browser]:
    """Debian's Chromium with a microphone into which a question is asked every few seconds, and two cameras, or (for
    the eye) one with a scene. Nothing is allowed that a context does not allow."""
    devices = fake_devices(directory, scene=scene)
    arguments = [argument for argument in CHROMIUM if not argument.startswith("--use-fake")]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=require("chromium", "apt-get install chromium"), args=[*arguments, *devices, *more]
        )
        yield browser
        await browser.close()


def fake_devices(directory: Path, *, scene: bool) -> list[str]:
    """Options of Chromium, and the files that they name."""
    directory.mkdir(parents=True, exist_ok=True)
    microphone, camera = directory / "microphone.wav", directory / "camera.mjpeg"
    spoken = resample(read_wav(CORPUS / "speech/question.wav", 16_000), 16_000, MICROPHONE_HZ)
    line = np.concatenate((np.zeros(MICROPHONE_HZ), spoken, np.zeros(MICROPHONE_HZ * 7)))
    line += np.random.default_rng(7).normal(0, ROOM, line.size)
    wavfile.write(microphone, MICROPHONE_HZ, (line * 32767).astype(np.int16))
    sound = f"--use-file-for-fake-audio-capture={microphone}"
    if not scene:
        return [sound, "--use-fake-device-for-media-stream=device-count=2"]
    write_camera(camera)
    return [sound, "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"]


async def phone(browser: Browser, **options: Any) -> BrowserContext:
    """A phone: upright, touched, with camera and microphone allowed unless said otherwise."""
    usual = {
        "viewport": {"width": PHONE[0], "height": PHONE[1]},
        "is_mobile": True,
        "has_touch": True,
        "permissions": ["microphone", "camera"],
    }
    return await browser.new_context(**(usual | options))


@contextmanager
def serving(directory: Path, **settings: str) -> Iterator[tuple[Program, Path]]:
    """A gateway, which must not have complained when it is over, and where the simulator behind it records."""
    recorded = directory / "recorded"
    with gateway_and_simulator(directory, recorded, **settings) as (gateway, _):
        yield gateway, recorded
        assert gateway.log.partition("Traceback")[2] == ""


async def state(page: Page, name: str) -> None:
    """Wait until the call is in this state."""
    await expect(page.locator("#state")).to_have_attribute("data-state", name, timeout=PATIENCE_MS)


async def opened(context: BrowserContext, gateway: Program) -> Page:
    """The page; nothing has been tapped."""
    page = await context.new_page()
    await page.add_init_script(DEVICES_OF_THE_PAGE)
    await page.goto(gateway.found)
    return page


async def live(context: BrowserContext, gateway: Program) -> Page:
    """The page in a call, by one tap."""
    page = await opened(context, gateway)
    await page.get_by_role("button", name="Start call").tap()
    await state(page, "live")
    return page


async def write(page: Page, text: str) -> None:
    """Say something in writing."""
    await page.get_by_label("Write to the model").fill(text)
    await page.get_by_label("Write to the model").press("Enter")


async def end(page: Page) -> None:
    """Hang up."""
    await page.get_by_role("button", name="End", exact=True).tap()
    await state(page, "ended")


def told(page: Page) -> list[str]:
    """What the page complains about from now on."""
    lines: list[str] = []
    page.on("console", lambda line: lines.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: lines.append(str(error)))
    return lines


async def accessible(page: Page) -> list[str]:
    """What axe-core has to say against the page, also about the size of targets."""
    rules = {"target-size": {"enabled": True}}
    found = await Axe().run(page, options={"resultTypes": ["violations"], "rules": rules})
    return [f"{one['id']}: {node['html'][:200]}" for one in found.response["violations"] for node in one["nodes"]]


async def laid_out(page: Page, sizes: list[tuple[int, int]] = SIZES) -> list[str]:
    """What is wrong with the layout at each size; the page is left at the first size it had."""
    before = page.viewport_size
    assert before is not None
    found = []
    for width, height in sizes:
        await page.set_viewport_size({"width": width, "height": height})
        found += [f"{width}×{height}: {line}" for line in await page.evaluate(LAYOUT)]
    await page.set_viewport_size(before)
    return found


class Whisper:
    """Puts messages between the gateway and a page, as if the gateway had sent them."""

    def __init__(self) -> None:
        self._page: WebSocketRoute | None = None

    async def open(self, page: Page) -> None:
        """Stand between; before the call."""
        await page.route_web_socket("**/events*", self._between)

    def say(self, kind: str, **data: Any) -> None:
        """One message of docs/protocol.md, unnumbered."""
        assert self._page is not None, "the page has no event socket yet"
        self._page.send(json.dumps({"label": "rtvi-ai", "type": kind, "data": data}))

    def _between(self, route: WebSocketRoute) -> None:
        self._page = route
        route.connect_to_server()
