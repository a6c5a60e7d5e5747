"""Every error that this package raises on purpose.

    GatewayError
    ├── ConfigError            the process cannot start as it is configured
    ├── ClientError            the caller asked for something that cannot be had; the caller can mend it
    │   ├── BadRequest         400  the request cannot be read
    │   ├── TokenInUrl         400  a token stands in the address, where it ends up in logs
    │   ├── Unauthorized       401  the request does not prove whose it is
    │   │   └── TokenMissing, TokenInvalid, TokenExpired, TokenUsed
    │   ├── Forbidden          403  it does, and may not do this
    │   │   └── WrongOrigin, WrongProfile
    │   ├── BadOffer           400  the body is not an SDP offer
    │   ├── UnsupportedOffer   422  a readable offer that asks for what the gateway does not do
    │   ├── TooManySections    422  an offer with more media sections than are read
    │   ├── RestartUnsupported 422  an ICE restart where there is none
    │   ├── UnsupportedMediaType 415
    │   ├── PayloadTooLarge    413
    │   ├── BodyTimeout        408
    │   ├── NoTokensHere       404  this gateway makes no tokens
    │   ├── NotAcceptable      406  the answer has no form that the caller takes
    │   ├── PreconditionFailed 412  the ICE session it speaks of is not the present one
    │   ├── PreconditionRequired 428  it does not say of which ICE session it speaks
    │   ├── SessionNotFound    404
    │   ├── ListenerNotFound   404  the session is there, that listener is not
    │   ├── PeerGone           409  the session is there, its WebRTC leg is not
    │   ├── KeysUnavailable    503  the keys to check tokens with cannot be had
    │   ├── TestModesOff       403  the operator allows no test modes
    │   ├── DrillImpossible    409  the session has not what a drill would break
    │   ├── BudgetSpent        403  what a token may use is used up
    │   ├── NodeSilent         503  the node that has the session does not answer; come back soon
    │   └── LimitReached       come back later
    │       ├── TooManyRequests           429  of this address, or of this subject
    │       ├── TooManySessionsOfSubject  429
    │       ├── TooManyPeers              429  of one session, too soon after each other
    │       ├── TooManyCandidates         429  of one session
    │       ├── TooManyListeners          503  of one session
    │       ├── TooManySetups             503  of all, at this moment
    │       ├── TooManySessions           503  all places are taken
    │       └── Overloaded                503  the machine has enough to do
    └── UpstreamError          the Gemini leg
        ├── UpstreamAuth       the key, token or permission is refused; trying again cannot help
        ├── UpstreamRefused    Gemini refused our setup or model; trying again unchanged cannot help
        ├── UpstreamQuota      quota is used up; trying again helps later
        └── UpstreamUnavailable  network, overload or restart; trying again helps soon

An error knows its HTTP status, whether a retry can help and the sentence for a person. It does not know how it is
delivered: `doors.problem` turns it into a response, `events` into a browser event, the log into a line.
**Invariant: the message of every error says what is wrong in a sentence that may be shown to the person it concerns,
and never carries a secret.**
"""

from __future__ import annotations

from typing import ClassVar


class GatewayError(Exception):
    """Base of the tree; raise a subclass."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    is_limit: ClassVar[bool] = False  # a limit of the gateway was met, which operators want to see counted

    def __init__(self, message: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s  # when it makes sense to try again, where that is known

    @property
    def user_message(self) -> str:
        """The sentence for the person who is in the call or sent the request."""
        return str(self)


class ConfigError(GatewayError):
    """The settings contradict each other or the machine; the process does not start."""

    code = "config"


class ClientError(GatewayError):
    """The caller can mend it."""

    code = "bad_request"
    http_status = 400


class BadRequest(ClientError):
    """The request cannot be read."""


class TokenInUrl(ClientError):
    """A token stands in the address: addresses end up in logs, histories and Referer headers."""

    code = "token_in_url"


class Unauthorized(ClientError):
    """The request does not prove whose it is."""

    code = "unauthorized"
    http_status = 401


class TokenMissing(Unauthorized):
    """There is no token."""

    code = "token_missing"


class TokenInvalid(Unauthorized):
    """The token is none of this gateway's."""

    code = "token_invalid"


class TokenExpired(Unauthorized):
    """The token was good, and its time is over."""

    code = "token_expired"


class TokenUsed(Unauthorized):
    """The token was for one call, which has been."""

    code = "token_used"


class Forbidden(ClientError):
    """It is known whose request this is, and it may not do this."""

    code = "forbidden"
    http_status = 403


class WrongOrigin(Forbidden):
    """The token is for pages of other sites."""

    code = "wrong_origin"


