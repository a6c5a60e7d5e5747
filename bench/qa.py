"""A run of the loopback page with real relays: `make bench-qa` writes docs/loopback.json and docs/loopback.md.

What `gateway qa` does, with a coturn beside it, so that every check can be made. The whole report of the page is a
megabyte; of it the verdicts and their numbers are kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.provenance import Provenance, provenance
from gateway.media.aiortc_internals import host_addresses
from gateway.qa import TIMEOUTS_S
from gateway.qa.run import QaOptions, run_qa
from gateway.settings import Settings
from tests.coturn import SECRET, Coturn

Facts = dict[str, Any]

RELAY_WAYS = ("udp", "tcp", "tls")
OWN_CERTIFICATE = "--ignore-certificate-errors"  # coturn's is self-signed here
KEPT = ("verdict", "counts", "duration_s", "page", "settings")
HEAD = """# A run of the loopback page

By `make bench-qa`: [the loopback page](qa.md), length *{settings[length]}*, with a coturn on the same machine. {date},
commit {commit}, {machine}, {browser}; browser, gateway, simulator and coturn share {cores} cores,
which had a load of {load} before. {minutes:.0f} minutes, **{verdict}**: {counted}.

| check | | says | measured |
| --- | --- | --- | --- |
"""


async def measure(length: str, of: Provenance) -> Facts:
    """What is kept of a run's report."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        with Coturn(host_addresses()[0], directory) as turn:
            settings = Settings(turn_urls=tuple(map(turn.url, RELAY_WAYS)), turn_secret=SECRET)
            path = directory / "report.json"
            await run_qa(QaOptions(length=length, report=path, chromium_arguments=(OWN_CERTIFICATE,)), settings)
            report = json.loads(path.read_text(encoding="utf-8"))
    checks = [
        {name: check[name] for name in ("title", "verdict", "reason")} | {"numbers": _judged(report, check)}
        for check in report["checks"]
    ]
    return asdict(of) | {name: report[name] for name in KEPT} | {"checks": checks}


def _judged(report: Facts, check: Facts) -> dict[str, str]:
    """The numbers that have a budget, with their units."""
    found = {}
    for name, value in check["numbers"].items():
        budget = report["budgets"].get(f"{check['id']}.{name}")
        if budget is not None and value is not None:
            found[name] = f"{value:.4g} {budget['unit']}".strip()
    return found


def render(facts: Facts) -> str:
    """docs/loopback.md."""
    agent = facts["page"]["user_agent"].split()
    text = HEAD.format(
        **facts,
        browser=next(part.replace("/", " ") for part in agent if "Chrom" in part),
        minutes=facts["duration_s"] / 60,
        counted=", ".join(f"{count} {verdict}" for verdict, count in facts["counts"].items()),
    )
    for check in facts["checks"]:
        numbers = ", ".join(f"{name} {value}" for name, value in check["numbers"].items())
        text += f"| {check['title']} | {check['verdict']} | {check['reason']} | {numbers} |\n"
    return text


def read(path: Path) -> Facts:
    """What is kept of a run."""
    facts: Facts = json.loads(path.read_text(encoding="utf-8"))
    return facts


def write(facts: Facts, path: Path) -> None:
    """The JSON, and the page of the manual beside it."""
    path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(render(facts), encoding="utf-8")


def main() -> int:
    """Run it; 1 when a check failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--length", choices=tuple(TIMEOUTS_S), default="usual")
    parser.add_argument("--report", type=Path, help="the JSON to write, beside which the page of the manual lies")
    parser.add_argument("--render", type=Path, help="only write the page of the manual anew, from this JSON")
    arguments = parser.parse_args()
    if arguments.render is not None:
        write(read(arguments.render), arguments.render)
        return 0
    facts = asyncio.run(measure(arguments.length, provenance()))
    if arguments.report is not None:
        write(facts, arguments.report)
    print(render(facts))
    return int(facts["verdict"] == "FAIL")


if __name__ == "__main__":
    sys.exit(main())
