"""What the doctor asks of the network: how this machine looks from outside, and whether the relays are as they should.

Owns who is asked. It must not know what the answers mean (`turn.outside`, `turn.audit`, `trial`).
**Invariant: it starts nothing that stays, and what cannot be found out is a finding as well.**
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time
from collections.abc import AsyncIterator

from gateway.errors import ConfigError, GatewayError
from gateway.findings import Finding
from gateway.guard.grant import TokenRequest
from gateway.guard.operator import OPERATOR
from gateway.guard.tokens import tokens_of
from gateway.guard.turn_credentials import ice_servers
from gateway.media.aiortc_internals import host_addresses
from gateway.media.datagrams import Address
from gateway.media.udp import UdpPort, is_within, parse_address
from gateway.settings import Settings
from gateway.trial import call_through, relays
from gateway.turn.audit import audit
from gateway.turn.client import Client, Server, Unreachable, servers_of
from gateway.turn.outside import verdict


async def offered(settings: Settings) -> list[Address]:
    """What browsers are told of where media goes; raises ConfigError."""
    port = UdpPort()
    try:
        await port.open(settings.udp_port, (), settings.udp_networks, settings.udp_advertised)
        return port.offered
    finally:
        port.close()


async def look_from_outside(settings: Settings, stun: str | None) -> AsyncIterator[Finding]:
    """What a server out there sees of each address that media uses; `stun` is `host` or `host:port`."""
    known = servers_of(ice_servers(settings, OPERATOR, time.time()))
    server = _stun_server(stun) if stun else next((one for one in known if one.transport == "udp"), None)
    if server is None:
        if not settings.listens_on_loopback:
            yield Finding(
                "warning",
                "No STUN or TURN server is set, so what phones outside see of this machine was not looked at: gateway "
                "doctor --stun HOST:PORT asks one.",
            )
        return
    told = _told(settings)
    for host in host_addresses():
        if not is_within(host, settings.udp_networks):
            continue
        asked = await _resolved(server, ipv6=":" in host)
        if asked is None:
            continue
        try:
            local, seen = await _seen(asked, (host, settings.udp_port))
        except Unreachable as error:
            yield Finding("warning", f"{server.url} was asked from {host} how that looks from outside, and {error}.")
            continue
        has_relay = any(one.relays for one in known)
        yield verdict(server.url, asked.host, local, seen, told or [local], has_relay=has_relay)


async def examine_relays(settings: Settings, gateway_url: str | None, token: str | None) -> AsyncIterator[Finding]:
    """The audit of every TURN server of the settings, and a call through each of them."""
    servers = servers_of(ice_servers(settings, OPERATOR, time.time()))
    if not any(server.relays for server in servers):
        yield Finding("wrong", "There is no TURN server to audit: set GATEWAY_TURN_URLS and GATEWAY_TURN_SECRET.")
        return
    own = [host for host in host_addresses() if is_within(host, settings.udp_networks)]
    gateways = list(dict.fromkeys([host for host, _ in _told(settings)] or own))
    async for finding in audit(servers, gateways):
        yield finding
    url = gateway_url or own_url(settings)
    for server in relays(servers):
        try:
            bearer = token or _token(settings)
        except GatewayError as error:
            yield Finding("wrong", f"No call was made: {error.user_message} Give one: --token.")
            return
        yield await call_through(server, url, bearer)


def own_url(settings: Settings) -> str:
    """Where a gateway of these settings is found on its own machine."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    host = everywhere.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls_cert else 'http'}://{host}:{settings.port}/"


def _told(settings: Settings) -> list[Address]:
    """The advertised addresses, wherever the doctor runs."""
    return [parse_address(text, settings.udp_port) for text in settings.udp_advertised]


def _token(settings: Settings) -> str | None:
    """One for one call, where the gateway asks for tokens and these settings can make them; raises GatewayError."""
    if settings.effective_auth != "token":
        return None
    tokens = tokens_of(settings)
    if tokens is None:
        raise ConfigError("These settings have no secret to make a token with.")
    return tokens.mint(TokenRequest(subject="gateway-doctor", expires_in_s=60), time.time()).token


def _stun_server(text: str) -> Server:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        host, port = text, "3478"
    return Server(f"stun:{host}:{port}", host.strip("[]"), int(port), "udp", relays=False)


async def _resolved(server: Server, *, ipv6: bool) -> Server | None:
    """The server at its address of this family; None when it has none."""
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(server.host, server.port, family=family, type=socket.SOCK_DGRAM)
    except OSError:
        return None
    return dataclasses.replace(server, host=str(found[0][4][0]))


async def _seen(server: Server, local: Address) -> tuple[Address, Address]:
    """(the address asked from, what the server saw); from the port of media where that is free."""
    for port in dict.fromkeys((local[1], 0)):
        try:
            async with Client(server, local=(local[0], port)) as client:
                return (local[0], port), await client.binding()
        except Unreachable:
            if port == 0:
                raise
    raise AssertionError  # the last port is 0
