"""One UDP socket on the event loop, read in batches.

Owns the socket and when it is read. It must not know whose a datagram is or what is in it.
**Invariant: a datagram waits `GATHER_S` at most while the loop turns; one that the network does not take is lost, as
datagrams are; nothing that arrives or fails raises.**

With a hundred calls a packet comes each 0.2 ms, and a turn of the event loop for each of them costs as much as all that
is done with it. So a socket on which much arrives is looked at by the clock, and only a quiet one wakes the loop.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from gateway.media.native import native

logger = logging.getLogger(__name__)

Address = tuple[str, int]

DATAGRAM_MAX_BYTES = 1500  # more than any path carries unfragmented
READ_BYTES = DATAGRAM_MAX_BYTES + 1  # so that what is too long shows
GATHER_S = 0.004  # a tenth of what speech waits for its neighbours anyway
BATCH_MAX = 200  # datagrams: more would keep the loop for longer than the time between two beats


@native
def receive(udp: socket.socket, most: int, /) -> list[tuple[bytes, Address]]:
    """So many of the datagrams that are there, each cut at `READ_BYTES`, and where they are from."""
    datagrams: list[tuple[bytes, Address]] = []
    try:
        while len(datagrams) < most:
            data, address = udp.recvfrom(READ_BYTES)
            datagrams.append((data, address[:2]))
    except OSError:  # nothing more, or a port that is closed over there
        pass
    return datagrams


class UdpSocket:
    """A bound socket; `received` gets each datagram and where it is from."""

    def __init__(self, udp: socket.socket, received: Callable[[bytes, Address, UdpSocket], None]) -> None:
        udp.setblocking(False)
        self.address: Address = udp.getsockname()[:2]
        self._udp = udp
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._read_s = 0.0
        self._is_closed = False
        self._gathering: asyncio.TimerHandle | None = None
        self._loop.add_reader(udp, self._woken)

    def sendto(self, data: bytes, address: Address) -> None:
        """Send a datagram."""
        try:
            self._udp.sendto(data, address)
        except OSError as error:  # full, or no way there: the next one may go
            logger.debug("UDP: %s", error)

    def close(self) -> None:
        """Close it; may be called again."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._gathering is not None:
            self._gathering.cancel()
        self._loop.remove_reader(self._udp)
        self._udp.close()

    def _woken(self) -> None:
        now_s = self._loop.time()
        if now_s - self._read_s < GATHER_S:
            self._loop.remove_reader(self._udp)
            self._gathering = self._loop.call_later(GATHER_S, self._gather)
        self._read_s = now_s
        self._read()

    def _gather(self) -> None:
        count = self._read()
        if self._is_closed:
            return
        if count:
            self._gathering = self._loop.call_later(GATHER_S, self._gather)
        else:
            self._gathering = None
            self._loop.add_reader(self._udp, self._woken)

    def _read(self) -> int:
        """All that is there, up to a bound; how many datagrams that were."""
        datagrams, received = receive(self._udp, BATCH_MAX), self._received
        for data, address in datagrams:
            if self._is_closed:
                break
            received(data, address, self)
        return len(datagrams)
