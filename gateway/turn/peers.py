"""Addresses that no relay may lead to.

Owns the list, and why each stands in it. It must not know how a relay is asked.
**Invariant: every kind of address by which a machine reaches itself, its neighbours or its cloud's interior has an
example here, in each spelling that IPv6 has for it.**
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """One address, and what it is."""

    address: str
    kind: str

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_address(self.address).version


ANYONE = Peer("8.8.8.8", "anyone on the internet")

# IANA's registries of special-purpose addresses, and the clouds' own.
FORBIDDEN = (
    Peer("0.0.0.0", "this machine"),
    Peer("0.1.2.3", "this network"),
    Peer("127.0.0.1", "loopback"),
    Peer("127.255.255.254", "loopback"),
    Peer("10.0.0.1", "private"),
    Peer("172.16.0.1", "private"),
    Peer("172.31.255.254", "private"),
    Peer("192.168.0.1", "private"),
    Peer("100.64.0.1", "carrier NAT"),
    Peer("169.254.0.1", "link-local"),
    Peer("169.254.169.254", "cloud metadata"),
    Peer("168.63.129.16", "Azure's interior"),
    Peer("100.100.100.200", "Alibaba's metadata"),
    Peer("192.0.0.192", "Oracle's metadata"),
    Peer("192.0.2.1", "documentation"),
    Peer("192.88.99.1", "6to4 relay"),
    Peer("198.18.0.1", "benchmarks"),
    Peer("198.51.100.1", "documentation"),
    Peer("203.0.113.1", "documentation"),
    Peer("224.0.0.1", "multicast"),
    Peer("239.255.255.250", "multicast"),
    Peer("240.0.0.1", "reserved"),
    Peer("255.255.255.255", "broadcast"),
    Peer("::", "this machine"),
    Peer("::1", "loopback"),
    Peer("::127.0.0.1", "IPv4-compatible loopback"),
    Peer("::ffff:0.0.0.0", "IPv4-mapped, this machine"),
    Peer("::ffff:127.0.0.1", "IPv4-mapped loopback"),
    Peer("::ffff:10.0.0.1", "IPv4-mapped private"),
    Peer("::ffff:169.254.169.254", "IPv4-mapped metadata"),
    Peer("::ffff:0:127.0.0.1", "IPv4-translated loopback"),
    Peer("64:ff9b::127.0.0.1", "NAT64 loopback"),
    Peer("64:ff9b::169.254.169.254", "NAT64 metadata"),
    Peer("64:ff9b:1::10.0.0.1", "local NAT64"),
    Peer("100::1", "discard"),
    Peer("2001::1", "Teredo"),
    Peer("2001:db8::1", "documentation"),
    Peer("2002:7f00:1::1", "6to4 of loopback"),
    Peer("2002:a9fe:a9fe::1", "6to4 of metadata"),
    Peer("fc00::1", "unique local"),
    Peer("fd00:ec2::254", "Amazon's metadata"),
    Peer("fe80::1", "link-local"),
    Peer("fec0::1", "site-local"),
    Peer("ff02::1", "multicast"),
)


def forbidden_but(gateways: Iterable[str]) -> list[Peer]:
    """All of them but the gateway's own, which may well be private."""
    own = {ipaddress.ip_address(address) for address in gateways}
    return [peer for peer in FORBIDDEN if ipaddress.ip_address(peer.address) not in own]
