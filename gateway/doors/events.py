"""The events of a session, over a WebSocket.

Owns the carrier: what is sent, what a client may say, and how it closes. It must not know what events mean.
**Invariant: a socket lives no longer than its session; whatever a client sends, the session goes on.**
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from weakref import WeakSet

from aiohttp import WSCloseCode, WSMsgType, web

from gateway import __version__, events
from gateway.doors.auth import SUBPROTOCOL, claims_of
from gateway.errors import BadRequest
from gateway.lifecycle import EndReason
from gateway.registry import Registry
from gateway.session import Session

HEARTBEAT_S = 20.0  # finds a phone that is gone; below the 30 to 60 s after which proxies cut idle connections
MESSAGE_MAX_BYTES = 64 * 1024
TEXT_MAX_CHARS = 8000
SEQ = re.compile(r"\d{1,15}", re.ASCII)


class EventDoor:
    """The handlers."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._open: WeakSet[web.WebSocketResponse] = WeakSet()

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        return [web.get("/v1/sessions/{id}/events", self.connect)]

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """Send events until the session is over or the client leaves."""
        session = self._registry.get(request.match_info["id"], claims_of(request))
        after = _after(request.query.get("after"))
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_MAX_BYTES, protocols=(SUBPROTOCOL,))
        if not socket.can_prepare(request):
            raise BadRequest("This address is a WebSocket: connect with ws:// or wss://.")
        await socket.prepare(request)
        self._open.add(socket)
        subscription = session.events.subscribe(after)
        listening = asyncio.create_task(_listen(socket, session, subscription), name=f"{session.label} event commands")
        try:
            async for message in subscription:
                if socket.closed:
                    break
                await socket.send_json(message)
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


async def _listen(socket: web.WebSocketResponse, session: Session, subscription: events.Subscription) -> None:
    """Take the commands of a client until it leaves."""
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            reply = _command(session, message.data)
            if reply is not None:
                await socket.send_json(reply)
    subscription.close()  # lets the sender end


def _command(session: Session, text: str) -> events.Message | None:
    """Do what one RTVI message asks; the reply, if there is one."""
    try:
        command = json.loads(text)
        kind, message_id = command.get("type"), command.get("id")
    except (ValueError, AttributeError, RecursionError):
        return _refusal(None, "The message is not a JSON object.")
    match kind:
        case "client-ready":
            return events.bot_ready(__version__, message_id)
        case "send-text":
            data = command.get("data")
            content = data.get("content") if isinstance(data, dict) else None
            if not isinstance(content, str) or not content.strip() or len(content) > TEXT_MAX_CHARS:
                return _refusal(message_id, f"send-text needs data.content: 1 to {TEXT_MAX_CHARS} characters.")
            session.send_text(content)
        case "llm-function-call-result":
            data = command.get("data")
            call_id = data.get("tool_call_id") if isinstance(data, dict) else None
            if not isinstance(call_id, str) or not session.tool_result(call_id, data.get("result")):
                return _refusal(message_id, "No function call waits for this result.")
        case "disconnect-bot":
            session.end(EndReason.USER)
        case _:
            return _refusal(message_id, f"The gateway does not know messages of type {kind!r}.")
    return None


def _refusal(message_id: Any, words: str) -> events.Message:
    return events.message("error-response", {"error": words}, message_id)


def _after(text: str | None) -> int | None:
    if text is None:
        return None
    if not SEQ.fullmatch(text):
        raise BadRequest(f"after must be the seq of the last event that was seen, and was {text[:20]!r}.")
    return int(text)
