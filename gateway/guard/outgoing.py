"""Where requests that the gateway sends for others may lead: HTTP tools, MCP servers, the keys of a backend.

Owns the rule, and its place: the moment of connecting, when a name has become an address. It must not know what is
asked there.
**Invariant: a private, loopback, link-local or otherwise special address is connected to only when it is listed,
whatever name led there and however often the name changes its mind (DNS rebinding).**
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

from gateway.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address is in its last 32 bits


class AddressRefused(OSError):
    """The address is not one to connect to."""


class Outgoing:
    """The rule of one gateway; `networks` are the listed ones."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        try:
            self._listed = [ipaddress.ip_network(network) for network in networks]
        except ValueError as error:
            raise ConfigError(f"GATEWAY_PRIVATE_NETWORKS has a mistake: {error}.") from None

    def check(self, address: str, *, listed_only: bool = False) -> None:
        """Raises AddressRefused; `listed_only` refuses public addresses as well."""
        for one in _within(ipaddress.ip_address(address.partition("%")[0])):
            if any(one in network for network in self._listed if network.version == one.version):
                continue
            if listed_only or not one.is_global or one.is_multicast:
                text = f"{address} is not to be connected to; GATEWAY_PRIVATE_NETWORKS lists exceptions"
                raise AddressRefused(errno.EACCES, text)

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an entry of `getaddrinfo`: aiohttp's `socket_factory`. Raises AddressRefused."""
        self.check(info[4][0])
        return socket.socket(*info[:3])

    def open_listed_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The same, for listed addresses only."""
        self.check(info[4][0], listed_only=True)
        return socket.socket(*info[:3])

    async def resolve(self, host: str, port: int) -> str:
        """The address of a host, for clients that cannot be given sockets; raises AddressRefused and OSError."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for *_, where in found:
            self.check(str(where[0]))
        return str(found[0][4][0])


def _within(address: Address) -> Iterable[Address]:
    """The address, and those that packets to it may come out at."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        if address in NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
