"""Builds the images, runs them as docker-compose.yml says, and makes calls through the relay with a real Chromium.

    make test-deploy

There is no Docker here: podman and buildah (Debian's) stand for it, and the options of each container are taken from
what `docker-compose config` makes of the files. Base images come from debootstrap, under the names that the Dockerfiles
use. Prometheus is Debian's, with the configuration that the container has. Needs root and the programs in NEEDED; takes
minutes. What was seen goes to docs/deploy-test.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from playwright.async_api import async_playwright, expect

from deploy.make_env import fill
from gateway.media.aiortc_internals import host_addresses
from tests.browser.camera import write_camera
from tests.browser.conftest import CHROMIUM, CORPUS, write_microphone
from tests.browser.test_turn import PAIR, RELAY_ONLY
from tests.deploy.podman import ROOT, ULIMITS, Run, make_bases
from tests.deploy.prometheus import Prometheus
from tests.deploy.test_monitoring import ALERTS, expressions
from tests.measure.sound import read_wav
from tests.programs import free_port

PATIENCE_S = 60.0
PATIENCE_MS = PATIENCE_S * 1000
NEEDED = ("podman", "buildah", "runc", "debootstrap", "docker-compose", "chromium", "prometheus", "ip", "tar")
PRIVATE = "172.28.0.10"  # as deploy/relay-only.yml has it


def settings(address: str) -> dict[str, str]:
    """What is filled in beside the secrets; free ports and no limit of load, because others use this machine too."""
    ports = [free_port() for _ in range(4)]
    names = ("GATEWAY_PORT", "GATEWAY_UDP_PORT", "TURN_PORT", "TURN_TLS_PORT")
    patient = {"GATEWAY_LOAD_LAG_MS": "10000", "GATEWAY_LOAD_CPU": "10"}
    return {"PUBLIC_IPV4": address, "PRIVATE_IPV4": address} | patient | dict(zip(names, map(str, ports), strict=True))


def services(run: Run, filled: dict[str, str], *overlay: str) -> dict[str, Any]:
    """What docker-compose makes of the files and of a .env as `make secrets` makes it."""
    files = run.work / f"files-{secrets.token_hex(3)}"
    files.mkdir()
    shutil.copy(ROOT / "docker-compose.yml", files)
    for part in ("deploy", "turn"):
        shutil.copytree(ROOT / part, files / part)
    env = fill((ROOT / ".env.example").read_text(), None)
    for name, value in filled.items():
        env = re.sub(rf"(?m)^#?{name}=.*$", f"{name}={value}", env)
    (files / ".env").write_text(env)
    options = [part for one in ("docker-compose.yml", *overlay) for part in ("-f", one)]
    environment = {"PATH": os.environ["PATH"]}
    command = ["docker-compose", *options, "config"]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=files, env=environment, check=True)
    found: dict[str, Any] = yaml.safe_load(shown.stdout)["services"]
    return found


def options(service: dict[str, Any], network: str, **changed: str) -> list[str]:
    """The service as options of `podman run`."""
    environment = {**service["environment"], **changed}
    assert service["read_only"]
    return [
        *("--network", network, "--read-only", "--stop-timeout", str(parse_s(service["stop_grace_period"])), *ULIMITS),
        *(part for capability in service["cap_drop"] for part in ("--cap-drop", capability)),
        *(part for option in service["security_opt"] for part in ("--security-opt", option.removesuffix(":true"))),
        *(part for mount in service["tmpfs"] for part in ("--tmpfs", mount)),
        *(part for name, value in environment.items() for part in ("--env", f"{name}={value}")),
        f"localhost/{service['image']}",
    ]


def parse_s(text: str) -> int:
    """`20s`, as compose writes it."""
    return int(text.removesuffix("s"))


def refuses_placeholders(run: Run, found: dict[str, Any]) -> None:
    """Neither image starts with what the example has for a secret."""
    for name, variable in (("gateway", "GATEWAY_TURN_SECRET"), ("turn", "TURN_SECRET")):
        said = run.podman("run", "--rm", *options(found[name], "host", **{variable: "changeme"}), check=False)
        assert f"{variable} is still the placeholder" in said, said
        run.note(f"`{name}` with `{variable}=changeme`", f"refused: “{said.strip().splitlines()[-1]}”")


@contextlib.contextmanager
def running(run: Run, found: dict[str, Any], network: str) -> Iterator[dict[str, str]]:
    """Both containers, healthy; their names. At the end both are stopped, and must have ended by themselves."""
    names = {name: f"{name}-{secrets.token_hex(3)}" for name in ("turn", "gateway")}
    try:
        for name, container in names.items():
            place = network if name == "gateway" else "host"
            run.podman("run", "--detach", "--name", container, *options(found[name], place))
        for name, container in names.items():
            wait_until(lambda of=container: run.status("healthcheck", "run", of) == 0, lambda: logs(run, names))
            run.note(f"`{name}` by its own health check", "healthy")
        yield names
        for name, container in reversed(names.items()):
            begun_s = time.monotonic()
            run.podman("stop", container)
            code = run.podman("inspect", "--format", "{{.State.ExitCode}}", container).strip()
            took_s = time.monotonic() - begun_s
            assert took_s < parse_s(found[name]["stop_grace_period"])
            assert name == "turn" or code == "0", code
            run.note(f"`{name}` at SIGTERM", f"ended within {took_s:.1f} s, exit code {code}")
    finally:
        for container in names.values():
            run.podman("rm", "--force", container, check=False)


def logs(run: Run, names: dict[str, str]) -> str:
    """What both said, for an error."""
    return "\n".join(run.podman("logs", "--tail", "30", container, check=False) for container in names.values())


def wait_until(met: Callable[[], bool], trouble: Callable[[], str]) -> None:
    """Ask again and again."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not met():
        if time.monotonic() > deadline_s:
            raise AssertionError(trouble())
        time.sleep(0.5)


