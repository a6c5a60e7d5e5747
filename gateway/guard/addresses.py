"""Whose address a request comes from.

Owns what is believed of `X-Forwarded-For` and `Forwarded` (RFC 7239), and which addresses count as one. It must not
know HTTP beyond the text of these headers.
**Invariant: an entry of a header is believed only when everyone between it and us is a trusted proxy; what cannot be
read is not believed, and raises nothing.**
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNKNOWN = "unknown"  # a peer without an address, such as a Unix socket
SITE_BITS = 64  # of IPv6: what one customer has at least, and can send from at will (RFC 6177 §2)
FOR = re.compile(r'(?:^|;)\s*for=("[^"]*"|[^;,\s]*)', re.IGNORECASE)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks or single addresses; raises ValueError."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def client_of(peer: str, hops: Iterator[Address | None], trusted: Sequence[Network]) -> str:
    """The address of who sent a request. `peer` is who connected to us, `hops` what the header says of those before it,
    the last first."""
    client = parse(peer)
    if client is None:
        return UNKNOWN
    while any(client in network for network in trusted):
        hop = next(hops, None)
        if hop is None:
            break
        client = hop
    return str(client)


def forwarded_for(lines: Sequence[str]) -> Iterator[Address | None]:
    """`X-Forwarded-For`, the last hop first; None for what is not an address."""
    for line in reversed(lines):
        for entry in reversed(line.split(",")):
            yield parse(entry.strip())


def forwarded(lines: Sequence[str]) -> Iterator[Address | None]:
    """`Forwarded` (RFC 7239 §4), the last hop first; None for an obfuscated or unknown one."""
    for line in reversed(lines):
        for element in reversed(line.split(",")):
            found = FOR.search(element.strip())
            yield parse(found[1].strip('"')) if found else None


def parse(text: str) -> Address | None:
    """An address, with or without a port, brackets or a zone; IPv4 in IPv6 as IPv4."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def site_of(address: str) -> str:
    """What counts as one sender: an IPv4 address, the /64 of an IPv6 address."""
    parsed = parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, SITE_BITS), strict=False))
    return address
