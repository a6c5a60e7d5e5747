"""What to do when a link ends: the reaction table.

Owns the meaning of close codes, close texts, HTTP refusals and in-band errors, and the time until the next try. It must
not know sockets, conversations or clocks; the chance that spreads the tries is an argument.
**Invariant: every ending has one reaction, and either a next try with a time or an error that says why there is none.**
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.errors import UpstreamAuth, UpstreamError, UpstreamQuota, UpstreamRefused, UpstreamUnavailable

Phase = Literal["connect", "setup", "open"]
How = Literal["fresh", "resumed", "rehydrated"]

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 4.0
FAILURES_MAX = 8  # in a row: with the backoff about 20 s, what a person will wait
QUOTA_FAILURES_MAX = 2  # a minute's quota and half another; after that it is not a matter of seconds
JITTER = 0.3  # so that the calls of a gateway do not all come back in the same instant
POISONED_DEATHS = 2  # links that died soon after a resume: the handle leads nowhere
POISONED_S = 30.0  # what "soon" is; such sessions were seen dying after 0.5 s and after a minute of another life

# gRPC codes in an `error` inside the stream, as HTTP says them (google.rpc.Code).
GRPC_STATUS = {7: 403, 8: 429, 13: 500, 14: 503, 16: 401}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a link ended: a close frame of the service, an HTTP refusal, or neither for the network and ourselves."""

    phase: Phase
    code: int | None = None
    reason: str = ""
    http_status: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a conversation was when its link ended."""

    failures: int  # links that ended in a row before any was stable, this one included
    how: How = "fresh"  # how this link was opened
    deaths_after_resume: int = 0  # resumed links that ended within POISONED_S, in a row, this one included
    last_rung: bool = False  # there is no shorter seed left to try


@dataclass(frozen=True, slots=True)
class Reaction:
    """`retry_in_s` None: give up with `error`. Otherwise try again."""

    error: UpstreamError
    retry_in_s: float | None
    keep_handle: bool = True
    keep_media: bool = True
    shorter_seed: bool = False


def reaction(ending: Ending, situation: Situation, chance: float) -> Reaction:
    """React to the end of a link; `chance` is a random number from 0 to 1."""
    error = _meaning(ending, situation)
    failures_max = QUOTA_FAILURES_MAX if isinstance(error, UpstreamQuota) else FAILURES_MAX
    if not error.retryable or situation.failures > failures_max:
        return Reaction(error, None)
    # 1007 is for a payload: the same payload, or the same handle, would be refused again.
    invalid = ending.code == 1007
    refused_handle = situation.how == "resumed" and ending.phase == "setup" and ending.code in (1007, 1008)
    worn_out = situation.deaths_after_resume >= POISONED_DEATHS
    return Reaction(
        error,
        _backoff_s(ending, situation.failures, chance),
        keep_handle=not (invalid or refused_handle or worn_out),
        keep_media=not invalid,
        shorter_seed=invalid and situation.how == "rehydrated",
    )


def _backoff_s(ending: Ending, failures: int, chance: float) -> float:
    spread = 1.0 + JITTER * chance
    if ending.retry_after_s is not None:
        return ending.retry_after_s * spread
    doublings = min(max(0, failures - 1), 16)
    return min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0**doublings) * spread


def _meaning(ending: Ending, situation: Situation) -> UpstreamError:
    """The error of an ending; the text of the service decides more than its code."""
    said = ending.reason.rstrip(". ") or "no reason given"
    lower = ending.reason.lower()
    if ending.http_status is not None:
        return _http_meaning(ending.http_status, said)
    if "api key" in lower or "permission" in lower or "unauthenticated" in lower:
        return UpstreamAuth(f"Gemini refused the gateway's key ({said}). The operator must check it.")
    if "quota" in lower or "resource_exhausted" in lower:
        return UpstreamQuota(f"The Gemini quota is used up for now ({said}).")
    if ending.code == 1008 and "not found" in lower and "requested entity" not in lower and "session" not in lower:
        return UpstreamRefused(f"Gemini does not know the model ({said}). The operator must check GATEWAY_MODEL.")
    in_vain = situation.how == "fresh" or (situation.how == "rehydrated" and situation.last_rung)
    if ending.code == 1007 and ending.phase == "setup" and in_vain:
        return UpstreamRefused(f"Gemini refused the setup ({said}). The operator must check the settings.")
    if ending.phase == "connect":
        return UpstreamUnavailable(f"Gemini cannot be reached ({said}).")
    if ending.code is None:
        return UpstreamUnavailable(f"The connection to Gemini was lost ({said}).")
    return UpstreamUnavailable(f"Gemini closed the connection with {ending.code} ({said}).")


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
