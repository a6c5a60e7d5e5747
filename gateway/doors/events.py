"""The events of a session, over a WebSocket.

Owns the carrier: what is sent, and how it closes. It must not know what events or commands mean.
**Invariant: a socket lives no longer than its session; whatever a client sends, the session goes on.**
"""

from __future__ import annotations

import asyncio
import re
from weakref import WeakSet

from aiohttp import WSCloseCode, WSMsgType, web

from gateway import events
from gateway.commands import Commands
from gateway.doors.auth import SUBPROTOCOL, claims_of
from gateway.errors import BadRequest
from gateway.lifecycle import EndReason
from gateway.registry import Registry
from gateway.settings import Settings

HEARTBEAT_S = 20.0  # finds a phone that is gone; below the 30 to 60 s after which proxies cut idle connections
SEQ = re.compile(r"\d{1,15}", re.ASCII)
READ_MAX = 4  # times the largest message is read, to be refused in words; a larger one closes the socket (1009)


class EventDoor:
    """The handlers."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._open: WeakSet[web.WebSocketResponse] = WeakSet()

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        return [web.get("/v1/sessions/{id}/events", self.connect)]

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """Send events until the session is over or the client leaves."""
        session = self._registry.get(request.match_info["id"], claims_of(request))
        after = _after(request.query.get("after"))
        read_max_bytes = READ_MAX * self._settings.message_max_bytes
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=read_max_bytes, protocols=(SUBPROTOCOL,))
        if not socket.can_prepare(request):
            raise BadRequest("This address is a WebSocket: connect with ws:// or wss://.")
        await socket.prepare(request)
        self._open.add(socket)
        subscription = session.events.subscribe(after)
        commands = Commands(session, "websocket", self._settings.message_max_bytes, self._settings.messages_per_s)
        listening = asyncio.create_task(_listen(socket, commands, subscription), name=f"{session.label} event commands")
        try:
            async for message in subscription:
                answers = commands.bot_is_ready() if message["type"] == "bot-ready" else []
                for told in (*answers, message):
                    if socket.closed:
                        break
                    await socket.send_json(told)
        except (ConnectionError, RuntimeError):
            pass  # the client is gone; it comes back with `after`, or it does not
        finally:
            subscription.close()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        if subscription.overrun:
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"read faster, or come back with after=")
        elif session.end_reason is EndReason.MOVED:
            await socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"another server has the call: come back")
        else:
            await socket.close(code=WSCloseCode.OK)
        return socket

    async def close_all(self, _: web.Application) -> None:
        """The gateway shuts down."""
        for socket in tuple(self._open):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the gateway is shutting down")


async def _listen(socket: web.WebSocketResponse, commands: Commands, subscription: events.Subscription) -> None:
    """Take the commands of a client until it leaves."""
    loop = asyncio.get_running_loop()
    async for message in socket:
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            for answer in commands.take(message.data, loop.time()):
                await socket.send_json(answer)
    subscription.close()  # lets the sender end


def _after(text: str | None) -> int | None:
    if text is None:
        return None
    if not SEQ.fullmatch(text):
        raise BadRequest(f"after must be the seq of the last event that was seen, and was {text[:20]!r}.")
    return int(text)
