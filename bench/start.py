"""From the tap to a connected call: `make bench-start` writes docs/start-bench.md.

A real Chromium on this machine opens the call page afresh for each run and presses Start; permission is given at once,
as it is on a second visit. The page's own state line is the clock's other end: `live` is said when media flows and the
gateway and the model's link are ready, so what a person waits for is all in it. The simulator stands for the model.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import numpy as np

from bench.provenance import provenance
from bench.tap import PHASES, tap, tapper
from tests.browser.callpage import chromium
from tests.programs import gateway_and_simulator

TARGET_P50_MS = 400.0
REPORT = Path("docs/start-bench.md")
HEAD = """# From the tap to a connected call

By `make bench-start`: milliseconds from the tap on Start call in Chromium, over loopback, with the simulator for the
model. {runs} calls, each on a page that was opened afresh, one after the other; the devices are allowed already.
{of.date}, commit {of.commit}, {of.machine}, {browser}; browser, gateway and simulator share
{of.cores} cores, which other work kept busy with a load of {of.load} when the first call began.

| until | p50 | p95 | longest |
| --- | --- | --- | --- |
"""


async def measure(runs: int) -> tuple[str, dict[str, list[float]]]:
    """(browser, milliseconds since the tap of each run, by phase)."""
    found: dict[str, list[float]] = {name: [] for name in PHASES}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        with gateway_and_simulator(directory, directory / "recorded") as (gateway, _):
            async with chromium(directory / "devices") as browser:
                context = await tapper(browser)
                for _ in range(runs):
                    for name, at_ms in (await tap(context, gateway.found)).items():
                        found[name].append(at_ms)
                return f"Chromium {browser.version}", found


def main() -> int:
    """Measure and write the table; 1 when the target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=60)
    runs, of = parser.parse_args().runs, provenance()
    browser, found = asyncio.run(measure(runs))
    text = HEAD.format(runs=runs, of=of, browser=browser)
    for name, words in PHASES.items():
        p50, p95 = np.percentile(found[name], [50, 95])
        text += f"| {words} | {p50:.0f} | {p95:.0f} | {max(found[name]):.0f} |\n"
    REPORT.write_text(text, encoding="utf-8")
    print(text)
    return 1 if np.percentile(found["live"], 50) > TARGET_P50_MS else 0


if __name__ == "__main__":
    sys.exit(main())
