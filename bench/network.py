"""Speech through bad networks: `make bench-network` writes docs/network.md and docs/network.json.

Each row is a call of a real Chromium through the impairing relay: the corpus' sentence, three times with room for an
answer, to the gateway with the simulator behind it. The same conditions for a plain aiortc bridge (bench/stock.py)
follow in the same run. `--rows clean,10` chooses; `--no-stock` leaves the bridge out; `--times 1` says it once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from playwright.async_api import Browser, Page, async_playwright
from pystoi import stoi
from scipy.io import wavfile

from gateway.impair import Conditions
from tests.browser.camera import write_camera
from tests.browser.conftest import CHROMIUM, CORPUS, MICROPHONE_HZ
from tests.browser.way import Way
from tests.measure.sound import Samples, aligned, find, read_wav, resample
from tests.programs import Program, gateway_and_simulator

RATE_HZ = 16_000
LEAD_S, ROOM_S = 3.0, 10.0  # before the first sentence, and after each: the answer repeats it
JOIN_TIMEOUT_MS = 60_000
BLACKOUT_S = 3.0
LOUD = 0.01  # of full scale: the sentence, and not the noise of the coder
SHARES = ("received", "retransmitted", "fec", "red", "concealed", "silent")


@dataclass(frozen=True)
class Row:
    """One network."""

    name: str
    up: Conditions
    down: Conditions | None = None
    event: str = ""  # what happens in the middle: blackout, address, network
    camera: bool = True

    @property
    def short(self) -> str:
        """For the command line."""
        return re.sub(r"[^\w]+", "-", self.name).strip("-")


BASE: dict[str, float] = {"delay_ms": 30, "jitter_ms": 15}
ROWS = (
    Row("clean", Conditions()),
    Row("60 ms, ±15 ms", Conditions(**BASE)),
    Row("5 %", Conditions(loss=0.05, **BASE)),
    Row("10 %", Conditions(loss=0.1, **BASE)),
    Row("10 %, camera off", Conditions(loss=0.1, **BASE), camera=False),
    Row("20 %", Conditions(loss=0.2, **BASE)),
    Row("10 % in bursts of 4", Conditions(loss=0.1, burst=4, **BASE)),
    Row("±30 ms", Conditions(delay_ms=30, jitter_ms=30)),
    Row("10 %, ±30 ms", Conditions(loss=0.1, delay_ms=30, jitter_ms=30)),
    Row("10 %, 300 ms", Conditions(loss=0.1, delay_ms=150, jitter_ms=15)),
    Row("300 kbit/s up", Conditions(rate_bps=300_000, **BASE), Conditions(**BASE)),
    Row("blackout of 3 s", Conditions(**BASE), event="blackout"),
    Row("change of address", Conditions(**BASE), event="address"),
    Row("another network", Conditions(**BASE), event="network"),
)


@dataclass
class Result:
    """What was measured in one row."""

    row: str
    who: str
    join_s: float = 0.0
    length: float = 0.0  # of what the model heard, as a share of the time that passed
    likeness: list[float] = field(default_factory=list)
    stoi: list[float] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)
    delay_p50_ms: float | None = None
    delay_p95_ms: float | None = None
    voice_concealed: float | None = None
    freeze_s: float | None = None
    again_s: float | None = None

    def line(self) -> str:
        """As a line of the table."""
        cells = [
            self.row,
            self.who,
            f"{self.join_s:.2f}",
            f"{self.length * 100:.1f}",
            _mean(self.likeness),
            _mean(self.stoi),
            " ".join(f"{self.shares[how]:.1f}" for how in SHARES) if self.shares else "–",
            f"{self.delay_p50_ms:.0f} / {self.delay_p95_ms:.0f}" if self.delay_p50_ms is not None else "–",
            f"{self.voice_concealed * 100:.1f}" if self.voice_concealed is not None else "–",
            f"{self.freeze_s:.1f}" if self.freeze_s is not None else "–",
            f"{self.again_s:.1f}" if self.again_s is not None else "–",
        ]
        return f"| {' | '.join(cells)} |"


HEAD = """# The network table

By `make bench-network`: Chromium through the impairing relay (`gateway.impair`), against the simulator. {date}, commit
{commit}, {machine}. Unless a row says otherwise the way is 30 ms ± 15 ms in each direction (60 ms round trip), and both
directions lose, reorder and delay. Each row says the sentence {times} times; *aiortc* is a plain bridge
(`bench/stock.py`) under the same conditions.

- *join*: seconds from the tap on Start, with the opening of the devices, until media flows.
- *length*: what the model heard, in % of the time that passed.
- *likeness*: correlation of the envelopes of what was said and what the model heard.
- *STOI*: against the source file; the row *clean* shows what Chromium's own noise suppression and gain control take.
- *shares*: of the sound, in %: {shares}.
- *delay*: median and 95th percentile in ms, from the earliest that a piece of sound could have arrived until it is
  handed on; the way itself is not in it, the grouping to messages of 40 ms is.
