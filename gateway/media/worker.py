"""What all calls of a process share of the media side.

Owns the UDP port, the beat, the thread for pictures and the turn to negotiate. It must not know calls.
**Invariant: what `open` opened `close` closes.**
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.media.jpeg import JpegWorker
from gateway.media.ticker import Ticker
from gateway.media.udp import UdpPort


class MediaWorker:
    """The shared parts of one process."""

    def __init__(self) -> None:
        self.udp = UdpPort()
        self.ticker = Ticker()
        self.jpeg = JpegWorker()
        # One offer at a time: each takes the loop for 15 ms, and ten of them in one turn would be heard in every call.
        self.negotiation = asyncio.Lock()

    async def open(
        self, port: int = 0, hosts: Sequence[str] = (), networks: Sequence[str] = (), advertised: Sequence[str] = ()
    ) -> None:
        """Bind the port; raises ConfigError."""
        await self.udp.open(port, hosts, networks, advertised)

    def close(self) -> None:
        """Close everything; a picture that is being encoded is waited for."""
        self.udp.close()
        self.jpeg.close()
