"""What phones want of the call page and a desk does not ask for, in a real Chromium: `make pages`.

Not real here: an iPhone (only its name), and a page that the system froze. What such systems do to tracks, locks and
pages is played to the modules in tests/web.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.callpage import (
    PATIENCE_MS,
    accessible,
    chromium,
    end,
    laid_out,
    live,
    opened,
    phone,
    serving,
    state,
)
from tests.browser.loopback import silent_microphone
from tests.programs import Program

pytestmark = [pytest.mark.browser, pytest.mark.pages, pytest.mark.asyncio(loop_scope="module")]

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
LOCKS = """
window.locks = [];
const ask = navigator.wakeLock.request.bind(navigator.wakeLock);
navigator.wakeLock.request = async (kind) => {
  const lock = await ask(kind);
  window.locks.push(lock);
  return lock;
};
"""
HELD_LOCKS = "() => window.locks.filter((one) => one.type === 'screen' && !one.released).length"
SHOWN = "() => getComputedStyle(document.querySelector('#self-view')).display"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Path]]:
    """A gateway, and where the simulator behind it records."""
    with serving(tmp_path_factory.mktemp("phone"), GATEWAY_DETACH_GRACE_S="60") as programs:
        yield programs


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chrome(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """One Chromium for the tests here."""
    async with chromium(tmp_path_factory.mktemp("devices")) as running:
        yield running


async def call_of(page: Page) -> str:
    """The session that the page is in."""
    return str(await page.evaluate("() => document.documentElement.dataset.call"))


async def test_the_screen_stays_on_and_pictures_play_in_the_page(chrome: Browser, programs: tuple) -> None:
    """A wake lock is held exactly while there is a call. Self view and voice play inline, and a camera that is off
    leaves its element laid out."""
    context = await phone(chrome)
    await context.grant_permissions(["microphone", "camera", "screen-wake-lock"])  # a browser without a screen asks
    await context.add_init_script(LOCKS)
    page = await live(context, programs[0])
    await page.wait_for_function("() => window.locks.length > 0", timeout=PATIENCE_MS)
    assert await page.evaluate(HELD_LOCKS) == 1
    view = "() => { const { muted, playsInline, autoplay } = document.querySelector('#self-view');"
    assert await page.evaluate(view + " return [muted, playsInline, autoplay]; }") == [True, True, True]
    assert await page.evaluate("() => document.querySelector('#voice').playsInline ?? true")
    await page.get_by_role("button", name="Camera").tap()
    await expect(page.locator("#self-words")).to_contain_text("camera is off")
    assert await page.evaluate(SHOWN) != "none"
    await end(page)
    await page.wait_for_function("() => window.locks.every((one) => one.released)", timeout=PATIENCE_MS)
    await context.close()


async def test_a_person_who_leaves_and_comes_back_is_in_the_same_call(chrome: Browser, programs: tuple) -> None:
    """Another page in the same tab, then back: the session was kept, and no second one was made."""
    gateway, recorded = programs
    before = len(list(recorded.glob("*")))
    context = await phone(chrome)
    page = await live(context, gateway)
    call = await call_of(page)
    await page.goto(f"{gateway.found}healthz")
    await page.go_back()
    await state(page, "live")
    assert await call_of(page) == call
    await end(page)
    assert len(list(recorded.glob("*"))) - before == 1, "one conversation with the model"
    await context.close()


async def test_the_last_frame_is_the_one_the_model_saw(chrome: Browser, programs: tuple) -> None:
    """The very bytes that went to the model, with number and age; a picture the model did not see is not shown."""
    gateway, recorded = programs
    context = await phone(chrome)
    pictures: list[bytes] = []

    async def fetched(route: Route) -> None:
        response = await route.fetch()
        pictures.append(await response.body())
        await route.fulfill(response=response)

    await context.route("**/frame", fetched)
    page = await live(context, gateway)
    await expect(page.locator("#last-frame-age")).to_have_text(re.compile(r"^Frame \d+, \d+(\.\d)? s old$"))
    assert await page.evaluate("() => document.querySelector('#last-frame').naturalWidth") == 512
    await end(page)
    await context.unroute_all(behavior="wait")
    assert pictures
    assert set(pictures) <= {path.read_bytes() for path in recorded.glob("*/frame-*.jpg")}
    await context.close()


async def test_a_silent_microphone_is_said_before_the_call_and_in_it(tmp_path: Path, programs: tuple) -> None:
    """An open microphone that delivers digital silence is switched off somewhere: a person is told where to look."""
    words = "Nothing comes from this microphone"
    async with chromium(tmp_path / "devices", silent_microphone(tmp_path)) as browser:
        page = await opened(await phone(browser), programs[0])
        await page.get_by_role("button", name="Try camera and microphone").tap()
        await expect(page.locator("#mic-words")).to_contain_text(words, timeout=PATIENCE_MS)
        assert await accessible(page) == []
        assert await laid_out(page) == []
        await page.get_by_role("button", name="Start call").tap()
        await state(page, "live")
        await expect(page.locator("#notices p[data-code=unheard]")).to_contain_text(words, timeout=PATIENCE_MS)
        assert await accessible(page) == []
        assert await laid_out(page) == []
        await page.get_by_role("button", name="Mute").tap()  # a person who wants silence is not told about it
        await expect(page.locator("#notices p[data-code=unheard]")).to_have_count(0)
        await end(page)


@pytest.mark.parametrize(("agent", "told"), [(IPHONE, True), (None, False)])
async def test_an_iphone_is_told_why_it_is_quiet(
    chrome: Browser, programs: tuple, agent: str | None, told: bool
) -> None:
    """While it records it may play through the earpiece; nobody else is told so."""
    context = await phone(chrome, user_agent=agent)
    page = await opened(context, programs[0])
    await page.get_by_role("button", name="Details").tap()
    await expect(page.get_by_text("it may play through the earpiece")).to_be_visible(visible=told)
    await context.close()
