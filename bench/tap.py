"""One tap on *Start call* in a real Chromium, timed by the page itself.

Owns the clock within the page, and one call from the tap to its end. It must not know what else runs, nor reports.
**Invariant: each call is on a page that was opened afresh, in a browser that has allowed the devices already.**
"""

from __future__ import annotations

from playwright.async_api import Browser, BrowserContext

from tests.browser.callpage import PATIENCE_MS, phone

PHASES = {"connecting": "devices are open", "live": "connected"}
CLOCK = """
window.at = {};
document.addEventListener("click", ({ timeStamp }) => (window.at.tap ??= timeStamp), { capture: true });
addEventListener("DOMContentLoaded", () => {
  const line = document.querySelector("#state");
  new MutationObserver(() => (window.at[line.dataset.state] ??= performance.now())).observe(line, { attributes: true });
});
"""


async def tapper(browser: Browser) -> BrowserContext:
    """A phone whose pages have the clock."""
    context = await phone(browser)
    await context.add_init_script(CLOCK)
    return context


async def tap(context: BrowserContext, url: str) -> dict[str, float]:
    """Open the page, call until the call is live, and hang up; milliseconds since the tap, by phase."""
    page = await context.new_page()
    await page.goto(url, wait_until="networkidle")
    await page.get_by_role("button", name="Start call").tap()
    await page.wait_for_function("() => window.at.live", timeout=PATIENCE_MS)
    at = await page.evaluate("() => window.at")
    await page.get_by_role("button", name="End", exact=True).tap()
    await page.close()
    return {name: at[name] - at["tap"] for name in PHASES}
