"""A call over one WebSocket on narrow and lost ways: `make bench-stream` writes docs/stream.json and docs/stream.md.

A real Chromium that may not use UDP calls through a relay of TCP (`tests.narrow`), by itself over a stream. The relay
is made narrow in steps, then lost for a while. What is measured is measured in the page, where its socket is: from the
sending of a block of sound until the gateway says that it has it. That is what sound takes, the way back, and up to
40 ms because every second block is told of. The simulator stands for the model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np
from playwright.async_api import Page

from bench.provenance import provenance
from tests.browser.callpage import PATIENCE_MS, chromium, phone
from tests.narrow import NarrowWay
from tests.programs import gateway_and_simulator

Facts = dict[str, Any]

WAYS_KBPS = (None, 1000, 600, 400, 320, 275, None)  # sound alone needs 258
STEP_S = 25.0
LOST_S = (1.0, 5.0, 10.0)
APART_S = 12.0
TARGET_MS = 300.0
NO_UDP = "--webrtc-ip-handling-policy=disable_non_proxied_udp"
WATCH = """
window.wire = { said: [], heard: [], pictures: [] };
window.WebSocket = class extends WebSocket {
  constructor(...all) {
    super(...all);
    if (!new URL(this.url).pathname.endsWith("/stream")) return;
    this.addEventListener("message", ({ data }) => {
      if (typeof data === "string") return;
      const header = new DataView(data);
      if (header.getUint8(0) === 4) window.wire.heard.push([performance.now(), header.getUint32(4)]);
    });
  }
  send(data) {
    super.send(data);
    if (typeof data === "string") return;
    const header = new DataView(data);
    const note = [performance.now(), header.getUint32(4)];
    if (header.getUint8(0) === 1) window.wire.said.push([...note, this.bufferedAmount]);
    if (header.getUint8(0) === 2) window.wire.pictures.push([...note, data.byteLength, header.getUint8(1)]);
  }
};
"""
HEAD = """# A call over one WebSocket

By `make bench-stream`: Chromium that may not use UDP, through a relay of TCP that is made narrow, then lost. {date},
commit {commit}, {machine}, {browser}; browser, relay, gateway and
simulator share {cores} cores, which had a load of {load} before. The page found its way by itself, {found_s:.1f} s
after the tap. Sound is 16 kHz PCM, which needs {sound_kbps:.0f} kbit/s.

- *way*: what everything from the browser shares, for {step_s:.0f} s each, one after the other.
- *pictures*: whole ones a second; *cut off*: begun and not finished, for sound's sake.
- *sound*: ms from the sending of 40 ms of sound until the gateway says that it has it: with the way back, and up to
  40 ms because every second block is told of. *late*: the share of it that took more than {target_ms:.0f} ms.
- *buffered*: the most that waited in the page's socket, in KB; the buffers of the system come before it. *missing*:
  blocks of sound that never came.

| way | pictures | cut off | sound p50 | p95 | longest | late | buffered | missing |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
LOST = """
Without any network, while somebody speaks. *again*: ms from its return until the gateway has everything that was said
meanwhile; *kept*: blocks that were said and came late; *missing*, *repeated*: blocks that never came, or came twice and
were heard once.

| lost for | again | kept | missing | repeated |
| --- | --- | --- | --- | --- |
"""


