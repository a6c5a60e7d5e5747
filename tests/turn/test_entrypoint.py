"""What the relay's entrypoint refuses, because coturn would take it in silence for something else."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from gateway.media.aiortc_internals import host_addresses
from tests.coturn import ENTRYPOINT, SECRET, Coturn
from tests.programs import STOP_TIMEOUT_S, require

GOOD = {"TURN_SECRET": SECRET, "PUBLIC_IPV4": "198.51.100.10"}


def start(run: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Render and, instead of the server, only show its version."""
    variables = {"PATH": os.environ["PATH"], "TURN_RUN": str(run), **environment}
    return subprocess.run([str(ENTRYPOINT), "--version"], env=variables, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"TURN_SECRET": ""}, "TURN_SECRET is not set"),
        ({"TURN_SECRET": "changeme"}, "still the placeholder"),
        ({"TURN_SECRET": "short"}, "shorter than 16 characters"),
        ({"TURN_SECRET": "a good one  # of today"}, "coturn takes the rest as a comment"),
        ({"TURN_SECRET": SECRET, "TURN_SECRET_FILE": "/dev/null"}, "are both set"),
        ({"TURN_SECRET": "", "TURN_SECRET_FILE": "/nowhere"}, "cannot be read"),
        ({"TURN_SECRET": "", "TURN_SECRET_FILE": "/dev/null"}, "is blank"),
        ({"TURN_SECRET_PREVIOUS": "changeme"}, "TURN_SECRET_PREVIOUS is still the placeholder"),
        ({"PUBLIC_IPV4": ""}, "PUBLIC_IPV4 is not set"),
        ({"PUBLIC_IPV4": "turn.example"}, "is not an IPv4 address"),
        ({"PUBLIC_IPV4": "203.0.113.256"}, "is not an IPv4 address"),
        ({"PRIVATE_IPV4": "fd00::1"}, "is not an IPv4 address"),
        ({"TURN_PEERS": "10.0.0.0/8"}, "passes over a network"),
        ({"TURN_PEERS": "10.0.0.0-10.0.0.9"}, "single IPv4 addresses"),
        ({"TURN_PEERS": "127.0.0.1"}, "which is no gateway"),
        ({"TURN_PEERS": "169.254.169.254"}, "which is no gateway"),
        ({"TURN_PEERS": "198.51.100.20,0.0.0.0"}, "which is no gateway"),
        ({"TURN_TOTAL_QUOTA": "801"}, "fewer ports than TURN_TOTAL_QUOTA"),
        ({"TURN_PORT": "udp"}, "TURN_PORT=udp is not a number"),
        ({"TURN_REALM": "a b"}, "TURN_REALM"),
        ({"TURN_CERT": "/certs/fullchain.pem"}, "TURN_KEY is not"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_coturn_would_misread_ends_with_a_sentence(tmp_path: Path, wrong: dict[str, str], words: str) -> None:
    """Exit code 2, one line, no configuration left behind."""
    ended = start(tmp_path, **{**GOOD, **wrong})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("turn: ")
    assert ended.stderr.count("\n") == 1
    assert words in ended.stderr
    assert not (tmp_path / "turnserver.conf").exists()


def test_an_option_that_this_coturn_does_not_know_is_an_error(tmp_path: Path) -> None:
    """Coturn itself passes over it and goes on."""
    old = tmp_path / "turnserver"
    old.write_text("#!/bin/sh\necho '--listening-ip  --relay-ip'\n")
    old.chmod(0o755)
    ended = start(tmp_path, **GOOD, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert ended.returncode == 2
    assert "does not know the option listening-port" in ended.stderr


def test_secrets_come_from_files_and_are_nobody_elses_to_read(tmp_path: Path) -> None:
    """As Docker and Kubernetes give them; the configuration that has them is its owner's alone."""
    require("turnserver", "apt-get install coturn")
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    ended = start(tmp_path, PUBLIC_IPV4="198.51.100.10", PRIVATE_IPV4="10.0.0.5", TURN_SECRET_FILE=str(secret))
    assert ended.returncode == 0, ended.stderr
    configuration = tmp_path / "turnserver.conf"
    assert configuration.stat().st_mode & 0o077 == 0
    lines = configuration.read_text().splitlines()
    assert [line for line in lines if line.startswith("static-auth-secret")] == [f"static-auth-secret={SECRET}"]
    assert {"allowed-peer-ip=10.0.0.5", "allowed-peer-ip=198.51.100.10", "no-tls"} <= set(lines)
    assert "external-ip=198.51.100.10" in lines


@pytest.mark.real
def test_as_the_first_process_of_a_container_it_ends_when_it_is_told(tmp_path: Path) -> None:
    """There a signal that a program has no handler for is lost, and coturn has none for SIGTERM."""
    require("unshare", "apt-get install util-linux")
    if os.geteuid():
        pytest.skip("needs root, for a process namespace")
    with Coturn(host_addresses()[0], tmp_path, under=("unshare", "--pid", "--fork", "--kill-child")) as coturn:
        children = Path(f"/proc/{coturn.process.pid}/task/{coturn.process.pid}/children").read_text().split()
        first = int(children[0])
        assert re.findall(r"(?m)^NSpid:.*\t(\d+)$", Path(f"/proc/{first}/status").read_text()) == ["1"]
        os.kill(first, signal.SIGTERM)
        coturn.process.wait(STOP_TIMEOUT_S)
