"""The compose files: what docker-compose makes of them, and what each container may do."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.make_env import fill
from gateway.settings import Settings, env_names
from gateway.workers import KILL_S
from tests.programs import require

ROOT = Path(__file__).parents[2]
OVERLAYS = {"host": [], "relay-only": ["-f", "deploy/relay-only.yml"], "bridge": ["-f", "deploy/bridge.yml"]}
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
SERVICES = {"gateway", "turn", "redis", "caddy", "sni", "prometheus", "grafana"}

Services = dict[str, dict[str, Any]]


def compose(directory: Path, env_file: str, overlay: list[str]) -> subprocess.CompletedProcess[str]:
    """`docker-compose config` of a copy of the files, with this .env."""
    require("docker-compose", "apt-get install docker-compose")
    shutil.copy(ROOT / "docker-compose.yml", directory)
    for part in ("deploy", "turn"):
        shutil.copytree(ROOT / part, directory / part, dirs_exist_ok=True)
    (directory / ".env").write_text(env_file, encoding="utf-8")
    return subprocess.run(
        [
            "docker-compose",
            "-f",
            "docker-compose.yml",
            *overlay,
            "--profile",
            "edge",
            "--profile",
            "observability",
            "--profile",
            "redis",
            "config",
        ],
        capture_output=True,
        text=True,
        cwd=directory,
        env={"PATH": os.environ["PATH"]},
    )


@pytest.fixture(scope="module")
def topologies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Services]:
    """The services of each way to run it, with a .env as `make secrets` makes it on a machine with a public address."""
    found = {}
    for name, overlay in OVERLAYS.items():
        shown = compose(tmp_path_factory.mktemp(name), fill(EXAMPLE, "8.8.4.4"), overlay)
        assert shown.returncode == 0, shown.stderr
        found[name] = yaml.safe_load(shown.stdout)["services"]
        assert set(found[name]) == SERVICES
    return found


def test_every_container_is_hardened(topologies: dict[str, Services]) -> None:
    """Read-only, no capability but what ports below 1024 need, no way to more; bounded in memory, tasks and logs."""
    for service in (one for services in topologies.values() for one in services.values()):
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"
        assert service["mem_limit"]
        assert service["pids_limit"]
        assert service["stop_grace_period"]
        assert service["logging"]["options"]["max-size"]
        assert all("size=" in mount for mount in service.get("tmpfs", []))
    added = {name: one["cap_add"] for name, one in topologies["host"].items() if "cap_add" in one}
    assert added == {"sni": ["NET_BIND_SERVICE", "SETUID", "SETGID"]}


def test_images_are_pinned_and_ours_run_as_nobody(topologies: dict[str, Services]) -> None:
    """No `latest`; a user and a health check in each Dockerfile, or beside the image."""
    for name, service in topologies["host"].items():
        assert re.fullmatch(r"\S+:(\S*\d\S*|local)", service["image"]), name
        assert "latest" not in service["image"]
    for dockerfile in (ROOT / "Dockerfile", ROOT / "turn/Dockerfile", ROOT / "deploy/edge/Dockerfile"):
        text = dockerfile.read_text(encoding="utf-8")
        assert re.search(r"(?m)^USER 10001:10001$", text), dockerfile
        assert re.findall(r"(?m)^ARG [A-Z]+=\S+:\S*\d\S*$", text), dockerfile
        assert set(re.findall(r"(?m)^FROM (\S+)", text)) == {f"${{{re.findall('(?m)^ARG ([A-Z]+)=', text)[0]}}}"}
    checked = {name for name, service in topologies["host"].items() if "healthcheck" in service}
    assert checked == SERVICES - {"gateway", "turn"}
    assert all("HEALTHCHECK" in (ROOT / path).read_text() for path in ("Dockerfile", "turn/Dockerfile"))


def test_only_the_relay_and_media_are_on_the_outside(topologies: dict[str, Services]) -> None:
    """By default HTTP listens on loopback; without the host's network only what is named is published."""
    for name in ("gateway", "turn", "prometheus", "grafana"):
        assert topologies["host"][name]["network_mode"] == "host"
    assert topologies["host"]["gateway"]["environment"]["GATEWAY_HOST"] == "127.0.0.1"
    assert topologies["host"]["redis"]["environment"]["REDIS_ADDRESS"] == "127.0.0.1"
    assert "--web.listen-address=127.0.0.1:9090" in topologies["host"]["prometheus"]["command"]
    assert topologies["host"]["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert topologies["relay-only"]["gateway"]["ports"] == ["127.0.0.1:8080:8080/tcp"]
    http, media = topologies["bridge"]["gateway"]["ports"]
    assert http == "127.0.0.1:8080:8080/tcp"
    assert (media["protocol"], str(media["published"])) in (("udp", "50000"), ("udp", "50000-50000"))


def test_each_worker_has_its_published_port(tmp_path: Path) -> None:
    """On a bridge: as many as there are workers, counted up."""
    env = re.sub(r"(?m)^UDP_PORT_LAST=.*$", "UDP_PORT_LAST=50003", fill(EXAMPLE, "8.8.4.4"))
    shown = compose(tmp_path, env, OVERLAYS["bridge"])
    _, *media = yaml.safe_load(shown.stdout)["services"]["gateway"]["ports"]
    assert media == [{"protocol": "udp", "published": port, "target": port} for port in range(50000, 50004)]


def test_a_stop_leaves_time_to_drain(topologies: dict[str, Services]) -> None:
    """Calls have GATEWAY_DRAIN_S, and then what is left has a moment to end."""
    for services in topologies.values():
        drain_s = float(services["gateway"]["environment"]["GATEWAY_DRAIN_S"])
        grace = services["gateway"]["stop_grace_period"]
        assert grace in ("60s", "1m0s")
        assert drain_s + KILL_S + 10 <= 60


@pytest.mark.parametrize("name", ["relay-only", "bridge"])
def test_on_a_bridge_the_relay_leads_to_the_gateway_alone(topologies: dict[str, Services], name: str) -> None:
    """Its fixed address, and not this machine's."""
    gateway, turn = topologies[name]["gateway"], topologies[name]["turn"]
    assert not gateway.get("network_mode")
    address = gateway["networks"]["private"]["ipv4_address"]
    assert turn["environment"]["TURN_PEERS"] == address
    assert turn["network_mode"] == "host"
    told = gateway["environment"]["GATEWAY_UDP_ADVERTISED"]
    assert told == ("" if name == "relay-only" else f"8.8.4.4,{address}")


def test_the_proxy_in_front_is_believed(topologies: dict[str, Services]) -> None:
    """By the address that its requests come from; else all callers would share the limits of one."""
    for name, services in topologies.items():
        proxy = "127.0.0.1" if name == "host" else "172.28.0.1"
        assert services["gateway"]["environment"]["GATEWAY_TRUSTED_PROXIES"] == proxy


def test_both_sides_share_what_they_must(topologies: dict[str, Services]) -> None:
    """The relay's secret, its port, and the address at which browsers find it."""
    gateway, turn = topologies["host"]["gateway"]["environment"], topologies["host"]["turn"]["environment"]
    assert gateway["GATEWAY_TURN_SECRET"] == turn["TURN_SECRET"]
    assert gateway["GATEWAY_TURN_URLS"].startswith(f"turn:{turn['PUBLIC_IPV4']}:{turn['TURN_PORT']}?transport=udp,")
    assert gateway["GATEWAY_OPERATOR_KEY"] == topologies["host"]["prometheus"]["environment"]["OPERATOR_KEY"]
    for other in SERVICES - {"gateway"}:
        assert "GEMINI_API_KEY" not in topologies["host"][other].get("environment", {})


@pytest.mark.parametrize("missing", ["PUBLIC_IPV4", "PRIVATE_IPV4", "GATEWAY_TURN_SECRET"])
def test_what_is_not_filled_in_is_said(tmp_path: Path, missing: str) -> None:
    """Before anything starts, with the command that helps."""
    shown = compose(tmp_path, re.sub(rf"(?m)^{missing}=.*$", f"{missing}=", fill(EXAMPLE, "8.8.4.4")), [])
    assert shown.returncode != 0
    assert "make secrets" in shown.stderr


def test_the_example_names_every_variable_once() -> None:
    """Of the gateway and of the compose files; what compose does not hand on has no name of a setting."""
    named = re.findall(r"(?m)^#? ?([A-Z][A-Z0-9_]+)=", EXAMPLE)
    assert sorted(named) == sorted(set(named))
    settings = {env_names(field)[0] for field in Settings.model_fields}
    assert settings <= set(named)
    assert {name for name in named if name.startswith("GATEWAY_")} <= settings
    read = {
        name
        for path in (ROOT / "docker-compose.yml", *(ROOT / "deploy").glob("*.yml"))
        for name in re.findall(r"(?<!\$)\$\{(\w+)", path.read_text(encoding="utf-8"))
    }
    assert read <= set(named)
    placeholders = re.findall(r"(?m)^(\w+)=changeme$", EXAMPLE)
    assert len(placeholders) == 5
