"""How many requests one sender may make.

Owns who counts as one sender, and the refusal before anything else is done for a request. It must not know resources.
**Invariant: what is refused here has cost no more than its headers; the memory for senders is bounded.**
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.doors.auth import CLAIMS
from gateway.errors import TooManyRequests
from gateway.guard.addresses import client_of, forwarded, forwarded_for, networks, site_of
from gateway.guard.bucket import Buckets
from gateway.guard.claims import ANYONE
from gateway.settings import Settings

ADDRESS: web.RequestKey[str] = web.RequestKey("address", str)

SENDERS_MAX = 10_000  # 4 MB; a sender that is forgotten begins with a full bucket again
FREE = {"/healthz"}  # whoever watches over the gateway shares an address with its proxy, and must not be turned away


def address_middleware(settings: Settings) -> Middleware:
    """The limit of each address, and who is behind it (`address_of`)."""
    trusted = networks(settings.trusted_proxies)
    header = settings.proxy_header
    hops_of = forwarded if header == "forwarded" else forwarded_for
    buckets = Buckets(settings.requests_per_s_address, settings.requests_burst, SENDERS_MAX)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        address = client_of(request.remote or "", hops_of(request.headers.getall(header, ())), trusted)
        request[ADDRESS] = address
        if request.path not in FREE:
            wait_s = buckets.take(site_of(address), asyncio.get_running_loop().time())
            if wait_s is not None:
                raise TooManyRequests("Your address sends too many requests; please wait a moment.", wait_s)
        return await handler(request)

    return middleware


def subject_middleware(settings: Settings) -> Middleware:
    """The limit of each subject, from wherever it asks; after the claims are known."""
    buckets = Buckets(settings.requests_per_s_subject, settings.requests_burst, SENDERS_MAX)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        claims = request.get(CLAIMS)  # pages need none
        if claims is not None and claims is not ANYONE and not claims.operator:
            wait_s = buckets.take(claims.subject, asyncio.get_running_loop().time())
            if wait_s is not None:
                raise TooManyRequests("You send too many requests; please wait a moment.", wait_s)
        return await handler(request)

    return middleware


def address_of(request: web.Request) -> str:
    """Who sent a request, as far as trusted proxies tell."""
    return request[ADDRESS]
