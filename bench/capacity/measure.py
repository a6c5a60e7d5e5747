"""One server under load: calls are added in steps, and each step is looked at for a while.

Owns the three processes of a measurement (server, model, replayer), the windows, and what is read from each. It must
not know targets or reports.
**Invariant: what is counted of the server is its own processes; model and callers are others, and are told apart.**
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench.capacity.call import Door
from bench.capacity.process import Process, Usage, now_s, running
from bench.capacity.scenario import Cadence, cadence, quantile, rate
from bench.network_result import metric
from tests.integration.guarded import OPERATOR_KEY, SECRET, bearing

SETTLE_S = 4.0  # after the last call of a step came: set-up, first frames, a first report
SCRAPE_S = 5.0  # as Prometheus is told in deploy/
LIVE_TIMEOUT_S = 240.0
REPLAYED, BROWSERS = "bench.capacity.replayer", "bench.capacity.chromium"
LAG = "gateway_event_loop_lag_seconds_bucket"


@dataclass(frozen=True)
class Server:
    """What is measured: a command, the variables that lead it to the model (`{model}`), and its door."""

    name: str
    command: tuple[str, ...]
    ready: str = r"Open (http://\S+?)/?\s"
    path: str = "/v1/sessions"
    door: Door = "sdp"
    python: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    has_metrics: bool = False


def gateway(workers: int = 1, **settings: str) -> Server:
    """The gateway with everything on that an operator has on: tokens, metrics that are read, transcripts, events."""
    operators = {
        "GATEWAY_UPSTREAM": "gemini",
        "GATEWAY_UPSTREAM_URL": "{model}",
        "GEMINI_API_KEY": "for-the-bench",
        "GATEWAY_AUTH": "token",
        "GATEWAY_JWT_SECRET": SECRET,
        "GATEWAY_OPERATOR_KEY": OPERATOR_KEY,
        "GATEWAY_LOG_FORMAT": "json",
        "GATEWAY_MAX_SESSIONS": "1000",
        "GATEWAY_REQUESTS_PER_S_ADDRESS": "1000",
        "GATEWAY_WORKERS": str(workers),
    }
    command = ("gateway", "serve", "--port", "0")
    return Server("gateway", command, settings={**operators, **settings}, has_metrics=True)


@dataclass(frozen=True)
class Step:
    """What so many calls cost."""

    calls: int
    percent: float  # of one processor, a call
    memory_mb: float  # the whole process
    threads: int
    cadence: Cadence
    frames_per_s: float  # that came to the model, a call
    lag_p99_ms: float | None  # of the event loop; at most
    model_percent: float  # of one processor, all of it: what else ran on the machine
    replayer_percent: float


@dataclass(frozen=True)
class Run:
    """One server in one scenario."""

    server: str
    scenario: str
    steps: tuple[Step, ...]
    idle_mb: float
    late_p99_ms: float | None  # of replayed callers: with more, the load was not what it should be
    voice_packets: int


class Bench:
    """The three processes, running."""

    def __init__(self, server: Process, url: str, model: Process, replayer: Process, directory: Path) -> None:
        self.server, self.model, self.replayer = server, model, replayer
        self.url = url
        self._directory = directory

    async def arrivals(self) -> list[dict[str, Any]]:
        """What the model has noted, a dictionary for each connection (`model.Heard`)."""
        return list(await self._told(self.model, "arrivals"))

    async def figures(self) -> dict[str, Any]:
        """What the callers have seen."""
        return dict(await self._told(self.replayer, "figures"))

    async def _told(self, process: Process, what: str) -> Any:
        path = self._directory / what
        await process.ask(f"{what} {path}", r"written: (all)")
        return json.loads(await asyncio.to_thread(path.read_text, "utf-8"))

    async def calls(self, count: int) -> int:
        """So many calls; how many there are now."""
        return int(await self.replayer.ask(f"calls {count}", r"Live: (\d+)", LIVE_TIMEOUT_S))


@asynccontextmanager
async def bench(server: Server, scenario: str, *more: str, callers: str = REPLAYED) -> AsyncIterator[Bench]:
    """The server with a model and callers that do not call yet; `more` are arguments of theirs."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = await stack.enter_async_context(running(["bench.capacity.model"], directory / "model.log"))
        model_url = await model.line(r"URL=(\S+)")
        settings = {name: value.replace("{model}", model_url) for name, value in server.settings.items()}
        python = {"python": server.python} if server.python else {}
        served = await stack.enter_async_context(
            running(server.command, directory / "server.log", **python, **settings)
        )
        url = await served.line(server.ready)
        arguments = ["--url", url + server.path, "--door", server.door, "--scenario", scenario, *more]
        replayer = await stack.enter_async_context(running([callers, *arguments], directory / "callers.log"))
        await replayer.line(r"Ready: (all)")
        yield Bench(served, url, model, replayer, directory)