class WrongProfile(Forbidden):
    """The token is for a profile that is not served here."""

    code = "wrong_profile"


class BodyTimeout(ClientError):
    """The body of the request did not arrive in time."""

    code = "body_timeout"
    http_status = 408


class NoTokensHere(ClientError):
    """This gateway makes no tokens."""

    code = "no_tokens_here"
    http_status = 404


class KeysUnavailable(ClientError):
    """The keys to check tokens with cannot be had at the moment."""

    code = "keys_unavailable"
    http_status = 503
    retryable = True


class BadOffer(ClientError):
    """The body is not an SDP offer that can be read."""

    code = "bad_offer"


class UnsupportedOffer(ClientError):
    """The offer can be read, but asks for what the gateway does not do."""

    code = "unsupported_offer"
    http_status = 422


class TooManySections(ClientError):
    """The offer has more media sections than any browser makes."""

    code = "too_many_sections"
    http_status = 422
    is_limit = True


class RestartUnsupported(ClientError):
    """This resource cannot restart ICE."""

    code = "restart_unsupported"
    http_status = 422


class UnsupportedMediaType(ClientError):
    """The content type is not one this resource takes."""

    code = "unsupported_media_type"
    http_status = 415


class PayloadTooLarge(ClientError):
    """The body is larger than this resource reads."""

    code = "payload_too_large"
    http_status = 413
    is_limit = True


class NotAcceptable(ClientError):
    """The caller takes no form that the answer has."""

    code = "not_acceptable"
    http_status = 406


class PreconditionFailed(ClientError):
    """What the request was made for has been replaced."""

    code = "precondition_failed"
    http_status = 412


class PreconditionRequired(ClientError):
    """The request does not say what it was made for."""

    code = "precondition_required"
    http_status = 428


class SessionNotFound(ClientError):
    """There is no such session, or there is no more."""

    code = "session_not_found"
    http_status = 404


class ListenerNotFound(ClientError):
    """The session has no such listener, or no more."""

    code = "listener_not_found"
    http_status = 404


class PeerGone(ClientError):
    """The session has no WebRTC leg at the moment."""

    code = "peer_gone"
    http_status = 409


class TestModesOff(ClientError):
    """Something was asked for that exists for tests only."""

    code = "test_modes_off"
    http_status = 403


class DrillImpossible(ClientError):
    """The session has not what this drill would break."""

    code = "drill_impossible"
    http_status = 409


class BudgetSpent(ClientError):
    """What the bearer's token may use of the model is used up."""

    code = "budget_spent"
    http_status = 403
    is_limit = True


class LimitReached(ClientError):
    """More than the caller's share, or more than the gateway can do at the moment; raise a subclass."""

    http_status = 429
    retryable = True
    is_limit = True


class TooManyRequests(LimitReached):
    """An address or a subject asks more often than it may."""

    code = "too_many_requests"


class TooManySessionsOfSubject(LimitReached):
    """A subject has as many sessions as it may have."""

    code = "too_many_sessions_of_subject"


class TooManyPeers(LimitReached):
    """A session is given new WebRTC connections faster than anyone changes networks."""

    code = "too_many_peers"


class TooManyCandidates(LimitReached):
    """A session is given more ICE candidates than any device has."""

    code = "too_many_candidates"


class TooManyListeners(LimitReached):
    """A session has as many listeners as it may have."""

    code = "too_many_listeners"
    http_status = 503


class TooManySetups(LimitReached):
    """As many sessions are being set up as can be at once."""

    code = "too_many_setups"
    http_status = 503


class TooManySessions(LimitReached):
    """The gateway is full, or is going down."""

    code = "too_many_sessions"
    http_status = 503


class Overloaded(LimitReached):
    """The machine has enough to do with the calls it has."""

    code = "overloaded"
    http_status = 503


class NodeSilent(ClientError):
    """Another node has the session and does not answer."""

    code = "node_silent"
    http_status = 503
    retryable = True


class UpstreamError(GatewayError):
    """The Gemini leg failed."""

    code = "upstream"
    http_status = 502


class UpstreamAuth(UpstreamError):
    """The key, token or permission was refused."""

    code = "upstream_auth"


class UpstreamRefused(UpstreamError):
    """Gemini refused the setup, the model or a message of ours."""

    code = "upstream_refused"


class UpstreamQuota(UpstreamError):
    """The project's quota is used up for now."""

    code = "upstream_quota"
    http_status = 503
    retryable = True


class UpstreamUnavailable(UpstreamError):
    """Gemini cannot be reached, or went away."""

    code = "upstream_unavailable"
    http_status = 503
    retryable = True
