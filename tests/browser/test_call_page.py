"""The call page in a real Chromium, as a phone: everything a person can do in it, and everything that can go wrong.

What takes long runs with `make pages`.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.callpage import (
    FOREVER,
    HELD_BACK,
    PATIENCE_MS,
    PHONE,
    Whisper,
    accessible,
    chromium,
    end,
    laid_out,
    live,
    opened,
    phone,
    serving,
    state,
    told,
    write,
)
from tests.programs import Program

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

FIRST_LOAD_MAX_BYTES = 100_000
NUMBER = re.compile(r"^\d")
ENABLED = "(kind) => window.devices.filter((one) => one.kind === kind && one.readyState === 'live')[0]?.enabled"
# Whether Start could ever be tapped since the page was loaded.
OFFERED = """
const look = () => {
  const start = document.querySelector("#start");
  window.offered ||= Boolean(start && !start.disabled && start.checkVisibility());
  requestAnimationFrame(look);
};
look();
"""
LIVE_DEVICES = "() => window.devices.filter((one) => one.readyState === 'live').length"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Path]]:
    """A gateway with room for two calls, and where the simulator behind it records."""
    settings = {"GATEWAY_MAX_SESSIONS": "2", "GATEWAY_DETACH_GRACE_S": "20"}
    with serving(tmp_path_factory.mktemp("call-page"), **settings) as programs:
        yield programs


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chrome(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """One Chromium for all tests here."""
    async with chromium(tmp_path_factory.mktemp("devices")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def context(chrome: Browser) -> AsyncIterator[BrowserContext]:
    """A phone of its own for each test."""
    made = await phone(chrome)
    yield made
    await made.close()


def connections(recorded: Path) -> int:
    """How many connections the simulator has had."""
    return len(list(recorded.glob("*")))


async def first_visit(page: Page, address: str) -> None:
    """At most 100 KB come, all from the gateway, and the console stays empty."""
    console = told(page)
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    sizes: list[int] = []
    hosts: set[str] = set()
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    await page.goto(address)
    await page.wait_for_load_state("networkidle")
    assert len(sizes) > 10
    assert sum(sizes) <= FIRST_LOAD_MAX_BYTES
    assert hosts == {urlsplit(address).netloc}
    assert console == []


async def test_a_first_visit_is_small_stays_here_and_is_quiet(context: BrowserContext, programs: tuple) -> None:
    """And the consent names where pictures go; the loopback page keeps to the same."""
    page = await context.new_page()
    await first_visit(page, programs[0].found)
    consent = page.locator("#consent")
    await expect(consent).to_contain_text("simulator")
    await expect(consent).to_contain_text("up to 3 a second, at most 512 pixels")
    assert await accessible(page) == []
    assert await laid_out(page) == []
    loopback = await context.new_page()
    await first_visit(loopback, f"{programs[0].found}loopback")
    await expect(loopback.locator("#gateway")).to_contain_text("simulator")


async def test_no_tap_is_lost(context: BrowserContext, programs: tuple) -> None:
    """While a module is missing Start is disabled and the line says why; when it does not come, what to do is said.
    Once it is there one tap does it, and a tap that fails is answered with a sentence."""
    page = await context.new_page()
    await page.add_init_script(FOREVER)
    held: list[Route] = []
    await page.route("**/js/main.js", lambda route: held.append(route))
    await page.goto(programs[0].found, wait_until="commit")
    start, late = page.get_by_role("button", name="Start call"), page.locator(".late")
    await expect(page.locator("#state")).to_have_text("Loading")
    await expect(start).to_be_disabled()
    await expect(page.get_by_role("button", name="Try camera and microphone")).to_be_disabled()
    await expect(late).to_be_hidden()
    await page.emulate_media(reduced_motion="reduce")
    await page.evaluate("() => document.getAnimations().forEach((one) => one.finish())")
    await expect(late).to_be_visible()
    assert await accessible(page) == []
    assert await laid_out(page) == []
    await held[0].continue_()
    await expect(late).to_be_hidden()
    await expect(page.locator("#state")).to_have_text("Ready")
    await start.tap()
    await state(page, "permission")

    await page.evaluate("() => { URL.createObjectURL = () => { throw new Error('No room is left.'); }; }")
    await page.get_by_role("button", name="Details").tap()
    await page.get_by_role("button", name="Save as a file").tap()
    await expect(page.locator("#notices")).to_contain_text("No room is left. Try again.")


async def test_a_call_on_a_phone(context: BrowserContext, programs: tuple) -> None:
    """Look, call, hear, read, mute, camera, flip, write, details, end: each does what it says."""
    page = await opened(context, programs[0])
    console = told(page)
    await page.get_by_role("button", name="Try camera and microphone").tap()
    await expect(page.locator("#mic-words")).to_have_text("You are heard well.", timeout=PATIENCE_MS)
    assert await page.evaluate("() => document.querySelector('#self-view').videoWidth") > 0
    await expect(page.locator("#camera-choice option")).to_have_count(2)
    assert await accessible(page) == []
    assert await laid_out(page) == []

    await page.get_by_role("button", name="Start call").tap()
    await state(page, "live")
    assert await page.evaluate("() => window.devices.length") == 2, "the devices of the look are used"
    turn = page.locator("#turn")
    await expect(turn).to_have_attribute("data-turn", "speaking", timeout=PATIENCE_MS)
    light = "() => Number(getComputedStyle(document.querySelector('#stage')).getPropertyValue('--voice')) > 0.2"
    await page.wait_for_function(light, timeout=PATIENCE_MS)
    captions = page.locator("#captions")
    await expect(captions.locator("[data-who=model]").last).to_contain_text("seconds of speech", timeout=PATIENCE_MS)
    await expect(captions.locator("[data-who=user]").first).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.locator("#quality")).to_have_text("Good connection", timeout=PATIENCE_MS)
    await expect(page.locator("#last-frame-age")).to_contain_text("Frame")
    assert await page.evaluate("() => document.querySelector('#last-frame').naturalWidth") == 512
    assert await accessible(page) == []
    assert await laid_out(page) == []

    mute = page.get_by_role("button", name="Mute")
    await mute.tap()
    await expect(mute).to_have_attribute("aria-pressed", "true")
    assert await page.evaluate(ENABLED, "audio") is False
    await write(page, "which port is it?")
    await expect(captions.locator("[data-typed]")).to_have_text("which port is it?", timeout=PATIENCE_MS)
    answer = captions.locator("[data-who=model]", has_text="You wrote: which port is it?")
    await expect(answer).to_be_visible(timeout=PATIENCE_MS)
    await mute.tap()
    assert await page.evaluate(ENABLED, "audio") is True

    camera = page.get_by_role("button", name="Camera")
    await camera.tap()
    await expect(page.locator("#self-words")).to_contain_text("camera is off")
    assert await page.evaluate(ENABLED, "video") is None, "the camera's light is off"
    await camera.tap()
    await expect(page.locator("#self-words")).to_be_hidden()
    first = await page.locator("#camera-choice").input_value()
    await page.get_by_role("button", name="Flip").tap()
    await expect(page.locator("#camera-choice")).not_to_have_value(first, timeout=PATIENCE_MS)

    await details(page)
    await end(page)
    await expect(page.locator("#state")).to_have_text("Ended: You ended the call.")
    assert await page.evaluate(LIVE_DEVICES) == 0
    assert await accessible(page) == []
    assert await laid_out(page) == []
    assert console == []


async def details(page: Page) -> None:
    """The drawer tells the way, the numbers and the events, and saves them."""
    await page.get_by_role("button", name="Details").tap()
    await expect(page.locator("#fact-path")).to_have_text("direct, UDP (host to host)", timeout=PATIENCE_MS)
    for name in ("round-trip", "loss", "jitter", "bandwidth", "sent", "sampled", "answer"):
        await expect(page.locator(f"#fact-{name}")).to_have_text(NUMBER, timeout=PATIENCE_MS)
    await expect(page.locator("#fact-link")).to_have_text("1st, fresh")
    assert await accessible(page) == []
    assert await laid_out(page) == []
    await page.get_by_label("Show", exact=True).select_option("speech")
    kinds = await page.locator("#events li").evaluate_all("(all) => [...new Set(all.map((one) => one.dataset.kind))]")
    assert kinds == ["speech"]
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="Save as a file").tap()
    text = (await (await saved.value).path()).read_text(encoding="utf-8")
    file = json.loads(text)
    assert {one["kind"] for one in file["events"]} >= {"call", "speech", "pictures", "numbers"}
    assert file["numbers"]["path"]["local"] == "host"
    location = await page.evaluate("() => document.documentElement.dataset.call")
    assert location.rsplit("/", 1)[1] not in text
    await page.keyboard.press("Escape")
    await expect(page.locator("#details")).to_be_hidden()


async def test_a_reload_and_another_tab_keep_the_conversation(context: BrowserContext, programs: tuple) -> None:
    """The same session before and after a reload, captions included, and then in the other tab that asks for it."""
    gateway, recorded = programs
    before = connections(recorded)
    page = await live(context, gateway)
    await page.get_by_role("button", name="Mute").tap()  # a question aloud would cut the answer off
    await write(page, "keep this")
    answer = "You wrote: keep this"
    await expect(page.locator("#captions")).to_contain_text(answer, timeout=PATIENCE_MS)
    call = await page.evaluate("() => document.documentElement.dataset.call")
    await page.add_init_script(OFFERED)
    await page.reload()
    await state(page, "live")
    assert not await page.evaluate("() => window.offered"), "a tap on Start would have begun another call"
    assert await page.evaluate("() => document.documentElement.dataset.call") == call
    await expect(page.locator("#captions")).to_contain_text(answer)
    await expect(page.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "true")

    other = await opened(context, gateway)
    await expect(other.locator("#elsewhere")).to_be_visible()
    assert await accessible(other) == []
    assert await laid_out(other) == []
    await other.get_by_role("button", name="Move it here").tap()
    await state(other, "live")
    await expect(other.locator("#captions")).to_contain_text(answer)
    assert await other.evaluate("() => document.documentElement.dataset.call") == call
    await state(page, "ended")
    await expect(page.locator("#state")).to_have_text("Ended: The call goes on in another tab.")
    await expect(page.locator("#elsewhere")).to_be_visible()
    await end(other)
    await expect(page.locator("#elsewhere")).to_be_hidden()
    assert connections(recorded) - before == 1, "one conversation with the model"


async def test_offline_is_said_and_online_mends_it(context: BrowserContext, programs: tuple) -> None:
    """The call stays, the sentence comes and goes; with less motion nothing moves while it waits."""
    page = await live(context, programs[0])
    await page.emulate_media(reduced_motion="reduce")
    await context.set_offline(True)
    await expect(page.locator("#state")).to_contain_text("this device is offline; your conversation is kept.")
    await context.set_offline(False)
    await expect(page.locator("#state")).not_to_contain_text("offline", timeout=PATIENCE_MS)
    await state(page, "live")
    await page.route("**/v1/sessions/**", lambda route: route.abort())
    await page.evaluate("() => window.dispatchEvent(new Event('online'))")
    await state(page, "reconnecting")
    assert await page.evaluate("() => document.getAnimations().length") == 0
    await page.emulate_media(reduced_motion="no-preference")
    assert await page.evaluate("() => document.getAnimations().length") > 0
    await page.emulate_media(color_scheme="dark")
    assert await accessible(page) == []
    await page.unroute("**/v1/sessions/**")
    await state(page, "live")
    await end(page)


@pytest.mark.pages
async def test_what_the_gateway_tells_is_shown(context: BrowserContext, programs: tuple) -> None:
    """Time left, paused pictures, a function that runs, notices: each in words, and gone when it is over. Asked to
    move, the page brings a new peer."""
    page = await context.new_page()
    whisper = Whisper()
    await whisper.open(page)
    await page.goto(programs[0].found)
    await page.emulate_media(color_scheme="dark")
    await page.get_by_role("button", name="Start call").tap()
    await state(page, "live")
    await expect(page.locator("#time-left")).to_contain_text("left", timeout=PATIENCE_MS)  # the gateway's own word
    whisper.say("server-message", type="limits", left_s=600, video=False)
    whisper.say("server-message", type="notice", code="video_paused", text="No pictures for now.", level="warning")
    lost = "The model is being called again."
    whisper.say("server-message", type="notice", code="link_lost", text=lost, level="error")
    whisper.say("llm-function-call-started", function_name="lookup_serial", tool_call_id="1")
    await expect(page.locator("#time-left")).to_contain_text("9:5")
    await expect(page.locator("#video-paused")).to_have_text("Video paused by the gateway")
    await expect(page.locator("#function")).to_have_text("Hold on, using lookup_serial")
    assert await accessible(page) == []
    assert await laid_out(page) == []
    whisper.say("server-message", type="notice", code="video_resumed", text="Pictures again.", level="info")
    whisper.say("server-message", type="limits", left_s=590, video=True)
    whisper.say("llm-function-call-stopped", function_name="lookup_serial", tool_call_id="1", cancelled=False)
    await expect(page.locator("#video-paused")).to_be_hidden()
    await expect(page.locator("#function")).to_be_hidden()
    notice = page.locator("#notices p", has_text=lost)
    await notice.get_by_role("button", name="Dismiss").tap()
    await expect(notice).to_have_count(0)
    async with page.expect_request("**/peer") as brought:
        whisper.say("server-message", type="move")
    assert (await brought.value).method == "POST"
    await state(page, "live")
    await end(page)


@pytest.mark.pages
async def test_the_gateway_knows_that_silence_is_wanted(context: BrowserContext, programs: tuple) -> None:
    """Muted by the person; taken by the system, which is said in words until it is back; and after a new peer too. What
    a phone call does to a track is the one thing here that is not real: its events are."""
    page = await live(context, programs[0])
    location = await page.evaluate("() => document.documentElement.dataset.call")

    async def microphone_is(status: str) -> None:
        ask = "async ([path, status]) => (await (await fetch(path)).json()).microphone === status"
        await page.wait_for_function(ask, arg=[f"{location}/stats", status], timeout=PATIENCE_MS)

    async def system(event: str) -> None:
        track = "window.devices.find(({ kind }) => kind === 'audio')"
        await page.evaluate(f"() => {{ {track}.dispatchEvent(new Event('{event}')) }}")

    await microphone_is("on")
    await page.get_by_role("button", name="Mute").tap()
    await microphone_is("off")
    await system("mute")
    notice = page.locator("#notices p[data-code=microphone]")
    await expect(notice).to_contain_text("in use by a phone call or another app", timeout=PATIENCE_MS)
    await microphone_is("taken")
    await page.evaluate("() => window.dispatchEvent(new Event('online'))")
    await state(page, "reconnecting")
    await state(page, "live")
    await microphone_is("taken")
    await system("unmute")
    await expect(notice).to_contain_text("Your microphone is back.")
    await microphone_is("off")
    await page.get_by_role("button", name="Mute").tap()
    await microphone_is("on")
    await end(page)


@pytest.mark.pages
async def test_half_duplex_waits_while_the_model_speaks(context: BrowserContext, programs: tuple) -> None:
    """Chosen with its price in words; then the microphone waits for the voice that is really heard."""
    page = await live(context, programs[0])
    await page.get_by_role("button", name="Details").tap()
    await expect(page.locator("#half-duplex-words")).to_contain_text("you cannot interrupt it by voice")
    await page.get_by_label("My loudspeaker has no echo cancelling").check()
    await page.get_by_role("button", name="Close").tap()
    await write(page, "say something")
    held = page.locator("#turn-words", has_text="Speaking; your microphone waits")
    await expect(held).to_be_visible(timeout=PATIENCE_MS)
    assert await page.evaluate(ENABLED, "audio") is False
    await expect(page.locator("#turn-words")).not_to_contain_text("your microphone waits", timeout=PATIENCE_MS)
    assert await page.evaluate(ENABLED, "audio") is True
    await end(page)
    await page.reload()
    assert await page.locator("#half-duplex").is_checked(), "remembered"


@pytest.mark.pages
async def test_a_voice_that_the_browser_holds_back_is_heard_after_a_tap(
    context: BrowserContext, programs: tuple
) -> None:
    """A strip says so, with a button; then it plays and the strip is gone."""
    page = await context.new_page()
    await page.add_init_script(HELD_BACK)
    await page.goto(programs[0].found)
    await page.get_by_role("button", name="Start call").tap()
    await state(page, "live")
    hear = page.get_by_role("button", name="Tap to hear")
    await expect(hear).to_be_visible(timeout=PATIENCE_MS)
    assert await page.evaluate("() => document.querySelector('#voice').paused")
    assert await accessible(page) == []
    assert await laid_out(page) == []
    await hear.tap()
    await expect(hear).to_be_hidden()
    assert not await page.evaluate("() => document.querySelector('#voice').paused")
    await end(page)


@pytest.mark.pages
async def test_refusals_are_sentences_with_a_next_step(chrome: Browser, programs: tuple) -> None:
    """Permission, room, token, network: what happened, what to do, and when another try makes sense."""
    refused = await phone(chrome, permissions=["geolocation"])
    page = await opened(refused, programs[0])
    await page.get_by_role("button", name="Try camera and microphone").tap()
    await expect(page.locator("#state")).to_have_text("Ready: This page may not use the microphone.")
    await expect(page.locator("#next")).to_contain_text("allow it, and try again")
    assert await laid_out(page) == []
    await refused.close()

    allowed = await phone(chrome)
    calls = [await live(allowed, programs[0]) for _ in range(2)]
    page = await opened(await phone(chrome), programs[0])
    await page.get_by_role("button", name="Start call").tap()
    await state(page, "ended")
    await expect(page.locator("#next")).to_have_text("Wait a moment, then call again.")
    await expect(page.locator("#retry")).to_contain_text("You can try again in")
    start = page.get_by_role("button", name="Start call")
    await expect(start).to_be_disabled()
    assert await accessible(page) == []
    for call in calls:
        await end(call)
    await expect(start).to_be_enabled(timeout=PATIENCE_MS)
    await start.tap()
    await state(page, "live")
    await end(page)

    body = json.dumps({"detail": "Your link has expired.", "code": "token_expired"})
    kind = "application/problem+json"
    await page.route("**/v1/sessions", lambda route: route.fulfill(status=401, content_type=kind, body=body))
    await start.tap()
    await expect(page.locator("#state")).to_have_text("Ended: Your invitation has expired.")
    await expect(page.locator("#next")).to_have_text("Ask for a new link.")
    await page.unroute("**/v1/sessions")
    await page.route("**/v1/sessions", lambda route: route.abort())
    await start.tap()
    await expect(page.locator("#state")).to_have_text("Ended: The gateway cannot be reached.")
    await expect(page.locator("#next")).to_contain_text("Look whether this device is online")
    await page.context.close()
    await allowed.close()


async def test_a_call_by_keyboard_alone(chrome: Browser, programs: tuple) -> None:
    """Enter starts, Space mutes, Escape closes the drawer and leads to End; the focus can always be seen."""
    context = await phone(chrome, is_mobile=False, has_touch=False)
    page = await opened(context, programs[0])
    assert page.viewport_size == {"width": PHONE[0], "height": PHONE[1]}
    await page.locator("#start").focus()
    await page.keyboard.press("Enter")
    await state(page, "live")
    await page.evaluate("() => document.activeElement.blur()")
    mute = page.get_by_role("button", name="Mute")
    await page.keyboard.press("Space")
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("Space")
    await expect(mute).to_have_attribute("aria-pressed", "false")
    seen = []
    for _ in range(8):
        await page.keyboard.press("Tab")
        seen.append(await page.evaluate("() => document.activeElement.id"))
        outline = "() => parseFloat(getComputedStyle(document.activeElement).outlineWidth)"
        assert await page.evaluate(outline) >= 2, seen[-1]
    assert {"details-open", "say-text", "mute", "camera", "end"} <= set(seen)
    await page.locator("#details-open").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#details")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#details")).to_be_hidden()
    await expect(page.locator("#details-open")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#end")).to_be_focused()
    await state(page, "live")
    await page.keyboard.press("Enter")
    await state(page, "ended")
    await context.close()


@pytest.mark.pages
async def test_a_call_at_a_desk(chrome: Browser, programs: tuple) -> None:
    """In a wide window the drawer stands beside the call, which goes on; light and dark, wide and zoomed."""
    context = await phone(chrome, viewport={"width": 1280, "height": 800}, is_mobile=False, has_touch=False)
    page = await opened(context, programs[0])
    console = told(page)
    await page.get_by_role("button", name="Start call").click()
    await state(page, "live")
    await expect(page.locator("#captions [data-who=model]").last).to_contain_text("saw", timeout=PATIENCE_MS)
    await page.get_by_role("button", name="Details").click()
    await expect(page.locator("#fact-round-trip")).to_have_text(NUMBER, timeout=PATIENCE_MS)
    assert not await page.evaluate("() => document.querySelector('#details').matches(':modal')")
    await page.get_by_role("button", name="Mute").click()
    await expect(page.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "true")
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert await accessible(page) == []
    await page.get_by_role("button", name="Close").click()
    assert await laid_out(page) == []
    await page.get_by_role("button", name="End", exact=True).click()
    await state(page, "ended")
    assert await laid_out(page) == []
    assert console == []
    await context.close()


@pytest.mark.pages
async def test_a_slow_phone_gets_into_a_call(context: BrowserContext, programs: tuple) -> None:
    """With a sixth of this machine's speed it is live, hears, reads and ends as well."""
    page = await opened(context, programs[0])
    console = told(page)
    session = await context.new_cdp_session(page)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    await page.get_by_role("button", name="Start call").tap()
    await state(page, "live")
    await expect(page.locator("#captions [data-who=model]").last).to_contain_text("saw", timeout=PATIENCE_MS)
    await expect(page.locator("#last-frame-age")).to_contain_text("Frame")
    await end(page)
    assert console == []
