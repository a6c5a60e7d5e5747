"""The main job: a person talks, shows something, and hears an answer, in a real Chromium."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect

from gateway.simulator.voice import CHIME_HZ
from tests.browser.conftest import Call
from tests.browser.ear import heard, listen, quiet_again
from tests.browser.stats import KEEP_PEERS, stats
from tests.measure.sound import Samples, loudest, read_wav, resample
from tests.measure.words import THAT_SPEECH, arrival
from tests.programs import gateway_and_simulator

pytestmark = pytest.mark.browser

RATE_HZ = 16_000
PATIENCE_MS = 60_000


async def state(page: Page, name: str) -> None:
    """Wait until the call is in this state."""
    await expect(page.locator("#state")).to_have_attribute("data-state", name, timeout=PATIENCE_MS)


def messages(directory: Path, sender: str) -> list[dict[str, Any]]:
    """What one side sent on the recorded connection."""
    lines = (directory / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["from"] == sender]


async def test_a_person_talks_and_shows_and_hears_an_answer(call: Call, speech: Samples) -> None:
    """Speech and frames reach the model whole, and the browser plays the answer the model gave."""
    page = call.page
    await expect(page.locator("#state")).to_have_attribute("data-state", "idle")
    await page.get_by_role("button", name="Start").click()
    await state(page, "live")
    await page.wait_for_function("document.getElementById('voice').srcObject !== null", timeout=PATIENCE_MS)
    await listen(page)
    answer = page.locator("#captions [data-who=model]").last
    await expect(answer).to_contain_text("seconds of speech", timeout=PATIENCE_MS)
    await expect(answer).to_contain_text("mostly", timeout=PATIENCE_MS)
    await expect(page.locator("#captions [data-who=user]").first).to_contain_text("speech", timeout=PATIENCE_MS)
    await expect(page.locator("#last-frame-age")).to_contain_text("Frame")
    await quiet_again(page, PATIENCE_MS)
    sound, sound_hz = await heard(page)
    await page.get_by_role("button", name="End").click()
    await state(page, "ended")
    await expect(page.locator("#state")).to_contain_text("You ended the call")
    assert call.gateway.stop() == 0
    assert call.simulator.stop() == 0

    check_speech(call.recorded / "1", speech)
    check_frames(call.recorded / "1")
    check_answer(resample(sound, sound_hz, RATE_HZ), speech)
    assert call.console == []
    assert "Traceback" not in call.gateway.log + call.simulator.log


async def test_a_browser_packs_as_much_sound_as_it_is_asked_to(browser: Browser, tmp_path: Path) -> None:
    """40 ms in each packet instead of 20, and the model hears as much speech."""
    with gateway_and_simulator(tmp_path, tmp_path / "recorded", GATEWAY_AUDIO_PACKET_MS="40") as (gateway, _):
        page = await (await browser.new_context(permissions=["microphone", "camera"])).new_page()
        await page.add_init_script(KEEP_PEERS)
        await page.goto(gateway.found)
        await page.get_by_role("button", name="Start").click()
        answer = page.locator("#captions [data-who=model]").last
        await expect(answer).to_contain_text("seconds of speech", timeout=PATIENCE_MS)
        (sent,) = [one for one in await stats(page, "outbound-rtp") if one["kind"] == "audio"]
        (source,) = [one for one in await stats(page, "media-source") if one["kind"] == "audio"]
        assert source["totalSamplesDuration"] / sent["packetsSent"] == pytest.approx(0.04, rel=0.25)
        await page.context.close()


def check_speech(directory: Path, speech: Samples) -> None:
    """The model heard what was said, for as long as time passed (at another rate it would differ by 8 %)."""
    line = read_wav(directory / "audio.wav", RATE_HZ)
    assert arrival(speech, line, RATE_HZ).share > THAT_SPEECH
    audio = [
        message for message in messages(directory, "client") if "audio" in message["message"].get("realtimeInput", {})
    ]
    lasted_s = audio[-1]["at_s"] - audio[0]["at_s"]
    assert abs(line.size / RATE_HZ - lasted_s) < 0.05 * lasted_s + 0.5


def check_frames(directory: Path) -> None:
    """Frames came, never more than 3 a second, more of them while the picture moved, each a JPEG of the agreed size."""
    times = [
        message["at_s"]
        for message in messages(directory, "client")
        if "video" in message["message"].get("realtimeInput", {})
    ]
    lasted_s = times[-1] - times[0]
    assert 0.3 <= (len(times) - 1) / lasted_s <= 3.05  # a loaded machine makes fewer
    a_second = [sum(at <= time < at + 1 for time in times) for at in range(int(times[0]), int(times[-1]))]
    assert max(a_second) >= 2
    assert min(a_second) <= 2
    paths = sorted(directory.glob("frame-*.jpg"))
    assert len(paths) == len(times)
    for path in paths:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.format == "JPEG"
            assert max(image.size) <= 512
        assert len(data) <= 30_720


def check_answer(sound: Samples, speech: Samples) -> None:
    """What the browser played begins with the chime, and goes on with the very words that were said."""
    low_s, low_share = loudest(sound, RATE_HZ, 0.08, CHIME_HZ[0])
    high_s, high_share = loudest(sound, RATE_HZ, 0.08, CHIME_HZ[1])
    assert low_share > 0.7
    assert high_share > 0.7
    words = arrival(speech, sound, RATE_HZ)
    assert words.share > THAT_SPEECH
    assert low_s < high_s < words.begin_s
