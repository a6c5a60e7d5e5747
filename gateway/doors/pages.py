"""The pages: the directory `web`, as it is.

Owns which files are served and with which headers. It must not know what the pages do.
**Invariant: nothing outside of the directory is served, and no page may load anything from another site.**
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from aiohttp import web

WEB = Path(__file__).parents[2] / "web"
CONTENT_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wav": "audio/wav",
}
POLICY = (
    "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'{sockets}; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HOST = re.compile(r"[a-z0-9.-]+(:\d+)?|\[[0-9a-f:.]+\](:\d+)?", re.ASCII | re.IGNORECASE)
HEADERS = {
    "Cache-Control": "no-cache",  # always asked for again, and 304 when it has not changed
    "Vary": "Accept-Encoding",
}
PERMISSIONS = "camera=(self), microphone=(self), display-capture=(), geolocation=()"
DOCUMENT = ".html"
# Of the other files, some seventy to a page: what they do is ruled by the page that loads them.
PART = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is sent."""

    plain: bytes
    gzipped: bytes  # once for all: a page is a quarter of its size, which a phone on a weak network feels
    etag: str


def routes() -> list[web.RouteDef]:
    """What to add to a router, after everything else."""
    return [web.get("/", page), web.get("/{path:(?!v1/).+}", page)]


async def page(request: web.Request) -> web.StreamResponse:
    """One file of the pages."""
    try:
        path = (WEB / (request.match_info.get("path") or "index")).resolve()
        path = path if path.suffix else path.with_suffix(DOCUMENT)
        found = path.is_relative_to(WEB) and path.suffix in CONTENT_TYPES and path.is_file()
    except (ValueError, OSError):  # no name of a file: a zero byte in it, or too long
        found = False
    if not found:
        raise web.HTTPNotFound
    file = read(path, path.stat().st_mtime_ns)
    headers = {**HEADERS, "Content-Security-Policy": PART, "ETag": f'"{file.etag}"'}
    if path.suffix == DOCUMENT:
        headers |= {"Content-Security-Policy": policy(request.host), "Permissions-Policy": PERMISSIONS}
    if any(tag.value in (file.etag, "*") for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return web.Response(
        body=file.gzipped if zipped else file.plain,
        headers=headers,
        content_type=CONTENT_TYPES[path.suffix],
        charset=None if path.suffix == ".wav" else "utf-8",
    )


@lru_cache(maxsize=256)
def read(path: Path, mtime_ns: int) -> File:
    """A file of this age; one that was changed on the disk is read again."""
    plain = path.read_bytes()
    return File(plain, gzip.compress(plain, mtime=0), sha256(plain).hexdigest()[:20])


def policy(host: str) -> str:
    """The content security policy of a page that was asked for at this host: nothing inline, nothing from elsewhere.

    Safari before 15.4 does not count WebSockets of the page's own host as 'self'.
    """
    return POLICY.format(sockets=f" ws://{host} wss://{host}" if HOST.fullmatch(host) else "")
