"""How many requests one sender may make.

Owns who counts as one sender, and the refusal before anything else is done for a request. It must not know resources.
**Invariant: what is refused here has cost no more than its headers; the memory for senders is bounded.**
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.doors import pages
from gateway.doors.auth import CLAIMS
from gateway.errors import TooManyRequests
from gateway.guard.addresses import client_of, forwarded, forwarded_for, networks, site_of
from gateway.guard.bucket import Buckets
from gateway.guard.claims import ANYONE
from gateway.settings import Settings

ADDRESS: web.RequestKey[str] = web.RequestKey("address", str)

SENDERS_MAX = 10_000  # 4 MB; a sender that is forgotten begins with a full bucket again
# A page is fifty files out of memory, and a mobile network has thousands of people behind one address: one that went
# without some of its files would be dead.
PAGE_FILE = 1 / 8
FREE = {"/healthz"}  # whoever watches over the gateway shares an address with its proxy, and must not be turned away


ClientOf = Callable[[web.Request], str | None]  # for whom another node hands a request on; None when none does


def address_middleware(settings: Settings, handed_on_for: ClientOf) -> Middleware:
    """The limit of each address, and who is behind it (`address_of`). What another node hands on it has counted."""
    trusted = networks(settings.trusted_proxies)
    header = settings.proxy_header
    hops_of = forwarded if header == "forwarded" else forwarded_for
    buckets = Buckets(settings.requests_per_s_address, settings.requests_burst, SENDERS_MAX)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        client = handed_on_for(request)
        address = client or client_of(request.remote or "", hops_of(request.headers.getall(header, ())), trusted)
        request[ADDRESS] = address
        if client is None and request.path not in FREE:
            amount = PAGE_FILE if request.match_info.handler is pages.page else 1.0
            wait_s = buckets.take(site_of(address), asyncio.get_running_loop().time(), amount)
            if wait_s is not None:
                raise TooManyRequests("Your address sends too many requests; please wait a moment.", wait_s)
        return await handler(request)

    return middleware


def subject_middleware(settings: Settings, handed_on_for: ClientOf) -> Middleware:
    """The limit of each subject, from wherever it asks; after the claims are known."""
    buckets = Buckets(settings.requests_per_s_subject, settings.requests_burst, SENDERS_MAX)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        claims = request.get(CLAIMS)  # pages need none
        counts = claims is not None and claims != ANYONE and not claims.operator
        if claims is not None and counts and handed_on_for(request) is None:
            wait_s = buckets.take(claims.subject, asyncio.get_running_loop().time())
            if wait_s is not None:
                raise TooManyRequests("You send too many requests; please wait a moment.", wait_s)
        return await handler(request)

    return middleware


def address_of(request: web.Request) -> str:
    """Who sent a request, as far as trusted proxies tell."""
    return request[ADDRESS]
