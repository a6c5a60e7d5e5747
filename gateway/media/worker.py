"""What all calls of a process share of the media side.

Owns the UDP port, the beat and the thread for pictures. It must not know calls.
**Invariant: what `open` opened `close` closes.**
"""

from __future__ import annotations

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

    async def open(
        self, port: int = 0, hosts: Sequence[str] = (), networks: Sequence[str] = (), advertised: Sequence[str] = ()
    ) -> None:
        """Bind the port; raises ConfigError."""
        await self.udp.open(port, hosts, networks, advertised)

    def close(self) -> None:
        """Close everything; a picture that is being encoded is waited for."""
        self.udp.close()
        self.jpeg.close()
