"""The example of a technician at a rack: seen, looked up, spoken, and put on the screen, in a real Chromium."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.test_main_job import PATIENCE_MS, state
from tests.programs import Program

pytestmark = pytest.mark.browser

EXAMPLE = Path(__file__).parents[2] / "examples/visual_support"


async def test_the_technician_is_told_the_port(browser: Browser, tmp_path: Path) -> None:
    """As the walkthrough says: one command, one question, the inventory's answer in voice, captions and a note."""
    arguments = ["serve", "--port", "0", "--profile", str(EXAMPLE / "profile.toml")]
    environment = {"GATEWAY_UPSTREAM": "simulator", "GATEWAY_SIMULATOR_SCRIPT": str(EXAMPLE / "script.toml")}
    with Program(arguments, r"Open (http://\S+)", tmp_path / "gateway.log", **environment) as gateway:
        context = await browser.new_context(permissions=["microphone", "camera"])
        page = await context.new_page()
        await page.goto(gateway.found)
        await page.get_by_role("button", name="Start").click()
        await state(page, "live")
        captions = page.locator("#captions")
        called = captions.locator("[data-who=function]").first
        await expect(called).to_contain_text("lookup_serial: done", timeout=PATIENCE_MS)
        await expect(captions).to_contain_text("door controller 3", timeout=PATIENCE_MS)
        await expect(page.locator("#note")).to_have_text("SW-0417, port 14", timeout=PATIENCE_MS)
        await expect(captions).to_contain_text("show_note: done", timeout=PATIENCE_MS)
        await page.screenshot(path=tmp_path / "visual-support.png")
        location = await page.evaluate("document.documentElement.dataset.call")
        response = await page.request.get(gateway.found.rstrip("/") + location + "/transcript")
        used = [tool for turn in (await response.json())["turns"] for tool in turn["tools"]]
        assert {"name": "lookup_serial"} in used, "and not what the inventory returned"
        await page.get_by_role("button", name="End").click()
        await state(page, "ended")
        await context.close()
    assert "Traceback" not in gateway.log
