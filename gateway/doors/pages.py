"""The pages: the directory `web`, as it is.

Owns which files are served and with which headers. It must not know what the pages do.
**Invariant: nothing outside of the directory is served, and no page may load anything from another site.**
"""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web

WEB = Path(__file__).parents[2] / "web"
CONTENT_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'{sockets}; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HOST = re.compile(r"[a-z0-9.-]+(:\d+)?|\[[0-9a-f:.]+\](:\d+)?", re.ASCII | re.IGNORECASE)
HEADERS = {
    "Cache-Control": "no-cache",  # always asked for again, and 304 when it has not changed
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(), geolocation=()",
}


def routes() -> list[web.RouteDef]:
    """What to add to a router, after everything else."""
    return [web.get("/", page), web.get("/{path:(?!v1/).+}", page)]


async def page(request: web.Request) -> web.StreamResponse:
    """One file of the pages."""
    try:
        path = (WEB / (request.match_info.get("path") or "index.html")).resolve()
    except (ValueError, OSError):  # no name of a file: a zero byte in it, or too long
        raise web.HTTPNotFound from None
    if not path.is_relative_to(WEB) or path.suffix not in CONTENT_TYPES or not path.is_file():
        raise web.HTTPNotFound
    response = web.FileResponse(path, headers={**HEADERS, "Content-Security-Policy": policy(request.host)})
    response.content_type = CONTENT_TYPES[path.suffix]
    response.charset = "utf-8"
    return response


def policy(host: str) -> str:
    """The content security policy of a page that was asked for at this host: nothing inline, nothing from elsewhere.

    Safari before 15.4 does not count WebSockets of the page's own host as 'self'.
    """
    return POLICY.format(sockets=f" ws://{host} wss://{host}" if HOST.fullmatch(host) else "")
