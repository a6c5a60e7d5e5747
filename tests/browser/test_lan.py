"""A phone on the same network: the invitation of `gateway serve --lan` in a real Chromium, over HTTPS."""

import re
import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser, Request, expect

from tests.browser.test_main_job import PATIENCE_MS, state
from tests.programs import Program

pytestmark = pytest.mark.browser


async def test_an_invitation_opens_a_call_and_leaves_no_trace_of_its_token(browser: Browser, tmp_path: Path) -> None:
    """By the link that was printed; the token is gone from the address, in no request's address, and outlives a
    reload; without it there is nothing but the page, and a sentence, until a tab that has it gives its call away."""
    state_dir = tmp_path / "state"
    arguments = ["serve", "--lan", "--port", "0"]
    with Program(arguments, r"Open (https://\S+)", tmp_path / "log", GATEWAY_STATE_DIR=str(state_dir)) as gateway:
        link, _, token = gateway.found.partition("#token=")
        # The certificate is the machine's own: a person is warned, and goes on.
        context = await browser.new_context(ignore_https_errors=True, permissions=["microphone", "camera"])
        page = await context.new_page()
        asked: list[Request] = []
        page.on("request", lambda request: asked.append(request))
        await page.goto(gateway.found)
        await page.get_by_role("button", name="Start").click()
        await state(page, "live")
        await expect(page.locator("#last-frame-age")).to_contain_text("Frame", timeout=PATIENCE_MS)
        assert page.url == link
        assert token not in await page.evaluate("JSON.stringify([location.href, history.state, document.cookie])")
        assert await page.evaluate("window.isSecureContext")
        await page.get_by_role("button", name="End").click()
        await state(page, "ended")

        await page.reload()
        await page.get_by_role("button", name="Start").click()
        await state(page, "live")
        assert len(asked) > 10
        assert not [request.url for request in asked if token in request.url]
        assert not [request for request in asked if token in request.headers.get("referer", "")]

        stranger = await context.new_page()  # another tab, which was not given the link
        await stranger.goto(link)
        refusal = stranger.get_by_text(re.compile("Open the link you were given"))
        await expect(refusal.first).to_be_visible()
        await stranger.get_by_role("button", name="Move it here").click()
        await state(stranger, "live")
        await expect(refusal).to_have_count(0)
        await state(page, "ended")
        await context.close()
        assert gateway.stop(signal.SIGINT) == 0  # at once: the phone's call waits for it to come back
        assert token not in gateway.log
        assert "Traceback" not in gateway.log
