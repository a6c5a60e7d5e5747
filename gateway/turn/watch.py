"""Whether the STUN and TURN servers that browsers are sent to answer, looked at again and again.

Owns the looking, and the metric. It must not know who is sent there. One datagram a server every half minute, without
credentials, so that it costs a relay nothing.
**Invariant: a server that does not answer is told by `warnings` until it does; nothing is left after `close`.**
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from gateway.telemetry import metrics
from gateway.turn.client import Client, Server, Unreachable

logger = logging.getLogger(__name__)

LOOK_S = 30.0


class RelayWatch:
    """The servers of one gateway: `open`, then `warnings`, then `close`."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = {server.url: server for server in servers}
        self._troubles: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to look."""
        if self._servers:
            self._task = asyncio.create_task(self._look(), name="relay watch")

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def warnings(self) -> dict[str, str]:
        """What is wrong at the moment, by URL."""
        return dict(self._troubles)

    async def _look(self) -> None:
        while True:
            await asyncio.gather(*(self._ask(server) for server in self._servers.values()))
            await asyncio.sleep(LOOK_S)

    async def _ask(self, server: Server) -> None:
        trouble = await trouble_of(server)
        metrics.RELAY_UP.labels(server.url).set(trouble is None)
        if trouble is None:
            if self._troubles.pop(server.url, None):
                logger.info("%s answers again", server.url)
            return
        if server.url not in self._troubles:
            logger.warning("%s: %s", server.url, trouble)
        self._troubles[server.url] = trouble


async def trouble_of(server: Server) -> str | None:
    """Why this server is of no use; None when it answers."""
    try:
        async with Client(server) as client:
            await client.binding()
    except Unreachable as error:
        return f"{error}."
    return None
