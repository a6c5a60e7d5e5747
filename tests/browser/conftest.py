"""What browser tests share: Chromium with a chosen microphone and camera; gateway and simulator as processes."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser, Page, async_playwright
from scipy.io import wavfile

from tests.browser.camera import write_camera
from tests.measure.sound import Samples, read_wav, resample
from tests.programs import Program, gateway_and_simulator, require

CORPUS = Path(__file__).parents[1] / "corpus"
MICROPHONE_HZ = 48_000
CHROMIUM = [
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass(frozen=True)
class Call:
    """A gateway with a simulator behind it, and a page in front."""

    page: Page
    gateway: Program
    simulator: Program
    recorded: Path  # directory of the simulator's recordings
    console: list[str]  # errors and warnings of the page


@pytest.fixture(scope="session")
def speech() -> Samples:
    """What is said into the microphone, 16 kHz."""
    return read_wav(CORPUS / "speech/question.wav", 16_000)


def write_microphone(path: Path, speech: Samples, before_s: float = 4.0) -> None:
    """What a fake microphone plays: silence while the call is set up, this speech (16 kHz), and a minute to answer."""
    spoken = resample(speech, 16_000, MICROPHONE_HZ)
    line = np.concatenate((np.zeros(int(MICROPHONE_HZ * before_s)), spoken, np.zeros(MICROPHONE_HZ * 60)))
    wavfile.write(path, MICROPHONE_HZ, (line * 32767).astype(np.int16))


@pytest.fixture(scope="session")
def devices(speech: Samples, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Files of the fake devices: speech with pauses in which an answer can be heard; a picture still, then moving."""
    directory = tmp_path_factory.mktemp("devices")
    microphone, camera = directory / "microphone.wav", directory / "camera.mjpeg"
    write_microphone(microphone, speech)
    write_camera(camera)
    return microphone, camera


@pytest.fixture
def options() -> list[str]:
    """More options of Chromium."""
    return []


@pytest.fixture
async def browser(devices: tuple[Path, Path], options: list[str]) -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    path = require("chromium", "apt-get install chromium")
    microphone, camera = devices
    files = [f"--use-file-for-fake-audio-capture={microphone}%noloop", f"--use-file-for-fake-video-capture={camera}"]
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=CHROMIUM + files + options)
        yield running
        await running.close()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[tuple[Program, Program, Path]]:
    """(gateway, simulator, directory of recordings)."""
    recorded = tmp_path / "recorded"
    with gateway_and_simulator(tmp_path, recorded) as (gateway, simulator):
        yield gateway, simulator, recorded


@pytest.fixture
async def call(browser: Browser, programs: tuple[Program, Program, Path]) -> AsyncIterator[Call]:
    """The page is open; nothing has been pressed."""
    gateway, simulator, recorded = programs
    context = await browser.new_context(permissions=["microphone", "camera"], viewport={"width": 390, "height": 844})
    page = await context.new_page()
    console: list[str] = []
    page.on("console", lambda line: console.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: console.append(str(error)))
    await page.goto(gateway.found)
    yield Call(page, gateway, simulator, recorded, console)
    await context.close()
