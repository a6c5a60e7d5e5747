"""The capacity of the gateway as people read it, made from docs/capacity.json, with the targets beside those of
docs/capacity-quiet.json: an earlier run, in an hour in which the machine was quieter.

    python -m bench.capacity.table docs README.md     writes docs/capacity.md, its charts, and the parts of others anew

Owns the rendering and the targets. **Invariant: what was not measured is "–", and no figure comes from elsewhere.**
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.capacity.scenario import SCENARIOS, slope
from bench.chart import bars
from gateway.settings_table import between

Facts = dict[str, Any]

NOTHING = "–"
QUIET = Path(__file__).parents[2] / "docs/capacity-quiet.json"
BEGIN, END = "<!-- capacity: made by `make docs`, do not edit -->", "<!-- /capacity -->"
BASELINES = {"pipecat": "Pipecat", "fastrtc": "FastRTC", "naive": "plain bridge"}
SERIES = ("gateway", "floor", *BASELINES.values())
MAXIMA = {"of Pipecat": ("pipecat", 1 / 12), "of the plain bridge": ("naive", 1 / 7)}
FLOOR_TIMES = 2.0
PICTURES_SHARE = 0.9  # of those with the fewest calls
GROWTH = 1.05  # linear; two windows of a few seconds differ by as much
RATIOS_OF = ("page", "page-1fps")  # what most calls are; the table has those of the others
DELAY_TARGETS = {
    ("mic_to_wire", "p50"): 60,
    ("mic_to_wire", "p99"): 120,
    ("wire_to_rtp", "p99"): 25,
    ("barge_in", "p99"): 45,
}
DELAY_CHART = {
    "mic_to_wire": "sound to the model",
    "wire_to_rtp": "the model's voice",
    "barge_in": "until the voice is silent",
    "tap_to_live": "one more person, from the tap",
}
DELAY_SHARES = ("p50", "p99")
CALLS_HEAD = ["at once", "a call", "one more", "threads", "pictures/s", "cadence", "sound", "lag", "beside"]
DELAY_WORDS = {
    "mic_to_wire": "sound: from the phone's packet to the wire to the model, the 40 ms of a message included",
    "wire_to_rtp": "the model's voice: from its wire to the first packet to the phone",
    "barge_in": "from `interrupted` to the last packet of the old answer",
    "tap_to_live": "one more person: from the tap on *Start call* in Chromium to a call that is live",
}
TIMES_ONE = "two workers, times one"  # the one target that is to be passed
READY_S, IDLE_MB, WORKERS_TIMES, CADENCE_MS = 1.0, 90.0, 1.9, 80.0
HEAD = """# Capacity

By `make bench-capacity`, {date}, commit {commit}, {machine}, {cores} shared cores with a load of {load:.1f}
before anything began. The gateway is a process of its own with everything on: tokens, metrics that are read each 5 s,
transcripts, an event socket for each call. Callers (`bench/capacity/replayer.py`) and model (`bench/capacity/model.py`)
are others: real ICE, DTLS and SRTP, recorded Opus with RED, VP8 and H.264; the model speaks 40 % of the time, the
picture moves all the time. *Key frames on demand* is `GATEWAY_VIDEO_KEY_FRAMES=1`, *40 ms of sound in a packet*
`GATEWAY_AUDIO_PACKET_MS=40`, *all in Python* `GATEWAY_NO_EXTENSIONS=1`. Each step was looked at for {seconds:.0f} s,
those of the others for {peers_seconds:.0f} s; a turn of question and answer takes 10 s. Processor time is that of the
server alone; what a call costs, in the charts, the targets and the README, is that with the most calls whose sound
still came steadily (a cadence with a p99 of at most 80 ms) and of whose pictures none had to give way to it.

