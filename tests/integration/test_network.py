"""A call in a hostile network."""

import asyncio
import random
import socket
import struct
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from aioice import ice

from gateway.impair import Conditions, Relay
from gateway.media import plane
from gateway.simulator import Simulator
from tests.integration.caller import Caller
from tests.integration.test_session import condition

HOSTILE = 100_000
COOKIE = b"\x21\x12\xa4\x42"


def hostile(chance: random.Random, ufrag: str) -> bytes:
    """Anything but a datagram of the call: what ended calls of aiortc, noise, and false checks with the right name."""
    kind = chance.randrange(6)
    if kind == 0:
        return b""
    if kind == 1:
        return bytes([chance.randrange(0x80, 0xC0)]) + bytes(chance.randrange(1500, 9000))
    if kind == 2:
        return chance.randbytes(chance.randrange(1, 200))
    if kind == 3:
        return bytes([chance.randrange(0x80, 0xC0)]) + chance.randbytes(chance.randrange(11, 1400))
    if kind == 4:
        body = chance.randbytes(chance.randrange(60))
        return struct.pack("!HH", chance.choice((1, 0x101, 0x111)), len(body)) + COOKIE + chance.randbytes(12) + body
    name = f"{ufrag}:nobody".encode()
    name += bytes(-len(name) % 4)
    body = struct.pack("!HH", 6, len(name)) + name + struct.pack("!HH", 8, 20) + chance.randbytes(20)
    return struct.pack("!HH", 1, len(body)) + COOKIE + chance.randbytes(12) + body


async def test_a_hundred_thousand_hostile_datagrams_do_nothing_to_a_call(
    client: TestClient, simulator: Simulator
) -> None:
    """From strangers and from the caller's own address: they are counted, and speech goes on."""
    relay, chance = Relay(Conditions()), random.Random(3)
    async with Caller(client, relay=relay) as caller:
        await condition(lambda: simulator.connections and len(simulator.connections[0].audio) > 32_000)
        ufrag = caller.pc.remoteDescription.sdp.partition("a=ice-ufrag:")[2].split()[0]
        gateway = relay.gateway
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for index in range(HOSTILE):
            data = hostile(chance, ufrag)
            if index % 2:
                stranger.sendto(data, gateway)
            else:
                relay.inject(data)
            await asyncio.sleep(0)  # the gateway reads one at a time; else the kernel would drop most
        stranger.close()
        before = len(simulator.connections[0].audio)
        await condition(lambda: len(simulator.connections[0].audio) > before + 3 * 32_000)
        metrics = await (await client.get("/metrics")).text()
        dropped = sum(
            float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("gateway_udp_dropped_total{")
        )
        assert dropped > HOSTILE / 4, "the kernel may have dropped some, and the plane counts for itself"
        assert await caller.end() == 204
    relay.close()
    assert len(simulator.connections) == 1


async def test_a_new_address_of_the_caller_is_found_by_the_gateway(
    client: TestClient, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that checks nothing any more, and so does not know that its NAT has moved it, is heard and hears."""
    monkeypatch.setattr(ice, "CONSENT_INTERVAL", 3600)
    relay = Relay(Conditions())
    async with Caller(client, relay=relay) as caller, caller.events() as events:
        await condition(lambda: simulator.connections and len(simulator.connections[0].audio) > 32_000)
        relay.change_address()
        before, heard = len(simulator.connections[0].audio), caller.heard
        await condition(lambda: len(simulator.connections[0].audio) > before + 3 * 32_000)
        await events.send_json({"type": "send-text", "data": {"content": "one two"}})
        await condition(lambda: caller.heard > heard)
        assert await caller.end() == 204
    relay.close()
    assert len(simulator.connections) == 1


async def test_a_caller_that_is_not_heard_is_told_so_and_can_find_out_whether_it_hears(
    client: TestClient, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes meanwhile shows it that the way back works; when it is heard again, speech goes on."""
    monkeypatch.setattr(plane, "REPORT_S", 3600)  # what still comes, comes because of the gap
    relay = Relay(Conditions())
    async with Caller(client, relay=relay) as caller, caller.events() as events:
        await condition(lambda: simulator.connections and len(simulator.connections[0].audio) > 32_000)
        relay.change(Conditions(blackouts=((0.0, 3600.0),)), Conditions())
        fact: dict[str, Any] = {}
        while fact.get("type") != "unheard":
            fact = (await events.receive_json()).get("data", {})
        assert fact["ms"] > 600
        before = await packets_of(caller)
        while await packets_of(caller) < before + 2:
            await asyncio.sleep(0.05)
        relay.change(Conditions())
        heard = len(simulator.connections[0].audio)
        await condition(lambda: len(simulator.connections[0].audio) > heard + 32_000)
        assert await caller.end() == 204
    relay.close()


async def packets_of(caller: Caller) -> int:
    """How many of the gateway's have come."""
    return sum(one.packetsReceived for one in (await caller.pc.getStats()).values() if one.type == "transport")
