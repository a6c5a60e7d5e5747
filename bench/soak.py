"""Half an hour of conversations with random faults, on a virtual clock: `make soak`.

Many conversations talk with the simulator over in-memory sockets while things happen to their links. It is seeded: the
same seed gives the same faults. It ends with 1 and the seed when one of these does not hold:

- no conversation ends but for a reason that the reaction table calls final;
- no link is open without the conversation knowing it, no answer is missing without an event in words;
- what the person wrote before a fault is in what the next fresh link was told;
- at the end no task is left, and the memory has not grown with the number of faults.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import json
import random
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path

from PIL import Image

from bench.provenance import provenance
from gateway.errors import UpstreamError
from gateway.live import events as live
from gateway.live.policy import Policy
from gateway.simulator import Fault
from tests.clock import run_virtual
from tests.talk import Talk, talk


def _frame() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(buffer, "JPEG")
    return buffer.getvalue()


MINUTES = 30
CONVERSATIONS = 20
CONNECTIONS = 60  # with a fault of their own; later ones have none
REASONS = [
    (1000, ""),
    (1001, ""),
    (1007, "Request contains an invalid argument."),
    (1008, "Operation is not implemented, or supported, or enabled."),
    (1008, "Requested entity was not found."),
    (1011, "Deadline expired before operation could complete."),
    (1011, "Internal error encountered."),
    (1011, "The service is currently unavailable."),
    (1012, ""),
]
FRAME = _frame()
MODELS = (
    "models/gemini-3.8-live",
    "models/gemini-3.1-flash-live-preview",
    "models/gemini-2.5-flash-native-audio-latest",
)


def random_fault(rng: random.Random, connection: int) -> Fault:
    """Something that happens to one connection."""
    code, reason = rng.choice(REASONS)
    turn = rng.randint(1, 4)
    kinds = [
        {"at": "turn", "do": "close", "code": code, "reason": reason},
        {"at": "speaking", "do": "close", "code": code, "reason": reason, "after_s": rng.uniform(0, 2)},
        {"at": "setup", "do": "close", "code": 1011, "reason": "Internal error encountered."},
        {"at": "turn", "do": "abort"},
        {"at": "speaking", "do": "abort", "after_s": rng.uniform(0, 2)},
        {"at": "turn", "do": "go_away", "time_left_s": rng.choice([0.5, 5, 50])},
        {"at": "speaking", "do": "go_away", "time_left_s": rng.choice([0.5, 5, 50]), "after_s": rng.uniform(0, 2)},
        {"at": "handshake", "do": "refuse", "status": 503},
        {"at": "speaking", "do": "empty_turn"},
        {"at": "turn", "do": "interrupted", "times": rng.randint(1, 20)},
        {"at": "setup", "do": "poison"},
        {"at": "turn", "do": "stall", "stall_s": rng.choice([3, 15, None])},
        {"at": "turn", "do": "deaf", "stall_s": rng.choice([3, 20])},
        {"at": "turn", "do": "freeze"},
        {"at": "turn", "do": "big_message"},
    ]
    fault = rng.choice(kinds)
    return Fault(connection=connection, **({"turn": turn, **fault} if fault["at"] in ("turn", "speaking") else fault))


async def hold(seed: int, minutes: float) -> dict[str, object]:
    """One conversation; what became of it."""
    rng = random.Random(seed)
    faults = tuple(random_fault(rng, number) for number in range(1, CONNECTIONS + 1) if rng.random() < 0.8)
    policy = Policy(context_budget_tokens=rng.choice([4000, 40_000]))
    loop = asyncio.get_running_loop()
    problems: list[str] = []
    async with talk(*faults, model=rng.choice(MODELS), policy=policy) as talking:
        said: list[tuple[float, str]] = []
        until_s = loop.time() + minutes * 60
        while loop.time() < until_s and not talking.running.done():
            if rng.random() < 0.5:
                await talking.speak(rng.uniform(0.8, 3))
            else:
                word = f"word-{seed}-{len(said)}"
                said.append((loop.time(), word))
                talking.conversation.send_text(f"Please remember {word}.")
            talking.conversation.send_frame(len(said), FRAME)
            await asyncio.sleep(rng.uniform(1, 12))
        if talking.running.done():
            error = talking.running.exception()
            if not isinstance(error, UpstreamError):
                problems.append(f"it ended with {error!r}")
        problems += seeds_that_forget(talking, said)
        ways = Counter(talking.ways)
        notices = Counter(talking.notices)
        losses = len(talking.all(live.LinkLost))
        ended = talking.running.done()
    return {"ways": ways, "notices": notices, "losses": losses, "ended": ended, "problems": problems}


def seeds_that_forget(talking: Talk, said: list[tuple[float, str]]) -> list[str]:
    """Fresh links that were not told something the person had written before."""
    problems = []
    openings = [(at_s, event) for at_s, event in talking.happened if isinstance(event, live.LinkOpened)]
    told = [connection for connection in talking.simulator.connections if connection.setup and connection.opened]
    for (at_s, event), connection in zip(openings, told, strict=False):
        if event.how != "rehydrated":
            continue
        text = json.dumps(connection.setup, ensure_ascii=False)
        # A turn written in the second before is on its way: it goes to the new link as itself.
        missing = [word for when_s, word in said if when_s < at_s - 1.0 and f"{word}." not in text]
        if missing:
            problems.append(f"link {event.generation} was not told {missing[:3]}")
    return problems


async def soak(seed: int, minutes: float, count: int) -> dict[str, object]:
    """All conversations, side by side."""
    results = await asyncio.gather(*(hold(seed * 1000 + index, minutes) for index in range(count)))
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    problems = [f"conversation {index}: {text}" for index, one in enumerate(results) for text in one["problems"]]  # type: ignore[attr-defined]
    if left:
        problems.append(f"{len(left)} tasks are left")
    total = Counter[str]()
    notices = Counter[str]()
    for one in results:
        total.update(one["ways"])  # type: ignore[arg-type]
        notices.update(one["notices"])  # type: ignore[arg-type]
    return {
        "seed": seed,
        "conversations": count,
        "virtual_minutes": minutes,
        "links": dict(total),
        "losses": sum(one["losses"] for one in results),  # type: ignore[misc]
        "notices": dict(notices),
        "ended_by_the_service": sum(bool(one["ended"]) for one in results),
        "problems": problems,
    }


def main() -> int:
    """Run, print JSON, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--conversations", type=int, default=CONVERSATIONS)
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    run_virtual(soak(1, 1, 2))  # imports, caches and tables are there after this
    gc.collect()
    tracemalloc.start()
    begun_s = time.perf_counter()
    result = run_virtual(soak(options.seed, options.minutes, options.conversations))
    gc.collect()
    result["grown_kib"] = round(tracemalloc.get_traced_memory()[0] / 1024)
    result["real_s"] = round(time.perf_counter() - begun_s, 1)
    if result["grown_kib"] > 2000:  # type: ignore[operator]
        result["problems"].append("memory has grown")  # type: ignore[attr-defined]
    print(json.dumps(result, indent=2))
    if options.report:
        options.report.write_text(report(result), encoding="utf-8")
    if result["problems"]:
        print(f"again with: --seed {options.seed}", file=sys.stderr)
        return 1
    return 0


def report(result: dict[str, object]) -> str:
    """The result for docs/."""
    rows = "\n".join(f"| {name} | {json.dumps(value)} |" for name, value in result.items())
    of = provenance()
    return (
        "# Soak\n\n`make soak`: conversations with random faults on a virtual clock, over in-memory sockets, against "
        f"the simulator. {of.date}, commit {of.commit}.\n\n| what | value |\n| --- | --- |\n{rows}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