On a busy shared machine the same work takes up to twice as long as on a quiet one, for every server and for the
codecs: trust the ratios within the run, and plan with room. A server with few calls pays more for each, because it
finds its caches cold whenever it wakes up: see the gateway's own steps. The others were measured with few calls,
because Pipecat fills a core with about ten and the others with about fifteen, on a quiet machine; beside them belongs
the gateway's smallest step too. They send a picture a second to the model where the gateway sends up to three: *a
picture a second to the model* (`GATEWAY_VIDEO_FPS_MAX=1`) is the gateway doing the same work, and is compared with the
same calls of theirs.

"""


TRIED = """
## Where the rest goes

By hand, commit fd9620e, 2026-11-27: `perf` over 50 calls of our page says interpreter 39 %, libavcodec 30 %, kernel
12 %, libopus 7.5 %, the C library 4.5 %, swscale 2.7 %, libsrtp 1.7 %, our part in C 0.3 %. The interpreter's part is
spread over some sixty modules of ours and of the libraries; none has more than 3 %. Twice the floor would leave half to
four fifths of it, a twelfth of Pipecat two fifths to three. By hand, commit 9150eae, 2026-11-28: with as many codecs in
turn as 70 calls have, the codecs cost the same as with one, with the other core busy up to a tenth more.

Measured side by side and left out, because they gain less than they would cost to keep:

| tried | what a call costs then |
| --- | --- |
| mypyc on 18 modules of the media plane, same source | −5 % our page, −9 % sound alone |
| mypyc on 24 modules beside the part in C | −4 % our page, −11 % sound alone |
| Cython on 31 modules, same source, no types | +7 % of a packet's way without sockets |
| sending a datagram in C too, without giving the GIL away | the same |
| one phase of the beat instead of four, and datagrams gathered for 10 ms | +8 % sound alone |
| uvloop | the same |
| decoding and JPEG in one visit to the thread | −1 % |
| datagrams gathered for 8 or 15 ms instead of 4 | the same |
| memory in huge pages | the same |
| CPython 3.12 or 3.13 instead of 3.11 | the same |

Of an idle process 48 MB are pages of files, which processes share. What it imports: libav 17 MB, the gateway itself 17,
numpy 9, cryptography 8, aiohttp 7. Each is in use in every call.
"""


def largest(runs: list[Facts], scenario: str) -> int:
    """The most calls of the gateway that got all they should; 0 when there were none."""
    mine = [run for run in runs if (run["server"], run["scenario"]) == ("gateway", scenario)]
    return max((step["calls"] for run in mine for step in _whole_steps(run)), default=0)


def _whole_steps(run: Facts) -> list[Facts]:
    """The steps in which sound came steadily and as many pictures as with few calls: without them a call is cheaper."""
    least = run["steps"][0]["frames_per_s"] * PICTURES_SHARE
    return [step for step in run["steps"] if _is_steady(step) and step["frames_per_s"] >= least]


def _is_steady(step: Facts) -> bool:
    return bool(step["cadence"]["p99_ms"] <= CADENCE_MS and step["cadence"]["share"] >= 0.99)


def _run(facts: Facts, server: str, scenario: str) -> Facts | None:
    return next((run for run in facts["runs"] if (run["server"], run["scenario"]) == (server, scenario)), None)


def _run_of(facts: Facts, peer: str, scenario: str) -> Facts | None:
    """The run of somebody else that belongs beside the gateway's."""
    return _run(facts, peer, SCENARIOS[scenario].others or scenario)


def compared(run: Facts) -> Facts:
    """The step with the most calls that got all they should; with the fewest measured where none did."""
    whole = _whole_steps(run) or run["steps"][:1]
    return dict(whole[-1])


def percent(run: Facts) -> float:
    """What a call costs in that step."""
    return float(compared(run)["percent"])


def growth(run: Facts) -> float | None:
    """What a call costs in that step, times that of the step before: above 1 the cost grows faster than the calls."""
    whole = [step["percent"] for step in _whole_steps(run)]
    return whole[-1] / whole[-2] if len(whole) > 1 else None


