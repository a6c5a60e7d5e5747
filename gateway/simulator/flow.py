"""Whether a connection of the simulator sends and reads at the moment.

Owns the holding back, as faults ask for it. It must not know messages.
**Invariant: who waits for the flow is let go when the socket is closed.**
"""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection

from gateway.simulator.faults import Fault
from gateway.simulator.pipe import PipeEnd

Socket = ServerConnection | PipeEnd


class Flow:
    """The flow of one socket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._flowing = asyncio.Event()
        self._flowing.set()

    def hold_back(self) -> None:
        """Send nothing any more."""
        self._flowing.clear()

    def stall(self, fault: Fault) -> None:
        """Send nothing (stall), take nothing (deaf), or neither (freeze), for a time or for good."""
        if fault.do != "deaf":
            self.hold_back()
        if fault.do != "stall":
            self._socket.transport.pause_reading()
        if fault.stall_s is not None:
            asyncio.get_running_loop().call_later(fault.stall_s, self._go_on)

    async def pass_through(self) -> None:
        """Wait until it flows, or until there is no one left to send to."""
        if self._flowing.is_set():
            return
        waiting = {asyncio.create_task(self._flowing.wait()), asyncio.create_task(self._socket.wait_closed())}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    def _go_on(self) -> None:
        self._flowing.set()
        self._socket.transport.resume_reading()
