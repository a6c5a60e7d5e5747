"""What to do when a link ends: the reaction table.

Owns the meaning of close codes, close texts and HTTP refusals, and the time until the next try. It must not know
sockets, conversations or clocks; the chance that spreads the tries is an argument.
**Invariant: every ending has one reaction, and either a next try with a time or an error that says why there is none.**
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.errors import UpstreamAuth, UpstreamError, UpstreamQuota, UpstreamRefused, UpstreamUnavailable

Phase = Literal["connect", "setup", "open"]

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 4.0
QUOTA_BACKOFF_S = 30.0  # a per-minute quota is not free again any sooner
FAILURES_MAX = 6  # in a row: with the backoff about 12 s, what a person will wait in silence
JITTER = 0.3  # so that the calls of a gateway do not all come back in the same instant


@dataclass(frozen=True, slots=True)
class Ending:
    """How a link ended: a close frame, an HTTP refusal, or neither (`code` and `http_status` None) for the network."""

    phase: Phase
    code: int | None = None
    reason: str = ""
    http_status: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    """`retry_in_s` None: give up with `error`. Otherwise try again, with the resumption handle or without."""

    error: UpstreamError
    retry_in_s: float | None
    keep_handle: bool = True
    keep_media: bool = True


def reaction(ending: Ending, failures: int, *, resumed: bool, chance: float) -> Reaction:
    """React to the end of a link.

    `failures` counts the links that ended in a row before any was stable, this one included; `resumed` tells whether
    the link used a handle; `chance` is a random number from 0 to 1.
    """
    error = _meaning(ending, resumed=resumed)
    if not error.retryable:
        return Reaction(error, None)
    if failures > FAILURES_MAX:
        return Reaction(error, None)
    # The service closes with 1007 for a payload: the same payload, or the same handle, would be refused again.
    invalid = ending.code == 1007
    # A handle that leads nowhere: two deaths in a row with it.
    useless = resumed and (ending.phase != "open" or failures >= 2)
    return Reaction(
        error,
        _backoff_s(ending, error, failures, chance),
        keep_handle=not (invalid or useless),
        keep_media=not invalid,
    )


def _backoff_s(ending: Ending, error: UpstreamError, failures: int, chance: float) -> float:
    spread = 1.0 + JITTER * chance
    if ending.retry_after_s is not None:
        return ending.retry_after_s * spread
    if isinstance(error, UpstreamQuota):
        return QUOTA_BACKOFF_S * spread
    doublings = min(max(0, failures - 1), 16)
    return min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0**doublings) * spread


def _meaning(ending: Ending, *, resumed: bool) -> UpstreamError:
    """The error of an ending; the text of the service decides more than its code."""
    said = ending.reason.rstrip(". ") or "no reason given"
    lower = ending.reason.lower()
    if ending.http_status is not None:
        return _http_meaning(ending.http_status, said)
    if "api key" in lower or "permission" in lower or "unauthenticated" in lower:
        return UpstreamAuth(f"Gemini refused the gateway's key ({said}). The operator must check it.")
    if "quota" in lower or "resource_exhausted" in lower:
        return UpstreamQuota(f"The Gemini quota is used up for now ({said}).")
    if ending.code == 1008 and "not found" in lower and "requested entity" not in lower:
        return UpstreamRefused(f"Gemini does not know the model ({said}). The operator must check GATEWAY_MODEL.")
    if ending.code == 1007 and ending.phase == "setup" and not resumed:
        return UpstreamRefused(f"Gemini refused the setup ({said}). The operator must check the settings.")
    if ending.phase == "connect":
        return UpstreamUnavailable(f"Gemini cannot be reached ({said}).")
    code = "" if ending.code is None else f" with {ending.code}"
    return UpstreamUnavailable(f"Gemini closed the connection{code} ({said}).")


def _http_meaning(status: int, said: str) -> UpstreamError:
    if status in (400, 401, 403):
        return UpstreamAuth(
            f"Gemini refused the gateway's key with HTTP {status} ({said}). The operator must check it."
        )
    if status == 404:
        return UpstreamRefused(
            f"Gemini has no Live API at this address, HTTP 404 ({said}). "
            "The operator must check GATEWAY_UPSTREAM_URL and GATEWAY_API_VERSION."
        )
    if status == 429:
        return UpstreamQuota(f"The Gemini quota is used up for now, HTTP 429 ({said}).")
    return UpstreamUnavailable(f"Gemini is not available, HTTP {status} ({said}).")
