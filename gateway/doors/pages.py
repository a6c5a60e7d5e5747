"""The pages: the directory `web`, as it is.

Owns which files are served and with which headers. It must not know what the pages do.
**Invariant: nothing outside of the directory is served, and no page may load anything from another site.**
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

WEB = Path(__file__).parents[2] / "web"
CONTENT_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Cache-Control": "no-cache",  # always asked for again, and 304 when it has not changed
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(), geolocation=()",
}


def routes() -> list[web.RouteDef]:
    """What to add to a router, after everything else."""
    return [web.get("/", page), web.get("/{path:(?!v1/).+}", page)]


async def page(request: web.Request) -> web.StreamResponse:
    """One file of the pages."""
    path = (WEB / (request.match_info.get("path") or "index.html")).resolve()
    if not path.is_relative_to(WEB) or path.suffix not in CONTENT_TYPES or not path.is_file():
        raise web.HTTPNotFound
    response = web.FileResponse(path, headers=HEADERS)
    response.content_type = CONTENT_TYPES[path.suffix]
    response.charset = "utf-8"
    return response
