"""Ten times as many callers as there are places: `make bench-flood` writes docs/flood.md.

A gateway with tokens and its usual limits of load, in a process of its own, has calls that run: from a second process,
to a simulator in a third, which notes when each piece of sound arrives. Then the flood: would-be callers, ten for each
place, every one with a token and an address of its own (127.0.1.x), post an offer a second and never come with media,
and a stranger without a good token asks ten times as often as an address may. What each is answered, and how soon, is
seen by the client: from before it connects until the head of the answer is there.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from bench.calls import residue
from bench.provenance import Provenance, provenance
from gateway.app import open_gateway
from gateway.settings import Settings
from gateway.simulator import Simulator
from gateway.telemetry.metrics import REGISTRY
from tests.integration.caller import Caller
from tests.integration.guarded import OPERATOR_KEY, SECRET, SETTINGS, bearing, signed
from tests.programs import NEVER_BUSY, Program

PLACES = 10
CALLS = 8  # that run; the flood can have the other places
TIMES = 10
QUIET_S, WARM_UP_S, FLOOD_S = 15.0, 10.0, 30.0
CONNECT_S = 5.0  # for which a place is held by who never comes; with the default of 15 s fewer of them are set up
SETTLE_MOST_S = 30.0
OFFER = Path(__file__).parents[1] / "tests/corpus/sdp/good-chromium-audio.sdp"
MEASURES = ("sessions", "tasks", "sockets", "threads", "memory_mb")
TARGET_GAP_MS, TARGET_ANSWER_MS, GROWTH_MAX_MB = 80.0, 50.0, 4.0
HEAD = """# A flood

By `make bench-flood`: a gateway with {places} places and {calls} running calls (aiortc peers with microphones, to the
simulator); then, for {flood_s:.0f} s, {callers} would-be callers, each with a token and an address of its own, that
post an offer a second and bring no media, and a stranger that asks ten times as often as an address may. {of.date},
commit {of.commit}. Gateway, simulator, peers and flood share {of.cores} cores, whose load average of a minute was
{of.load} before anything began.