- *voice*: of the model's voice, what the browser had to make up, in %, by its own statistics.
- *freeze*: the longest time between two pictures for the model, in seconds; 1.0 is what a still camera has.
- *again*: seconds without speech for the model, less the blackout itself. *change of address*: the browser's NAT
  forgets it. *another network*: the way is gone for good, and the page is told by the event `online`.

| network | | join | length | likeness | STOI | shares | delay | voice | freeze | again |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def _mean(values: list[float]) -> str:
    return f"{statistics.fmean(values):.3f}" if values else "–"


def sentence() -> Samples:
    """What is said."""
    return read_wav(CORPUS / "speech/question.wav", RATE_HZ)


def write_microphone(path: Path, times: int, room_s: float) -> None:
    """The sentence with room for the answers."""
    spoken = resample(sentence(), RATE_HZ, MICROPHONE_HZ)
    lead, room = np.zeros(int(MICROPHONE_HZ * LEAD_S)), np.zeros(int(MICROPHONE_HZ * room_s))
    line = np.concatenate([lead, *[spoken, room] * times, np.zeros(MICROPHONE_HZ * 30)])
    wavfile.write(path, MICROPHONE_HZ, (line * 32767).astype(np.int16))


def metric(text: str, name: str) -> dict[str, float]:
    """The samples of a metric by its label's value."""
    found = re.findall(rf'(?m)^{name}(?:{{\w+="([^"]*)"}})? (\S+)$', text)
    return {label: float(value) for label, value in found}


def quantile_ms(buckets: dict[str, float], share: float) -> float:
    """Of a histogram, by linear interpolation."""
    edges = sorted((float(edge), count) for edge, count in buckets.items())
    wanted = share * edges[-1][1]
    before_s, before = 0.0, 0.0
    for edge_s, count in edges:
        if count >= wanted:
            if edge_s == float("inf"):
                break
            return (before_s + (edge_s - before_s) * (wanted - before) / max(1.0, count - before)) * 1000
        before_s, before = edge_s, count
    return before_s * 1000


@contextmanager
def bridges(directory: Path, recorded: Path, who: str) -> Iterator[str]:
    """The address of a running gateway, or of the plain bridge."""
    if who == "aiortc":
        arguments = ["--record", str(recorded)]
        with Program(arguments, r"Open (http://\S+)", directory / "stock.log", module="bench.stock") as bridge:
            yield bridge.found
        return
    with gateway_and_simulator(directory, recorded) as (gateway, _):
        yield gateway.found


async def call(browser: Browser, row: Row, url: str, recorded: Path, times: int, result: Result) -> None:
    """One call through one network."""
    way = Way(row.up, row.down, seed=7)
    context = await browser.new_context(permissions=["microphone", "camera"])
    page = await context.new_page()
    await page.add_init_script(PEERS)
    spoken_s = sentence().size / RATE_HZ
    try:
        await page.goto(url)
        await way.open(page)
        await page.evaluate("() => { window.tappedMs = performance.now(); }")
        await page.click("#start")
        await page.wait_for_function("() => window.joinedMs", timeout=JOIN_TIMEOUT_MS)
        result.join_s = await page.evaluate("() => (window.joinedMs - window.tappedMs) / 1000")
        if not row.camera:
            await page.get_by_role("button", name="Camera").click()
        if row.event:
            await asyncio.sleep(LEAD_S + spoken_s * 0.8)
            await disturb(page, way, row)
            await asyncio.sleep(BLACKOUT_S + spoken_s * 2)
        else:
            await asyncio.sleep(LEAD_S + times * (spoken_s + ROOM_S))
        concealed: float | None = await page.evaluate(CONCEALED)
        result.voice_concealed = concealed
        if result.who == "gateway":
            await read_metrics(url, result)
        await page.click("#end")
        await asyncio.sleep(1)  # the recording is completed when the gateway has let go
    finally:
        await context.close()
        way.close()


async def disturb(page: Page, way: Way, row: Row) -> None:
    """What happens in the middle."""
    if row.event == "blackout":
        way.relay.black_out(BLACKOUT_S)
    elif row.event == "address":
        way.relay.change_address()
    else:
        await way.another_network(row.up, row.down)
        await page.evaluate("() => window.dispatchEvent(new Event('online'))")


