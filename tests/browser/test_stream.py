"""The main job where nothing but web traffic gets through, in a real Chromium: the same page, over a WebSocket."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import numpy as np
import pytest
from playwright.async_api import Page, WebSocket, expect

from gateway.media.stream_wire import HEADER, Kind
from tests.browser.camera import write_camera
from tests.browser.conftest import Call, write_microphone
from tests.browser.ear import heard, listen, quiet_again
from tests.browser.test_bad_network import WORDS, notes, type_words
from tests.browser.test_main_job import PATIENCE_MS, RATE_HZ, check_frames, check_speech, state
from tests.measure.sound import Samples, resample
from tests.measure.words import THAT_SPEECH, arrival
from tests.narrow import NarrowWay

pytestmark = pytest.mark.browser

SOUND_BPS = 1288 * 8 * 25  # with its header
OFFLINE_S = 5.0
VOICE_HZ = 24_000


@pytest.fixture(scope="module")
def devices(speech: Samples, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A microphone into which nothing is said while the page still looks for a way."""
    directory = tmp_path_factory.mktemp("devices")
    microphone, camera = directory / "microphone.wav", directory / "camera.mjpeg"
    write_microphone(microphone, speech, before_s=14.0)
    write_camera(camera)
    return microphone, camera


@pytest.fixture
def options() -> list[str]:
    """A browser whose policy forbids UDP: its offer has no candidate that leads anywhere."""
    return ["--webrtc-ip-handling-policy=disable_non_proxied_udp"]


async def begin(page: Page) -> None:
    """Call, until the call goes over a WebSocket and the model's voice can be heard."""
    await page.get_by_role("button", name="Start").click()
    await state(page, "live")
    await expect(page.locator("#notices")).to_contain_text("Only web traffic gets through", timeout=PATIENCE_MS)
    await page.wait_for_function("document.getElementById('voice').srcObject !== null", timeout=PATIENCE_MS)
    await listen(page)


async def test_a_person_talks_and_shows_and_hears_an_answer_without_udp(call: Call, speech: Samples) -> None:
    """The page gives WebRTC its time, says what it uses instead, and everything else is as in any call."""
    page = call.page
    await begin(page)
    await page.get_by_role("button", name="Details").click()
    await expect(page.locator("#fact-path")).to_contain_text("over a WebSocket", timeout=PATIENCE_MS)
    await page.locator("#details-close").click()
    answer = page.locator("#captions [data-who=model]").last
    await expect(answer).to_contain_text("seconds of speech", timeout=PATIENCE_MS)
    await quiet_again(page, PATIENCE_MS)
    sound, sound_hz = await heard(page)
    await page.get_by_role("button", name="End").click()
    await state(page, "ended")
    assert call.gateway.stop() == 0
    assert call.simulator.stop() == 0

    check_speech(call.recorded / "1", speech)
    check_frames(call.recorded / "1")
    assert arrival(speech, resample(sound, sound_hz, RATE_HZ), RATE_HZ).share > THAT_SPEECH
    assert call.console == []
    assert "Traceback" not in call.gateway.log + call.simulator.log


class Voice:
    """What of the model's voice comes to a page, and how much of it the page says that it has played."""

    def __init__(self, page: Page) -> None:
        self.played = 0  # the last number
        self._sockets: list[tuple[int, dict[int, bytes]]] = []  # (played before, chunks by number) of each
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        address = urlsplit(socket.url)
        if address.path.endswith("/stream"):
            chunks: dict[int, bytes] = {}
            self._sockets.append((int(parse_qs(address.query).get("heard", ["0"])[0]), chunks))
            socket.on("framereceived", lambda data: self._came(data, chunks))
            socket.on("framesent", self._went)

    def _came(self, data: str | bytes, chunks: dict[int, bytes]) -> None:
        if isinstance(data, bytes) and data[0] == Kind.VOICE:
            chunks[HEADER.unpack_from(data)[2]] = data[HEADER.size :]

    def _went(self, data: str | bytes) -> None:
        if isinstance(data, bytes) and data[0] == Kind.HEARD:
            self.played = HEADER.unpack_from(data)[2]

    @property
    def newest(self) -> int:
        """The last number that came."""
        return max((number for _, chunks in self._sockets for number in chunks), default=0)

    def line(self) -> Samples:
        """What was played, without what was left out: silence."""
        bounds = [heard for heard, _ in self._sockets[1:]] + [self.newest]
        chunks = [
            chunk[number]
            for (_, chunk), bound in zip(self._sockets, bounds, strict=True)
            for number in sorted(chunk)
            if number <= bound
        ]
        return np.frombuffer(b"".join(chunks), dtype="<i2").astype(np.float64) / 32768


async def figures(call: Call) -> dict[str, Any]:
    """What the gateway sees of the connection, and how much of the voice waits there."""
    location = await call.page.evaluate("document.documentElement.dataset.call")
    async with aiohttp.request("GET", call.gateway.found.rstrip("/") + location + "/stats") as response:
        seen = await response.json()
        return {"waiting_ms": seen["voice"]["queued_ms"], **(seen["peer"] or {})}


async def until(call: Call, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Look at these figures until they are so."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not met(seen := await figures(call)):
            await asyncio.sleep(0.1)
        return seen


async def pictures_of(call: Call, blocks: int) -> int:
    """How many pictures come while this much sound does."""
    before = await figures(call)
    after = await until(call, lambda seen: seen["audio"]["blocks"] >= before["audio"]["blocks"] + blocks)
    return int(after["video"]["whole"] - before["video"]["whole"])


async def test_a_narrow_way_costs_pictures_and_a_lost_one_no_word(call: Call) -> None:
    """Where sound alone has room no picture comes, and none of the sound is missing; five seconds without any network
    in the middle of an answer, and the scale that the model hums is heard whole and in order, by the same stream."""
    gateway = urlsplit(call.gateway.found)
    async with NarrowWay(str(gateway.hostname), int(gateway.port or 0)) as way:
        voice = Voice(call.page)
        await call.page.goto(way.url)
        await begin(call.page)
        await call.page.get_by_role("button", name="Mute").click()  # nobody interrupts
        await until(call, lambda seen: seen["video"]["whole"] >= 3)
        way.up_bps = 1.05 * SOUND_BPS
        await pictures_of(call, 75)  # what was on its way
        assert await pictures_of(call, 150) <= 1
        way.up_bps = None
        shown = (await figures(call))["video"]["whole"]
        await until(call, lambda seen: seen["video"]["whole"] >= shown + 3)

        await type_words(call)
        await call.page.wait_for_timeout(1500)
        way.lose()
        await asyncio.sleep(OFFLINE_S)
        way.find()
        await state(call.page, "live")
        answer = call.page.locator("#captions [data-who=model]").last
        await expect(answer).to_contain_text("I saw", timeout=PATIENCE_MS)
        seen = await until(
            call,
            lambda seen: not seen["waiting_ms"] + seen["voice_on_its_way_ms"] and voice.played == voice.newest,
        )
        await call.page.get_by_role("button", name="End").click()
        await state(call.page, "ended")
    assert notes(voice.line(), VOICE_HZ) == list(range(WORDS))
    assert seen["audio"]["missing"] == 0
    assert call.gateway.stop() == 0
    assert call.simulator.stop() == 0
    assert len(list(call.recorded.iterdir())) == 1, "one conversation with the model"
    assert "Traceback" not in call.gateway.log + call.simulator.log
