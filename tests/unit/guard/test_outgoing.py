"""Where outgoing requests may lead."""

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.test_utils import TestServer

from gateway.errors import ConfigError
from gateway.guard.outgoing import AddressRefused, Outgoing

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"]
SPECIAL = [
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # where clouds keep their credentials
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
]


class Rebinding(AbstractResolver):
    """A name that is public when it is looked at and leads home when it is connected to."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
        """The loopback address."""
        found = {"hostname": host, "host": "127.0.0.1", "port": self._port, "family": socket.AF_INET}
        return [{**found, "proto": 0, "flags": socket.AI_NUMERICHOST}]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_asked(address: str) -> None:
    """All of them, in both families; where only listed ones may be, none."""
    Outgoing().check(address)
    with pytest.raises(AddressRefused):
        Outgoing().check(address, listed_only=True)


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_are_refused_unless_they_are_listed(address: str) -> None:
    """Also inside of another: mapped, by 6to4, by NAT64. The refusal names the setting."""
    with pytest.raises(AddressRefused, match="GATEWAY_PRIVATE_NETWORKS"):
        Outgoing(["10.99.0.0/16", "fd99::/16"]).check(address)
    Outgoing(["0.0.0.0/0", "::/0"]).check(address)


def test_a_listed_network_opens_itself_and_nothing_else() -> None:
    """One address, or a range."""
    outgoing = Outgoing(["10.1.0.0/16", "127.0.0.1"])
    for address in ("10.1.255.1", "127.0.0.1"):
        outgoing.check(address, listed_only=True)
    for address in ("10.2.0.1", "127.0.0.2", "169.254.169.254"):
        with pytest.raises(AddressRefused):
            outgoing.check(address)


def test_a_network_that_is_none_stops_the_start() -> None:
    """With a sentence."""
    with pytest.raises(ConfigError, match="GATEWAY_PRIVATE_NETWORKS has a mistake"):
        Outgoing(["10.1.0.0/33"])


@pytest.fixture
async def home() -> Any:
    """A server that nobody from outside should reach, and how often it was."""
    reached: list[str] = []

    async def page(request: web.Request) -> web.Response:
        reached.append(request.host)
        return web.Response(text="at home")

    application = web.Application()
    application.router.add_get("/", page)
    server = TestServer(application)
    await server.start_server()
    yield server, reached
    await server.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "public.example"])
async def test_a_connection_is_refused_where_it_is_made(home: Any, host: str) -> None:
    """By a number, by a name that is private, and by one that has changed its mind; nothing was sent."""
    server, reached = home
    resolver = Rebinding(server.port) if host == "public.example" else None

    async def ask(outgoing: Outgoing) -> str:
        connector = aiohttp.TCPConnector(socket_factory=outgoing.open_socket, resolver=resolver)
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            client.get(f"http://{host}:{server.port}/") as response,
        ):
            return await response.text()

    with pytest.raises(aiohttp.ClientConnectorError, match="GATEWAY_PRIVATE_NETWORKS"):
        await ask(Outgoing())
    assert reached == []
    assert await ask(Outgoing(["127.0.0.0/8"])) == "at home"


async def test_a_name_is_resolved_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look-up, one address; a name with a private address among public ones is refused."""
    answers = [[("8.8.8.8", 443)], [("8.8.8.8", 443), ("10.0.0.1", 443)]]

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where) for where in answers.pop(0)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    assert await Outgoing().resolve("public.example", 443) == "8.8.8.8"
    with pytest.raises(AddressRefused):
        await Outgoing().resolve("public.example", 443)
