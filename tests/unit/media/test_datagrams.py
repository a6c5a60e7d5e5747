"""A socket is read when something is there, and by the clock when much is. On a virtual clock, with real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.media.datagrams import BATCH_MAX, GATHER_S, READ_BYTES, Address, UdpSocket
from tests.clock import virtually


class Line:
    """A socket, somebody who sends to it, and when what came."""

    def __init__(self) -> None:
        self.there = socket.socket(type=socket.SOCK_DGRAM)
        self.there.bind(("127.0.0.1", 0))
        here = socket.socket(type=socket.SOCK_DGRAM)
        here.bind(("127.0.0.1", 0))
        self.socket = UdpSocket(here, self._received)
        self.came: list[tuple[float, bytes, Address]] = []

    def _received(self, data: bytes, address: Address, at: UdpSocket) -> None:
        assert at is self.socket
        self.came.append((asyncio.get_running_loop().time(), data, address))

    def say(self, data: bytes) -> None:
        """Send it a datagram."""
        self.there.sendto(data, self.socket.address)

    async def say_each(self, every_s: float, count: int) -> list[float]:
        """So many, numbered; how long each waited."""
        sent_s = []
        for number in range(count):
            sent_s.append(asyncio.get_running_loop().time())
            self.say(number.to_bytes(2, "big"))
            await asyncio.sleep(every_s)
        await asyncio.sleep(2 * GATHER_S)
        assert [int.from_bytes(data, "big") for _, data, _ in self.came] == list(range(count))
        return [came_s - at_s for (came_s, *_), at_s in zip(self.came, sent_s, strict=True)]


@asynccontextmanager
async def line() -> AsyncIterator[Line]:
    """One, closed in the end."""
    one = Line()
    with one.there:
        try:
            yield one
        finally:
            one.socket.close()


@virtually
async def test_what_comes_now_and_then_is_read_at_once() -> None:
    """A packet each 20 ms wakes the loop; nothing is added to its way."""
    async with line() as one:
        assert set(await one.say_each(0.02, 50)) == {0.0}
        assert {address for *_, address in one.came} == {one.there.getsockname()}


@virtually
async def test_what_comes_in_numbers_is_read_by_the_clock() -> None:
    """A packet each 0.5 ms: all come, in order, with few wake-ups, and none waits for longer than was said."""
    async with line() as one:
        waits_s = await one.say_each(0.0005, 400)
        assert max(waits_s) <= GATHER_S + 1e-9
        wakes = len({came_s for came_s, *_ in one.came})
        assert wakes <= 400 * 0.0005 / GATHER_S + 5


@virtually
async def test_a_socket_that_falls_quiet_is_woken_again() -> None:
    """After a burst a lone packet is read at once as before."""
    async with line() as one:
        await one.say_each(0.0005, 40)
        await asyncio.sleep(1)
        one.say(b"later")
        at_s = asyncio.get_running_loop().time()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert one.came[-1][:2] == (at_s, b"later")


@virtually
async def test_a_flood_leaves_the_loop_a_turn() -> None:
    """No more than a batch is read in one go; the rest comes later."""
    async with line() as one:
        for number in range(BATCH_MAX + 50):
            one.say(number.to_bytes(2, "big"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(one.came) <= BATCH_MAX
        await asyncio.sleep(2 * GATHER_S)
        assert len(one.came) == BATCH_MAX + 50


@virtually
async def test_what_is_too_long_shows() -> None:
    """A datagram is cut a byte above what is taken, so that it is known as too long."""
    async with line() as one:
        one.say(bytes(4000))
        await asyncio.sleep(0.01)
        assert [len(data) for _, data, _ in one.came] == [READ_BYTES]


@virtually
async def test_what_the_network_does_not_take_is_lost_in_silence() -> None:
    """Nothing raises: not an address that is none, not a port that nobody has."""
    async with line() as one:
        one.socket.sendto(b"x", ("203.0.113.1", 0))
        closed = socket.socket(type=socket.SOCK_DGRAM)
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()
        closed.close()
        one.socket.sendto(b"x", address)
        one.say(b"still")
        await asyncio.sleep(0.02)
        assert [data for _, data, _ in one.came] == [b"still"]


@virtually
async def test_closing_in_the_middle_of_a_batch_ends_it() -> None:
    """What was read with the datagram that made somebody close is told to nobody."""
    async with line() as one:
        take = one.socket._received

        def last(data: bytes, address: Address, at: UdpSocket) -> None:
            take(data, address, at)
            at.close()

        one.socket._received = last
        for _ in range(5):
            one.say(b"x")
        await asyncio.sleep(1)
        assert len(one.came) == 1


@pytest.mark.parametrize("packets", [1, 30])
@virtually
async def test_closing_ends_reading(packets: int) -> None:
    """Quiet or busy, closed in the middle of a batch or twice: nothing comes after it, and nothing raises."""
    async with line() as one:
        for _ in range(packets):
            one.say(b"x")
            await asyncio.sleep(0.001)
        one.socket.close()
        one.socket.close()
        count = len(one.came)
        await asyncio.sleep(1)
        assert len(one.came) == count
