"""The session resources: start, trickle, reattach, look, end. WHIP-shaped (RFC 9725), with audio in both directions.

Owns paths, content types and status codes of these resources. It must not know what a session does.
**Invariant: a request that fails leaves no session that it started.**
"""

from __future__ import annotations

import time

from aiohttp import web

from gateway.doors.auth import claims_of
from gateway.doors.body import read_body
from gateway.doors.ice_servers import as_links
from gateway.doors.ice_session import FRAGMENT, SDP, read_offer
from gateway.doors.problem import problem
from gateway.doors.sdp import check_offer
from gateway.doors.sdpfrag import FRAGMENT_MAX_BYTES, parse_fragment
from gateway.doors.testing import create_session
from gateway.guard.turn_credentials import ice_servers
from gateway.lifecycle import EndReason
from gateway.registry import Registry
from gateway.session import Session
from gateway.settings import Settings


class SessionDoor:
    """The handlers."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        collection, resource = "/v1/sessions", "/v1/sessions/{id}"
        return [
            web.post(collection, self.start),
            web.options(collection, self.describe_collection),
            web.patch(resource, self.trickle),
            web.delete(resource, self.end),
            web.options(resource, self.describe_session),
            web.post(f"{resource}/peer", self.reattach),
            web.options(f"{resource}/peer", self.describe_collection),
            web.get(f"{resource}/frame", self.frame),
            web.get(f"{resource}/stats", self.stats),
        ]

    async def start(self, request: web.Request) -> web.Response:
        """A new session with its first peer."""
        claims = claims_of(request)
        self._registry.check_room(claims)  # before the body is read: a flood is turned away early
        offer = await read_offer(request, self._settings, check_offer)
        session = await create_session(self._registry, self._settings, request)
        try:
            answer = await session.attach(offer)
        except BaseException:
            await self._registry.end(session.id, session.claims, EndReason.NEVER_CONNECTED)
            raise
        return self._answer(session, answer)

    async def reattach(self, request: web.Request) -> web.Response:
        """A new peer for a session that goes on."""
        session = self._session(request)
        answer = await session.attach(await read_offer(request, self._settings, check_offer))
        return self._answer(session, answer)

    async def trickle(self, request: web.Request) -> web.Response:
        """ICE candidates of the browser, or, with credentials that are new, an ICE restart (RFC 9725 §4.3.3)."""
        session = self._session(request)
        fragment = parse_fragment(await read_body(request, FRAGMENT, FRAGMENT_MAX_BYTES))
        ufrag, pwd = fragment.ice_ufrag, fragment.ice_pwd
        if ufrag is not None and pwd is not None and session.leg.peer.is_restart(ufrag):
            ours = await session.restart_ice(ufrag, pwd, fragment.candidates)
            return web.Response(text=ours, content_type=FRAGMENT, headers={"Cache-Control": "no-store"})
        await session.trickle(fragment.candidates)
        return web.Response(status=204)

    async def end(self, request: web.Request) -> web.Response:
        """The person hangs up; nothing of the session is left when the answer goes out."""
        await self._registry.end(request.match_info["id"], claims_of(request), EndReason.USER)
        return web.Response(status=204)

    async def frame(self, request: web.Request) -> web.Response:
        """The newest picture the model saw."""
        frame = self._session(request).last_frame
        if frame is None:
            return problem(404, "The model has not seen a frame of this session yet.", "no_frame_yet")
        headers = {"X-Frame-Id": str(frame.id), "Cache-Control": "no-store"}
        return web.Response(body=frame.jpeg, content_type="image/jpeg", headers=headers)

    async def stats(self, request: web.Request) -> web.Response:
        """What the gateway itself sees of the call at this moment."""
        return web.json_response(self._session(request).figures(), headers={"Cache-Control": "no-store"})

    async def describe_collection(self, request: web.Request) -> web.Response:
        """What can be posted."""
        return web.Response(headers={"Allow": "POST, OPTIONS", "Accept-Post": SDP})

    async def describe_session(self, request: web.Request) -> web.Response:
        """What can be patched."""
        return web.Response(headers={"Allow": "PATCH, DELETE, OPTIONS", "Accept-Patch": FRAGMENT})

    def _session(self, request: web.Request) -> Session:
        return self._registry.get(request.match_info["id"], claims_of(request))

    def _answer(self, session: Session, answer: str) -> web.Response:
        response = web.Response(status=201, text=answer, content_type=SDP, headers={"Cache-Control": "no-store"})
        response.headers["Location"] = f"/v1/sessions/{session.id}"
        for link in as_links(ice_servers(self._settings, session.claims, time.time())):
            response.headers.add("Link", link)
        return response
