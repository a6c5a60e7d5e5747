"""Makes a picture of every state of the loopback page, for the eye: `make screenshots-qa`, see build/screenshots.

Each state at the size of a phone and of a desk, in light and in dark, from top to bottom.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Literal

from playwright.async_api import Page, expect

from tests.browser.callpage import DESK, PHONE
from tests.qa.page import compare_with, loopback, report_of, unfold

CHECKS = (
    "environment,token,connectivity,microphone,camera,gateway_view,round_trip,ttfab,frame_age,drill_kill_link,"
    "limits,soak"
)
SIZES = {"phone": PHONE, "desk": DESK}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


async def take(page: Page, directory: Path, state: str) -> None:
    """The whole page, at each size and in each scheme."""
    for name, (width, height) in SIZES.items():
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            await page.screenshot(path=directory / f"loopback-{state}-{name}-{scheme}.png", full_page=True)


async def all_states(directory: Path) -> None:
    """Nothing run yet, running, done, compared with a better run, unfolded."""
    with tempfile.TemporaryDirectory() as scratch:
        async with loopback(Path(scratch)) as page:
            await expect(page.locator("#gateway")).to_contain_text("Gateway")
            await take(page, directory, "1-idle")
            await page.goto(f"{page.url}?run={CHECKS}&length=short")
            await expect(page.locator("#check-camera")).to_have_attribute("data-verdict", "RUNNING", timeout=60_000)
            await take(page, directory, "2-running")
            report = await report_of(page)
            earlier = Path(scratch) / "earlier.json"
            earlier.write_text(json.dumps(report | {"checks": [_better(one) for one in report["checks"]]}))
            await take(page, directory, "3-done")
            await compare_with(page, earlier)
            await unfold(page)
            await take(page, directory, "4-unfolded")


def _better(check: dict[str, object]) -> dict[str, object]:
    """An earlier run in which everything took half as long."""
    numbers = {name: value / 2 if name.endswith("_ms") else value for name, value in check["numbers"].items()}
    return check | {"verdict": "PASS", "numbers": numbers}


def main() -> None:
    """Into the directory that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("build/screenshots"))
    directory = parser.parse_args().into
    directory.mkdir(parents=True, exist_ok=True)
    asyncio.run(all_states(directory))


if __name__ == "__main__":
    main()