| sound on its way to the model, ms between two pieces of 40 ms | p50 | p95 | p99 | most |
| --- | --- | --- | --- | --- |
"""


# The three programs beside the flood


async def serve(upstream_url: str) -> None:
    """The gateway; `/residue` tells what it holds."""
    usual = {name: Settings.model_fields[name].default for name in NEVER_BUSY}  # a `Program` sheds nothing
    settings = Settings(
        **usual,
        upstream="simulator",
        upstream_url=upstream_url,
        max_sessions=PLACES,
        connect_timeout_s=CONNECT_S,
        **SETTINGS,
    )

    async def told(_: web.Request) -> web.Response:
        gc.collect()
        return web.json_response({**residue(), "sessions": REGISTRY.get_sample_value("gateway_sessions")})

    async with open_gateway(settings) as application:
        application.router.add_get("/residue", told)
        server = TestServer(application)
        await server.start_server()
        print(f"Open {server.make_url('/')}", flush=True)
        await _told_to_stop()
        await server.close()


async def simulate() -> list[list[float]]:
    """The model; when sound arrived, a list for each connection."""
    simulator = Simulator()
    await simulator.start()
    print(f"URL={simulator.url}", flush=True)
    await _told_to_stop()
    await simulator.stop()
    return [[at_s for at_s, _ in heard.audio_arrivals] for heard in simulator.connections]


async def hold_calls(url: str) -> None:
    """The calls that run."""
    async with aiohttp.ClientSession(url) as client, contextlib.AsyncExitStack() as calls:
        for number in range(CALLS):
            caller = await calls.enter_async_context(Caller(client, token=token_of(f"friend-{number}")))
            async with caller.events() as socket:
                async for message in socket:
                    if message.json()["data"].get("state") == "live":
                        break
        print("Live: all", flush=True)
        await _told_to_stop()


def token_of(subject: str, secret: str = SECRET) -> str:
    """A token for any number of calls, for an hour."""
    return signed(secret, sub=subject, exp=int(time.time()) + 3600)


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


# The flood


@dataclass(frozen=True)
class Sender:
    """Who sends the same request again and again."""

    address: str
    request: bytes
    every_s: float


@dataclass
class Flood:
    """What was answered: the times in ms, by status and code."""

    answers: dict[str, list[float]] = field(default_factory=dict)

    async def run(self, url: URL, lasts_s: float) -> None:
        """All senders, each by the clock and however slow the answers are."""
        until_s = time.perf_counter() + lasts_s
        async with asyncio.TaskGroup() as group:
            for number, sender in enumerate(senders(url)):
                group.create_task(self._send(url, sender, number, until_s))

    async def _send(self, url: URL, sender: Sender, number: int, until_s: float) -> None:
        at_s = time.perf_counter() + number * 0.01 % sender.every_s  # not all at once, which no two people do
        async with asyncio.TaskGroup() as group:
            while at_s < until_s:
                await asyncio.sleep(at_s - time.perf_counter())
                group.create_task(self._ask(url, sender))
                at_s += sender.every_s

    async def _ask(self, url: URL, sender: Sender) -> None:
        begun_s = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection(url.host, url.port, local_addr=(sender.address, 0))
            writer.write(sender.request)
            head = await reader.readuntil(b"\r\n\r\n")
            took_ms = (time.perf_counter() - begun_s) * 1000
            body = await reader.read()
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            self.answers.setdefault("none", []).append((time.perf_counter() - begun_s) * 1000)
            return
        status = head.split()[1].decode()
        code = "" if status == "201" else json.loads(body)["code"]
        self.answers.setdefault(f"{status} {code}".strip(), []).append(took_ms)

    @property
    def count(self) -> int:
        """How many requests there were."""
        return sum(len(times) for times in self.answers.values())

    @property
    def refused_ms(self) -> list[float]:
        """The times of all that were told to come back later."""
        return [took for answer, times in self.answers.items() if answer[:3] in ("429", "503") for took in times]


def senders(url: URL) -> Iterator[Sender]:
    """The would-be callers and the stranger."""
    offer = OFFER.read_bytes()
    for number in range(TIMES * PLACES):
        yield Sender(f"127.0.1.{number + 1}", _request(url, offer, token_of(f"caller-{number}")), 1.0)
    forged = _request(url, offer, token_of("nobody", "signs-other-tokens-" * 3))
    yield Sender("127.0.2.1", forged, 1 / (TIMES * Settings().requests_per_s_address))


def _request(url: URL, body: bytes, token: str) -> bytes:
    head = (
        f"POST /v1/sessions HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


# The measurement


@dataclass
class Result:
    """What was seen."""

    gaps_ms: dict[str, list[float]]  # without a flood, and in it
    flood: Flood
    held: dict[str, dict[str, float]]  # before the flood, and once it was over

    def misses(self) -> list[str]:
        """What is not as it should be, in words."""
        found = []
        if (gap_ms := np.percentile(self.gaps_ms["in the flood"], 99)) > TARGET_GAP_MS:
            found.append(f"gaps have a p99 of {gap_ms:.0f} ms")
        if (answer_ms := np.percentile(self.flood.refused_ms, 95)) > TARGET_ANSWER_MS:
            found.append(f"refusals have a p95 of {answer_ms:.0f} ms")
        before, after = self.held["before"], self.held["after"]
        found += [f"{name}: {after[name]:.0f}" for name in MEASURES[:-1] if after[name] > before[name]]
        if after["sessions"] < CALLS:
            found.append(f"{CALLS - after['sessions']:.0f} calls are gone")
        if after["memory_mb"] - before["memory_mb"] > GROWTH_MAX_MB:
            found.append(f"{after['memory_mb'] - before['memory_mb']:.1f} MB more memory")
        if set(self.flood.answers) & {"none", "500 internal"}:
            found.append("some got no answer or an internal error")
        return found


async def measure() -> Result:
    """Calls, a short flood to fill what is kept anyway, and the flood."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as programs:
        directory = Path(name)
        arrivals = directory / "arrivals.json"

        def start(kind: str, argument: str, ready: str) -> Program:
            log = directory / f"{kind}.log"
            program = Program([f"--{kind}", argument], ready, log, module="bench.flood")
            return programs.enter_context(program)

        simulator = start("simulate", str(arrivals), r"URL=(\S+)")
        url = URL(start("serve", simulator.found, r"Open (http://\S+)").found)
        start("hold", str(url), r"Live: (all)")
        await Flood().run(url, WARM_UP_S)
        before = await _held_again(url)
        quiet = await _window(asyncio.sleep(QUIET_S))
        flood = Flood()
        flooded = await _window(flood.run(url, FLOOD_S))
        after = await _held_again(url)
        simulator.stop()
        arrived = json.loads(arrivals.read_text(encoding="utf-8"))[:CALLS]
    gaps = {"before": _gaps_ms(arrived, *quiet), "in the flood": _gaps_ms(arrived, *flooded)}
    return Result(gaps, flood, {"before": before, "after": after})


