"""Failures as `application/problem+json` (RFC 9457).

Owns the turning of every exception into a response, in one place. It must not know what failed.
**Invariant: no request fails with a 200, a bare page or a traceback; what the caller cannot mend is in the log.**
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.errors import GatewayError

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 5  # when a place may be free again, or a gateway has restarted

# Sentences for what aiohttp refuses itself.
REFUSALS = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The body is too large.",
}


def problem(status: int, detail: str, code: str) -> web.Response:
    """A failure as a response."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return web.json_response(body, status=status, content_type=CONTENT_TYPE)


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what a handler raises."""
    try:
        return await handler(request)
    except GatewayError as error:
        response = problem(error.http_status, error.user_message, error.code)
        if error.retryable:
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response
    except web.HTTPException as error:
        if error.status < 400:
            raise
        detail = REFUSALS.get(error.status, error.text or error.reason)
        response = problem(error.status, detail, error.reason.lower().replace(" ", "_"))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        return problem(500, "Something went wrong inside the gateway; the operator's log has the details.", "internal")
