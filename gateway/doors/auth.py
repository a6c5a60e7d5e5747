"""Whose request it is.

Owns where a token is found in a request, and which resources need one. It must not know what the resources do.
**Invariant: a handler of a resource that needs a token runs only with the claims of its bearer.**
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.guard.claims import ANYONE, Claims
from gateway.settings import Settings

CLAIMS: web.RequestKey[Claims] = web.RequestKey("claims", Claims)


def auth_middleware(settings: Settings) -> Middleware:
    """The rule of these settings, as a middleware."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[CLAIMS] = ANYONE
        return await handler(request)

    return middleware


def claims_of(request: web.Request) -> Claims:
    """What the bearer of this request may do."""
    return request[CLAIMS]
