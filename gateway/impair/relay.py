"""The relay: a UDP port in front of the gateway's.

Owns the sockets, the timers of what is delayed, and the rewriting of candidates. It must not know what is inside the
datagrams.
**Invariant: `close` leaves no socket and no timer.**
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

from gateway.impair.conditions import Conditions, Impairment

Address = tuple[str, int]


class Relay:
    """Between one browser and one gateway; `up` is towards the gateway."""

    def __init__(self, up: Conditions, down: Conditions | None = None, seed: int = 1) -> None:
        self.up = Impairment(up, seed)
        self.down = Impairment(down if down is not None else up, seed + 1)
        self.gateway: Address = ("127.0.0.1", 0)
        self._front: asyncio.DatagramTransport | None = None
        self._backs: dict[Address, asyncio.DatagramTransport] = {}
        self._opening: dict[Address, list[bytes]] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._began_s = 0.0

    @property
    def port(self) -> int:
        """Where the browser sends to."""
        assert self._front is not None
        return int(self._front.get_extra_info("sockname")[1])

    async def open(self, gateway: Address, host: str = "127.0.0.1") -> None:
        """Begin; `host` is an address that the browser can reach."""
        self.gateway = gateway
        self._host = host
        loop = asyncio.get_running_loop()
        self._began_s = loop.time()
        front, _ = await loop.create_datagram_endpoint(lambda: _Socket(self._from_browser), local_addr=(host, 0))
        self._front = front

    def close(self) -> None:
        """Stop; what was delayed is lost."""
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        for transport in (self._front, *self._backs.values()):
            if transport is not None:
                transport.close()
        self._backs.clear()

    def change(self, up: Conditions, down: Conditions | None = None) -> None:
        """Other conditions from now on; blackouts count from the start of the relay."""
        self.up.conditions = up
        self.down.conditions = down if down is not None else up

    def black_out(self, seconds: float) -> None:
        """Nothing passes for so long."""
        now_s = asyncio.get_running_loop().time() - self._began_s
        for way in (self.up, self.down):
            gone = (*way.conditions.blackouts, (now_s, now_s + seconds))
            way.conditions = replace(way.conditions, blackouts=gone)

    def change_address(self) -> None:
        """The browser's network address translator forgets it: the gateway sees another source address."""
        for transport in self._backs.values():
            transport.close()
        self._backs.clear()

    def inject(self, data: bytes) -> None:
        """Send something to the gateway as if the browser had."""
        for transport in self._backs.values():
            transport.sendto(data, self.gateway)

    def rewrite(self, sdp: str) -> str:
        """The gateway's description, with the relay as its only candidate."""
        candidate = f"a=candidate:1 1 udp 2130706431 {self._host} {self.port} typ host"
        lines, placed = [], False
        for line in sdp.splitlines():
            if not line.startswith("a=candidate:"):
                lines.append(line)
            elif not placed:
                lines.append(candidate)
                placed = True
        return "".join(f"{line}\r\n" for line in lines)

    def _from_browser(self, data: bytes, browser: Address) -> None:
        self._delay(self.up, data, lambda: self._to_gateway(data, browser))

    def _to_gateway(self, data: bytes, browser: Address) -> None:
        if browser in self._backs:
            self._backs[browser].sendto(data, self.gateway)
        elif browser in self._opening:
            self._opening[browser].append(data)
        else:
            self._opening[browser] = [data]
            task = asyncio.create_task(self._open_back(browser))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open_back(self, browser: Address) -> None:
        loop = asyncio.get_running_loop()
        back, _ = await loop.create_datagram_endpoint(
            lambda: _Socket(lambda data, _: self._from_gateway(data, browser)), local_addr=(self._host, 0)
        )
        self._backs[browser] = back
        for data in self._opening.pop(browser):
            self._to_gateway(data, browser)

    def _from_gateway(self, data: bytes, browser: Address) -> None:
        def deliver() -> None:
            assert self._front is not None
            self._front.sendto(data, browser)

        self._delay(self.down, data, deliver)

    def _delay(self, way: Impairment, data: bytes, deliver: Any) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time() - self._began_s
        for at_s in way.deliveries(len(data), now_s):
            self._timers = {timer for timer in self._timers if timer.when() > loop.time()}
            self._timers.add(loop.call_at(self._began_s + at_s, deliver))


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, received: Any) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._received(data, (addr[0], addr[1]))


def without_candidates(sdp: str) -> str:
    """A browser's description or fragment that tells no address: it is met through the relay only."""
    return re.sub(r"(?m)^a=candidate:.*\r?\n", "", sdp)


def host_candidates(sdp: str) -> list[Address]:
    """Address and port of each host candidate of a description."""
    found = re.findall(r"(?im)^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", sdp)
    return [(host, int(port)) for host, port in found]


def host_candidate(sdp: str) -> Address | None:
    """The first host candidate of a description: what to `open` a relay to."""
    return next(iter(host_candidates(sdp)), None)
