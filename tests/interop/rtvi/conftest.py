"""Pipecat's client, unmodified from npm, bundled into a page; Chromium and its devices from the browser tests."""

import subprocess
from pathlib import Path

import pytest
from playwright.async_api import Page, Route

from tests.browser.camera import write_camera
from tests.browser.conftest import CORPUS, browser, write_microphone
from tests.measure.sound import Samples, read_wav
from tests.programs import npm_ci

__all__ = ["browser"]

HERE = Path(__file__).parent
PAGE = (HERE / "page.html").read_text(encoding="utf-8")
SPEECH_S = 4


@pytest.fixture(scope="session")
def speech() -> Samples:
    """What is said into the microphone, 16 kHz."""
    return read_wav(CORPUS / "speech/question.wav", 16_000)[: SPEECH_S * 16_000]


@pytest.fixture(scope="session")
def devices(speech: Samples, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Files of the fake devices; the microphone is opened when the call is there, so it begins at once."""
    directory = tmp_path_factory.mktemp("devices")
    microphone, camera = directory / "microphone.wav", directory / "camera.mjpeg"
    write_microphone(microphone, speech, before_s=0.5)
    write_camera(camera)
    return microphone, camera


@pytest.fixture(scope="session")
def bundle() -> str:
    """The client and what is ours beside it, as one module."""
    modules = npm_ci(HERE)
    command = [modules / ".bin/esbuild", "client.js", "--bundle", "--format=esm", "--log-level=warning"]
    run = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


async def open_page(page: Page, gateway: str, bundle: str) -> None:
    """The page, as if the gateway served it."""

    async def answer(route: Route) -> None:
        is_script = route.request.url.endswith(".js")
        await route.fulfill(
            body=bundle if is_script else PAGE, content_type="text/javascript" if is_script else "text/html"
        )

    await page.route("**/interop/**", answer)
    await page.goto(f"{gateway}interop/")
    await page.wait_for_function("window.rtvi !== undefined")
