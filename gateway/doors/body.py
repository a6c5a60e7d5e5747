"""The body of a request, read with a bound on its size and on the time it takes.

Owns both bounds' enforcement. It must not know what is in it.
**Invariant: a body that is too large is given up at its limit, one that dawdles when its time is over.**
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from gateway.errors import BodyTimeout, PayloadTooLarge, UnsupportedMediaType

BODY = web.RequestKey("body", bytes)
BODY_TIMEOUT_S = 15.0  # an offer has 10 kB: at 6 kbit/s, slower than any phone that could carry a call


async def read_body(request: web.Request, content_type: str, max_bytes: int) -> bytes:
    """The body, also when it was read before; raises UnsupportedMediaType, PayloadTooLarge and BodyTimeout."""
    if BODY in request:
        return request[BODY]
    if request.content_type != content_type:
        given = request.headers.get("Content-Type", "none")
        raise UnsupportedMediaType(f"The content type must be {content_type}, and was {given[:80]}.")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise PayloadTooLarge(f"The body has more than {max_bytes} bytes.")
    except TimeoutError:
        raise BodyTimeout(f"The body did not arrive within {BODY_TIMEOUT_S:g} seconds.") from None
    request[BODY] = bytes(body)
    return request[BODY]
