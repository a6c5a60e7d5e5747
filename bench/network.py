"""Speech through bad networks: `make bench-network` writes docs/network.md and docs/network.json.

Each row is a call of a real Chromium through the impairing relay: the corpus' sentence, three times with room for an
answer, to the gateway with the simulator behind it. The same conditions for a plain aiortc bridge (bench/stock.py) follow
in the same run. `--rows clean,loss-10` chooses; `--no-stock` leaves the bridge out; `--times 1` says it once.
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
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Browser, Page, Route, async_playwright
from pystoi import stoi
from scipy.io import wavfile

from gateway.impair import Conditions, Relay, without_candidates
from gateway.media.aiortc_internals import host_addresses
from tests.browser.camera import write_camera
from tests.browser.conftest import CHROMIUM, CORPUS, MICROPHONE_HZ
from tests.measure.sound import Samples, find, read_wav, resample
from tests.programs import Program

RATE_HZ = 16_000
LEAD_S, ROOM_S = 3.0, 10.0  # before the first sentence, and after each: the answer repeats it
HOWS = ("received", "retransmitted", "fec", "red", "concealed", "silent")


@dataclass(frozen=True)
class Row:
    """One network."""

    name: str
    up: Conditions
    down: Conditions | None = None
    event: str = ""  # what happens in the middle: blackout, address
    note: str = ""


BASE: dict[str, float] = {"delay_ms": 30, "jitter_ms": 15}
ROWS = (
    Row("clean", Conditions()),
    Row("60 ms round trip, ±15 ms", Conditions(**BASE)),
    Row("5 %", Conditions(loss=0.05, **BASE)),
    Row("10 %", Conditions(loss=0.1, **BASE)),
    Row("20 %", Conditions(loss=0.2, **BASE)),
    Row("10 % in bursts of 4", Conditions(loss=0.1, burst=4, **BASE)),
    Row("±30 ms jitter", Conditions(delay_ms=30, jitter_ms=30)),
    Row("10 %, ±30 ms jitter", Conditions(loss=0.1, delay_ms=30, jitter_ms=30)),
    Row("150 ms delay, 10 %", Conditions(loss=0.1, delay_ms=150, jitter_ms=15)),
    Row("300 kbit/s up", Conditions(rate_bps=300_000, **BASE), Conditions(**BASE)),
    Row("3 s blackout", Conditions(**BASE), event="blackout"),
    Row("change of address", Conditions(**BASE), event="address"),
)
SHORT = {row.name: row.name.replace(" %", "").replace(" ", "-") for row in ROWS}


@dataclass
class Result:
    """What was measured in one row."""

    row: str
    join_s: float = 0.0
    continuous: float = 0.0  # length of what the model heard, as a share of the time that passed
    correlation: list[float] = field(default_factory=list)
    stoi: list[float] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)
    delay_p50_ms: float = 0.0
    delay_p95_ms: float = 0.0
    voice_concealed: float = 0.0
    again_s: float | None = None

    def line(self, who: str) -> str:
        """As a line of the table."""
        shares = " ".join(f"{self.shares.get(how, 0):.1f}" for how in HOWS) if self.shares else "–"
        delays = f"{self.delay_p50_ms:.0f} / {self.delay_p95_ms:.0f}" if self.shares else "–"
        again = "–" if self.again_s is None else f"{self.again_s:.1f}"
        corr = f"{statistics.fmean(self.correlation):.3f}" if self.correlation else "–"
        intelligible = f"{statistics.fmean(self.stoi):.3f}" if self.stoi else "–"
        return (
            f"| {self.row} | {who} | {self.join_s:.2f} | {self.continuous * 100:.1f} | {corr} | {intelligible} | {shares} "
            f"| {delays} | {self.voice_concealed * 100:.1f} | {again} |"
        )


HEAD = """# The network table

By `make bench-network`: Chromium through the impairing relay, against the simulator. {date}, commit {commit}, {machine}.
Unless a row says otherwise the way is 30 ms ± 15 ms in each direction (60 ms round trip), and both directions lose.

- *join*: from the tap on Start until media flows both ways, in seconds; microphone and camera are opened in it.
- *length*: what the model heard, in % of the time that passed.
- *likeness*: correlation of the envelopes of what was said and what the model heard; *STOI*: 1 is as intelligible as the
  source.
- *shares*: of the sound, in %: {hows}.
- *delay*: median and 95th percentile in ms, from the earliest that a piece of sound could have arrived until it is handed
  on; the way itself is not in it.
- *voice*: of the model's voice, what the browser had to make up, in %, by its own statistics.
- *again*: seconds from the end of the disturbance until the model hears the person again.

