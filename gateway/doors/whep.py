"""WHEP (draft-ietf-wish-whep): who listens to the model of a session, beside a camera that hears nothing.

Owns paths, content types and status codes of the endpoint and of the WHEP session. It must not know what a session
does.
**Invariant: whatever a listener does, the session goes on.**
"""

from __future__ import annotations

import time

from aiohttp import web

from gateway.doors.auth import claims_of
from gateway.doors.ice_session import SDP, created, describe_session, read_offer, trickle
from gateway.doors.sdp import check_whep_offer
from gateway.doors.whip import name_of
from gateway.errors import SessionNotFound
from gateway.guard.turn_credentials import ice_servers
from gateway.media.peer import Peer
from gateway.registry import Registry
from gateway.session import Session
from gateway.settings import Settings

LISTENER = "/v1/sessions/{id}/whep/{listener}"


class WhepDoor:
    """The handlers."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        endpoints = ("/v1/sessions/{id}/whep", "/whep/{name}")
        return [
            *(web.post(endpoint, self.play) for endpoint in endpoints),
            *(web.get(endpoint, self.nothing) for endpoint in endpoints),
            *(web.options(endpoint, self.describe) for endpoint in endpoints),
            web.patch(LISTENER, self.trickle),
            web.delete(LISTENER, self.leave),
            web.get(LISTENER, self.look),
            web.options(LISTENER, self.describe_session),
        ]

    async def play(self, request: web.Request) -> web.Response:
        """A listener comes."""
        offer = await read_offer(request, self._settings, check_whep_offer)
        session = self._session(request)
        await session.ready()
        listener_id, answer = await session.listeners.add(offer)
        return created(
            answer,
            f"/v1/sessions/{session.id}/whep/{listener_id}",
            ice_servers(self._settings, session.claims, time.time()),
        )

    async def trickle(self, request: web.Request) -> web.Response:
        """Candidates of the listener."""
        return await trickle(request, self._listener(request), "play the session anew")

    async def leave(self, request: web.Request) -> web.Response:
        """The listener goes; nothing of it is left when the answer goes out."""
        await self._listener(request).close()
        return web.Response()

    async def look(self, request: web.Request) -> web.Response:
        """Whether it is there."""
        self._listener(request)
        return web.Response(status=204)

    async def nothing(self, request: web.Request) -> web.Response:
        """Players look for this content type to find out that they may post an offer."""
        return web.Response(content_type=SDP)

    async def describe(self, request: web.Request) -> web.Response:
        """What can be posted."""
        return web.Response(headers={"Allow": "GET, HEAD, POST, OPTIONS", "Accept-Post": SDP})

    async def describe_session(self, _: web.Request) -> web.Response:
        """What can be patched."""
        return describe_session()

    def _session(self, request: web.Request) -> Session:
        claims, name = claims_of(request), name_of(request)
        if name is None:
            return self._registry.get(request.match_info["id"], claims)
        session = self._registry.named(name, claims)
        if session is None:
            raise SessionNotFound(f"Nothing is published as {name!r} at the moment.")
        return session

    def _listener(self, request: web.Request) -> Peer:
        session = self._registry.get(request.match_info["id"], claims_of(request))
        return session.listeners.get(request.match_info["listener"])
