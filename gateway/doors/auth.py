"""Whose request it is.

Owns where a token is found in a request, and which resources need none. It must not know what the resources do.
**Invariant: a handler runs only with the claims of its bearer, unless its resource is listed here as public; a resource
that is added anywhere is not. A token never travels in an address.**
"""

from __future__ import annotations

import time

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from gateway.doors.cors import is_allowed
from gateway.errors import Forbidden, TokenExpired, TokenInUrl, TokenInvalid, TokenMissing, WrongOrigin
from gateway.guard.claims import ANYONE, Claims
from gateway.guard.operator import OPERATOR, is_operator
from gateway.guard.tokens import FORGED, Tokens
from gateway.settings import Settings

CLAIMS: web.RequestKey[Claims] = web.RequestKey("claims", Claims)

PUBLIC = frozenset({"/", "/{path}", "/healthz", "/readyz"})  # the pages, and what a load balancer asks
SESSION_IN_BODY = frozenset({"/api/offer"})  # the session is named there, not in the path
SUBPROTOCOL = "gateway.v1"  # what a WebSocket speaks; a browser names it beside its token
IN_SUBPROTOCOL = "token."  # a browser can set no header of a WebSocket
IN_URL = ("token", "access_token", "jwt")


def auth_middleware(settings: Settings, tokens: Tokens | None) -> Middleware:
    """The rule of these settings, as a middleware."""

    async def claims_for(request: web.Request) -> Claims:
        bearer = _bearer(request)
        if bearer is not None and is_operator(settings, bearer):
            return OPERATOR
        if settings.effective_auth != "token":
            return ANYONE
        if any(name in request.query for name in IN_URL):
            raise TokenInUrl(
                "A token must not stand in an address, where logs and histories keep it: send Authorization: Bearer, "
                f"or for a WebSocket the subprotocols {SUBPROTOCOL} and {IN_SUBPROTOCOL}<token>."
            )
        if bearer is None:
            raise TokenMissing("A token is needed here: send Authorization: Bearer, or open the link you were given.")
        if tokens is None:
            raise TokenInvalid(FORGED)
        now = time.time()
        claims = await tokens.verify(bearer, now)
        # A session's own token may be spent: the registry knows.
        if claims.is_spent(now) and "id" not in request.match_info and _canonical(request) not in SESSION_IN_BODY:
            raise TokenExpired("The token has expired: ask for a new one.")
        _check_origin(request, claims)
        return claims

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _canonical(request) not in PUBLIC and request.method != hdrs.METH_OPTIONS:  # which only tells what is taken
            request[CLAIMS] = await claims_for(request)
        return await handler(request)

    return middleware


def claims_of(request: web.Request) -> Claims:
    """What the bearer of this request may do."""
    return request[CLAIMS]


def require_operator(request: web.Request, settings: Settings) -> None:
    """Raises Forbidden for anyone but the operator; an open gateway that has no operator's key lets everyone."""
    has_operator = settings.operator_key is not None or settings.effective_auth == "token"
    if has_operator and not claims_of(request).operator:
        raise Forbidden("Only the operator may do this: send the operator's key as Authorization: Bearer.")


def _canonical(request: web.Request) -> str | None:
    """The path of the resource as it was declared."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else None


def _bearer(request: web.Request) -> str | None:
    """The token or key of a request."""
    headers = request.headers.getall(hdrs.AUTHORIZATION, [])
    if headers:
        scheme, _, bearer = headers[0].strip().partition(" ")
        return bearer.strip() if scheme.lower() == "bearer" and len(headers) == 1 else ""
    offered = ",".join(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, []))
    for protocol in offered.split(","):
        if protocol.strip().startswith(IN_SUBPROTOCOL):
            return protocol.strip().removeprefix(IN_SUBPROTOCOL)
    return None


def _check_origin(request: web.Request, claims: Claims) -> None:
    """Raises WrongOrigin. Browsers name the origin with whatever changes something, and with WebSockets."""
    origin = request.headers.get(hdrs.ORIGIN)
    plain_read = request.method in (hdrs.METH_GET, hdrs.METH_HEAD) and hdrs.UPGRADE not in request.headers
    if not claims.origins or (origin is None and plain_read):
        return
    if origin is None or not is_allowed(origin, claims.origins):
        raise WrongOrigin(f"The token is for pages of {', '.join(claims.origins)} only.")