def further_mb(run: Facts) -> float | None:
    """What one more call takes."""
    points = [(step["calls"], step["memory_mb"]) for step in run["steps"]]
    return slope(points) if len(points) > 1 else None


def _floor(facts: Facts, scenario: str) -> float | None:
    parts = facts["floor"].get(scenario)
    return sum(parts.values()) if parts else None


Judgement = tuple[str, str, float, float, bool]  # what, form of the figure, bound, measured, met


def at_most(what: str, form: str, bound: float, value: float | None) -> Iterator[Judgement]:
    """A target; none where nothing was measured."""
    if value is not None:
        yield what, form, bound, value, value <= bound


def judged(facts: Facts) -> Iterator[Judgement]:
    """The targets of what was measured."""
    for name, scenario in SCENARIOS.items():
        run, floor = _run(facts, "gateway", name), _floor(facts, name)
        if run is None:
            continue
        yield from at_most(f"{scenario.words}: a call", "{:.2f} %", scenario.target_percent, percent(run))
        yield from at_most(f"{scenario.words}: one more call", "{:.1f} MB", scenario.target_memory_mb, further_mb(run))
        yield from at_most(
            f"{scenario.words}: a call with the most, times one with fewer", "{:.3f}", GROWTH, growth(run)
        )
        if floor is not None and name in RATIOS_OF:
            yield from at_most(f"{scenario.words}: times the floor", "{:.2f}", FLOOR_TIMES, percent(run) / floor)
        for words, (peer, share) in MAXIMA.items():
            if name in RATIOS_OF and (other := _run_of(facts, peer, name)) is not None:
                yield from at_most(f"{scenario.words}: {words}", "{:.3f}", share, percent(run) / percent(other))
        threads = [step["threads"] for step in run["steps"]]
        yield from at_most(f"{scenario.words}: more threads for more calls", "{:.0f}", 0, threads[-1] - threads[0])
    yield from _judged_whole(facts)


def _judged_whole(facts: Facts) -> Iterator[Judgement]:
    if start := facts.get("start"):
        yield from at_most("ready after", "{:.2f} s", READY_S, _middle(start["ready_s"]))
        yield from at_most("an idle process", "{:.0f} MB", IDLE_MB, _middle(start["idle_mb"]))
    for row in facts.get("delay", [])[-1:]:
        for (kind, share), bound in DELAY_TARGETS.items():
            words = f"{DELAY_WORDS[kind].partition(':')[0]}, {share}, at four fifths of the load"
            yield from at_most(words, "{:.0f} ms", bound, row[kind].get(share))
    if two := facts.get("workers"):
        times = _times_one(two)
        yield TIMES_ONE, "{:.2f}", WORKERS_TIMES, times, times >= WORKERS_TIMES
    for crowd in facts.get("crowds", []):
        step, kind = crowd["steps"][-1], SCENARIOS[crowd["scenario"]].words
        words = f"two workers, {step['calls']} calls at once ({kind}): cadence p99"
        yield from at_most(words, "{:.0f} ms", CADENCE_MS, step["cadence"]["p99_ms"])
    if met := facts.get("admission"):
        yield from at_most("cadence p99 of a gateway that takes no more", "{:.0f} ms", CADENCE_MS, met["p99_ms"])


def _times_one(two: Facts) -> float:
    """How many times the calls of one worker two can carry: by what each call costs."""
    return float(2 * two["percent"][0] / two["percent"][1])


def misses(facts: Facts) -> list[str]:
    """What is not met."""
    return [what for what, *_, met in judged(facts) if not met]


def render(facts: Facts, quiet: Facts) -> str:
    """docs/capacity.md; `quiet` is the run of a quieter hour."""
    parts = [HEAD.format(**facts), "![Processor time of a call](capacity.svg)\n\n", _calls(facts), _in_c(facts)]
    parts += [
        _floors(facts),
        _delays(facts),
        _rest(facts),
        _targets(facts, quiet),
    ]
    return "".join([*parts, TRIED])


