"""The network table as people read it, made from docs/network.json.

    python -m bench.network_table docs README.md     writes docs/network.md and the README's short table anew

Runs under other circumstances lie beside it (docs/network-….json, `--report docs/network-….json`) and get a page each.

Owns the rendering and the targets. **Invariant: what was not measured is "–", and no figure comes from elsewhere.**
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.settings_table import between

Facts = dict[str, Any]

SHARES = ("received", "retransmitted", "fec", "red", "concealed", "silent", "pause")
NOTHING = "–"
BEGIN = "<!-- network: made by `make docs`, do not edit -->"
END = "<!-- /network -->"
HEAD = """# The network table

By `make bench-network`: Chromium through the impairing relay (`gateway.impair`), against the simulator. {date}, commit
{commit}, {machine}, {cores} shared cores with a load of {load} before anything began. Unless a row says otherwise the
way is 30 ms ± 15 ms in each direction (60 ms round trip), and both directions lose, reorder and delay. *aiortc* is a
plain bridge (`bench/bridge.py`) under the same conditions, *libwebrtc* the same bridge with the library of Chromium
itself (`wrtc` of PyPI).
{again}
- *join*: seconds from the tap on Start, with the opening of the devices, until media flows; the median where the row
  was joined more than once.
- *length*: what the model heard, in % of the time that passed, without the pauses that it was told.
- *likeness*: correlation of the envelopes of what was said and what the model heard.
- *STOI*: against the source file; the row *clean* shows what Chromium's own noise suppression and gain control take.
- *shares*: of the sound, in %: {shares}. *pause* is a guess that is as silent as what surrounds it; *silent* is what
  nobody could guess any more.
- *guessed*: concealed and silent, in % of the time in which somebody spoke, which is less than the whole.
- *delay*: median and 95th percentile in ms, from the earliest that a piece of sound could have arrived until it is
  handed on, by the gateway's own count; the way itself is not in it, the grouping to messages of 40 ms is.
- *mouth to model*: median in ms from the sound at the browser's microphone to its arrival at the model, by the bench:
  with capture, coding, the way, the delay, and the grouping.
- *voice*: of the model's voice, what the browser had to make up, in %, by its own statistics.
- *freeze*: the longest time between two pictures for the model, in seconds; 1.0 is what a still camera has.
- *again*: seconds without speech for the model, less the blackout itself. *change of address*: the browser's NAT
  forgets it. *another network*: the way is gone for good, and the page is told by the event `online`; *unnoticed*: it
  finds out by itself; *new peer*: the restart is refused.

| network | | join | length | likeness | STOI | shares | guessed | delay | mouth to model | voice | freeze | again |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def _one(value: float | None, form: str, scale: float = 1.0) -> str:
    return NOTHING if value is None else format(value * scale, form)


def _mean(values: list[float], form: str = ".3f") -> str:
    return format(statistics.fmean(values), form) if values else NOTHING


def _middle(values: list[float], form: str = ".2f") -> str:
    return format(statistics.median(values), form) if values else NOTHING


def line(facts: Facts) -> str:
    """One row of the long table."""
    if facts["failed"]:
        return f"| {facts['row']} | {facts['who']} | failed: {facts['failed']} |"
    shares = facts["shares"]
    delay = (
        f"{facts['delay_p50_ms']:.0f} / {facts['delay_p95_ms']:.0f}" if facts["delay_p50_ms"] is not None else NOTHING
    )
    cells = [
        facts["row"],
        facts["who"],
        _middle(facts["joins_s"]),
        _one(facts["length"], ".1f", 100),
        _mean(facts["likeness"]),
        _mean(facts["stoi"]),
        " ".join(_one(shares.get(how), ".1f") for how in SHARES) if shares else NOTHING,
        _one(facts["guessed_of_speech"], ".1f", 100),
        delay,
        _middle(facts["mouth_to_model_ms"], ".0f"),
        _one(facts["voice_concealed"], ".1f", 100),
        _one(facts["freeze_s"], ".1f"),
        _one(facts["again_s"], ".1f"),
    ]
    return f"| {' | '.join(cells)} |"


# Targets: (row, what it says, the figure, its bound from above or below)

Figure = Callable[[Facts], float | None]


def _mean_of(name: str) -> Figure:
    return lambda facts: statistics.fmean(facts[name]) if facts[name] else None


def _share_of(how: str) -> Figure:
    return lambda facts: facts["shares"].get(how)


def _of(name: str, scale: float = 1.0) -> Figure:
    return lambda facts: None if facts[name] is None else facts[name] * scale


def _whole(name: str) -> Figure:
    """Of a histogram whose buckets are 10 ms wide, and which tells no fractions."""
    return lambda facts: None if facts[name] is None else round(facts[name])


def _join(facts: Facts) -> float | None:
    return statistics.median(facts["joins_s"]) if facts["joins_s"] else None


