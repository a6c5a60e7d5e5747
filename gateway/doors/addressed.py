"""Which session a request is about.

Owns the three places where a request says so: its path, the name of a camera in its path, the `pc_id` in its body. It
must not know where the session is.
**Invariant: what a request says wrongly is refused here as its own door would.**
"""

from __future__ import annotations

from aiohttp import web

from gateway.doors.auth import claims_of
from gateway.doors.rtvi import session_id_in_body
from gateway.doors.whip import name_of
from gateway.registry import Registry


async def session_id_of(request: web.Request, registry: Registry) -> str | None:
    """The id; None when the request is about none, or asks for a new one.

    Raises BadRequest, StoreUnavailable, and what reading a body raises.
    """
    session_id: str | None = request.match_info.get("id")
    if session_id is not None or request.method not in ("POST", "PATCH"):
        return session_id
    if (name := name_of(request)) is not None:
        return await registry.id_of_named(name, claims_of(request))
    return await session_id_in_body(request)
