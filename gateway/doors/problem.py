"""Failures as `application/problem+json` (RFC 9457).

Owns the turning of every exception into a response, in one place. It must not know what failed.
**Invariant: no request fails with a 200, a bare page or a traceback; what the caller cannot mend is in the log.**
"""

from __future__ import annotations

import logging
import math
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.errors import Forbidden, GatewayError, TokenMissing, Unauthorized
from gateway.telemetry import metrics

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="gateway"'
RETRY_AFTER_S = 5  # when a place may be free again, or a gateway has restarted

# Sentences for what aiohttp refuses itself.
REFUSALS = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The body is too large.",
}


def problem(status: int, detail: str, code: str) -> web.Response:
    """A failure as a response."""
    metrics.REFUSED.labels(code).inc()
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return web.json_response(body, status=status, content_type=CONTENT_TYPE)


def refusal(error: GatewayError) -> web.Response:
    """An error as a response; a limit that was met is counted."""
    if error.is_limit:
        metrics.LIMITS_REACHED.labels(error.code).inc()
    response = problem(error.http_status, error.user_message, error.code)
    if error.retryable:
        after_s = RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s
        response.headers["Retry-After"] = str(max(1, math.ceil(after_s)))
    return response


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what a handler raises."""
    try:
        return await handler(request)
    except GatewayError as error:
        response = refusal(error)
        if isinstance(error, (Unauthorized, Forbidden)):
            response.headers["WWW-Authenticate"] = CHALLENGE + _complaint(error)
        if not request.content.is_eof():
            response.force_close()  # what is left of a body that was given up is not the next request
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
        resource = request.match_info.route.resource  # a path may hold an id, or anything at all
        logger.exception("%s %s failed", request.method, resource.canonical if resource is not None else "?")
        return problem(500, "Something went wrong inside the gateway; the operator's log has the details.", "internal")


def _complaint(error: Unauthorized | Forbidden) -> str:
    """What is wrong with a token, in the words of RFC 6750 §3.1; nothing where there was none."""
    if isinstance(error, TokenMissing):
        return ""
    return ', error="insufficient_scope"' if isinstance(error, Forbidden) else ', error="invalid_token"'
