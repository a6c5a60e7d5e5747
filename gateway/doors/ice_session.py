"""An ICE session of WHIP or WHEP as a resource: its entity tag, and the candidates that are trickled to it.

Owns what RFC 9725 §4.3 asks of both. It must not know sessions or paths.
**Invariant: candidates reach the ICE session that they were gathered for, and no other; ICE is not restarted here.**
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web

from gateway.doors.body import read_body
from gateway.doors.ice_servers import as_links
from gateway.doors.sdp import ice_ufrag
from gateway.doors.sdpfrag import FRAGMENT_MAX_BYTES, parse_fragment
from gateway.errors import PreconditionFailed, PreconditionRequired, RestartUnsupported
from gateway.media.peer import Peer
from gateway.settings import IceServer, Settings

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"


async def read_offer(request: web.Request, settings: Settings, check: Callable[..., str]) -> str:
    """The offer that a request brings, within the settings' bounds; raises as `read_body` and as the check."""
    body = await read_body(request, SDP, settings.sdp_max_bytes)
    return check(body, bytes_max=settings.sdp_max_bytes, sections_max=settings.sdp_max_sections)


def created(answer_sdp: str, location: str, servers: Iterable[IceServer]) -> web.Response:
    """201 for an ICE session that was agreed on."""
    headers = {"Location": location, "ETag": f'"{ice_ufrag(answer_sdp)}"', "Cache-Control": "no-store"}
    response = web.Response(status=201, text=answer_sdp, content_type=SDP, headers=headers)
    for link in as_links(servers):
        response.headers.add("Link", link)
    return response


async def trickle(request: web.Request, peer: Peer, way_back: str) -> web.Response:
    """PATCH. `way_back` is what a client that wants to restart can do instead, as a clause."""
    fragment = parse_fragment(await read_body(request, FRAGMENT, FRAGMENT_MAX_BYTES))
    if peer.is_restart(fragment.ice_ufrag):
        raise RestartUnsupported(f"These ICE credentials are new, and ICE cannot be restarted here: {way_back}.")
    _check_tag(request, peer.tag)
    await peer.add_candidates(fragment.candidates)
    return web.Response(status=204)


def describe_session() -> web.Response:
    """OPTIONS of the ICE session."""
    return web.Response(headers={"Allow": "GET, PATCH, DELETE, OPTIONS", "Accept-Patch": FRAGMENT})


def _check_tag(request: web.Request, tag: str) -> None:
    """`If-Match` (RFC 9110 §13.1.1); a client that is widely used says `ETag` instead, and means the same."""
    given = request.headers.get("If-Match") or request.headers.get("ETag")
    if given is None:
        raise PreconditionRequired("Say which ICE session the candidates are for: If-Match with the ETag of the 201.")
    if given.strip() != "*" and f'"{tag}"' not in [one.strip() for one in given.split(",")]:
        raise PreconditionFailed("The candidates are for another ICE session than the present one.")