async def measure() -> Facts:
    """Everything of one call."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        with gateway_and_simulator(directory, directory / "recorded") as (gateway, _):
            address = urlsplit(gateway.found)
            async with (
                NarrowWay(str(address.hostname), int(address.port or 0)) as way,
                chromium(directory / "devices", NO_UDP, scene=True) as browser,
                aiohttp.ClientSession(gateway.found) as http,
            ):
                page = await (await phone(browser)).new_page()
                await page.add_init_script(WATCH)
                found_s = await _call(page, way.url)
                stats = await page.evaluate("document.documentElement.dataset.call") + "/stats"
                steps = [await _step(page, http, stats, way, kbps) for kbps in WAYS_KBPS]
                lost = [await _lose(page, http, stats, way, seconds) for seconds in LOST_S]
                await page.get_by_role("button", name="End", exact=True).tap()
                facts: Facts = {"browser": f"Chromium {browser.version}", "found_s": round(found_s, 1)}
                return facts | {"steps": steps, "lost": lost}


async def _call(page: Page, url: str) -> float:
    """Seconds from the tap until sound goes over the stream."""
    await page.goto(url, wait_until="networkidle")
    before = await page.evaluate("performance.now()")
    await page.get_by_role("button", name="Start call").tap()
    await page.wait_for_function("() => window.wire.heard.length > 0", timeout=PATIENCE_MS)
    return float(await page.evaluate("window.wire.heard[0][0]") - before) / 1000


async def _audio(http: aiohttp.ClientSession, stats: str) -> Facts:
    async with http.get(stats) as answer:
        return dict((await answer.json())["peer"]["audio"])


async def _step(page: Page, http: aiohttp.ClientSession, stats: str, way: NarrowWay, kbps: int | None) -> Facts:
    before = await _audio(http, stats)
    await page.evaluate("window.wire = { said: [], heard: [], pictures: [] }")
    way.up_bps = kbps * 1000 if kbps is not None else None
    await asyncio.sleep(STEP_S)
    wire = await page.evaluate("window.wire")
    delays_ms = took_ms(wire["said"], wire["heard"])
    numbers = {number for _, number, _, _ in wire["pictures"]}
    whole = sum(1 for *_, more in wire["pictures"] if not more)
    p50, p95 = np.percentile(delays_ms, [50, 95])
    return {
        "kbps": kbps,
        "pictures_per_s": round(whole / STEP_S, 2),
        "cut_off": len(numbers) - whole,
        "p50_ms": round(p50),
        "p95_ms": round(p95),
        "longest_ms": round(max(delays_ms)),
        "late": round(sum(took > TARGET_MS for took in delays_ms) / len(delays_ms), 4),
        "buffered_kb": round(max(buffered for *_, buffered in wire["said"]) / 1000, 1),
        "missing": (await _audio(http, stats))["missing"] - before["missing"],
    }


def took_ms(said: list[list[float]], heard: list[list[float]]) -> list[float]:
    """What each block took, of those that have arrived; `said` and `heard` are rows of (ms, number, …), rising."""
    at, found = 0, []
    for ms, number, *_ in said:
        while at < len(heard) and heard[at][1] < number:
            at += 1
        if at == len(heard):
            break
        found.append(heard[at][0] - ms)
    return found


async def _lose(page: Page, http: aiohttp.ClientSession, stats: str, way: NarrowWay, seconds: float) -> Facts:
    before = await _audio(http, stats)
    way.lose()
    await asyncio.sleep(seconds)
    await page.evaluate("window.wire = { said: [], heard: [], pictures: [] }")
    found_ms = await page.evaluate("performance.now()")
    way.find()
    await asyncio.sleep(APART_S)
    wire = await page.evaluate("window.wire")
    after = await _audio(http, stats)
    # What was kept goes at once: closer to each other than anybody can have spoken.
    times = [ms for ms, *_ in wire["said"]]
    kept = next((index + 1 for index, (one, next_) in enumerate(pairwise(times)) if next_ - one > 10), len(times))
    last = wire["said"][kept - 1][1]
    arrived_ms = next(ms for ms, number in wire["heard"] if number >= last)
    return {
        "s": seconds,
        "again_ms": round(arrived_ms - found_ms),
        "kept": kept,
        "missing": after["missing"] - before["missing"],
        "repeated": after["repeated"] - before["repeated"],
    }


def read(path: Path) -> Facts:
    """The facts of a run."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def render(report: Facts) -> str:
    """docs/stream.md."""
    text = HEAD.format(**{**report, "step_s": STEP_S, "target_ms": TARGET_MS})
    for step in report["steps"]:
        way = "free" if step["kbps"] is None else f"{step['kbps']} kbit/s"
        text += f"| {way} | {step['pictures_per_s']:.1f} | {step['cut_off']} | {step['p50_ms']} | {step['p95_ms']} "
        text += f"| {step['longest_ms']} | {step['late']:.1%} | {step['buffered_kb']:.0f} | {step['missing']} |\n"
    text += LOST
    for lost in report["lost"]:
        text += (
            f"| {lost['s']:.0f} s | {lost['again_ms']} | {lost['kept']} | {lost['missing']} | {lost['repeated']} |\n"
        )
    return text


def main() -> int:
    """Measure and write; 1 when sound was late where it has room, or any of it is missing."""
    parser = argparse.ArgumentParser()
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--report", type=Path, help="measure; the JSON to write, beside which the page of the manual lies"
    )
    what.add_argument("--render", type=Path, help="only write the page of the manual anew, from this JSON")
    arguments = parser.parse_args()
    if arguments.render is not None:
        arguments.render.with_suffix(".md").write_text(render(read(arguments.render)), encoding="utf-8")
        return 0
    path = arguments.report
    of = provenance()
    report = {
        **asdict(of),
        "sound_kbps": 1288 * 8 * 25 / 1000,
        **asyncio.run(measure()),
    }
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    text = render(read(path))
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    wide = all(step["p95_ms"] <= TARGET_MS for step in report["steps"])
    whole = not any(row["missing"] for row in (*report["steps"], *report["lost"]))
    return 0 if wide and whole else 1


if __name__ == "__main__":
    sys.exit(main())