def _targets(facts: Facts, quiet: Facts) -> str:
    pairs = [(_floor(facts, name), _floor(quiet, name)) for name in SCENARIOS]
    times = [now / then for now, then in pairs if now is not None and then is not None]
    text = "## Targets\n\n"
    if times:
        text += (
            f"Beside this run one of {quiet['date']}, commit {quiet['commit']}, on the same kind of machine in another "
            f"hour ([capacity-quiet.json](capacity-quiet.json), steps of {quiet['seconds']:.0f} s). The codecs alone "
            f"take {_middle(times):.2f} times as long here as there: read times and percents with this.\n\n"
        )
    text += _head("target", "", "measured", "", quiet["date"], "")
    then = {what: (value, met) for what, _, _, value, met in judged(quiet)}
    for what, form, bound, value, met in judged(facts):
        sign = "≥" if what == TIMES_ONE else "≤"
        cells = [what, f"{sign} {form.format(bound)}", form.format(value), _verdict(met)]
        cells += [form.format(then[what][0]), _verdict(then[what][1])] if what in then else [NOTHING, NOTHING]
        text += _row(cells)
    return text


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def _calls(facts: Facts) -> str:
    text = (
        "## What a call costs\n\n*a call*: percent of one core. *cadence*: between two messages of 40 ms to the model, "
        "ms: p50, p99, most. *sound*: of what should have come, of the call with least. *lag*: of the event "
        "loop, p99. *beside*: what model and callers took of the same machine meanwhile, percent of one core.\n\n"
    )
    text += _head("calls", "server", *CALLS_HEAD)
    for run in facts["runs"]:
        more = further_mb(run)
        for step in run["steps"]:
            lag, cells = step["lag_p99_ms"], _cells(step)
            cells["one more"] = NOTHING if more is None else f"{more:.1f} MB"
            cells["threads"] = str(step["threads"])
            cells["lag"] = NOTHING if lag is None else f"≤ {lag:.0f} ms"
            whose = SCENARIOS[run["scenario"]].words, BASELINES.get(run["server"], run["server"])
            text += _row([*whose, *(cells[name] for name in CALLS_HEAD)])
    return text + "\n"


def _in_c(facts: Facts) -> str:
    """What the part in C gains."""
    if not (turns := facts.get("turns")):
        return ""
    text = (
        "## The part in C\n\nWhat is done with each datagram and decides nothing is in C where a compiler was there "
        "(`gateway/media/_native.c`: the read of a batch, SRTP's calls, RTP, RED, the calls of libopus, loudness), and "
        f"the same in Python where there was none. In turns, {turns['date']}, commit {turns['commit']}, percent of one "
        "core a call:\n\n"
    )
    text += _head("calls", "at once", "all in Python", "as built", "gained, of the middle ones")
    for name, row in turns["rows"].items():
        values = [", ".join(f"{value:.2f}" for value in row[kind]) for kind in ("pure", "built")]
        gained = (_middle(row["built"]) / _middle(row["pure"]) - 1) * 100
        text += _row([SCENARIOS[name].words, str(row["calls"]), *values, f"{gained:+.0f} %".replace("-", "−")])
    return text + "\n"


def _cells(step: Facts) -> dict[str, str]:
    """What is told of a step, by its heading."""
    steady = step["cadence"]
    return {
        "at once": str(step["calls"]),
        "a call": f"{step['percent']:.2f} %",
        "pictures/s": f"{step['frames_per_s']:.1f}",
        "cadence": f"{steady['p50_ms']:.0f}, {steady['p99_ms']:.0f}, {steady['most_ms']:.0f}",
        "sound": f"{steady['share'] * 100:.1f} %",
        "beside": f"{step['model_percent'] + step['replayer_percent']:.0f} %",
    }


