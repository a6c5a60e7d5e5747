"""The main job where nothing but web traffic gets through, in a real Chromium: the same page, over a WebSocket."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.camera import write_camera
from tests.browser.conftest import Call, write_microphone
from tests.browser.ear import heard, listen, quiet_again
from tests.browser.test_main_job import PATIENCE_MS, RATE_HZ, check_answer, check_frames, check_speech, state
from tests.measure.sound import Samples, resample

pytestmark = pytest.mark.browser


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


async def test_a_person_talks_and_shows_and_hears_an_answer_without_udp(call: Call, speech: Samples) -> None:
    """The page gives WebRTC its time, says what it uses instead, and everything else is as in any call."""
    page = call.page
    await page.get_by_role("button", name="Start").click()
    await state(page, "live")
    await expect(page.locator("#notices")).to_contain_text("Only web traffic gets through", timeout=PATIENCE_MS)
    await page.wait_for_function("document.getElementById('voice').srcObject !== null", timeout=PATIENCE_MS)
    await listen(page)
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
    check_answer(resample(sound, sound_hz, RATE_HZ), speech)
    assert [line for line in call.console if "ScriptProcessorNode" not in line] == []
    assert "Traceback" not in call.gateway.log + call.simulator.log
