"""Pipecat's web client, unmodified, against the gateway and its simulator, in a real Chromium."""

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page

from gateway.simulator.voice import CHIME_HZ
from tests.browser.ear import heard, listen, quiet_again
from tests.browser.test_main_job import PATIENCE_MS, RATE_HZ
from tests.interop.rtvi.conftest import open_page
from tests.measure.sound import Samples, find, loudest, read_wav, resample
from tests.measure.words import THAT_SPEECH, arrival
from tests.programs import gateway_and_simulator

pytestmark = pytest.mark.browser

TONE_HZ = 700
SECRET = "signs-the-tokens-of-this-test-" * 2
# After its second answer, which is the one to the written text, the model calls a function of the page.
SCRIPT = """
[[fault]]
at = "turn"
turn = 2
do = "tool_call"
name = "show_note"
args = { text = "port 14" }
"""
PROFILE = """
name = "interop"

[[client_tool]]
name = "show_note"
description = "Keep a short text in sight."
parameters = { type = "object", properties = { text = { type = "string" } } }
"""


def token() -> str:
    """Of a person who may call, as the developer's own backend signs it."""
    claims = {"sub": "anna", "aud": "gemini-live-gateway", "exp": time.time() + 600}
    return jwt.encode(claims, SECRET, "HS256")


async def told(page: Page, name: str, times: int = 1, **facts: Any) -> None:
    """Wait until the client has told this so often."""
    await page.wait_for_function(
        "([name, facts, times]) => window.rtvi.count(name, facts) >= times",
        arg=[name, facts, times],
        timeout=PATIENCE_MS,
    )


async def seen(page: Page, name: str) -> list[Any]:
    """Everything that the client told by this name."""
    return [data for found, data in await page.evaluate("window.rtvi.seen") if found == name]


START = """async (token) => {
  const client = window.rtvi.make({ camera: false });
  const headers = new Headers(token ? { Authorization: `Bearer ${token}` } : {});
  try {
    const requestData = { enableDefaultIceServers: true };
    return await client.startBotAndConnect({ endpoint: `${location.origin}/start`, headers, requestData });
  } catch (error) {
    return { refused: error.message, status: error.status };
  }
}"""


async def test_a_call_of_the_pipecat_client(browser: Browser, bundle: str, speech: Samples, tmp_path: Path) -> None:
    """Both flows, speech, pictures, the voice, transcripts, text, a function of the page, metrics, requests, a new
    connection with another microphone and a screen, a refusal and the end: as the client's own callbacks have it."""
    (tmp_path / "script.toml").write_text(SCRIPT)
    (tmp_path / "profile.toml").write_text(PROFILE)
    recorded = tmp_path / "recorded"
    profile = str(tmp_path / "profile.toml")
    settings = {
        "GATEWAY_PROFILE": profile,
        "GATEWAY_MAX_SESSIONS": "1",
        "GATEWAY_AUTH": "token",
        "GATEWAY_JWT_SECRET": SECRET,
    }
    with gateway_and_simulator(tmp_path, recorded, script=tmp_path / "script.toml", **settings) as (gateway, simulator):
        context = await browser.new_context(permissions=["microphone", "camera"])
        page = await context.new_page()
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        await open_page(page, gateway.found, bundle)
        ready = await page.evaluate(
            """async (token) => {
              const client = window.rtvi.make();
              client.registerFunctionCallHandler("show_note", async ({ arguments: { text } }) => ({ shown: text }));
              const headers = new Headers({ Authorization: `Bearer ${token}` });
              return client.connect({ webrtcRequestParams: { endpoint: `${location.origin}/api/offer`, headers } });
            }""",
            token(),
        )
        assert ready["about"]["library"] == "gemini-live-gateway"
        sound = await _speak(page)
        await _write(page)
        await _reconnect(page)
        await _refused(context, gateway.found, bundle)
        await page.evaluate("window.rtvi.client.disconnect()")
        await told(page, "onDisconnected")
        assert len(await seen(page, "onBotReady")) == 1
        while "is gone (user), 0 left" not in gateway.log:  # it hung up, so nobody waits for it
            await page.wait_for_timeout(50)
        started = await context.new_page()
        await open_page(started, gateway.found, bundle)
        assert (await started.evaluate(START, token()))["version"].startswith("2.")
        await started.evaluate("window.rtvi.client.disconnectBot()")
        await told(started, "onBotDisconnected")
        assert failures == []
        await context.close()
        assert gateway.stop() == 0
        assert simulator.stop() == 0
    assert "Traceback" not in gateway.log + simulator.log
    assert sorted(path.name for path in recorded.iterdir()) == ["1", "2"]  # one conversation over both connections
    _check_recording(recorded / "1", speech)
    assert loudest(sound, RATE_HZ, 0.08, CHIME_HZ[0])[1] > 0.7
    assert arrival(speech, sound, RATE_HZ).share > THAT_SPEECH


