"""How many calls a machine holds, and what one costs: `make bench-capacity` writes docs/capacity.json and what is made
of it.

A gateway in a process of its own, with everything on that an operator has on; in others a model that costs little, and
callers that send recorded media over real ICE, DTLS and SRTP. In the same run, with the same media: what the codecs and
the system's calls cost alone, and what others cost. `--scenarios page --peers '' --loops 1` chooses;
`--calls 10,20` replaces the steps.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.capacity import table
from bench.capacity.delay import delays, percentiles
from bench.capacity.floor import floor, look
from bench.capacity.measure import Run, gateway, ramp
from bench.capacity.recording import LOOP_S
from bench.capacity.scale import admission, browsers, crowds, starts, turns, workers
from bench.capacity.scenario import SCENARIOS
from bench.peers.servers import PEERS
from bench.provenance import provenance

STEPS = {"audio": (10, 40, 80, 110), "page": (10, 25, 50, 70)}
STEPS["page-1fps"] = STEPS["page-40ms"] = STEPS["page"]
STEPS |= {"480p": (4, 10, 16), "720p": (2, 5, 8), "720p-h264": (2, 5, 8)}
STEPS |= {"480p-keys": (4, 10, 20), "720p-keys": (2, 8, 14)}
PEER_STEPS = {"audio": (1, 3), "480p": (1, 2)}  # what they are measured with; more is too much for some
PARTS = ("load", "floor", "peers", "start", "delay", "workers", "crowd", "browsers", "admission", "turns")
LOOPS = 2
PEERS_TIMES = 3  # that: one call or two are not yet a mean
DELAY_SCENARIO, DELAY_CALLS, FULL_SHARE = "page", 4, 0.8


def say(text: str) -> None:
    """Progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for, as JSON."""
    found: dict[str, Any] = {"runs": [], "floor": {}}
    window_s = float(options.loops * LOOP_S)
    asked = set(options.parts.split(","))
    peers = [PEERS[name]() for name in options.peers.split(",") if name] if "peers" in asked else []
    if "start" in asked:
        found["start"] = await starts(say)
    for name in options.scenarios.split(","):
        scenario, runs = SCENARIOS[name], list[Run]()
        is_common = not scenario.settings  # a choice of the gateway's operator has nothing to stand beside
        has_floor = "floor" in asked and "load" in asked and (is_common or bool(scenario.others))
        counts = tuple(map(int, options.calls.split(","))) if options.calls else STEPS[name]
        looks = [look(scenario)] if has_floor else []
        if "load" in asked:
            runs.append(await ramp(gateway(**scenario.settings), name, counts, window_s, say))
        if has_floor:
            looks.append(look(scenario))
            frames_per_s = table.compared(asdict(runs[0]))["frames_per_s"]
            found["floor"][name] = floor(looks, frames_per_s)
            say(f"floor, {name}: {sum(found['floor'][name].values()):.2f} %")
        if is_common:
            steps = PEER_STEPS.get(name, (1,))
            peers_s = window_s * PEERS_TIMES
            runs += [await ramp(peer, name, steps, peers_s, say) for peer in peers]
        found["runs"] += [asdict(run) for run in runs]
    found |= await _whole(asked, window_s, options.full or table.largest(found["runs"], DELAY_SCENARIO))
    return found


async def _whole(asked: set[str], window_s: float, most: int) -> dict[str, Any]:
    """What needs to be known of the whole gateway, which holds so many calls; 0 if that is not known."""
    found: dict[str, Any] = {}
    full = most or STEPS[DELAY_SCENARIO][-1]
    if "delay" in asked:
        rows = []
        for calls in (DELAY_CALLS, round(full * FULL_SHARE)):
            result = await delays(DELAY_SCENARIO, calls, window_s * 2)
            kinds = {kind: percentiles(getattr(result, kind)) for kind in table.DELAY_WORDS}
            rows.append({"calls": result.calls, "unmatched": result.unmatched, **kinds})
            say(f"delays: {rows[-1]}")
        found["delay"] = rows
    if "workers" in asked:
        found["workers"] = await workers(window_s, say)
    if "crowd" in asked:
        found["crowds"] = [asdict(run) for run in await crowds(window_s, say)]
    if "browsers" in asked:
        found["browsers"] = {words: asdict(run) for words, run in (await browsers(window_s, say)).items()}
    if "admission" in asked:
        found["admission"] = await admission(window_s, say)
    if "turns" in asked:
        found["turns"] = await turns(window_s, say)
    return found


def main() -> int:
    """Measure and write; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--peers", default=",".join(PEERS), help="who else; empty for nobody")
    parser.add_argument("--parts", default=",".join(PARTS), help="what to measure; the floor stands beside a load")
    parser.add_argument("--calls", default="", help="steps, comma-separated, for every scenario")
    parser.add_argument("--full", type=int, default=0, help="calls of a full gateway (else the most measured)")
    loops = f"of {LOOP_S} s that each step is looked at: whole ones, in which every call listens and speaks as long"
    parser.add_argument("--loops", type=int, default=LOOPS, help=loops)
    parser.add_argument("--report", type=Path, help="where to, such as docs/capacity.json")
    parser.add_argument("--amend", action="store_true", help="of the report that is there, replace only these parts")
    options = parser.parse_args()
    of = provenance()
    found = asyncio.run(measure(options))
    seconds = options.loops * LOOP_S
    facts = {**asdict(of), "seconds": seconds, "peers_seconds": seconds * PEERS_TIMES, **found}
    if options.amend:
        facts = {**table.read(options.report), **{name: value for name, value in found.items() if value}}
    if options.report:
        options.report.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(table.render(facts, table.read(table.QUIET)))
    return int(bool(table.misses(facts)))


if __name__ == "__main__":
    sys.exit(main())