async def _window(during: Coroutine[Any, Any, None]) -> tuple[float, float]:
    """From when to when it lasted, by the clock that all processes of a machine share."""
    begun_s = time.monotonic()
    await during
    return begun_s, time.monotonic()


async def _held_again(url: URL) -> dict[str, float]:
    """What the gateway holds once the places that the flood had are free again, or after a time."""
    async with aiohttp.ClientSession(headers=bearing(OPERATOR_KEY)) as client:
        for _ in itertools.repeat(None, round(SETTLE_MOST_S)):
            await asyncio.sleep(1.0)
            held: dict[str, float] = await (await client.get(url.join(URL("/residue")))).json()
            if held["sessions"] <= CALLS:
                break
        await asyncio.sleep(CONNECT_S)
        return dict(await (await client.get(url.join(URL("/residue")))).json())


def _gaps_ms(arrived: list[list[float]], begun_s: float, ended_s: float) -> list[float]:
    """Between two pieces of one call. A call that fell silent is a gap until the end."""
    found = []
    for times in arrived:
        within = [begun_s, *(at_s for at_s in times if begun_s <= at_s <= ended_s), ended_s]
        found += [(later - earlier) * 1000 for earlier, later in pairwise(within)]
    return found


def report(result: Result, of: Provenance) -> str:
    """As a page."""
    text = HEAD.format(
        places=PLACES,
        calls=CALLS,
        flood_s=FLOOD_S,
        callers=TIMES * PLACES,
        of=of,
    )
    text += "".join(f"| {when} | {_spread(gaps)} |\n" for when, gaps in result.gaps_ms.items())
    text += f"\n| {result.flood.count:,} requests were answered, ms | times | p50 | p95 | p99 | most |\n"
    text += "| --- | --- | --- | --- | --- | --- |\n"
    shares = Counter({answer: len(times) for answer, times in result.flood.answers.items()})
    for answer, count in shares.most_common():
        text += f"| {answer} | {count:,} | {_spread(result.flood.answers[answer])} |\n"
    refused = result.flood.refused_ms
    text += f"| all 429 and 503 | {len(refused):,} | {_spread(refused)} |\n"
    text += "\n| the gateway has | before | once it was over |\n| --- | --- | --- |\n"
    for name in MEASURES:
        before, after = (result.held[when][name] for when in ("before", "after"))
        text += f"| {name.replace('_mb', ', MB')} | {before:.0f} | {after:.0f} |\n"
    misses = result.misses()
    verdict = "All are met." if not misses else f"Missed: {'; '.join(misses)}."
    return (
        text + f"\nTargets: gaps p99 {TARGET_GAP_MS:.0f} ms, 429 and 503 p95 {TARGET_ANSWER_MS:.0f} ms, afterwards as "
        f"before (memory within {GROWTH_MAX_MB:.0f} MB). {verdict}\n"
    )


def _spread(values: list[float]) -> str:
    return " | ".join(f"{np.percentile(values, share):.1f}" for share in (50, 95, 99, 100))


def main() -> int:
    """Measure and write the report; 1 when a target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--report", type=Path)
    parser.add_argument("--serve", metavar="URL", help="be the gateway")
    parser.add_argument("--simulate", metavar="FILE", type=Path, help="be the model")
    parser.add_argument("--hold", metavar="URL", help="be the calls that run")
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
    elif options.simulate:
        options.simulate.write_text(json.dumps(asyncio.run(simulate())), encoding="utf-8")
    elif options.hold:
        asyncio.run(hold_calls(options.hold))
    else:
        of = provenance()
        result = asyncio.run(measure())
        text = report(result, of)
        print(text)
        if options.report:
            options.report.write_text(text, encoding="utf-8")
        return int(bool(result.misses()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
