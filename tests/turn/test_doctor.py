"""`gateway doctor` before a real coturn and a real gateway."""

import asyncio
import socket
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.doctor_network import look_from_outside, own_url
from gateway.findings import Finding
from gateway.media.aiortc_internals import host_addresses
from gateway.settings import Settings
from tests.coturn import SECRET, Coturn
from tests.programs import Program, free_port

pytestmark = pytest.mark.real

TOKEN_SECRET, OPERATOR_KEY = "of-the-tokens-" * 3, "of-the-operator-" * 3


def environment(coturn: Coturn, port: int, **more: str) -> dict[str, str]:
    """A gateway that asks for tokens and knows this relay."""
    return {
        "GATEWAY_PORT": str(port),
        "GATEWAY_UDP_PORT": str(free_port()),  # as operators have it: in use while the doctor looks
        "GATEWAY_AUTH": "token",
        "GATEWAY_JWT_SECRET": TOKEN_SECRET,
        "GATEWAY_OPERATOR_KEY": OPERATOR_KEY,
        "GATEWAY_TURN_URLS": ",".join(map(coturn.url, ("udp", "tcp"))),
        "GATEWAY_TURN_SECRET": SECRET,
        "GATEWAY_UDP_NETWORKS": "0.0.0.0/0",
        **more,
    }


def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **variables: str) -> tuple[int, str]:
    """`gateway doctor --turn`: its exit code and what it said."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code = main(["doctor", "--turn"])
    return code, capsys.readouterr().out


def test_a_call_is_made_through_each_way_to_the_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a token of its own making; everything is well, and the exit code says so."""
    port = free_port()
    with Coturn(host_addresses()[0], tmp_path) as coturn:
        variables = environment(coturn, port)
        with Program(["serve"], r"Open (\S+)", tmp_path / "gateway.log", **variables):
            code, said = doctor(monkeypatch, capsys, **variables)
    assert code == 0, said
    for transport in ("udp", "tcp"):
        assert f"A call to the gateway through {coturn.url(transport)} is connected" in said
    assert not [line for line in said.splitlines() if line.startswith("wrong")]
    assert SECRET not in said


def test_an_address_that_leads_nowhere_is_found_by_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The relay allows it, and the gateway is not there: only a call shows that."""
    monkeypatch.setattr("gateway.trial.CONNECT_S", 3.0)
    port, nobody = free_port(), "198.51.100.77"
    with Coturn(host_addresses()[0], tmp_path, TURN_PEERS=nobody) as coturn:
        variables = environment(coturn, port, GATEWAY_UDP_ADVERTISED=nobody)
        variables["GATEWAY_TURN_URLS"] = coturn.url("udp")
        with Program(["serve"], r"Open (\S+)", tmp_path / "gateway.log", **variables):
            code, said = doctor(monkeypatch, capsys, **variables)
    assert code == 2
    assert f"relays to the gateway at {nobody}" in said
    assert "did not connect: the relay does not reach the address" in said


def test_a_gateway_that_does_not_run_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And that without a relay there is nothing to audit."""
    with Coturn(host_addresses()[0], tmp_path) as coturn:
        code, said = doctor(monkeypatch, capsys, **environment(coturn, free_port()))
    assert code == 2
    assert "Start the gateway, or name it" in said
    for name in ("GATEWAY_TURN_URLS", "GATEWAY_TURN_SECRET"):
        monkeypatch.delenv(name)
    code, said = doctor(monkeypatch, capsys)
    assert code == 2
    assert "There is no TURN server to audit" in said


async def outside(settings: Settings, stun: str | None = None) -> list[Finding]:
    """All findings."""
    return [finding async for finding in look_from_outside(settings, stun)]


async def test_where_a_server_sees_us_is_asked(tmp_path: Path) -> None:
    """From each address of media, of the server that is set or named; one inside says nothing of the outside."""
    address = host_addresses()[0]
    with Coturn(address, tmp_path) as coturn:
        stun = coturn.url("udp").removeprefix("turn:").partition("?")[0]
        for settings, named in (
            (Settings(udp_networks=(f"{address}/32",)), stun),
            (Settings(udp_networks=(f"{address}/32",), turn_urls=(coturn.url("udp"),), turn_secret=SECRET), None),
        ):
            (found,) = await outside(settings, named)
            assert f"sees {address} as {address}, but it stands in this network itself" in found.text
    (silent,) = await outside(Settings(udp_networks=(f"{address}/32",)), stun)
    assert silent.level == "warning"
    assert "does not answer over UDP" in silent.text


async def test_without_a_server_nothing_is_claimed() -> None:
    """On loopback there is no outside; elsewhere it is said how to ask."""
    assert await outside(Settings()) == []
    (found,) = await outside(Settings(host="0.0.0.0"))
    assert "gateway doctor --stun HOST:PORT" in found.text


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(port=8080), "http://127.0.0.1:8080/"),
        (Settings(host="0.0.0.0", port=80), "http://127.0.0.1:80/"),
        (Settings(host="::", port=80), "http://[::1]:80/"),
        (Settings(host="10.0.0.5", tls_cert=Path("c"), tls_key=Path("k")), "https://10.0.0.5:8080/"),
    ],
)
def test_the_gateway_is_called_where_it_listens(settings: Settings, url: str) -> None:
    """On its own machine."""
    assert own_url(settings) == url


async def test_the_port_of_media_may_be_in_use(tmp_path: Path) -> None:
    """By the gateway itself: another port is asked from then."""
    address = host_addresses()[0]
    with Coturn(address, tmp_path) as coturn, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((address, 0))
        settings = Settings(udp_networks=(f"{address}/32",), udp_port=taken.getsockname()[1])
        (found,) = await outside(settings, coturn.url("udp").removeprefix("turn:").partition("?")[0])
        assert "sees" in found.text
    await asyncio.sleep(0)