async def _speak(page: Page) -> Samples:
    """What is said is answered; what the browser plays of it."""
    await listen(page)
    await page.evaluate("window.rtvi.devices.talk()")
    await told(page, "onUserStartedSpeaking")
    await told(page, "onUserStoppedSpeaking")
    await told(page, "onUserTranscript", final=True)
    await told(page, "onBotLlmStopped")
    await quiet_again(page, PATIENCE_MS)
    samples, rate_hz = await heard(page)
    said = " ".join(output["text"] for output in await seen(page, "onBotOutput"))
    assert said.startswith("I heard")
    assert "seconds of speech" in said
    assert "".join(text["text"] for text in await seen(page, "onBotTtsText")).strip() == said
    for name in ("onBotLlmStarted", "onBotTtsStarted", "onBotTtsStopped", "onBotStartedSpeaking"):
        assert len(await seen(page, name)) == 1, name
    return resample(samples, rate_hz, RATE_HZ)


async def _write(page: Page) -> None:
    """Text is answered, then the model calls the page's function; requests are answered or refused."""
    await page.evaluate("window.rtvi.client.sendText('note this')")
    await told(page, "onLLMFunctionCallStopped", function_name="show_note", cancelled=False, failed=False)
    called = await seen(page, "onLLMFunctionCallInProgress")
    assert [(call["function_name"], call["arguments"]) for call in called] == [("show_note", {"text": "port 14"})]
    record = await page.evaluate("window.rtvi.client.sendClientRequest('transcript', {})")
    assert [turn["user"] for turn in record["turns"]][1] == "note this"
    refused = await page.evaluate(
        "window.rtvi.client.sendClientRequest('weather', {}).catch((refused) => refused.data.error)"
    )
    assert refused == "The gateway has no answer to client messages of type 'weather'."
    [metric, *_] = await seen(page, "onMetrics")
    assert metric["ttfb"][0]["value"] >= 0
    assert any(fact["type"] == "frame" for fact in await seen(page, "onServerMessage"))


async def _reconnect(page: Page) -> None:
    """A new connection of the same client: the conversation, its events, microphone, screen and switches go on."""
    await told(page, "onServerMessage", type="turn", times=3)  # nothing is being said
    before = len(await seen(page, "onUserStartedSpeaking"))
    await page.evaluate(f"window.rtvi.devices.change({TONE_HZ}, 'red')")
    await page.evaluate("window.rtvi.reconnect()")
    await page.evaluate("window.rtvi.client.enableScreenShare(true)")
    await told(page, "onUserStartedSpeaking", times=before + 1)
    frames = len([fact for fact in await seen(page, "onServerMessage") if fact["type"] == "frame"])
    await told(page, "onServerMessage", type="frame", times=frames + 4)
    await page.evaluate("window.rtvi.client.enableMic(false)")
    await told(page, "onServerMessage", type="turn", times=4)
    assert "mostly red" in " ".join(output["text"] for output in (await seen(page, "onBotOutput"))[-3:])
    await page.evaluate("window.rtvi.client.enableScreenShare(false)")
    await page.evaluate("window.rtvi.client.enableCam(false)")
    counts = []
    for turns in (5, 6):  # the first answer outlasts what was under way
        await page.evaluate("window.rtvi.client.sendText('one two three four')")
        await told(page, "onServerMessage", type="turn", times=turns)
        counts.append(len([fact for fact in await seen(page, "onServerMessage") if fact["type"] == "frame"]))
    assert counts[0] == counts[1]


async def _refused(context: BrowserContext, gateway: str, bundle: str) -> None:
    """At `/start` a developer reads why: no token; there is one place, and it is taken."""
    page = await context.new_page()
    await open_page(page, gateway, bundle)
    for bearer, status, sentence in (
        (None, 401, "A token is needed here: send Authorization: Bearer, or open the link you were given."),
        (token(), 503, "All places are taken at the moment; please try again in a moment."),
    ):
        assert await page.evaluate(START, bearer) == {"refused": sentence, "status": status}
        error = (await seen(page, "onError"))[-1]
        assert (error["data"]["message"], error["data"]["fatal"]) == (sentence, True)
    await page.close()


def _check_recording(directory: Path, speech: Samples) -> None:
    """The model heard the words, and after the new connection the tone; it saw frames as agreed."""
    line = read_wav(directory / "audio.wav", RATE_HZ)
    assert arrival(speech, line, RATE_HZ).share > THAT_SPEECH
    after = line[int((find(speech, line, RATE_HZ).offset_s + 5) * RATE_HZ) :]
    assert loudest(after, RATE_HZ, 0.5, TONE_HZ)[1] > 0.7
    for path in directory.glob("frame-*.jpg"):
        with Image.open(path) as image:
            assert (image.format, max(image.size)) == ("JPEG", 512) or max(image.size) < 512
