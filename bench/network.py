"""Speech through bad networks: `make bench-network` writes docs/network.json and docs/network.md.

Each row is a call of a real Chromium through the impairing relay: the corpus' sentence, with room for the answers, to
the gateway with the simulator behind it. The same conditions follow in the same run for a plain bridge
(bench/bridge.py) with aiortc, and with libwebrtc, which has an environment of its own. `--rows clean,10` chooses rows,
`--who gateway` who is measured, `--times 1` says the sentence once. A call that fails, or whose relay was late because
the machine stood still, so that its network was not the row's, is made again; the row says how often, and what failed.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright
from scipy.io import wavfile

from bench import network_table
from bench.network_result import RATE_HZ, Result, Said, measure, read_metrics, sentence
from bench.provenance import Provenance, provenance
from gateway.impair import Conditions
from tests.browser.camera import write_camera
from tests.browser.conftest import CHROMIUM, MICROPHONE_HZ
from tests.browser.stats import KEEP_PEERS
from tests.browser.way import Way
from tests.measure.sound import resample
from tests.programs import Program, gateway_and_simulator

LEAD_S, ROOM_S = 2.0, 9.2  # before the first sentence, and after each: the answer repeats it
TIMES = {"gateway": 3, "aiortc": 2, "libwebrtc": 2}
JOIN_TIMEOUT_MS = 60_000
BLACKOUT_S = 3.0
MORE_JOINS = 6  # of rows whose time to join is a target; with the call's own, the median of seven
BASELINES = ("aiortc", "libwebrtc")
ATTEMPTS = 3  # for each row
RELAY_LATE_MAX_MS = 30.0  # as much as ±15 ms of jitter are wide: more is another network
RELAY_LOOK_S = 0.005


@dataclass(frozen=True)
class Row:
    """One network."""

    name: str
    up: Conditions
    down: Conditions | None = None
    event: str = ""  # what happens in the middle: blackout, address, network, unnoticed, new peer
    camera: bool = True
    against: tuple[str, ...] = BASELINES
    joins: int = 0

    @property
    def short(self) -> str:
        """For the command line."""
        return re.sub(r"[^\w]+", "-", self.name).strip("-")


BASE: dict[str, float] = {"delay_ms": 30, "jitter_ms": 15}
ROWS = (
    Row("clean", Conditions(), joins=MORE_JOINS),
    Row("60 ms, ±15 ms", Conditions(**BASE)),
    Row("5 %", Conditions(loss=0.05, **BASE)),
    Row("10 %", Conditions(loss=0.1, **BASE), joins=MORE_JOINS),
    Row("10 %, camera off", Conditions(loss=0.1, **BASE), camera=False, against=()),
    Row("20 %", Conditions(loss=0.2, **BASE)),
    Row("10 % in bursts of 4", Conditions(loss=0.1, burst=4, **BASE)),
    Row("±30 ms", Conditions(delay_ms=30, jitter_ms=30), against=("aiortc",)),
    Row("10 %, ±30 ms", Conditions(loss=0.1, delay_ms=30, jitter_ms=30), against=("aiortc",)),
    Row("10 %, 300 ms", Conditions(loss=0.1, delay_ms=150, jitter_ms=15), against=("aiortc",)),
    Row("300 kbit/s up", Conditions(rate_bps=300_000, **BASE), Conditions(**BASE)),
    Row("blackout of 3 s", Conditions(**BASE), event="blackout", against=()),
    Row("change of address", Conditions(**BASE), event="address", against=()),
    Row("another network", Conditions(**BASE), event="network", against=()),
    Row("another network, unnoticed", Conditions(**BASE), event="unnoticed", against=()),
    Row("another network, new peer", Conditions(**BASE), event="new peer", against=()),
)


def write_microphone(path: Path, times: int, room_s: float) -> None:
    """The sentence with room for the answers."""
    spoken = resample(sentence(), RATE_HZ, MICROPHONE_HZ)
    lead, room = np.zeros(int(MICROPHONE_HZ * LEAD_S)), np.zeros(int(MICROPHONE_HZ * room_s))
    line = np.concatenate([lead, *[spoken, room] * times, np.zeros(MICROPHONE_HZ * 30)])
    wavfile.write(path, MICROPHONE_HZ, (line * 32767).astype(np.int16))


@contextmanager
def answering(directory: Path, recorded: Path, who: str, libwebrtc: Path | None) -> Iterator[str]:
    """The address of a running gateway, or of a plain bridge."""
    if who == "gateway":
        with gateway_and_simulator(directory, recorded) as (gateway, _):
            yield gateway.found
        return
    arguments, log = ["--record", str(recorded)], directory / "bridge.log"
    python = str(libwebrtc) if who == "libwebrtc" else sys.executable
    with Program(arguments, r"Open (http://\S+)", log, module="bench.bridge", python=python) as bridge:
        yield bridge.found


@asynccontextmanager
async def watched(result: Result) -> AsyncIterator[None]:
    """Note how late the loop is at most, on which the relay delivers."""

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + RELAY_LOOK_S
            await asyncio.sleep(RELAY_LOOK_S)
            result.relay_late_ms = max(result.relay_late_ms, (loop.time() - due_s) * 1000)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


async def new_page(browser: Browser) -> tuple[BrowserContext, Page]:
    """A page that tells when it spoke and when it was connected."""
    context = await browser.new_context(permissions=["microphone", "camera"])
    page = await context.new_page()
    await page.add_init_script(KEEP_PEERS)
    await page.add_init_script(LISTEN)
    return context, page


async def join(page: Page, way: Way, url: str) -> float:
    """Start a call through this way; seconds until media flows."""
    await page.goto(url)
    await way.open(page)
    await page.evaluate("() => { window.tappedMs = performance.now(); }")
    await page.click("#start")
    await page.wait_for_function("() => window.joinedMs", timeout=JOIN_TIMEOUT_MS)
    return float(await page.evaluate("() => (window.joinedMs - window.tappedMs) / 1000"))


async def call(browser: Browser, row: Row, url: str, times: int, result: Result) -> list[Said]:
    """One call through one network; when the microphone heard each sentence."""
    way = Way(row.up, row.down, seed=7)
    context, page = await new_page(browser)
    spoken_s = sentence().size / RATE_HZ
    try:
        result.joins_s.append(await join(page, way, url))
        if not row.camera:
            await page.get_by_role("button", name="Camera").click()
        async with watched(result):
            if row.event:
                await asyncio.sleep(LEAD_S + spoken_s * 0.8)
                await disturb(page, way, row)
                await asyncio.sleep(BLACKOUT_S + spoken_s * 1.5)
            else:
                await asyncio.sleep(LEAD_S + times * (spoken_s + ROOM_S))
        if not row.event:
            result.voice_concealed = await page.evaluate(CONCEALED)
        said = [Said(*one) for one in await page.evaluate("() => window.said")]
        if result.who == "gateway":
            await read_metrics(url, result)
        await page.click("#end")
        await asyncio.sleep(1)  # the recording is completed when the other side has let go
    finally:
        await leave(context, page, way)
    return said


async def leave(context: BrowserContext, page: Page, way: Way) -> None:
    """Close all of a call; requests of the page that are still under way are nobody's any more."""
    await page.unroute_all(behavior="ignoreErrors")
    await context.close()
    way.close()


