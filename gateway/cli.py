"""The command line: `gateway serve`, `gateway token`, `gateway simulate`, `gateway qa`, `gateway doctor`.

Owns arguments, exit codes and signals. It must not know how anything works.
**Invariant: a mistake of the operator ends with one sentence and exit code 2, a signal with exit code 0; neither with a
traceback.**

`qa` and `doctor` import what only they need when they are run: the gateway is ready sooner, and smaller, without it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.app import serve
from gateway.errors import ClientError, ConfigError
from gateway.findings import Finding
from gateway.guard.grant import parse_request
from gateway.guard.tokens import tokens_of
from gateway.lan import invitation, on_lan
from gateway.qa import TIMEOUTS_S
from gateway.settings import Settings
from gateway.settings_check import check_keys, check_start
from gateway.settings_sources import load_settings, unknown_variables
from gateway.simulator import SimulatorOptions, run_simulator
from gateway.telemetry.logs import configure_logging
from gateway.workers import Place, Workers, worker_command

logger = logging.getLogger(__name__)

EXIT_WRONG = 2  # as argparse uses for what it cannot read


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except ConfigError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return EXIT_WRONG
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway", description="A WebRTC gateway between browsers and Gemini Live.")
    parser.add_argument("--version", action="version", version=f"gateway {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    serving = commands.add_parser("serve", help="run the gateway")
    serving.add_argument("--config", type=Path, help="TOML file of settings (else GATEWAY_CONFIG)")
    serving.add_argument("--host", help="address to listen on (else GATEWAY_HOST)")
    serving.add_argument("--port", type=int, help="port to listen on (else GATEWAY_PORT)")
    serving.add_argument("--profile", type=Path, help="TOML file of a persona with its tools (else GATEWAY_PROFILE)")
    serving.add_argument(
        "--lan", action="store_true", help="for phones on this network: HTTPS, tokens, and an invitation to scan"
    )
    serving.add_argument("--workers", type=int, help="processes that share the port (else GATEWAY_WORKERS)")
    serving.add_argument("--worker", type=Place.parse, help=argparse.SUPPRESS)
    serving.set_defaults(run=_serve)

    minting = commands.add_parser("token", help="make a token with GATEWAY_JWT_SECRET")
    minting.add_argument("--config", type=Path, help="TOML file of settings (else GATEWAY_CONFIG)")
    minting.add_argument("--grant", default="{}", help="rights, JSON as for POST /v1/tokens: '{\"video\": false}'")
    minting.add_argument("--url", help="address of the gateway's page: print the link that carries the token")
    minting.set_defaults(run=_token)

    simulating = commands.add_parser("simulate", help="run the Gemini Live simulator alone")
    simulating.add_argument("--host", default="127.0.0.1")
    simulating.add_argument("--port", type=int, default=9911)
    simulating.add_argument("--flavour", help="family of models; else the one a client's model belongs to")
    simulating.add_argument("--script", type=Path, help="TOML file of faults (docs/simulator.md)")
    simulating.add_argument("--record", type=Path, help="directory for what each connection heard and saw")
    simulating.set_defaults(run=_simulate)

    testing = commands.add_parser("qa", help="run the loopback page without a person (docs/qa.md)")
    testing.add_argument("--url", help="address of a running gateway; else one is started for the test")
    testing.add_argument("--token", help="what lets the page in, where the gateway wants one")
    testing.add_argument("--checks", default="all", help="ids of the checks to run, comma-separated (all)")
    testing.add_argument("--length", choices=tuple(TIMEOUTS_S), default="usual")
    testing.add_argument("--mode", choices=("simulator", "live"), help="what answers (simulator, where allowed)")
    testing.add_argument("--network", help="a test network, such as train, or its figures: loss_percent=20,delay_ms=30")
    testing.add_argument("--seed", type=int, default=1, help="of the network's chance")
    testing.add_argument("--budgets", type=Path, help="JSON file of limits, as the page saves it")
    testing.add_argument("--against", type=Path, help="an earlier report (JSON) to compare with")
    testing.add_argument("--report", type=Path, help="write the report as JSON")
    testing.add_argument("--junit", type=Path, help="write the verdicts as JUnit XML")
    testing.add_argument("--markdown", type=Path, help="write a summary for a ticket")
    testing.add_argument("--chromium", type=Path, help="the browser to use; else one is looked for")
    testing.add_argument("--real-devices", action="store_true", help="this machine's microphone and camera")
    testing.add_argument("--config", type=Path, help="TOML file of settings for the gateway that is started")
    testing.set_defaults(run=_qa)

    doctoring = commands.add_parser("doctor", help="check the machine and the settings")
    doctoring.add_argument("--config", type=Path, help="TOML file of settings (else GATEWAY_CONFIG)")
    doctoring.add_argument("--settings", action="store_true", help="print the effective settings, secrets hidden")
    doctoring.add_argument("--stun", metavar="HOST:PORT", help="STUN server to ask how this machine looks from outside")
    doctoring.add_argument(
        "--turn", action="store_true", help="audit the TURN servers instead, and call the running gateway through them"
    )
    doctoring.add_argument("--gateway", metavar="URL", help="where the gateway to call is (else by the settings)")
    doctoring.add_argument("--token", help="token for that call (else one is made)")
    doctoring.set_defaults(run=_doctor)
    return parser


def _load(options: argparse.Namespace) -> Settings:
    given = {name: getattr(options, name, None) for name in ("host", "port", "profile", "workers")}
    return load_settings(
        os.environ, options.config, {name: value for name, value in given.items() if value is not None}
    )


def _serve(options: argparse.Namespace) -> int:
    settings = _load(options)
    if options.lan:
        settings = on_lan(settings)
    configure_logging(settings.log_level, settings.log_format)
    if options.worker is not None:
        return _until_signalled(lambda stop, hurry: serve(settings, lambda _: None, stop, hurry, options.worker))
    for name, meant in unknown_variables(os.environ).items():
        logger.warning("%s is not a setting%s", name, f"; was {meant} meant?" if meant else "")
    if settings.effective_auth == "insecure-open":
        logger.warning("GATEWAY_AUTH=insecure-open: ANYONE who reaches %s may call at your expense", settings.host)

    def ready(url: str) -> None:
        if settings.effective_upstream == "simulator":
            print("No key is set: talking to the built-in simulator. Set GEMINI_API_KEY to talk to Gemini.", flush=True)
        print(invitation(settings, url) if options.lan else f"Open {url}", flush=True)

    if settings.workers > 1:
        if options.lan:
            raise ConfigError("--lan makes keys for one process: leave out --workers.")
        check_start(settings)
        workers = Workers(settings, worker_command(), os.environ)
        return _until_signalled(lambda stop, hurry: workers.run(ready, stop, hurry))
    return _until_signalled(lambda stop, hurry: serve(settings, ready, stop, hurry))


def _token(options: argparse.Namespace) -> int:
    settings = _load(options)
    check_keys(settings)
    tokens = tokens_of(settings)
    if tokens is None:
        raise ConfigError("There is no secret to sign a token with: set GATEWAY_JWT_SECRET as the gateway has it.")
    try:
        grant = json.loads(options.grant)
    except ValueError:
        raise ConfigError(f"--grant is not JSON: {options.grant}") from None
    try:
        token = tokens.mint(parse_request(grant), time.time()).token
    except ClientError as error:
        raise ConfigError(error.user_message) from None
    print(f"{options.url.partition('#')[0]}#token={token}" if options.url else token)
    return 0


def _simulate(options: argparse.Namespace) -> int:
    configure_logging("INFO")
    simulated = SimulatorOptions(options.host, options.port, options.flavour, options.script, options.record)
    return _until_signalled(lambda stop, _: run_simulator(simulated, stop))


def _qa(options: argparse.Namespace) -> int:
    from gateway.qa.run import QaOptions, run_qa

    configure_logging("WARNING")
    names = {field.name for field in fields(QaOptions)}
    asked = QaOptions(**{name: value for name, value in vars(options).items() if name in names})
    return asyncio.run(run_qa(asked, _load(options)))


def _doctor(options: argparse.Namespace) -> int:
    from gateway.doctor import examine, settings_lines
    from gateway.doctor_network import examine_relays

    settings = _load(options)
    if options.settings:
        print("\n".join(settings_lines(settings)))
        return 0
    for name, meant in unknown_variables(os.environ).items():
        print(f"warning  {name} is not a setting{f'; was {meant} meant?' if meant else '.'}")
    if options.turn:
        findings = asyncio.run(_listed(examine_relays(settings, options.gateway, options.token)))
    else:
        findings = examine(settings, options.stun)
    wrong = 0
    for finding in findings:
        wrong += finding.level == "wrong"
        print(f"{finding.level:8} {finding.text}")
    well = "The relays are as they should be." if options.turn else "Ready: gateway serve"
    print(f"\n{wrong} to mend." if wrong else f"\n{well}")
    return EXIT_WRONG if wrong else 0


async def _listed(findings: AsyncIterator[Finding]) -> Iterable[Finding]:
    return [finding async for finding in findings]


def _until_signalled(work: Callable[[asyncio.Event, asyncio.Event], Coroutine[Any, Any, int | None]]) -> int:
    """Run with two events; the exit code. SIGTERM sets the first, SIGINT and a second signal both: stop, and hurry."""

    async def run() -> int:
        stop, hurry = asyncio.Event(), asyncio.Event()

        def signalled(number: signal.Signals) -> None:
            if number == signal.SIGINT or stop.is_set():
                hurry.set()
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, signalled, number)
        return await work(stop, hurry) or 0

    return asyncio.run(run())
