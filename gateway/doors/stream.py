"""Media over a WebSocket, for networks that let neither UDP nor a relay through.

Owns the socket: its addresses, what is sent over it, and how it closes. It must not know what a session does with
media, nor their layout.
**Invariant: a socket lives no longer than its session; one that is lost leaves the session as it was, for its browser
to come back to; what waits to be sent is bounded by the peer.**
"""

from __future__ import annotations

import asyncio
import json
import re
from weakref import WeakSet

from aiohttp import WSCloseCode, WSMsgType, web

from gateway.doors.auth import SUBPROTOCOL, claims_of
from gateway.doors.testing import create_session
from gateway.errors import BadRequest
from gateway.lifecycle import EndReason
from gateway.media.stream import StreamPeer
from gateway.media.stream_wire import HEADER, PART_MAX_BYTES, Outgoing
from gateway.registry import Registry
from gateway.session import Session
from gateway.settings import Settings

HEARTBEAT_S = 20.0  # below the 30 to 60 s after which proxies cut idle connections
CLOSE_S = 2.0  # for the other side's goodbye
REPLACED = 4001  # the close code of a socket whose browser has opened another
SEQ = re.compile(r"\d{1,10}", re.ASCII)


class StreamDoor:
    """The handlers."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._open: WeakSet[web.WebSocketResponse] = WeakSet()

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        return [web.get("/v1/stream", self.start), web.get("/v1/sessions/{id}/stream", self.join)]

    async def start(self, request: web.Request) -> web.WebSocketResponse:
        """A new session."""
        socket = _socket(request)
        self._registry.check_room(claims_of(request))
        session = await create_session(self._registry, self._settings, request)
        try:
            peer = await session.leg.attach_stream(None)
            await socket.prepare(request)
        except BaseException:
            await self._registry.end(session.id, session.claims, EndReason.NEVER_CONNECTED)
            raise
        return await self._carry(socket, session, peer, None)

    async def join(self, request: web.Request) -> web.WebSocketResponse:
        """A session that goes on: with another socket for the same stream, or over a stream from now on."""
        session = self._registry.get(request.match_info["id"], claims_of(request))
        heard = request.query.get("heard")
        if heard is not None and not SEQ.fullmatch(heard):
            raise BadRequest(f"heard must be the number of the last voice message played, and was {heard[:20]!r}.")
        socket = _socket(request)
        peer = await session.leg.attach_stream(request.query.get("stream"))
        await socket.prepare(request)
        return await self._carry(socket, session, peer, int(heard) if heard is not None else None)

    async def close_all(self, _: web.Application) -> None:
        """The gateway shuts down."""
        for socket in tuple(self._open):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the gateway is shutting down")

    async def _carry(
        self, socket: web.WebSocketResponse, session: Session, peer: StreamPeer, heard_seq: int | None
    ) -> web.WebSocketResponse:
        """Both directions, until the socket or the session is over, or another socket takes its place."""
        self._open.add(socket)
        wire = _Wire()
        told = {"type": "open", "session": session.id, "stream": peer.key, "heard": peer.sound_seq}
        await socket.send_str(json.dumps(told))
        peer.connect(wire, heard_seq)
        tasks = [
            asyncio.create_task(work, name=f"{session.label} stream")
            for work in (_send(socket, wire), _receive(socket, peer), wire.closed.wait())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            peer.disconnect(wire)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if session.end_reason is EndReason.MOVED:
            await socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"another server has the call: come back")
        elif session.end_reason is None and wire.closed.is_set():
            await socket.close(code=REPLACED, message=b"another connection has taken over")
        else:
            await socket.close(code=WSCloseCode.OK)
        return socket


class _Wire:
    """One socket, as a `StreamPeer` sees it."""

    def __init__(self) -> None:
        self.outgoing = Outgoing()
        self.filled = asyncio.Event()
        self.closed = asyncio.Event()

    def send(self, message: bytes) -> None:
        self.outgoing.put(message)
        self.filled.set()

    def close(self) -> None:
        self.closed.set()


def _socket(request: web.Request) -> web.WebSocketResponse:
    """A socket for this request; raises BadRequest for one that asks for none."""
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S,
        timeout=CLOSE_S,
        max_msg_size=HEADER.size + PART_MAX_BYTES,
        protocols=(SUBPROTOCOL,),
        compress=False,  # sound and JPEG do not get smaller
    )
    if not socket.can_prepare(request):
        raise BadRequest("This address is a WebSocket: connect with ws:// or wss://.")
    return socket


async def _send(socket: web.WebSocketResponse, wire: _Wire) -> None:
    """What the peer hands over, in order."""
    while True:
        await wire.filled.wait()
        wire.filled.clear()
        for message in wire.outgoing.take():
            await socket.send_bytes(message)


async def _receive(socket: web.WebSocketResponse, peer: StreamPeer) -> None:
    """Hand over what the browser sends, until it closes the socket or sends what is no media."""
    loop = asyncio.get_running_loop()
    async for message in socket:
        try:
            if message.type is not WSMsgType.BINARY:
                raise ValueError("Media are binary; say the rest over the event WebSocket.")
            peer.take(message.data, loop.time())
        except ValueError as error:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=str(error).encode())
