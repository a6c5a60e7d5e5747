"""The relay between a browser and the gateway."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.impair import Conditions, Relay, without_candidates

ANSWER = """v=0\r
m=audio 9 UDP/TLS/RTP/SAVPF 111\r
a=candidate:1 1 udp 2130706431 192.0.2.2 40000 typ host\r
a=candidate:2 1 udp 2130706431 2001:db8::2 40000 typ host\r
a=end-of-candidates\r
"""


class End(asyncio.DatagramProtocol):
    """A socket and what came to it."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Remember it."""
        self.got.put_nowait((data, addr))


async def end() -> tuple[asyncio.DatagramTransport, End]:
    """A loopback socket."""
    return await asyncio.get_running_loop().create_datagram_endpoint(End, local_addr=("127.0.0.1", 0))


@pytest.fixture
async def ends() -> AsyncIterator[tuple[asyncio.DatagramTransport, End, asyncio.DatagramTransport, End]]:
    """Browser and gateway."""
    browser, at_browser = await end()
    gateway, at_gateway = await end()
    yield browser, at_browser, gateway, at_gateway
    browser.close()
    gateway.close()


async def test_datagrams_go_both_ways_and_a_new_address_is_seen(ends: Any) -> None:
    """The gateway answers where a datagram came from; after a change of address it is another place."""
    browser, at_browser, gateway, at_gateway = ends
    relay = Relay(Conditions())
    await relay.open(gateway.get_extra_info("sockname"))
    front = ("127.0.0.1", relay.port)
    browser.sendto(b"one", front)
    data, seen = await at_gateway.got.get()
    gateway.sendto(b"answer", seen)
    assert (data, (await at_browser.got.get())[0]) == (b"one", b"answer")
    relay.change_address()
    browser.sendto(b"two", front)
    data, seen_then = await at_gateway.got.get()
    assert data == b"two"
    assert seen_then != seen
    relay.close()


async def test_nothing_passes_in_a_blackout(ends: Any) -> None:
    """What was sent in it is lost, what is sent after other conditions began passes."""
    browser, _, gateway, at_gateway = ends
    relay = Relay(Conditions())
    await relay.open(gateway.get_extra_info("sockname"))
    relay.black_out(3600)
    browser.sendto(b"lost", ("127.0.0.1", relay.port))
    while not relay.up.lost:
        await asyncio.sleep(0)
    relay.change(Conditions())
    browser.sendto(b"passes", ("127.0.0.1", relay.port))
    assert (await at_gateway.got.get())[0] == b"passes"
    relay.close()


def test_descriptions_lead_to_the_relay_only() -> None:
    """One candidate in the place of all; what a browser tells of itself is left out."""
    relay = Relay(Conditions())
    relay._host, relay._front = "127.0.0.1", _Bound()
    rewritten = relay.rewrite(ANSWER)
    assert rewritten.count("a=candidate:") == 1
    assert "a=candidate:1 1 udp 2130706431 127.0.0.1 5005 typ host\r\n" in rewritten
    assert "a=end-of-candidates" in rewritten
    assert "a=candidate:" not in without_candidates(ANSWER)
    assert without_candidates(ANSWER).endswith("a=end-of-candidates\r\n")


class _Bound:
    def get_extra_info(self, _: str) -> tuple[str, int]:
        return "127.0.0.1", 5005
