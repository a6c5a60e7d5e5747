"""Which web pages may call the gateway.

Owns the same-origin rule, the origins an operator adds, and preflights. It must not know what a call does.
**Invariant: a page of another site can neither start a session nor read one, unless its origin was added; an open
gateway on a loopback address answers to loopback names only, so that no name can be pointed at it (DNS rebinding).**
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.doors.problem import problem
from gateway.settings import Settings

ALLOWED_METHODS = "GET, POST, PATCH, DELETE, OPTIONS"
ALLOWED_HEADERS = "Content-Type, Authorization, If-Match, ETag, Last-Event-ID"  # ETag: see doors/ice_session.py
# WHIP clients look into Access-Control-Allow-Methods to find out whether candidates can be trickled.
EXPOSED_HEADERS = "Location, Link, ETag, Accept-Post, X-Frame-Id, Retry-After, Access-Control-Allow-Methods"
PREFLIGHT_MAX_AGE_S = 600  # what browsers keep at most, or a little more

ORIGIN: web.RequestKey[str] = web.RequestKey("origin", str)


def cors_middleware(settings: Settings) -> Middleware:
    """The rule of these settings, as a middleware."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if settings.effective_auth == "open" and not is_loopback_host(request.host):
            return problem(
                403, f"This gateway is open to this machine only and was called as {request.host!r}.", "wrong_host"
            )
        origin = request.headers.get("Origin")
        allowed = origin is not None and is_allowed(origin, settings.cors_origins)
        if origin is not None and not allowed and not is_same_origin(origin, request.host):
            if request.method != "GET" or "Upgrade" in request.headers:
                return problem(
                    403, f"Pages of {origin} may not call this gateway (GATEWAY_CORS_ORIGINS).", "wrong_origin"
                )
            return await handler(request)
        if allowed and origin is not None:
            request[ORIGIN] = origin
        if is_preflight(request) and request.match_info.http_exception is not None:
            return web.Response(status=204)  # the resource has nothing of its own to say to OPTIONS
        return await handler(request)

    return middleware


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Let the page read the response, however it was made; a signal of the application (`on_response_prepare`)."""
    origin = request.get(ORIGIN)
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        response.headers.add("Vary", "Origin")
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = ALLOWED_METHODS
    if is_preflight(request):
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_MAX_AGE_S)


def is_preflight(request: web.Request) -> bool:
    """Whether a browser asks what a page of another site may do here (Fetch §3.3.2)."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def is_allowed(origin: str, allowed: tuple[str, ...]) -> bool:
    """True for an origin the operator added, or any when `*` was."""
    return "*" in allowed or origin.rstrip("/") in {entry.rstrip("/") for entry in allowed}


def is_same_origin(origin: str, host: str) -> bool:
    """True when a page of this origin was served by the host it calls; a proxy may have changed the scheme."""
    parts = urlsplit(origin)
    default_ports = {"http": ":80", "https": ":443"}
    return parts.netloc == host or parts.netloc == host.removesuffix(default_ports.get(parts.scheme, ""))


def is_loopback_host(host: str) -> bool:
    """True for `localhost`, its subdomains and loopback addresses, with or without a port."""
    name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
