"""Whether a relay does its work and no more: it leads to the gateway, for those who have credentials, and nowhere else.

Owns what is asked of a TURN server, in what order, and what each answer means. It must not know how credentials are
made. It asks for permissions and sends nothing to any of the addresses it asks for.
**Invariant: whatever a server answers, the audit goes on to its end; what was not refused is `wrong`, also when it
could not be found out.**
"""

from __future__ import annotations

import dataclasses
import ipaddress
import ssl
import warnings
from collections.abc import AsyncIterator, Sequence

from gateway.findings import Finding
from gateway.turn.client import TCP, Client, Refused, Server, Unreachable
from gateway.turn.peers import ANYONE, Peer, forbidden_but

UNAUTHORIZED = 401


async def audit(
    servers: Sequence[Server], gateways: Sequence[str], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Finding]:
    """Every finding about these TURN servers; `gateways` are the addresses that browsers are told."""
    audited: set[str] = set()
    for server in servers:
        if not server.relays:
            continue
        try:
            async for finding in _door(server, tls):
                yield finding
            if server.host not in audited:  # whom a relay leads to does not depend on how one comes to it
                audited.add(server.host)
                async for finding in _peers(server, gateways, tls):
                    yield finding
        except Unreachable as error:
            yield Finding("wrong", f"{server.url}: {error}. Is coturn running, and the port open in the firewall?")
        except Refused as error:
            yield Finding("wrong", f"{server.url} refused what it should have granted: {error}.")


async def _door(server: Server, tls: ssl.SSLContext | None) -> AsyncIterator[Finding]:
    """Who gets in."""
    if server.transport == "tls":
        async for finding in _tls(server, tls):
            yield finding
    async with Client(server, tls=tls) as client:
        try:
            relay, _ = await client.allocate()
        except Refused as error:
            if error.code != UNAUTHORIZED:
                raise
            yield Finding(
                "wrong",
                f"{server.url} does not take our credentials: GATEWAY_TURN_SECRET and its TURN_SECRET differ, or a "
                "clock is wrong.",
            )
            return
        yield Finding("ok", f"{server.url} takes our credentials and relays from {relay}.")
        if _is_private(relay) and not _is_private(server.host):
            yield Finding(
                "wrong", f"{server.url} tells browsers to be found at {relay}, which is private: set PUBLIC_IPV4."
            )
    strangers = {"without credentials": None, "with wrong credentials": "wrong"}
    for words, password in strangers.items():
        stranger = dataclasses.replace(server, password=password) if password else server
        async with Client(stranger, tls=tls) as client:
            try:
                await (client.allocate() if password else client.allocate_anonymously())
            except Refused as error:
                yield Finding("ok", f"{server.url} refuses to relay {words} ({error}).")
            else:
                yield Finding("wrong", f"{server.url} relays for anyone, {words}: set use-auth-secret.")
    if server.transport != "udp":
        async with Client(server, tls=tls) as client:
            try:
                await client.allocate(transport=TCP)
            except Refused as error:
                yield Finding("ok", f"{server.url} refuses to open TCP connections ({error}).")
            else:
                yield Finding("wrong", f"{server.url} opens TCP connections for its users: set no-tcp-relay.")


async def _peers(server: Server, gateways: Sequence[str], tls: ssl.SSLContext | None) -> AsyncIterator[Finding]:
    """Whom a relay leads to."""
    for gateway in gateways:
        async with Client(server, tls=tls) as client:
            await client.allocate()
            try:
                await client.permit(gateway)
            except Refused as error:
                if ipaddress.ip_address(gateway).version == 6:
                    yield Finding("ok", f"{server.url} has no way to the gateway at {gateway}: it relays IPv4 only.")
                    continue
                yield Finding(
                    "wrong", f"{server.url} refuses the gateway at {gateway} ({error}): add it to its TURN_PEERS."
                )
            else:
                yield Finding("ok", f"{server.url} relays to the gateway at {gateway}.")
    async with Client(server, tls=tls) as client:
        relay, _ = await client.allocate()
        peers = [*forbidden_but(gateways), *_own(server.host, relay, gateways), ANYONE]
        for peer in peers:
            yield await _refuses(client, server, peer, "")
    for words, family, also in ((" by an IPv6 relay", 6, None), (" by a relay of both kinds", None, 6)):
        async with Client(server, tls=tls) as client:
            try:
                await client.allocate(family=family, also=also)
            except Refused as error:
                yield Finding("ok", f"{server.url} gives no relay{words.removeprefix(' by')} ({error}).")
                continue
            findings = [await _refuses(client, server, peer, words) for peer in peers]
            bad = [finding for finding in findings if finding.level != "ok"]
            for finding in bad or [Finding("ok", f"{server.url} refuses all {len(findings)} of them also{words}.")]:
                yield finding


def _own(host: str, relay: str, gateways: Sequence[str]) -> list[Peer]:
    """The relay's own addresses, as far as they are known, where the gateway is on another machine."""
    return [Peer(address, "the relay itself") for address in {host, relay} - set(gateways) if _is_address(address)]


async def _refuses(client: Client, server: Server, peer: Peer, words: str) -> Finding:
    try:
        await client.permit(peer.address)
    except Refused as error:
        return Finding("ok", f"{server.url} refuses {peer.address} ({peer.kind}){words} ({error}).")
    except Unreachable as error:
        return Finding("wrong", f"{server.url} was asked for {peer.address} ({peer.kind}){words}, and {error}.")
    if peer is ANYONE:
        return Finding("warning", f"{server.url} relays to {peer.kind}{words}: allow the gateway alone, as turn/ does.")
    return Finding("wrong", f"{server.url} RELAYS TO {peer.address} ({peer.kind}){words}: deny it, as turn/ does.")


async def _tls(server: Server, tls: ssl.SSLContext | None) -> AsyncIterator[Finding]:
    """Nothing before TLS 1.2."""
    old = tls_of_old()
    try:
        async with Client(server, tls=old):
            yield Finding("wrong", f"{server.url} speaks TLS 1.1: set no-tlsv1 and no-tlsv1_1.")
    except Unreachable as error:
        yield Finding("ok", f"{server.url} speaks no TLS before 1.2 ({error}).")


def tls_of_old() -> ssl.SSLContext:
    """What asks for TLS 1.0 or 1.1, and does not look at certificates."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that nobody should speak it is what is checked
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    return old


def _is_private(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_private


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