def is_locked_in(run: Run, names: dict[str, str]) -> None:
    """Nobody's user, no capability, nothing to write to."""
    for name, container in names.items():
        status = run.podman("exec", container, "cat", "/proc/1/status")
        uid = re.findall(r"(?m)^Uid:\t(\d+)", status)[0]
        effective = re.findall(r"(?m)^Cap(?:Eff|Bnd):\t0*([0-9a-f]+)$", status)
        assert (uid, effective, re.findall(r"(?m)^NoNewPrivs:\t(\d)", status)) == ("10001", ["0", "0"], ["1"])
        for path in ("/", "/opt", "/etc", "/app" if name == "gateway" else "/opt/turn"):
            assert run.status("exec", container, "touch", f"{path}/x")
        run.note(f"`{name}` inside", "user 10001, no capability, no new privileges, nothing writable but its tmpfs")


def runs_in_c(run: Run, names: dict[str, str]) -> None:
    """The process of the gateway has loaded what the image compiled."""
    assert "/_native.cpython" in run.podman("exec", names["gateway"], "cat", "/proc/1/maps")
    run.note("`gateway` inside", "runs the innermost steps of media in C")


def audit(run: Run, names: dict[str, str]) -> None:
    """`gateway doctor --turn`, in the running container."""
    command = ["exec", names["gateway"], "gateway", "doctor", "--turn"]
    said = run.podman(*command, check=False)
    assert "The relays are as they should be." in said, said
    lines = [line for line in said.splitlines() if line.startswith("ok")]
    calls = sum("is connected" in line for line in lines)
    assert calls == 2, said
    run.note(
        "`gateway doctor --turn` in the container", f"{len(lines)} checks, {calls} calls through the relay, none wrong"
    )


async def call(run: Run, url: str, environment: dict[str, str]) -> None:
    """A Chromium that may only use the relay, with a token made by the operator's key."""
    token = await asyncio.to_thread(mint, url, environment["GATEWAY_OPERATOR_KEY"])
    microphone, camera = run.work / "microphone.wav", run.work / "camera.mjpeg"
    if not camera.exists():
        write_microphone(microphone, read_wav(CORPUS / "speech/question.wav", 16_000))
        write_camera(camera)
    devices = [
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
        f"--use-file-for-fake-video-capture={camera}",
        f"--unsafely-treat-insecure-origin-as-secure={url.rstrip('/')}",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*CHROMIUM, *devices])
        page = await browser.new_page(permissions=["microphone", "camera"])
        await page.add_init_script(RELAY_ONLY)
        await page.goto(f"{url}#token={token}")
        await page.get_by_role("button", name="Start").click()
        answer = page.locator("#captions [data-who=model]").last
        await expect(answer).to_contain_text("seconds of speech", timeout=PATIENCE_MS)
        kind, protocol = await page.evaluate(PAIR)
        assert kind == "relay"
        words = await answer.inner_text()
        await page.get_by_role("button", name="End").click()
        await browser.close()
    run.note("Chromium, relay only", f"connected over TURN/{protocol.upper()}; the model said “{words.strip()}”")