| network | | join | length | likeness | STOI | shares | delay | voice | again |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def sentence() -> Samples:
    """What is said."""
    return read_wav(CORPUS / "speech/question.wav", RATE_HZ)


def write_microphone(path: Path, times: int) -> None:
    """The sentence with room for the answers."""
    spoken = resample(sentence(), RATE_HZ, MICROPHONE_HZ)
    room = np.zeros(int(MICROPHONE_HZ * ROOM_S))
    line = np.concatenate(
        [np.zeros(int(MICROPHONE_HZ * LEAD_S)), *[spoken, room] * times, np.zeros(MICROPHONE_HZ * 30)]
    )
    wavfile.write(path, MICROPHONE_HZ, (line * 32767).astype(np.int16))


def metric(text: str, name: str) -> dict[str, float]:
    """The samples of a metric by its label's value."""
    found = re.findall(rf'(?m)^{name}(?:{{\w+="([^"]*)"}})? (\S+)$', text)
    return {label: float(value) for label, value in found}


def quantile(buckets: dict[str, float], share: float) -> float:
    """Of a histogram, by linear interpolation, in ms."""
    total = buckets.get("+Inf", 0.0)
    before_s, before = 0.0, 0.0
    for edge, count in sorted(((float(edge), count) for edge, count in buckets.items()), key=lambda one: one[0]):
        if count >= total * share and total:
            if edge == float("inf"):
                return before_s * 1000
            inside = (total * share - before) / max(1.0, count - before)
            return (before_s + (edge - before_s) * inside) * 1000
        before_s, before = edge, count
    return 0.0


async def through(page: Page, relay: Relay) -> None:
    """Let the page meet the gateway through the relay only."""

    async def handle(route: Route) -> None:
        request = route.request
        body = without_candidates(request.post_data or "") if request.method in ("POST", "PATCH") else request.post_data
        response = await route.fetch(post_data=body) if body is not None else await route.fetch()
        kind = response.headers.get("content-type", "")
        text = await response.text() if "sdp" in kind else None
        if text is not None:
            await route.fulfill(response=response, body=relay.rewrite(text))
        else:
            await route.fulfill(response=response)

    await page.route(re.compile(r"/v1/sessions(/[^/]+(/peer)?)?$"), handle)


async def call(browser: Browser, row: Row, directory: Path, times: int, *, stock: bool) -> Result:
    """One call through one network."""
    recorded = directory / "recorded"
    if stock:
        opened = Program(
            ["--record", str(recorded)], r"Open (http://\S+)", directory / "stock.log", module="bench.stock"
        )
        with opened as bridge:
            return await _call(browser, row, bridge.found, recorded, times, stock=True)
    with (
        Program(["simulate", "--port", "0", "--record", str(recorded)], r"=(ws://\S+)", directory / "sim.log") as sim,
        Program(
            ["serve", "--port", "0"],
            r"Open (http://\S+)",
            directory / "gateway.log",
            GATEWAY_UPSTREAM="simulator",
            GATEWAY_UPSTREAM_URL=sim.found,
        ) as gateway,
    ):
        result = await _call(browser, row, gateway.found, recorded, times, stock=False)
    return result