async def read_metrics(url: str, result: Result) -> None:
    """What the gateway itself counted."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}metrics") as response:
        text = await response.text()
    shares = metric(text, "gateway_uplink_ms_total")
    total = sum(shares.values()) or 1.0
    result.shares = {how: 100 * shares.get(how, 0.0) / total for how in SHARES}
    buckets = metric(text, "gateway_uplink_delay_seconds_bucket")
    result.delay_p50_ms, result.delay_p95_ms = quantile_ms(buckets, 0.5), quantile_ms(buckets, 0.95)


def measure(result: Result, row: Row, recorded: Path, times: int) -> None:
    """Compare what was said with what was heard."""
    line, said = read_wav(recorded / "1/audio.wav", RATE_HZ), sentence()
    lines = (recorded / "1/messages.jsonl").read_text().splitlines()
    inputs = [(one["at_s"], one["message"].get("realtimeInput", {})) for one in map(json.loads, lines)]
    heard = [(at_s, input["audio"]) for at_s, input in inputs if "audio" in input]
    if len(heard) > 1 and not row.event:
        result.length = (line.size / RATE_HZ) / (heard[-1][0] - heard[0][0] + 0.04)
    seen = [at_s for at_s, input in inputs if "video" in input]
    if row.camera and len(seen) > 1 and not row.event:
        result.freeze_s = max(after - before for before, after in pairwise(seen))
    if row.event:
        loud = [at_s for (at_s, _), block in zip(heard, _blocks(line, len(heard)), strict=True) if is_loud(block)]
        silent_s = max(after - before for before, after in pairwise(loud))
        result.again_s = silent_s - (BLACKOUT_S if row.event == "blackout" else 0.0)
        return
    rest, window = line, int((2 * LEAD_S + said.size / RATE_HZ + ROOM_S) * RATE_HZ)
    for _ in range(times):
        if rest.size < said.size:
            break
        found = find(said, rest[:window], RATE_HZ)
        result.likeness.append(found.correlation)
        result.stoi.append(float(stoi(said, aligned(said, rest[:window], RATE_HZ), RATE_HZ, extended=False)))
        rest = rest[int(found.offset_s * RATE_HZ) + said.size :]


def _blocks(line: Samples, count: int) -> list[Samples]:
    """The sound of each message; all but the last before a pause have the same length."""
    return np.array_split(line, count)


def is_loud(block: Samples) -> bool:
    """Whether somebody speaks in it."""
    return bool(np.sqrt(np.mean(block**2)) > LOUD)


PEERS = """
window.peers = [];
const Native = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(...given) {
    super(...given);
    window.peers.push(this);
    this.addEventListener("connectionstatechange", () => {
      if (this.connectionState === "connected") window.joinedMs ??= performance.now();
    });
  }
};
"""
CONCEALED = """async () => {
  let made = 0, played = 0;
  for (const pc of window.peers) for (const one of (await pc.getStats()).values()) {
    if (one.type !== "inbound-rtp" || one.kind !== "audio") continue;
    made += (one.concealedSamples ?? 0) - (one.silentConcealedSamples ?? 0);
    played += (one.totalSamplesReceived ?? 0) - (one.silentConcealedSamples ?? 0);
  }
  return played ? Math.max(0, made) / played : null;
}"""


async def run(rows: list[Row], times: int, *, stock: bool) -> list[Result]:
    """All rows, ours and then the bridge's."""
    results = []
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        camera = top / "camera.mjpeg"
        write_camera(camera)
        for row in rows:
            microphone = top / "microphone.wav"
            write_microphone(microphone, times if not row.event else 20, 0.0 if row.event else ROOM_S)
            files = [
                f"--use-file-for-fake-audio-capture={microphone}%noloop",
                f"--use-file-for-fake-video-capture={camera}",
            ]
            whos = ["gateway", "aiortc"] if stock and not row.event and row.camera else ["gateway"]
            for who in whos:
                directory = top / f"{len(results)}"
                directory.mkdir()
                result = Result(row.name, who)
                results.append(result)
                recorded = directory / "recorded"
                with bridges(directory, recorded, who) as url:
                    async with async_playwright() as playwright:  # the fake microphone begins with the browser
                        browser = await playwright.chromium.launch(
                            executable_path="/usr/bin/chromium", args=CHROMIUM + files
                        )
                        await call(browser, row, url, recorded, times, result)
                        await browser.close()
                measure(result, row, recorded, times)
                print(result.line(), flush=True)
    return results


def write_report(path: Path, results: list[Result], times: int) -> None:
    """The table, and the same as JSON."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    head = HEAD.format(
        date=datetime.now(UTC).date().isoformat(),
        commit=commit.stdout.strip(),
        machine="2 shared cores",
        times=times,
        shares=", ".join(SHARES),
    )
    path.write_text(head + "".join(f"{result.line()}\n" for result in results), encoding="utf-8")
    facts: list[dict[str, Any]] = [asdict(result) for result in results]
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Run the rows, write table and JSON."""
    parser = argparse.ArgumentParser(description="Speech through bad networks.")
    parser.add_argument("--rows", default="", help=f"some of {','.join(row.short for row in ROWS)}")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--no-stock", action="store_true")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    chosen = [row for row in ROWS if not options.rows or row.short in options.rows.split(",")]
    results = asyncio.run(run(chosen, options.times, stock=not options.no_stock))
    if options.report:
        write_report(options.report, results, options.times)
    return 0


if __name__ == "__main__":
    sys.exit(main())