async def ramp(
    server: Server,
    scenario: str,
    counts: Sequence[int],
    window_s: float,
    tell: Callable[[str], None],
    *,
    callers: str = REPLAYED,
) -> Run:
    """The calls in steps."""
    windows: list[tuple[int, float, float, Usage, Usage, list[Usage], float | None]] = []
    async with bench(server, scenario, callers=callers) as running_bench:
        idle = running_bench.server.usage()
        for count in counts:
            live = await running_bench.calls(count)
            await asyncio.sleep(SETTLE_S)
            windows.append((live, *await _window(running_bench, server.has_metrics, window_s)))
            before, after = windows[-1][3:5]
            percent = (after.cpu_s - before.cpu_s) / window_s * 100
            tell(f"{server.name}, {scenario}, {live} calls: {percent / max(1, live):.2f} % a call")
            if live < count:
                break
        heard, figures = await running_bench.arrivals(), await running_bench.figures()
    steps = []
    for live, begun_s, ended_s, before, after, others, lag_ms in windows:
        lasted_s = ended_s - begun_s
        steps.append(
            Step(
                calls=live,
                percent=(after.cpu_s - before.cpu_s) / lasted_s * 100 / max(1, live),
                memory_mb=after.memory_bytes / 1e6,
                threads=after.threads,
                cadence=cadence([one["audio"] for one in heard[:live]], begun_s, ended_s),
                frames_per_s=rate([one["frames"] for one in heard[:live]], begun_s, ended_s),
                lag_p99_ms=lag_ms,
                model_percent=(others[2].cpu_s - others[0].cpu_s) / lasted_s * 100,
                replayer_percent=(others[3].cpu_s - others[1].cpu_s) / lasted_s * 100,
            )
        )
    return Run(
        server.name,
        scenario,
        tuple(steps),
        idle.memory_bytes / 1e6,
        figures.get("late_p99_ms"),
        figures["voice_packets"],
    )


async def _window(
    running_bench: Bench, has_metrics: bool, window_s: float
) -> tuple[float, float, Usage, Usage, list[Usage], float | None]:
    """Look for a while; (from, to, the server before and after, model and callers before and after, lag)."""
    lags: list[dict[str, float]] = []
    others = [running_bench.model.usage(), running_bench.replayer.usage()]
    begun_s, before = now_s(), running_bench.server.usage()
    async with aiohttp.ClientSession(headers=bearing(OPERATOR_KEY)) as client:
        while now_s() < begun_s + window_s:
            if has_metrics:
                async with client.get(running_bench.url + "/metrics") as response:
                    lags.append(metric(await response.text(), LAG))
            await asyncio.sleep(min(SCRAPE_S, max(0.0, begun_s + window_s - now_s())))
        ended_s, after = now_s(), running_bench.server.usage()
    others += [running_bench.model.usage(), running_bench.replayer.usage()]
    lag_ms = None
    if len(lags) > 1:
        lag_ms = quantile([(float(edge), lags[-1][edge] - lags[0][edge]) for edge in lags[0]], 0.99) * 1000
    return begun_s, ended_s, before, after, others, lag_ms
