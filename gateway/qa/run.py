"""The loopback page of a gateway, run by itself, and what comes of it as files and as an exit code.

Owns the run from the address to the exit code. It must not know what the page checks.
**Invariant: exit code 0 means that nothing failed, 1 that a check did; what kept it from running raises ConfigError.**
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

from gateway.app import serve
from gateway.errors import ConfigError
from gateway.qa import TIMEOUTS_S
from gateway.qa.chromium import FAKE_DEVICES, chromium, find_chromium
from gateway.qa.devtools import Tab, open_tab
from gateway.settings import Settings
from gateway.testing.networks import BOUNDS

LOOK_S = 0.5
FAILED = 1
OWN = {"host": "127.0.0.1", "port": 0, "auth": "open", "test_modes": True}
# A browser that starts takes the processor from the gateway beside it for a moment, which is no load of calls.
PATIENT = {"load_lag_ms": math.inf, "load_cpu": math.inf}
MOVED = ("worse", "better")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class QaOptions:
    """What `gateway qa` was asked for."""

    url: str | None = None  # None: a gateway of its own
    token: str | None = None
    checks: str = "all"
    length: str = "usual"
    mode: str | None = None
    network: str | None = None
    seed: int = 1
    budgets: Path | None = None
    against: Path | None = None
    report: Path | None = None
    junit: Path | None = None
    markdown: Path | None = None
    chromium: Path | None = None
    real_devices: bool = False
    chromium_arguments: tuple[str, ...] = ()


async def run_qa(options: QaOptions, settings: Settings) -> int:
    """Run the page, print a line a check, write the files; the exit code. Raises ConfigError."""
    query = _query(options)
    program = find_chromium(options.chromium)
    fragment = f"#token={options.token}" if options.token else ""
    arguments = (*options.chromium_arguments, *(() if options.real_devices else (FAKE_DEVICES,)))
    async with (
        _gateway(options.url, settings) as base,
        chromium(program, *arguments) as devtools,
        open_tab(devtools) as tab,
    ):
        if options.budgets is not None:
            text = json.dumps(_read(options.budgets))
            await tab.before_load(f"localStorage.setItem('loopback-budgets', {text})")
        await tab.go(f"{urljoin(base, 'loopback')}?{query}{fragment}")
        report = await _report(tab, TIMEOUTS_S[options.length])
        await _write(tab, report, options)
        print("\n".join(_lines(report)), flush=True)
        if options.against is not None:
            changes = await tab.ask(f"window.__compare({json.dumps(_read(options.against))})")
            print("\n".join(_changes(changes, options.against)), flush=True)
    return FAILED if report["verdict"] == "FAIL" else 0


@asynccontextmanager
async def _gateway(url: str | None, settings: Settings) -> AsyncIterator[str]:
    """The address to test: the one that was given, or that of a gateway that lives as long as the test."""
    if url is not None:
        yield url if url.endswith("/") else f"{url}/"
        return
    own = settings.model_copy(update={**OWN, **PATIENT})
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop, hurry = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(own, ready.set_result, stop, hurry))
    try:
        either: set[asyncio.Future[Any]] = {serving, ready}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield ready.result()
    finally:
        hurry.set()
        stop.set()
        await asyncio.gather(serving, return_exceptions=True)


def _query(options: QaOptions) -> str:
    """What the address asks of the page; raises ConfigError."""
    asked = {"run": options.checks, "length": options.length, "seed": str(options.seed)}
    if options.mode is not None:
        asked["mode"] = options.mode
    if options.network is not None and "=" in options.network:
        asked |= {"network": "custom", **dict(_figure(figure) for figure in options.network.split(","))}
    elif options.network is not None:
        asked["network"] = options.network
    return urlencode(asked)


def _figure(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if name.strip() not in BOUNDS:
        raise ConfigError(f"--network has no figure {name.strip()!r}; there are {', '.join(BOUNDS)}.")
    return name.strip(), value.strip()


async def _report(tab: Tab, timeout_s: float) -> Json:
    """The report, once it is there; meanwhile what the page says is printed."""
    said = ""
    try:
        async with asyncio.timeout(timeout_s):
            while not (report := await tab.ask("window.__report ?? null")):
                says = await tab.ask("document.getElementById('outcome')?.textContent ?? ''")
                if says != said:
                    said = says
                    print(said, flush=True)
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise ConfigError(f"The page was not done within {timeout_s:g} s; it said: {said}") from None
    if "problem" in report:
        raise ConfigError(f"The page cannot run: {report['problem']}")
    return dict(report)


async def _write(tab: Tab, report: Json, options: QaOptions) -> None:
    if options.report is not None:
        _save(options.report, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    for name in ("junit", "markdown"):
        path: Path | None = getattr(options, name)
        if path is not None:
            _save(path, str(await tab.ask(f"window.__exports.{name}")))


def _lines(report: Json) -> list[str]:
    lines = [f"{check['verdict']}  {check['title']}: {check['reason']}" for check in report["checks"]]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report["counts"].items())
    return ["", *lines, "", f"{report['verdict']}: {counts}, in {report['duration_s']:.0f} s."]


def _changes(changes: list[Json], against: Path) -> list[str]:
    verdicts = [f"{one['change']:8} {one['id']}: was {one['was']}" for one in changes if one["change"] in MOVED]
    numbers = [
        f"{number['change']:8} {one['id']}.{number['name']}: {number['was']} → {number['is']}"
        for one in changes
        for number in one["numbers"]
        if number.get("change") in MOVED
    ]
    lines = sorted(verdicts + numbers, reverse=True)  # worse before better
    return ["", f"Against {against}:", *(lines or ["nothing has changed that matters"])]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"{path} cannot be read: {reason}.") from None


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
