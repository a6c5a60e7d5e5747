"""What was said in a session: as JSON, as text, or, while it is being said, as server-sent events.

Owns the three forms. It must not know where the words come from.
**Invariant: a reader of the stream that comes back with the id of the last event it saw misses nothing that the ring
still holds; a stream ends with its session.**
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from gateway import events
from gateway.doors.auth import claims_of
from gateway.errors import BadRequest, SessionNotFound
from gateway.live.transcript import without_results
from gateway.registry import Registry

EVENT_STREAM = "text/event-stream"
KEEP_ALIVE_S = 15.0  # proxies cut connections that are silent for 30 to 60 s
WRITE_TIMEOUT_S = 20.0  # of a reader that reads nothing, with a full socket between
WORDS = ("user-transcription", "bot-output", "bot-interrupted")
FACTS = ("state", "turn")  # of the `server-message`s: what orders the words


class TranscriptDoor:
    """The handlers."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        return [web.get("/v1/sessions/{id}/transcript", self.transcript)]

    async def transcript(self, request: web.Request) -> web.StreamResponse:
        """In the form that is asked for; as JSON and as text also for a while after the end.

        What tools returned is told to the operator only.
        """
        wanted = request.headers.get("Accept", "")
        if EVENT_STREAM in wanted:
            return await self._stream(request)
        claims = claims_of(request)
        record = await self._registry.transcript(request.match_info["id"], claims)
        if not claims.operator:
            record = without_results(record)
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        if "text/plain" in wanted:
            return web.Response(text=_as_text(record), headers=headers)
        return web.json_response(record, headers=headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        session_id, claims = request.match_info["id"], claims_of(request)
        after = _last_seen(request.headers.get("Last-Event-ID"))
        try:
            session = self._registry.get(session_id, claims)
        except SessionNotFound:
            await self._registry.transcript(session_id, claims)
            return web.Response(status=204)  # it is over: a reader that came back shall not come again
        response = web.StreamResponse(
            headers={"Cache-Control": "no-store", "Vary": "Accept", "X-Accel-Buffering": "no"}  # nginx would wait
        )
        response.content_type = EVENT_STREAM
        await response.prepare(request)
        subscription = session.events.subscribe(after)
        keeping = asyncio.create_task(_keep_alive(response, subscription), name=f"{session.label} transcript")
        try:
            async for message in subscription:
                if _is_said(message):
                    await _write(response, _as_event(message))
        except (ConnectionError, TimeoutError):
            pass  # the reader is gone, or too slow; it comes back with Last-Event-ID, or it does not
        finally:
            subscription.close()
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        return response


async def _keep_alive(response: web.StreamResponse, subscription: events.Subscription) -> None:
    """Send something now and then, which is also how it is noticed that the reader is gone."""
    try:
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            await _write(response, b":\n\n")
    finally:
        subscription.close()  # lets the sender end


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await response.write(data)


def _is_said(message: events.Message) -> bool:
    kind = message["type"]
    return kind in WORDS or (kind == "server-message" and message["data"]["type"] in FACTS)


def _as_event(message: events.Message) -> bytes:
    """One event (HTML §9.2.6), named by its type, so that a listener for one kind gets that kind."""
    kind = message["type"] if message["type"] in WORDS else message["data"]["type"]
    return f"id: {message['seq']}\nevent: {kind}\ndata: {json.dumps(message)}\n\n".encode()


def _last_seen(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise BadRequest(f"Last-Event-ID must be the id of the last event that was seen, and was {text[:20]!r}.")
    return int(text)


def _as_text(record: dict[str, Any]) -> str:
    lines = []
    for turn in record["turns"]:
        lines += [f"User: {turn['user']}"] if turn["user"] else []
        lines += [f"Tool: {' = '.join(used.values())}" for used in turn["tools"]]
        lines += [f"Model: {turn['model']}{' —' if turn['cut'] else ''}"] if turn["model"] else []
    return "\n".join(lines) + "\n"
