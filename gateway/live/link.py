"""One connection to the model: one WebSocket.

Owns the socket from the handshake to the close, and turns every way it can end into one `LinkEnded`. It must not know
what a conversation is.
**Invariant: a link that `open_link` yields has had its `setupComplete`; leaving the context closes the socket.**
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.protocol import State

from gateway.live import messages
from gateway.live.recovery import Ending, Phase
from gateway.live.upstream import Upstream

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0  # TCP, TLS and the handshake
CLOSE_TIMEOUT_S = 0.25  # the service need not agree that we leave, and the next link waits for this one to be gone
NOTSENT_LOWAT_BYTES = 16 * 1024  # keeps what is unsent where we can see it: in the transport, not in the kernel


class LinkEnded(Exception):
    """The link is over."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(f"{ending.phase}: {ending.code or ending.http_status} {ending.reason}")
        self.ending = ending


class Link:
    """An open connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._phase: Phase = "setup"

    @property
    def unsent_bytes(self) -> int:
        """What the network has not taken yet."""
        return self._connection.transport.get_write_buffer_size()

    @property
    def is_free(self) -> bool:
        """Whether the network takes a message at once."""
        return self._connection.protocol.state is State.OPEN and not self.unsent_bytes

    def write(self, message: str) -> None:
        """Send one message while the link is free."""
        self._connection.protocol.send_text(message.encode())
        self._connection.send_data()

    async def send(self, message: str) -> None:
        """Send one message; raises LinkEnded."""
        try:
            await self._connection.send(message)
        except ConnectionClosed as closed:
            raise self._ended(closed) from None

    async def receive(self) -> list[messages.ServerEvent]:
        """What the next message says; raises LinkEnded."""
        try:
            raw = await self._connection.recv(decode=False)
        except ConnectionClosed as closed:
            raise self._ended(closed) from None
        try:
            return messages.parse(raw)
        except ValueError as error:
            logger.warning("a message of the service cannot be read: %s", error)
            return []

    async def set_up(self, setup: str, timeout_s: float) -> list[messages.ServerEvent]:
        """Send the setup and wait for its completion; returns what came with it. Raises LinkEnded."""
        await self.send(setup)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    events = await self.receive()
                    for event in events:
                        if isinstance(event, messages.SetupComplete):
                            self._phase = "open"
                            return [other for other in events if other is not event]
                        if isinstance(event, messages.ServiceError):
                            raise LinkEnded(Ending("setup", 1007, event.text))
        except TimeoutError:
            raise LinkEnded(Ending("setup", reason=f"no setupComplete within {timeout_s:g} s")) from None

    def _ended(self, closed: ConnectionClosed) -> LinkEnded:
        if closed.rcvd is not None:
            return LinkEnded(Ending(self._phase, closed.rcvd.code, closed.rcvd.reason))
        return LinkEnded(Ending(self._phase, reason="the connection was lost"))


@asynccontextmanager
async def open_link(upstream: Upstream, setup: str) -> AsyncIterator[tuple[Link, list[messages.ServerEvent]]]:
    """Connect and set up; yields the link and what came with `setupComplete`. Raises LinkEnded and UpstreamAuth."""
    connection = await _connect(upstream)
    try:
        link = Link(connection)
        yield link, await link.set_up(setup, upstream.setup_timeout_s)
    finally:
        await connection.close()


async def _connect(upstream: Upstream) -> ClientConnection:
    try:
        connection = await connect(
            upstream.url,
            additional_headers=await upstream.headers(),
            user_agent_header="gemini-live-gateway",
            # The service answers pings after 8 to 30 s: our own would end healthy links.
            ping_interval=None,
            compression=None,  # base64 of PCM and JPEG does not shrink, and costs CPU
            max_size=None,  # the service sends messages above the default of 1 MiB
            open_timeout=CONNECT_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
        )
    except InvalidStatus as refused:
        response = refused.response
        after = response.headers.get("Retry-After", "")
        raise LinkEnded(
            Ending(
                "connect",
                reason=(response.body or b"")[:200].decode(errors="replace").strip() or response.reason_phrase,
                http_status=response.status_code,
                retry_after_s=float(after) if after.isdigit() else None,
            )
        ) from None
    except (InvalidHandshake, WebSocketException) as error:
        raise LinkEnded(Ending("connect", reason=f"the handshake failed: {error}")) from None
    except TimeoutError:
        raise LinkEnded(Ending("connect", reason=f"no handshake within {CONNECT_TIMEOUT_S:g} s")) from None
    except OSError as error:
        raise LinkEnded(Ending("connect", reason=error.strerror or str(error))) from None
    _keep_unsent_visible(connection)
    return connection


def _keep_unsent_visible(connection: ClientConnection) -> None:
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # Linux and macOS
    raw_socket = connection.transport.get_extra_info("socket")
    if option is not None and raw_socket is not None:
        raw_socket.setsockopt(socket.IPPROTO_TCP, option, NOTSENT_LOWAT_BYTES)
