"""What one number does not say: how soon a gateway is ready, what a second worker brings, how many calls two carry
together, whether real browsers cost what replayed ones do, and who is turned away.

Owns these measurements. It must not know reports.
**Invariant: each begins with a gateway of its own.**
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.capacity.measure import BROWSERS, REPLAYED, SETTLE_S, Run, bench, gateway, ramp
from bench.capacity.process import now_s, running
from bench.capacity.scenario import SCENARIOS, cadence
from bench.provenance import provenance
from gateway.settings import Settings
from gateway.settings_sources import NO_EXTENSIONS_VARIABLE
from tests.programs import NEVER_BUSY

STARTS = 5
IDLE_S = 2.0
WORKERS_CALLS = 12  # of each worker
BROWSERS_CALLS = 3  # Chromium needs the rest of two cores for them
CROWD_CALLS = (60, 80, 90, 100)  # of two workers, together
CROWD_SCENARIOS = ("page", "page-40ms")
TURNS, TURNS_CALLS = 3, {"audio": 80, "page": 50}
WORKERS_SCENARIO, ADMISSION_SCENARIO = "page", "audio"
ADMISSION_CALLS, ADMISSION_STEP, STEP_S = 200, 5, 4.0  # a load is the mean of two seconds

Tell = Callable[[str], None]


async def starts(tell: Tell) -> dict[str, Any]:
    """Seconds from the command to the address being told, and what an idle gateway holds."""
    server = gateway()
    settings = {name: value.replace("{model}", "ws://127.0.0.1:9") for name, value in server.settings.items()}
    ready_s, idle_mb = [], []
    with tempfile.TemporaryDirectory() as name:
        for _ in range(STARTS):
            begun_s = now_s()
            async with running(server.command, Path(name) / "server.log", **settings) as process:
                await process.line(server.ready)
                ready_s.append(round(now_s() - begun_s, 3))
                await asyncio.sleep(IDLE_S)
                idle_mb.append(round(process.usage().memory_bytes / 1e6, 1))
    tell(f"ready after {ready_s} s, idle with {idle_mb} MB")
    return {"ready_s": ready_s, "idle_mb": idle_mb}


async def turns(window_s: float, tell: Tell) -> dict[str, Any]:
    """What a call costs as the gateway was built, and all in Python: in turns, because a shared machine is another one
    some minutes later."""
    found: dict[str, Any] = {**asdict(provenance()), "rows": {}}
    kinds: dict[str, dict[str, str]] = {"built": {}, "pure": {NO_EXTENSIONS_VARIABLE: "1"}}
    for name, calls in TURNS_CALLS.items():
        row: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(TURNS):
            for kind, settings in kinds.items():
                run = await ramp(gateway(**settings), name, (calls,), window_s, tell)
                row[kind].append(run.steps[0].percent)
        found["rows"][name] = {"calls": calls, **row}
    return found


async def workers(window_s: float, tell: Tell) -> dict[str, Any]:
    """What a call costs with one worker, and with two that have twice the calls."""
    one = (await ramp(gateway(), WORKERS_SCENARIO, (WORKERS_CALLS,), window_s, tell)).steps[0]
    two = (await ramp(gateway(2), WORKERS_SCENARIO, (2 * WORKERS_CALLS,), window_s, tell)).steps[0]
    return {"calls": [one.calls, two.calls], "percent": [one.percent, two.percent]}


async def crowds(window_s: float, tell: Tell) -> list[Run]:
    """Two workers and more and more calls, on the two cores that callers and model need too."""
    return [
        await ramp(gateway(2, **SCENARIOS[name].settings), name, CROWD_CALLS, window_s, tell)
        for name in CROWD_SCENARIOS
    ]


async def browsers(window_s: float, tell: Tell) -> dict[str, Run]:
    """The call page in a real Chromium, and as many replayed calls of it."""
    steps = {"Chromium": BROWSERS, "replayed": REPLAYED}
    return {
        words: await ramp(gateway(), WORKERS_SCENARIO, (BROWSERS_CALLS,), window_s, tell, callers=callers)
        for words, callers in steps.items()
    }


async def admission(window_s: float, tell: Tell) -> dict[str, Any]:
    """Calls are added to a gateway with its usual limits until it takes no more; how steady their sound is then."""
    usual = {f"GATEWAY_{name.upper()}": str(Settings.model_fields[name].default) for name in NEVER_BUSY}
    async with bench(gateway(1, **usual), ADMISSION_SCENARIO) as running_bench:
        live = 0
        for wanted in range(ADMISSION_STEP, ADMISSION_CALLS + 1, ADMISSION_STEP):
            live = await running_bench.calls(wanted)
            tell(f"admission: {live} calls")
            if live < wanted:
                break
            await asyncio.sleep(STEP_S)
        await asyncio.sleep(SETTLE_S)
        begun_s = now_s()
        await asyncio.sleep(window_s)
        heard = await running_bench.arrivals()
    steady = cadence([one["audio"] for one in heard[:live]], begun_s, begun_s + window_s)
    return {"calls": live, "refused": live < ADMISSION_CALLS, "p99_ms": steady.p99_ms, "share": steady.share}