def _head(*names: str) -> str:
    return _row(names) + "| --- " * len(names) + "|\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _floors(facts: Facts) -> str:
    if not facts["floor"]:
        return ""
    text = (
        "## The floor\n\nThe same media through the codecs and the system's calls alone, percent of one core a call, "
        "the mean of a look before the gateway's steps and one after them. *UDP* is one system call for each packet, "
        "*WebSocket* a masked message and its write. Messages with pictures, the model's voice as it comes, and RTCP "
        "are not in it.\n\n"
    )
    names = list(dict.fromkeys(name for parts in facts["floor"].values() for name in parts))
    text += _head("calls", *names, "all", "the gateway, times that")
    for scenario, parts in facts["floor"].items():
        whole, run = sum(parts.values()), _run(facts, "gateway", scenario)
        cells = [f"{parts[name]:.2f}" if name in parts else NOTHING for name in names]
        times = NOTHING if run is None else f"{percent(run) / whole:.2f}"
        text += _row([SCENARIOS[scenario].words, *cells, f"{whole:.2f}", times])
    return text + "\n"


def _delays(facts: Facts) -> str:
    rows = facts.get("delay", [])
    if not rows:
        return ""
    text = (
        "## Delay\n\n![Delay](capacity-delay.svg)\n\nMilliseconds over loopback: p50, p95, p99; those of sound inside "
        "the gateway. Chromium shares the two cores with all the others. With nobody else there, and what of it the "
        "devices take: [start-bench.md](start-bench.md).\n\n| |"
    )
    text += "".join(f" {row['calls']} calls |" for row in rows) + "\n| --- |" + " --- |" * len(rows) + "\n"
    for kind, words in DELAY_WORDS.items():
        cells = [", ".join(f"{value:.0f}" for value in row.get(kind, {}).values()) or NOTHING for row in rows]
        text += f"| {words} | {' | '.join(cells)} |\n"
    return text + "\n"


def _rest(facts: Facts) -> str:
    text = ""
    if two := facts.get("workers"):
        counts = " and ".join(f"{calls} calls at {cost:.2f} % each" for calls, cost in zip(*two.values(), strict=True))
        text += f"One worker and two: {counts}, two carry {_times_one(two):.2f} times as many.\n\n"
    if facts.get("crowds"):
        text += "![Cadence of two workers](capacity-crowd.svg)\n\n"
    for crowd in facts.get("crowds", []):
        text += (
            f"Two workers on these cores, {SCENARIOS[crowd['scenario']].words}; callers and model need the same cores, "
            "so that the machine has nothing left in the end:\n\n"
        )
        text += _head(*_cells(crowd["steps"][0]))
        text += "".join(_row(_cells(step).values()) for step in crowd["steps"]) + "\n"
    if kinds := facts.get("browsers"):
        text += "Our page in real browsers, and as many replayed calls of it:\n\n"
        steps = {words: run["steps"][0] for words, run in kinds.items()}
        text += _head("callers", *_cells(next(iter(steps.values()))))
        text += "".join(_row([words, *_cells(step).values()]) for words, step in steps.items()) + "\n"
    if met := facts.get("admission"):
        text += (
            f"With the usual limits of load a gateway of one process took {met['calls']} calls of sound alone"
            f"{' and refused the next' if met['refused'] else ''}; with all of them the cadence had a p99 of "
            f"{met['p99_ms']:.0f} ms.\n\n"
        )
    return text


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def charts(facts: Facts) -> dict[str, str]:
    """The charts of docs/, by file name; none of what was not measured."""
    found = {"capacity.svg": _cost_chart(facts)}
    if facts.get("delay"):
        found["capacity-delay.svg"] = _delay_chart(facts)
    if facts.get("crowds"):
        found["capacity-crowd.svg"] = _crowd_chart(facts)
    return found


