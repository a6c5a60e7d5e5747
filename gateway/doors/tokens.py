"""Tokens for callers, made for the operator.

Owns the resource. It must not know what a token is made of.
**Invariant: only the operator's key is given a token.**
"""

from __future__ import annotations

import json
import math
import time

from aiohttp import web

from gateway.doors.auth import claims_of
from gateway.doors.body import read_body
from gateway.errors import BadRequest, Forbidden, NoTokensHere
from gateway.guard.grant import parse_request
from gateway.guard.tokens import Tokens

JSON = "application/json"
BODY_MAX_BYTES = 16 * 1024


class TokenDoor:
    """The handler."""

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        return [web.post("/v1/tokens", self.mint)]

    async def mint(self, request: web.Request) -> web.Response:
        """A new token, with the rights that the body names."""
        if not claims_of(request).operator:
            raise Forbidden("Only the operator makes tokens: send GATEWAY_OPERATOR_KEY as Authorization: Bearer.")
        if self._tokens is None:
            raise NoTokensHere("This gateway makes no tokens: it has no GATEWAY_JWT_SECRET to sign them with.")
        now = time.time()
        minted = self._tokens.mint(parse_request(await _json(request)), now)
        body = {
            "token": minted.token,
            "subject": minted.subject,
            "expires_at": minted.expires_at,
            "expires_in_s": math.floor(minted.expires_at - now),
        }
        return web.json_response(body, status=201, headers={"Cache-Control": "no-store"})


async def _json(request: web.Request) -> dict[str, object]:
    """The body as an object; an empty one asks for nothing in particular."""
    if not request.can_read_body:
        return {}
    try:
        body = json.loads(await read_body(request, JSON, BODY_MAX_BYTES) or b"{}")
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise BadRequest("The body is not a JSON object.")
    return body