async def more_joins(browser: Browser, row: Row, url: str, result: Result) -> None:
    """Start and end calls, for the time to join alone."""
    for number in range(row.joins):
        way = Way(row.up, row.down, seed=50 + number)
        context, page = await new_page(browser)
        try:
            result.joins_s.append(await join(page, way, url))
            await page.click("#end")
            await asyncio.sleep(0.5)  # its last request
        finally:
            await leave(context, page, way)


async def disturb(page: Page, way: Way, row: Row) -> None:
    """What happens in the middle."""
    if row.event == "blackout":
        way.relay.black_out(BLACKOUT_S)
        return
    if row.event == "address":
        way.relay.change_address()
        return
    if row.event == "new peer":

        async def refuse(route: Route) -> None:
            is_restart = route.request.method == "PATCH"
            await (route.fulfill(status=409) if is_restart else route.fallback())

        await page.route("**/v1/sessions/*", refuse)
    await way.another_network(row.up, row.down)
    if row.event != "unnoticed":
        await page.evaluate("() => window.dispatchEvent(new Event('online'))")


LISTEN = """
window.said = []; // [second of the clock; level] of the microphone, every 10 ms that are loud
const devices = navigator.mediaDevices;
const open = devices.getUserMedia.bind(devices);
devices.getUserMedia = async (wanted) => {
  const stream = await open(wanted);
  const [track] = stream.getAudioTracks();
  if (track && !window.listening) listen((window.listening = track.clone()));
  return stream;
};
async function listen(track) {
  const reader = new MediaStreamTrackProcessor({track}).readable.getReader();
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    const samples = new Float32Array(value.numberOfFrames);
    value.copyTo(samples, {planeIndex: 0, format: "f32-planar"});
    const level = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    if (level > 0.01) window.said.push([(performance.timeOrigin + performance.now()) / 1000, level]);
    value.close();
  }
}
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


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    rows: list[Row]
    whos: tuple[str, ...]
    times: int | None
    libwebrtc: Path | None

    def __iter__(self) -> Iterator[tuple[Row, str]]:
        for row in self.rows:
            for who in ("gateway", *row.against):
                if who in self.whos and (who != "libwebrtc" or self.libwebrtc is not None):
                    yield row, who

    async def run(self, note: Callable[[list[Result]], None]) -> list[Result]:
        """All calls, one after the other; `note` gets what there is after each."""
        results = []
        with tempfile.TemporaryDirectory() as name:
            top = Path(name)
            write_camera(top / "camera.mjpeg")
            for number, (row, who) in enumerate(self):
                for attempt in range(ATTEMPTS):
                    directory = top / f"{number}-{attempt}"
                    directory.mkdir()
                    result = Result(row.name, who, attempts=attempt + 1)
                    try:
                        await self._measure(row, result, directory)
                        if result.relay_late_ms <= RELAY_LATE_MAX_MS:
                            break
                    except Exception as error:  # one call must not cost the run
                        why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
                        result = Result(row.name, who, failed=why, attempts=attempt + 1)
                        print(f"{row.name}, {who}: {result.failed}", file=sys.stderr, flush=True)
                results.append(result)
                note(results)
                print(network_table.line(asdict(result)), flush=True)
        return results

    async def _measure(self, row: Row, result: Result, directory: Path) -> None:
        times = self.times or TIMES[result.who]
        microphone, recorded = directory / "microphone.wav", directory / "recorded"
        write_microphone(microphone, 20 if row.event else times, 0.0 if row.event else ROOM_S)
        arguments = [
            *CHROMIUM,
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
            f"--use-file-for-fake-video-capture={directory.parent / 'camera.mjpeg'}",
        ]
        with answering(directory, recorded, result.who, self.libwebrtc) as url:
            async with async_playwright() as playwright:  # the fake microphone begins with the browser
                browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
                try:
                    said = await call(browser, row, url, times, result)
                    if result.who == "gateway":
                        await more_joins(browser, row, url, result)
                finally:
                    await browser.close()
        lost_s = BLACKOUT_S if row.event == "blackout" else 0.0
        if row.event:
            times = 0
        measure(
            result, recorded / "1", said, times=times, window_s=LEAD_S + ROOM_S, lost_s=lost_s, is_event=bool(row.event)
        )


def has_libwebrtc(python: Path) -> bool:
    """Whether this interpreter can serve the bridge."""
    if not python.exists():
        return False
    command = [python, "-c", "import webrtc.aiortc, av, aiohttp, numpy"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def facts(results: list[Result], of: Provenance) -> dict[str, Any]:
    """What docs/network.json has."""
    return {**asdict(of), "rows": [asdict(result) for result in results]}


def main() -> int:
    """Run the rows, write JSON and table; 1 when a target is missed or a call of the gateway failed."""
    parser = argparse.ArgumentParser(description="Speech through bad networks.")
    parser.add_argument("--rows", default="", help=f"some of {','.join(row.short for row in ROWS)}")
    parser.add_argument("--who", default="gateway,aiortc,libwebrtc")
    parser.add_argument("--times", type=int, help="how often the sentence is said")
    parser.add_argument("--libwebrtc", type=Path, metavar="PYTHON", help="of an environment with wrtc")
    parser.add_argument("--report", type=Path, metavar="JSON", help="where to write, and the table beside it")
    options = parser.parse_args()
    chosen = [row for row in ROWS if not options.rows or row.short in options.rows.split(",")]
    of = provenance()

    def note(results: list[Result]) -> None:
        if options.report:  # a run that is stopped leaves what it measured
            network_table.write(options.report, facts(results, of))

    libwebrtc = options.libwebrtc if options.libwebrtc and has_libwebrtc(options.libwebrtc) else None
    plan = Plan(chosen, tuple(options.who.split(",")), options.times, libwebrtc)
    if plan.libwebrtc is None and "libwebrtc" in plan.whos:
        print("libwebrtc is left out: there is no environment with bench/libwebrtc.txt (--libwebrtc)", file=sys.stderr)
    results = asyncio.run(plan.run(note))
    report = facts(results, of)
    print(network_table.targets(report))
    return int(not network_table.is_met(report) or any(one.failed for one in results if one.who == "gateway"))


if __name__ == "__main__":
    sys.exit(main())