def mint(url: str, operator_key: str) -> str:
    """A token, as an operator's backend asks for one."""
    headers = {"Authorization": f"Bearer {operator_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}v1/tokens", b"{}", headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        return str(json.load(response)["token"])


def tells_by_session(run: Run, names: dict[str, str]) -> None:
    """Each line of the gateway's log is JSON, the calls' with their session."""
    text = run.podman("logs", names["gateway"])
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    sessions = {line["session"] for line in lines if "session" in line}
    assert len(sessions) >= 2
    assert all(line["level"] in ("INFO", "WARNING") for line in lines), text
    run.note("the gateway's log", f"{len(lines)} lines of JSON, {len(sessions)} sessions, no error")


def is_monitored(run: Run, environment: dict[str, str]) -> None:
    """Prometheus reads the gateway's metrics with the operator's key; every rule and every panel can be worked out."""
    names = {rule["alert"] for rule in ALERTS}
    with Prometheus(run.work, environment["GATEWAY_PORT"], environment["GATEWAY_OPERATOR_KEY"]) as prometheus:
        wait_until(lambda: prometheus.rules() == dict.fromkeys(names, "ok"), prometheus.said)
        # Rates need more than one look.
        wait_until(lambda: prometheus.value('sum_over_time(up{job="gateway"}[5m])') > 3, prometheus.said)
        for counted in ("links_opened_total", "sessions_ended_total", "ttfab_seconds_count"):
            assert prometheus.value(f"sum(gateway_{counted})") > 0, counted
        assert prometheus.value("min(gateway_turn_up)") == 1
        queries = [re.sub(r"\$__\w+", "5m", expr).replace("$instance", ".*") for expr in expressions().values()]
        shown = sum(bool(prometheus.ask("query", query=query)["result"]) for query in queries)
    run.note(
        "Prometheus with the files here",
        f"reads the gateway's metrics; {len(names)} rules of alerts worked out; {shown} of the dashboard's "
        f"{len(queries)} queries have values after one call, the rest are of what did not happen",
    )


@contextlib.contextmanager
def private_network() -> Iterator[str]:
    """A network namespace with the one address that deploy/relay-only.yml gives; this machine is its neighbour."""
    name = f"gateway-{secrets.token_hex(3)}"
    outside, inside = f"o{name[-6:]}", f"i{name[-6:]}"
    commands = f"""
        ip netns add {name}
        ip link add {outside} type veth peer name {inside}
        ip link set {inside} netns {name}
        ip addr add 172.28.0.1/24 dev {outside}
        ip link set {outside} up
        ip -n {name} addr add {PRIVATE}/24 dev {inside}
        ip -n {name} link set lo up
        ip -n {name} link set {inside} up
        ip -n {name} route add default via 172.28.0.1
    """
    try:
        for command in commands.split("\n"):
            if command.strip():
                subprocess.run(command.split(), check=True, capture_output=True)
        yield f"ns:/run/netns/{name}"
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)
        subprocess.run(["ip", "link", "delete", outside], capture_output=True)


async def topology(run: Run, title: str, filled: dict[str, str], network: str, host: str, *overlay: str) -> None:
    """One way to run it, from start to end."""
    run.note(title, "")
    found = services(run, filled, *overlay)
    if not overlay:
        refuses_placeholders(run, found)
    with running(run, found, network) as names:
        is_locked_in(run, names)
        runs_in_c(run, names)
        audit(run, names)
        await call(run, f"http://{host}:{filled['GATEWAY_PORT']}/", found["gateway"]["environment"])
        tells_by_session(run, names)
        if not overlay:
            await asyncio.to_thread(is_monitored, run, found["gateway"]["environment"])


def report(run: Run, took_s: float) -> str:
    """The document."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    today = datetime.datetime.now(datetime.UTC)
    machine = f"{os.cpu_count()} cores, {memory_gb:.0f} GB, Linux {platform.release().partition('-')[0]}"
    version = subprocess.run(["podman", "--version"], capture_output=True, text=True).stdout.split()[-1]
    rows = "\n".join(f"| {what} | {how} |" if how else f"| **{what}** | |" for what, how in run.seen)
    return f"""# The containers, built and run

Made by `make test-deploy` ({today:%Y-%m-%d}, commit {commit}; {machine}, podman {version}),
in {took_s / 60:.0f} minutes. It builds the images and runs them with the options that `docker-compose config` makes of
the files here, talking to the simulator.

Not Docker itself: podman, buildah and runc. Debian's coturn under the name of upstream's image, with the file
capability that upstream's has. No limits of memory and tasks, which this machine cannot set. The private network of
`relay-only` is a network namespace instead of a bridge of Docker. Prometheus is Debian's program. Caddy, HAProxy and
Grafana are not run here: `tests/deploy` runs the first two as Debian has them, and reads Grafana's dashboard.

| what | seen |
| --- | --- |
{rows}
"""


def main() -> int:
    """Run everything; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, help="where to write what was seen")
    arguments = parser.parse_args()
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing or os.geteuid():
        print(f"Needs root, and these programs: apt-get install {' '.join(missing) or '(all there)'}", file=sys.stderr)
        return 2
    work = Path(tempfile.mkdtemp(prefix="gateway-containers-"))
    begun_s = time.monotonic()
    try:
        run = Run(work)
        make_bases(run)
        run.build("localhost/gemini-live-gateway-turn:local", ROOT / "turn")
        run.build("localhost/gemini-live-gateway:local", ROOT)
        address = next(host for host in host_addresses() if ":" not in host)
        asyncio.run(topology(run, "host network (docker-compose.yml)", settings(address), "host", "127.0.0.1"))
        with private_network() as network:
            asyncio.run(
                topology(
                    run,
                    "relay only (deploy/relay-only.yml)",
                    settings(address),
                    network,
                    PRIVATE,
                    "deploy/relay-only.yml",
                )
            )
        if arguments.report:
            arguments.report.write_text(report(run, time.monotonic() - begun_s), encoding="utf-8")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
