"""The call page in Debian's Firefox, driven by WebDriver BiDi: what another engine than Chromium makes of it.

Not here, because this way to Firefox has nothing for it: a device without network (BiDi of this ESR cannot emulate it;
the page's own event stands in), a second camera (the one there is is named twice), touch, and the prompt for permission
(a preference refuses in its place).
"""

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.browser.callpage import DESK, LAYOUT, PHONE, TWO_CAMERAS
from tests.browser.firefox import Firefox, firefox
from tests.programs import gateway_and_simulator

pytestmark = [pytest.mark.browser, pytest.mark.pages]

PATIENCE_S = 60
FRAME = "Number(/^Frame (\\d+)/.exec(document.querySelector('#last-frame-age').textContent)?.[1] ?? 0)"


async def until(page: Firefox, condition: str) -> None:
    """Until an expression of the page is true."""
    await page.wait_for(f"() => {condition}", PATIENCE_S)


async def state(page: Firefox, name: str) -> None:
    """Until the call is in this state."""
    await until(page, f"document.querySelector('#state').dataset.state === '{name}'")


async def text(page: Firefox, selector: str) -> str:
    """What an element says."""
    return str(await page.evaluate(f"() => document.querySelector('{selector}').textContent"))


async def fine(page: Firefox) -> None:
    """axe-core and the eye have nothing to say against the page, on a phone and at a desk."""
    axe = Axe()
    await page.evaluate(f"() => {{ {axe.axe_script} }}")
    found = await page.evaluate("() => axe.run({ resultTypes: ['violations'] })")
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]] == []
    for size in (DESK, PHONE):
        await page.resize(*size)
        assert await page.evaluate(LAYOUT) == []


async def test_a_call_in_firefox(tmp_path: Path) -> None:
    """Look, call, captions, mute, camera, flip, write, details, offline, reload, another tab, end; the same session all
    along."""
    directory = tmp_path / "programs"
    directory.mkdir()
    with gateway_and_simulator(directory, directory / "recorded") as (gateway, _):
        async with firefox(tmp_path / "profile") as page:
            await page.before_load(f"() => {{ {TWO_CAMERAS} }}")
            await page.resize(*PHONE)
            await page.open(gateway.found)
            await until(page, "document.querySelector('#consent').textContent.includes('simulator')")
            await fine(page)
            await page.click("#look")
            await until(page, "document.querySelector('#self-view').videoWidth > 0")
            await fine(page)
            await page.click("#start")
            await state(page, "live")
            await until(page, "document.querySelector('#last-frame-age').textContent.startsWith('Frame')")
            await until(page, "document.querySelector('#captions [data-who=model]') !== null")
            await until(page, "!document.querySelector('#quality').hidden")
            await fine(page)
            location = await page.evaluate("() => document.documentElement.dataset.call")

            await page.click("#mute")
            assert await page.evaluate("() => document.querySelector('#mute').ariaPressed") == "true"
            await page.click("#camera")
            await until(page, "document.querySelector('#self-words').textContent.includes('camera is off')")
            await page.click("#camera")
            await until(page, "document.querySelector('#self-words').hidden")
            await page.click("#flip")
            frame = int(await page.evaluate(f"() => {FRAME}"))
            await until(page, f"{FRAME} > {frame} + 1")
            await page.click("#say-text")
            await page.type("which port is it?\ue007")
            written = "You wrote: which port is it?"
            await until(page, f"document.querySelector('#captions').textContent.includes('{written}')")

            await page.click("#details-open")
            await until(page, "/^direct, UDP/.test(document.querySelector('#fact-path').textContent)")
            await until(page, "/^\\d/.test(document.querySelector('#fact-round-trip').textContent)")
            await fine(page)
            await page.click("#details-close")

            await page.evaluate("() => { window.dispatchEvent(new Event('offline')) }")
            await until(page, "document.querySelector('#state').textContent.includes('this device is offline')")
            await page.evaluate("() => { window.dispatchEvent(new Event('online')) }")
            await state(page, "reconnecting")
            await state(page, "live")

            await page.reload()
            await state(page, "live")
            assert await page.evaluate("() => document.documentElement.dataset.call") == location
            assert written in await text(page, "#captions")
            assert await page.evaluate("() => document.querySelector('#mute').ariaPressed") == "true"

            other = await page.another_tab()
            await other.resize(*PHONE)
            await other.open(gateway.found)
            await until(other, "!document.querySelector('#elsewhere').hidden")
            await other.click("#take")
            await state(other, "live")
            assert await other.evaluate("() => document.documentElement.dataset.call") == location
            assert written in await text(other, "#captions")
            await state(page, "ended")
            assert await text(page, "#state") == "Ended: The call goes on in another tab."
            await other.click("#end")
            await state(other, "ended")
            assert await text(other, "#state") == "Ended: You ended the call."
            await fine(other)
            assert page.console == []
        assert gateway.stop() == 0
        assert "Traceback" not in gateway.log


async def test_a_refusal_in_firefox(tmp_path: Path) -> None:
    """A person who allows nothing is told what happened and what to do."""
    directory = tmp_path / "programs"
    directory.mkdir()
    refuses = {"media.navigator.permission.disabled": False, "permissions.default.microphone": 2}
    with gateway_and_simulator(directory, directory / "recorded") as (gateway, _):
        async with firefox(tmp_path / "profile", **refuses, **{"permissions.default.camera": 2}) as page:
            await page.open(gateway.found)
            await page.click("#start")
            await state(page, "ended")
            assert await text(page, "#state") == "Ended: This page may not use the microphone."
            assert "allow it, and try again" in await text(page, "#next")
            await fine(page)
