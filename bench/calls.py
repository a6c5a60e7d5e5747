"""What calls leave behind, and what their end costs the others: `make bench-calls` writes docs/calls.md.

Hundreds of calls with microphone and camera, one after the other, against a gateway in a process of its own, whose
event loop is watched by a beat every 2 ms. Between the DELETE and its answer, and until the peer is gone, the longest
time between two beats is what closing costs: by the wall clock, in which the other programs of the machine are too, and
by the processor time of the loop's thread, in which they are not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestClient, TestServer
from yarl import URL

from bench.provenance import provenance
from gateway.app import open_gateway
from gateway.settings import Settings
from tests.integration.caller import Caller
from tests.programs import Program

BEAT_S = 0.002
SETTLE_S = 0.25  # after the answer to DELETE: the peer's own end
TARGET_CLOSE_MS = 20.0
LOOKS = 6  # rows of the table
HEAD = """# Hundreds of calls, one after the other

By `make bench-calls`: each call with microphone and camera (an aiortc peer on loopback), until media flows, then ended.
{of.date}, commit {of.commit}, 2 shared cores.

| calls | memory, MB | threads | sockets | tasks |
| --- | --- | --- | --- | --- |
"""
TAIL = """
While a call is being closed the gateway's event loop stands still for at most: by processor time p50 {cpu_p50:.1f} ms,
p99 {cpu_p99:.1f} ms, most {cpu_most:.1f} ms; by the wall clock, with everything else that runs on the machine, p50
{wall_p50:.1f} ms, p99 {wall_p99:.1f} ms, most {wall_most:.1f} ms. The target is {target:.0f} ms.
"""


class Watch:
    """The longest time between two beats since it was last asked."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0

    async def run(self) -> None:
        """Beat until cancelled."""
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(BEAT_S)
            now_s, used_s = time.perf_counter(), time.thread_time()
            self.wall_s = max(self.wall_s, now_s - wall_s - BEAT_S)
            self.cpu_s = max(self.cpu_s, used_s - cpu_s)
            wall_s, cpu_s = now_s, used_s

    def take(self) -> dict[str, float]:
        """What it was, in ms; begins anew."""
        found = {"wall_ms": self.wall_s * 1000, "cpu_ms": self.cpu_s * 1000}
        self.wall_s = self.cpu_s = 0.0
        return found


def residue() -> dict[str, float]:
    """What this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    held = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return {
        "memory_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "threads": threading.active_count(),
        "sockets": sum(name.startswith("socket:") for name in held),
        "tasks": len(asyncio.all_tasks()),
    }


async def serve(upstream_url: str) -> None:
    """The watched gateway; `/watch` tells what was seen since it was last asked."""
    watch = Watch()

    async def told(_: web.Request) -> web.Response:
        return web.json_response({**watch.take(), **residue()})

    async with open_gateway(Settings(upstream="simulator", upstream_url=upstream_url)) as application:
        application.router.add_get("/watch", told)
        server = TestServer(application)
        await server.start_server()
        beat = asyncio.create_task(watch.run())
        print(f"Open {server.make_url('/')}", flush=True)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
        beat.cancel()
        await server.close()


async def call(client: TestClient) -> dict[str, float]:
    """One call; what its end cost."""
    async with Caller(client, video=True) as caller, caller.events() as socket:
        async for message in socket:
            if message.json()["data"].get("state") == "live":
                break
        await watched(client)
        assert await caller.end() == 204
        await asyncio.sleep(SETTLE_S)
        return await watched(client)


async def watched(client: TestClient) -> dict[str, float]:
    """What the gateway's process tells of itself."""
    return dict(await (await client.get("/watch")).json())


async def measure(count: int) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """(what each closing cost, what the process held now and then)."""
    costs, held = [], []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with (
            Program(["simulate", "--port", "0"], r"=(ws://\S+)", directory / "simulator.log") as simulator,
            Program(
                ["--serve", simulator.found], r"Open (http://\S+)", directory / "gateway.log", module="bench.calls"
            ) as gateway,
        ):
            async with TestClient(_Elsewhere(gateway.found)) as client:
                for number in range(1, count + 1):
                    costs.append(await call(client))
                    if number % (count // LOOKS) == 0:
                        await asyncio.sleep(1.0)
                        held.append({"calls": number, **await watched(client)})
                        print(held[-1], flush=True)
    return costs, held


class _Elsewhere(BaseTestServer):
    """A server in another process, as a TestClient wants it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._root = URL(url)

    def make_url(self, path: str) -> URL:
        return self._root.join(URL(path))

    async def start_server(self, **_: Any) -> None:
        return None

    async def close(self) -> None:
        return None

    async def _make_runner(self, **_: Any) -> Any:
        raise NotImplementedError


def main() -> int:
    """Measure and write the report; 1 when the target is missed or something grows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--serve", metavar="URL", help="be the watched gateway")
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        return 0
    of = provenance()
    costs, held = asyncio.run(measure(options.calls))
    cpu_ms, wall_ms = ([cost[name] for cost in costs] for name in ("cpu_ms", "wall_ms"))
    tail = TAIL.format(
        cpu_p50=np.percentile(cpu_ms, 50),
        cpu_p99=np.percentile(cpu_ms, 99),
        cpu_most=max(cpu_ms),
        wall_p50=np.percentile(wall_ms, 50),
        wall_p99=np.percentile(wall_ms, 99),
        wall_most=max(wall_ms),
        target=TARGET_CLOSE_MS,
    )
    print(tail)
    if options.report:
        head = HEAD.format(of=of)
        rows = [
            f"| {look['calls']:.0f} | {look['memory_mb']:.0f} | {look['threads']:.0f} | {look['sockets']:.0f} "
            f"| {look['tasks']:.0f} |\n"
            for look in held
        ]
        options.report.write_text(head + "".join(rows) + tail, encoding="utf-8")
    grows = any(held[-1][name] > held[0][name] for name in ("threads", "sockets", "tasks"))
    return int(max(cpu_ms) > TARGET_CLOSE_MS or grows)


if __name__ == "__main__":
    sys.exit(main())