def _delay_chart(facts: Facts) -> str:
    groups: dict[str, dict[str, float | None]] = {}
    for kind, words in DELAY_CHART.items():
        groups[words] = {
            f"{row['calls']} calls, {share}": row.get(kind, {}).get(share)
            for row in facts["delay"]
            for share in DELAY_SHARES
        }
    return bars("Delay with few calls and with many", " ms", groups, list(next(iter(groups.values()))))


def _crowd_chart(facts: Facts) -> str:
    groups: dict[str, dict[str, float | None]] = {
        SCENARIOS[crowd["scenario"]].words: {
            f"{step['calls']} calls": step["cadence"]["p99_ms"] for step in crowd["steps"]
        }
        for crowd in facts["crowds"]
    }
    series = sorted({name for values in groups.values() for name in values}, key=lambda name: int(name.split()[0]))
    return bars("Between two messages to the model, p99, with two workers: 40 is steady", " ms", groups, series)


def _cost_chart(facts: Facts) -> str:
    groups: dict[str, dict[str, float | None]] = {}
    for name, scenario in SCENARIOS.items():
        runs = {"gateway": _run(facts, "gateway", name)} | {peer: _run_of(facts, peer, name) for peer in BASELINES}
        values = {BASELINES.get(server, server): percent(run) for server, run in runs.items() if run is not None}
        if values:
            groups[scenario.words] = {**values, "floor": _floor(facts, name)}
    return bars("Processor time of a call, percent of one core", " %", groups, SERIES)


def sizing(facts: Facts) -> str:
    """The table of docs/operate.md."""
    lines = [
        f"By [the bench](capacity.md) of {facts['date']}, commit {facts['commit']}, {facts['machine']}, "
        f"{facts['cores']} shared cores:\n",
        "| calls | a call takes | at once in one process, with steady sound and all pictures | one more call |",
        "| --- | --- | --- | --- |",
    ]
    for name, scenario in SCENARIOS.items():
        if (run := _run(facts, "gateway", name)) is not None:
            more, cost = further_mb(run), percent(run)
            memory = NOTHING if more is None else f"{more:.1f} MB"
            lines.append(
                f"| {scenario.words} | {cost:.2f} % of a core | at least {largest(facts['runs'], name)} | {memory} |"
            )
    return "\n".join(lines)


def short(facts: Facts) -> str:
    """The README's table."""
    others = [peer for peer in BASELINES if any(run["server"] == peer for run in facts["runs"])]
    lines = [
        f"| a call, percent of one core | gateway | codecs alone | {' | '.join(BASELINES[peer] for peer in others)} |",
        "| --- " * (3 + len(others)) + "|",
    ]
    for name, scenario in SCENARIOS.items():
        if (run := _run(facts, "gateway", name)) is None:
            continue
        runs = [_run_of(facts, peer, name) for peer in others]
        floor = _floor(facts, name)
        cells = [NOTHING if one is None else f"{percent(one):.1f}" for one in runs]
        cells.insert(0, NOTHING if floor is None else f"{floor:.2f}")
        lines.append(f"| {scenario.words} | {percent(run):.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def insert(document: str, text: str) -> str:
    """The document with a part between its markers; raises ValueError without them."""
    return between(document, BEGIN, text, END)


def read(path: Path) -> Facts:
    """The report of a run."""
    facts: Facts = json.loads(path.read_text(encoding="utf-8"))
    return facts


def write(docs: Path, readme: Path) -> None:
    """All that is made of docs/capacity.json."""
    facts = read(docs / "capacity.json")
    (docs / "capacity.md").write_text(render(facts, read(QUIET)), encoding="utf-8")
    for name, drawn in charts(facts).items():
        (docs / name).write_text(drawn, encoding="utf-8")
    for path, text in ((readme, short(facts)), (docs / "operate.md", sizing(facts))):
        path.write_text(insert(path.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    write(*map(Path, sys.argv[1:3]))
