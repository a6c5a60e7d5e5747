"""The example of docs/embed.md, word for word, as a page of another site in a real Chromium."""

import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from playwright.async_api import expect

from tests.browser.callpage import PATIENCE_MS, chromium, phone, told
from tests.programs import gateway_and_simulator

pytestmark = [pytest.mark.browser, pytest.mark.pages]

DOCUMENT = Path(__file__).parents[2] / "docs/embed.md"


async def test_the_example_is_a_call(tmp_path: Path) -> None:
    """It starts, shows what is said, and ends; a site that the operator did not name gets nothing."""
    example = re.search(r"```html\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    site = unused_port()
    origin = f"http://127.0.0.1:{site}"
    with gateway_and_simulator(tmp_path, tmp_path / "recorded", GATEWAY_CORS_ORIGINS=origin) as (gateway, _):
        text = example[1].replace("https://gateway.example", gateway.found.rstrip("/"))

        async def page_of_the_site(request: web.Request) -> web.Response:
            return web.Response(text=text, content_type="text/html")

        app = web.Application()
        app.router.add_get("/", page_of_the_site)
        async with TestServer(app, host="127.0.0.1", port=site), chromium(tmp_path / "devices") as browser:
            page = await (await phone(browser)).new_page()
            console = told(page)
            await page.goto(origin)
            await page.get_by_role("button", name="Start").click()
            await expect(page.locator("#state")).to_have_text("Live ", timeout=PATIENCE_MS)
            await expect(page.locator("#captions")).to_contain_text("model: I heard", timeout=PATIENCE_MS)
            assert await page.evaluate("() => document.querySelector('video').videoWidth") > 0
            await page.get_by_role("button", name="End").click()
            await expect(page.locator("#state")).to_have_text("Ended: You ended the call. ")
            assert [line for line in console if "favicon" not in line and "404" not in line] == []

        async with TestServer(app, host="127.0.0.1") as stranger, chromium(tmp_path / "devices") as browser:
            page = await (await phone(browser)).new_page()
            console = told(page)
            await page.goto(str(stranger.make_url("/")))
            await page.wait_for_load_state("networkidle")
            assert any("CORS" in line for line in console)