async def _call(browser: Browser, row: Row, url: str, recorded: Path, times: int, *, stock: bool) -> Result:
    loop = asyncio.get_running_loop()
    relay = Relay(row.up, row.down, seed=7)
    context = await browser.new_context(permissions=["microphone", "camera"])
    page = await context.new_page()
    await page.add_init_script(KEEP_PEERS)
    result = Result(row.name)
    try:
        await page.goto(url)
        address: dict[str, Any] = {}

        async def find_gateway(route: Route) -> None:
            response = await route.fetch(post_data=without_candidates(route.request.post_data or ""))
            answer = await response.text()
            found = re.search(r"(?m)^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer, re.IGNORECASE)
            if found and "to" not in address:
                address["to"] = (found[1], int(found[2]))
                await relay.open(address["to"], host_addresses()[0])
                await through(page, relay)
            await route.fulfill(response=response, body=relay.rewrite(answer) if "to" in address else answer)

        await page.route(re.compile(r"/v1/sessions$"), find_gateway)
        begun_s = loop.time()
        await page.click("#start")
        async with asyncio.timeout(60):
            while not await page.evaluate("() => window.joined()"):
                await asyncio.sleep(0.02)
        result.join_s = loop.time() - begun_s
        spoken_s = len(sentence()) / RATE_HZ
        lasting_s = LEAD_S + times * (spoken_s + ROOM_S)
        if row.event:
            await asyncio.sleep(LEAD_S + spoken_s * 0.4)
            result.again_s = await disturb(relay, row.event, recorded)
            lasting_s -= LEAD_S + spoken_s * 0.4
        await asyncio.sleep(max(1.0, lasting_s))
        result.voice_concealed = await page.evaluate(CONCEALED)
        if not stock:
            with urllib.request.urlopen(url + "metrics") as response:
                text = response.read().decode()
            shares = metric(text, "gateway_uplink_ms_total")
            total = sum(shares.values()) or 1.0
            result.shares = {how: 100 * shares.get(how, 0.0) / total for how in HOWS}
            buckets = metric(text, "gateway_uplink_delay_seconds_bucket")
            result.delay_p50_ms, result.delay_p95_ms = quantile(buckets, 0.5), quantile(buckets, 0.95)
        await page.click("#end")
        await asyncio.sleep(1)
    finally:
        await context.close()
        relay.close()
    measure(result, recorded, times, spoken_s)
    return result


async def disturb(relay: Relay, event: str, recorded: Path) -> float:
    """Do it, and wait until the model hears speech or silence of the person again; the seconds after its end."""
    loop = asyncio.get_running_loop()
    if event == "blackout":
        relay.black_out(3.0)
        await asyncio.sleep(3.0)
    else:
        relay.change_address()
    passed, ended_s = relay.up.passed, loop.time()
    while relay.up.passed < passed + 5:  # the browser's own packets are on their way again
        await asyncio.sleep(0.02)
    return loop.time() - ended_s


def measure(result: Result, recorded: Path, times: int, spoken_s: float) -> None:
    """Compare what was said with what was heard."""
    line = read_wav(recorded / "1/audio.wav", RATE_HZ)
    said = sentence()
    messages = [json.loads(one) for one in (recorded / "1/messages.jsonl").read_text().splitlines()]
    audio = [one["at_s"] for one in messages if "audio" in one["message"].get("realtimeInput", {})]
    if len(audio) > 1:
        result.continuous = (line.size / RATE_HZ) / (audio[-1] - audio[0] + 0.04)
    rest = line
    for _ in range(times):
        if rest.size < said.size:
            break
        window = rest[: int((LEAD_S * 2 + spoken_s + ROOM_S) * RATE_HZ)]
        found = find(said, window, RATE_HZ)
        begin = max(0, int(found.offset_s * RATE_HZ))
        heard = window[begin : begin + said.size]
        if heard.size == said.size and result.row != "3 s blackout":
            result.correlation.append(found.correlation)
            result.stoi.append(float(stoi(said, heard, RATE_HZ, extended=False)))
        rest = rest[begin + said.size :]


KEEP_PEERS = """
window.peers = [];
const Native = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(...given) { super(...given); window.peers.push(this); }
};
window.joined = () => window.peers.some((pc) => pc.connectionState === "connected");
"""
CONCEALED = """async () => {
  let made = 0, packets = 0;
  for (const pc of window.peers) for (const one of (await pc.getStats()).values()) {
    if (one.type !== "inbound-rtp" || one.kind !== "audio") continue;
    made += (one.concealedSamples ?? 0) - (one.silentConcealedSamples ?? 0);
    packets += (one.packetsReceived ?? 0) + Math.max(0, one.packetsLost ?? 0);
  }
  return packets ? Math.max(0, made) / (packets * 960) : 0;
}"""


async def run(rows: list[Row], times: int, *, stock: bool) -> list[dict[str, Any]]:
    """All rows, ours and then the bridge's."""
    results = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        microphone, camera = directory / "microphone.wav", directory / "camera.mjpeg"
        write_microphone(microphone, times)
        write_camera(camera)
        files = [
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
            f"--use-file-for-fake-video-capture={camera}",
        ]
        for row in rows:
            for is_stock in (False, True) if stock and not row.event else (False,):
                own = directory / f"{len(results)}"
                own.mkdir()
                async with async_playwright() as playwright:  # the fake microphone begins with the browser
                    browser = await playwright.chromium.launch(
                        executable_path="/usr/bin/chromium", args=CHROMIUM + files
                    )
                    result = await call(browser, row, own, times, stock=is_stock)
                    await browser.close()
                who = "aiortc" if is_stock else "gateway"
                print(result.line(who), flush=True)
                results.append({"who": who, **vars(result)})
    return results


def main() -> int:
    """Run the rows, write table and JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--no-stock", action="store_true")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    chosen = [row for row in ROWS if not options.rows or SHORT[row.name] in options.rows.split(",")]
    results = asyncio.run(run(chosen, options.times, stock=not options.no_stock))
    if options.report:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
        head = HEAD.format(
            date=datetime.now(UTC).date().isoformat(),
            commit=commit.stdout.strip(),
            machine="2 shared cores",
            hows=", ".join(HOWS),
        )
        lines = [
            Result(**{name: value for name, value in one.items() if name != "who"}).line(one["who"]) for one in results
        ]
        options.report.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
        options.report.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
