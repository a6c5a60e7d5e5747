"""What a phone outside sees of this machine, told from where a STUN server sees us.

Owns what the comparison of addresses means and what to do about it. It must not know sockets.
**Invariant: a verdict is one finding; nothing is claimed of the outside when the server that was asked is inside.**
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from gateway.findings import Finding
from gateway.turn.client import Address


def verdict(
    asked: str, server: str, local: Address, seen: Address, told: Sequence[Address], *, has_relay: bool
) -> Finding:
    """`local` asked the server (`asked` is its URL, `server` its address) and was `seen`; browsers are `told` these.

    A `local` port of 0 is any.
    """
    where = f"{asked} sees {local[0]} as {seen[0]}"
    told_hosts = {ipaddress.ip_address(host) for host, _ in told}
    host = ipaddress.ip_address(seen[0])
    if ipaddress.ip_address(server).is_private or host.is_private:
        return Finding(
            "warning",
            f"{where}, but it stands in this network itself, so that says nothing of the outside: ask one out there, "
            "gateway doctor --stun HOST:PORT.",
        )
    if host not in told_hosts:
        return Finding(
            "warning" if has_relay else "wrong",
            f"{where}, and browsers are told {', '.join(map(str, sorted(told_hosts, key=str)))}: set "
            f"GATEWAY_UDP_ADVERTISED={seen[0]} and let the router forward the UDP port; without it phones "
            "outside need the relay for every call.",
        )
    if local[1] and seen[1] != local[1]:
        return Finding(
            "warning",
            f"{where}, at another port ({seen[1]} for {local[1]}): the router has to forward UDP {local[1]} to here.",
        )
    return Finding("ok", f"{where}, as browsers are told.")
