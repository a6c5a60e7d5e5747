"""What every answer says to a browser for the sake of safety, and what it does not say of the server.

Owns these headers. It must not know which answer it is: a resource that says otherwise is left alone.
**Invariant: no answer names software or version, may be guessed at, framed, or kept where it was not meant to be.**
"""

from __future__ import annotations

from aiohttp import web, web_response

DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def harden(application: web.Application) -> None:
    """Apply to all answers of an application."""
    # aiohttp's banner with its version and Python's; what it refuses itself it answers without a signal.
    web_response.SERVER_SOFTWARE = "gateway"  # type: ignore[attr-defined]

    async def complete(_: web.Request, response: web.StreamResponse) -> None:
        for name, value in DEFAULTS.items():
            response.headers.setdefault(name, value)

    application.on_response_prepare.append(complete)
