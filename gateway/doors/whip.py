"""WHIP (RFC 9725): encoders and cameras that send, and receive nothing over the same connection.

Owns paths, content types and status codes of the endpoint and of the WHIP session. It must not know what a session
does.
**Invariant: a request that fails leaves no session that it started; a session that has a name is found by it again, so
that a camera that comes back goes on with its conversation.**
"""

from __future__ import annotations

import re
import time

from aiohttp import web

from gateway.doors.auth import claims_of
from gateway.doors.ice_session import SDP, created, describe_session, read_offer, trickle
from gateway.doors.sdp import check_whip_offer, ice_ufrag
from gateway.errors import BadRequest, NotAcceptable, SessionNotFound
from gateway.guard.turn_credentials import ice_servers
from gateway.lifecycle import EndReason
from gateway.registry import Registry
from gateway.session import Session
from gateway.settings import Settings

NAME = re.compile(r"[A-Za-z0-9._~-]{1,64}")  # what needs no escaping in a URL (RFC 3986 §2.3)
PEER = "/v1/sessions/{id}/whip/{peer}"


class WhipDoor:
    """The handlers."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        endpoints = ("/whip", "/whip/{name}")
        return [
            *(web.post(endpoint, self.publish) for endpoint in endpoints),
            *(web.get(endpoint, self.nothing) for endpoint in endpoints),
            *(web.options(endpoint, self.describe) for endpoint in endpoints),
            web.patch(PEER, self.trickle),
            web.delete(PEER, self.end),
            web.get(PEER, self.look),
            web.options(PEER, self.describe_session),
        ]

    async def publish(self, request: web.Request) -> web.Response:
        """A camera comes; where its name has a session, it comes back."""
        if not _takes(request.headers.get("Accept", "*/*"), SDP):
            raise NotAcceptable(f"The answer is {SDP}, which the Accept header excludes.")
        name, claims = name_of(request), claims_of(request)
        session = self._registry.named(name, claims) if name is not None else None
        if session is None:
            self._registry.check_room(claims)  # before the body is read: a flood is turned away early
        offer = await read_offer(request, self._settings, check_whip_offer)
        if session is not None:
            return self._created(session, await session.attach(offer, "recvonly"))
        session = await self._registry.create(claims, name=name)
        try:
            return self._created(session, await session.attach(offer, "recvonly"))
        except BaseException:
            await self._registry.end(session.id, session.claims, EndReason.NEVER_CONNECTED)
            raise

    async def trickle(self, request: web.Request) -> web.Response:
        """Candidates of the camera."""
        return await trickle(request, self._session(request).leg.peer, "send the offer again")

    async def end(self, request: web.Request) -> web.Response:
        """The camera is switched off, and with it the session; nothing of it is left when the answer goes out."""
        session = self._session(request)
        await self._registry.end(session.id, session.claims, EndReason.USER)
        return web.Response()

    async def look(self, request: web.Request) -> web.Response:
        """Whether it is there (RFC 9725 §4.1: a success without content)."""
        self._session(request)
        return web.Response(status=204)

    async def nothing(self, _: web.Request) -> web.Response:
        """The endpoint has nothing to show (RFC 9725 §4.1)."""
        return web.Response(status=204)

    async def describe(self, request: web.Request) -> web.Response:
        """What can be posted."""
        return web.Response(headers={"Allow": "GET, POST, OPTIONS", "Accept-Post": SDP})

    async def describe_session(self, _: web.Request) -> web.Response:
        """What can be patched."""
        return describe_session()

    def _session(self, request: web.Request) -> Session:
        """The session, also when the connection of this address is closed; not when another has replaced it."""
        session = self._registry.get(request.match_info["id"], claims_of(request))
        if session.leg.tag != request.match_info["peer"]:
            raise SessionNotFound("This connection was replaced by a newer one of the same session.")
        return session

    def _created(self, session: Session, answer: str) -> web.Response:
        location = f"/v1/sessions/{session.id}/whip/{ice_ufrag(answer)}"
        return created(answer, location, ice_servers(self._settings, session.claims, time.time()))


def name_of(request: web.Request) -> str | None:
    """The name of the camera in the address of an endpoint; raises BadRequest."""
    name: str | None = request.match_info.get("name")
    if name is not None and not NAME.fullmatch(name):
        raise BadRequest("A name has 1 to 64 characters: letters, digits, and any of . _ ~ -")
    return name


def _takes(accept: str, content_type: str) -> bool:
    """Whether an Accept header (RFC 9110 §12.5.1) lets this type through."""
    wanted = {content_type, content_type.partition("/")[0] + "/*", "*/*"}
    for media_range in accept.lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        if name in wanted and not any(parameter in ("q=0", "q=0.0", "q=0.00", "q=0.000") for parameter in parameters):
            return True
    return False