AWAY = ("change of address", "another network", "another network, unnoticed", "another network, new peer")
TARGETS: tuple[tuple[str, str, Figure, str, float], ...] = (
    ("10 %", "likeness", _mean_of("likeness"), "≥", 0.95),
    ("10 %", "STOI", _mean_of("stoi"), "≥", 0.95),
    ("20 %", "STOI", _mean_of("stoi"), "≥", 0.90),
    ("10 %", "concealed, % of the line", _share_of("concealed"), "≤", 1.0),
    ("20 %", "concealed, % of the line", _share_of("concealed"), "≤", 3.0),
    ("clean", "delay p50, ms", _whole("delay_p50_ms"), "≤", 60),
    ("clean", "delay p95, ms", _of("delay_p95_ms"), "≤", 120),
    ("10 %, ±30 ms", "delay p50, ms", _of("delay_p50_ms"), "≤", 110),
    ("clean", "join p50, s", _join, "≤", 0.6),
    ("10 %", "join p50, s", _join, "≤", 1.5),
    ("10 %", "voice made up, %", _of("voice_concealed", 100), "≤", 1.0),
    ("10 %", "freeze, s", _of("freeze_s"), "≤", 1.5),
    *((row, "heard again, s", _of("again_s"), "≤", 2.0) for row in AWAY),
)


def _judged(report: Facts) -> list[tuple[str, str, float | None, str, float, bool]]:
    rows = {facts["row"]: facts for facts in report["rows"] if facts["who"] == "gateway" and not facts["failed"]}
    judged = []
    lengths = [facts["length"] for facts in rows.values() if facts["length"] is not None]
    if lengths:
        worst = min(lengths, key=lambda length: -abs(length - 1)) * 100
        judged.append(("every row", "length, % (100 ± 0.5)", worst, "≈", 100.0, abs(worst - 100) <= 0.5))
    for row, what, figure, sign, bound in TARGETS:
        if row in rows:
            value = figure(rows[row])
            met = value is not None and (value <= bound if sign == "≤" else value >= bound)
            judged.append((row, what, value, sign, bound, met))
    return judged


def is_met(report: Facts) -> bool:
    """Whether every target whose row was measured is met."""
    return all(judgement[-1] for judgement in _judged(report))


def targets(report: Facts) -> str:
    """The targets of the rows that were measured, as a table."""
    lines = ["| network | target | | measured | |", "| --- | --- | --- | --- | --- |"]
    for row, what, value, sign, bound, met in _judged(report):
        measured = NOTHING if value is None else f"{value:.3g}"
        lines.append(f"| {row} | {what} | {sign} {bound:g} | {measured} | {'met' if met else '**missed**'} |")
    return "\n".join(lines)


def _again(report: Facts) -> str:
    """What is said of calls that were made again; reports of before that was noted say nothing of it."""
    if not any("attempts" in facts for facts in report["rows"]):
        return ""
    named = [
        f"{facts['row']} ({facts['who']}, {facts['attempts']} calls)"
        for facts in report["rows"]
        if facts["attempts"] > 1
    ]
    return f"""
A call that failed was made again, and one whose relay was later than its jitter is wide, because the machine stood
still: three calls for a row at most, of which the last counts. {"; ".join(named) or "That was not needed"}.
"""


def render(report: Facts) -> str:
    """docs/network.md."""
    head = HEAD.format(shares=", ".join(SHARES), again=_again(report), **report)
    rows = "".join(f"{line(facts)}\n" for facts in report["rows"])
    return f"{head}{rows}\n## Targets\n\n{targets(report)}\n"


SHORT = ("clean", "5 %", "10 %", "20 %", "10 % in bursts of 4", "10 %, 300 ms", "300 kbit/s up")
SHORT_HEAD = """| network | join | delay | model hears (STOI) | aiortc | libwebrtc |
| --- | --- | --- | --- | --- | --- |
"""


def _heard(facts: Facts | None) -> str:
    if facts is None or facts["failed"] or facts["length"] is None:
        return NOTHING
    return f"{facts['length'] * 100:.0f} % ({_mean(facts['stoi'], '.2f')})"


def short(report: Facts) -> str:
    """The README's table."""
    rows = {(facts["row"], facts["who"]): facts for facts in report["rows"]}
    lines = []
    for row in SHORT:
        ours = rows.get((row, "gateway"))
        if ours is None or ours["failed"]:
            continue
        delay = _one(ours["delay_p50_ms"], ".0f")
        others = [_heard(rows.get((row, who))) for who in ("aiortc", "libwebrtc")]
        cells = [row, f"{_middle(ours['joins_s'])} s", f"{delay} ms", _heard(ours), *others]
        lines.append(f"| {' | '.join(cells)} |\n")
    return SHORT_HEAD + "".join(lines).rstrip("\n")


def insert(document: str, report: Facts) -> str:
    """The document with the short table between its markers; raises ValueError without them."""
    return between(document, BEGIN, short(report), END)


def read(path: Path) -> Facts:
    """The report of a run."""
    report: Facts = json.loads(path.read_text(encoding="utf-8"))
    return report


def write(path: Path, report: Facts) -> None:
    """The report, and beside it the table made from it."""
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(render(report), encoding="utf-8")


if __name__ == "__main__":
    docs, readme = map(Path, sys.argv[1:3])
    report = read(docs / "network.json")
    (docs / "network.md").write_text(render(report), encoding="utf-8")
    readme.write_text(insert(readme.read_text(encoding="utf-8"), report), encoding="utf-8")
