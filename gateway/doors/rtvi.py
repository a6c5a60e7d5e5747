"""The door for Pipecat's client libraries: RTVI's small WebRTC transport.

Owns its paths and its JSON. It must not know what a session does, nor what goes over the data channel.
**Invariant: what is refused is told with a status and a sentence in `detail`, which these clients show at `/start`;
a request that fails leaves no session that it started.**

`pc_id` is the id of the session: a client that brings it back with `restart_pc` goes on with its conversation.
"""

from __future__ import annotations

import json
import time
from typing import Any

from aiohttp import web

from gateway.doors.auth import claims_of
from gateway.doors.body import read_body
from gateway.doors.ice_servers import as_json
from gateway.doors.sdp import OFFER_MAX_BYTES, check_offer
from gateway.doors.sdpfrag import CANDIDATES_MAX, candidate_of
from gateway.errors import BadRequest, PeerGone
from gateway.guard.turn_credentials import ice_servers
from gateway.lifecycle import EndReason
from gateway.media.peer import TrickleCandidate
from gateway.registry import Registry
from gateway.session import Session
from gateway.settings import Settings

JSON = "application/json"
OFFER = "/api/offer"
BODY_MAX_BYTES = 2 * OFFER_MAX_BYTES  # an offer in a JSON string, and what the page's own `requestData` adds
VIDEOS_MAX = 2  # the clients offer a section for the camera and one for the screen


class RtviDoor:
    """The handlers."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        return [
            web.post("/start", self.start),
            *(
                route
                for path in (OFFER, "/sessions/{id}/api/offer")
                for route in (web.post(path, self.offer), web.patch(path, self.trickle))
            ),
        ]

    async def start(self, request: web.Request) -> web.Response:
        """A session whose offer comes later; whatever the client says about it is its own."""
        self._registry.check_room(claims_of(request))  # before the body is read: a flood is turned away early
        if request.can_read_body:
            await _json(request)
        session = await self._registry.create(claims_of(request))
        session.wait_for_peer(EndReason.NEVER_CONNECTED)
        body: dict[str, Any] = {"sessionId": session.id}
        if servers := ice_servers(self._settings, session.claims, time.time()):
            body["iceConfig"] = {"iceServers": as_json(servers)}
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    async def offer(self, request: web.Request) -> web.Response:
        """A new session, a new peer for one that goes on (`restart_pc`), or the same peer offered again."""
        claims = claims_of(request)
        body = await _json(request)
        offer = check_offer(
            _text(body, "sdp").encode(),
            bytes_max=self._settings.sdp_max_bytes,
            sections_max=self._settings.sdp_max_sections,
            videos_max=VIDEOS_MAX,
        )
        if body.get("type", "offer") != "offer":
            raise BadRequest('The type of the description must be "offer".')
        session_id = _session_id(request, body)
        if session_id is None:
            session = await self._registry.create(claims)
            try:
                answer = await session.attach(offer)
            except BaseException:
                await self._registry.end(session.id, session.claims, EndReason.NEVER_CONNECTED)
                raise
        else:
            session = self._registry.get(session_id, claims)
            if body.get("pc_id") is None:  # the first offer after `/start`, or a page that was loaded again
                answer = await session.attach(offer)
            elif body.get("restart_pc"):
                answer = await session.attach(offer, same_client=True)
            else:
                answer = await _answer_again(session, offer)
        reply = {"sdp": answer, "type": "answer", "pc_id": session.id}
        return web.json_response(reply, headers={"Cache-Control": "no-store"})

    async def trickle(self, request: web.Request) -> web.Response:
        """ICE candidates, as many as the client found within 200 ms; an empty one says that these were all."""
        body = await _json(request)
        session_id = _session_id(request, body)
        if session_id is None:
            raise BadRequest("Candidates need the pc_id of the answer.")
        await self._registry.get(session_id, claims_of(request)).trickle(_candidates(body.get("candidates")))
        return web.json_response({"status": "success"})


async def session_id_in_body(request: web.Request) -> str | None:
    """Whom a request means whose path does not say it; None when it is for no such path, or a new session."""
    return _session_id(request, await _json(request)) if request.path == OFFER else None


async def _answer_again(session: Session, offer: str) -> str:
    """The answer to a connection that its client offers again; a new peer where the present one cannot be that."""
    try:
        answer = await session.leg.peer.answer_again(offer)
    except PeerGone:
        answer = None
    return answer or await session.attach(offer, same_client=True)


async def _json(request: web.Request) -> dict[str, Any]:
    """The body; raises BadRequest, UnsupportedMediaType and PayloadTooLarge."""
    try:
        body = json.loads(await read_body(request, JSON, BODY_MAX_BYTES))
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise BadRequest("The body is not a JSON object.")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"The body has no {name}, or it is not a string.")
    return value


def _session_id(request: web.Request, body: dict[str, Any]) -> str | None:
    """Whom the request means, by its path or its `pc_id`."""
    in_path, in_body = request.match_info.get("id"), body.get("pc_id")
    if in_body is not None and not isinstance(in_body, str):
        raise BadRequest("pc_id must be a string, or null.")
    if in_path is not None and in_body is not None and in_path != in_body:
        raise BadRequest("pc_id is not the session of this address.")
    return in_path if in_path is not None else in_body


def _candidates(listed: Any) -> list[TrickleCandidate]:
    if not isinstance(listed, list) or len(listed) > CANDIDATES_MAX:
        raise BadRequest(f"The body needs candidates: a list of at most {CANDIDATES_MAX}.")
    found = []
    for number, one in enumerate(listed, start=1):
        line = one.get("candidate") if isinstance(one, dict) else None
        if not isinstance(line, str):
            raise BadRequest(f"Candidate {number} has no candidate, or it is not a string.")
        if line:
            found.append(TrickleCandidate(candidate_of(line.removeprefix("candidate:"), f"Candidate {number}")))
    return found
