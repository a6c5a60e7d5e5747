"""The audit finds what is wrong with a relay: each hole is opened in a real coturn, and found."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.media.aiortc_internals import host_addresses
from gateway.settings import IceServer
from gateway.turn.audit import audit
from gateway.turn.client import servers_of
from tests.coturn import SECRET, Coturn, wait_for
from tests.programs import STOP_TIMEOUT_S, require
from tests.turn.conftest import GATEWAY

pytestmark = pytest.mark.real


async def wrong(server: IceServer, gateways: list[str]) -> str:
    """What the audit calls wrong."""
    findings = [finding async for finding in audit(servers_of((server,)), gateways)]
    return "\n".join(finding.text for finding in findings if finding.level == "wrong")


@contextmanager
def careless(directory: Path, *options: str) -> Iterator[Coturn]:
    """A coturn as one finds it: these options, and a list of private networks that nobody wrote in IPv6."""
    require("turnserver", "apt-get install coturn")
    address = host_addresses()[0]
    coturn = Coturn(address, directory)
    port = coturn.url("udp").partition("?")[0].rpartition(":")[2]
    with (directory / "turn.log").open("w") as log:
        process = subprocess.Popen(
            [
                shutil.which("turnserver") or "",
                *("-n", "--no-tls", "--no-dtls", "--log-file=stdout", f"--listening-ip={address}"),
                *(f"--listening-port={port}", "--relay-ip=::1", f"--relay-ip={address}", "--realm=test"),
                *(f"--pidfile={directory}/pid", f"--userdb={directory}/db"),
                *("--denied-peer-ip=127.0.0.0-127.255.255.255", "--denied-peer-ip=169.254.0.0-169.254.255.255"),
                *options,
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"]},
        )
    try:
        wait_for(address, int(port))
        yield coturn
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)


async def test_a_usual_list_of_private_networks_has_holes(tmp_path: Path) -> None:
    """What the list forgets, TCP, and, where the server has an IPv6 relay, the same networks in its spellings."""
    with careless(tmp_path, "--use-auth-secret", f"--static-auth-secret={SECRET}") as coturn:
        found = await wrong(coturn.server("udp", "tcp"), [coturn.address])
    assert "RELAYS TO 10.0.0.1 (private)" in found
    assert "RELAYS TO 127.0.0.1" not in found
    assert "opens TCP connections" in found
    if socket.has_ipv6:
        assert "RELAYS TO fd00:ec2::254 (Amazon's metadata) by an IPv6 relay" in found or "4.1" in version()


async def test_a_relay_for_anyone_is_found(tmp_path: Path) -> None:
    """One without authentication."""
    with careless(tmp_path, "--no-auth") as coturn:
        found = await wrong(coturn.server("udp"), [coturn.address])
    assert "relays for anyone, without credentials" in found


async def test_a_relay_that_knows_another_secret_or_gateway_is_found(tmp_path: Path) -> None:
    """With what to do about it."""
    with Coturn(host_addresses()[0], tmp_path, TURN_PEERS=GATEWAY) as coturn:
        other = await wrong(coturn.server("udp", secret="of-another-installation"), [GATEWAY])
        moved = await wrong(coturn.server("udp"), ["198.51.100.99"])
    assert "does not take our credentials" in other
    assert "refuses the gateway at 198.51.100.99" in moved
    assert "TURN_PEERS" in moved


async def test_a_relay_that_is_not_there_is_found(tmp_path: Path) -> None:
    """Over each transport, in words."""
    coturn = Coturn(host_addresses()[0], tmp_path)
    found = await wrong(coturn.server("udp", "tcp"), [GATEWAY])
    assert "does not answer over UDP" in found
    assert "cannot be reached" in found
    assert found.count("Is coturn running") == 2


def version() -> str:
    """Of the turnserver that is installed."""
    return subprocess.run(["turnserver", "--version"], capture_output=True, text=True).stdout.strip()
