"""The reaction table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamAuth, UpstreamError, UpstreamQuota, UpstreamRefused, UpstreamUnavailable
from gateway.live.recovery import BACKOFF_MAX_S, FAILURES_MAX, JITTER, POISONED_DEATHS, Ending, Situation, reaction

FATAL = [
    (Ending("connect", reason="API key not valid", http_status=400), UpstreamAuth),
    (Ending("connect", reason="Forbidden", http_status=403), UpstreamAuth),
    (Ending("connect", reason="Not Found", http_status=404), UpstreamRefused),
    (Ending("setup", 1007, "API key expired. Please renew the API key."), UpstreamAuth),
    (
        Ending("setup", 1007, "Invalid JSON payload received. Unknown name \"x\" at 'setup': Cannot find field."),
        UpstreamRefused,
    ),
    (
        Ending("setup", 1008, "models/gemini-1.5-pro is not found for API version v1beta, or is not supported"),
        UpstreamRefused,
    ),
    (Ending("setup", 1008, "Publisher model `x` was not found"), UpstreamRefused),
]
TRANSIENT = [
    (Ending("connect", reason="Connection refused"), UpstreamUnavailable),
    (Ending("connect", reason="Too Many Requests", http_status=429), UpstreamQuota),
    (Ending("connect", reason="Service Unavailable", http_status=503), UpstreamUnavailable),
    (Ending("setup", reason="no setupComplete within 20 s"), UpstreamUnavailable),
    (Ending("open", 1000, ""), UpstreamUnavailable),
    (Ending("open", 1007, "Request contains an invalid argument."), UpstreamUnavailable),
    (Ending("open", 1008, "Requested entity was not found."), UpstreamUnavailable),
    (Ending("open", 1008, "Operation is not implemented, or supported, or enabled."), UpstreamUnavailable),
    (Ending("open", 1011, "Deadline expired before operation could complete."), UpstreamUnavailable),
    (Ending("open", 1011, "You exceeded your current quota"), UpstreamQuota),
    (Ending("open", reason="the connection was lost"), UpstreamUnavailable),
]


FIRST = Situation(failures=1)


@pytest.mark.parametrize(("ending", "kind"), FATAL)
def test_what_cannot_get_better_is_given_up_at_once(ending: Ending, kind: type[UpstreamError]) -> None:
    """A wrong key, model, address or setup is told in a sentence with the service's own words."""
    react = reaction(ending, FIRST, chance=0.5)
    assert type(react.error) is kind
    assert react.retry_in_s is None
    assert ending.reason.rstrip(".") in react.error.user_message


@pytest.mark.parametrize(("ending", "kind"), TRANSIENT)
def test_what_may_get_better_is_tried_again(ending: Ending, kind: type[UpstreamError]) -> None:
    """Soon; for a quota the breaker of all conversations adds its wait."""
    react = reaction(ending, FIRST, chance=0.0)
    assert type(react.error) is kind
    assert react.retry_in_s == 0.25


def test_tries_become_rarer_and_end() -> None:
    """The wait doubles to its bound; after the last failure the error is final. A quota is given up sooner."""
    waits = [reaction(Ending("open", 1011), Situation(failures), chance=0.0).retry_in_s for failures in range(1, 11)]
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0, None, None]
    assert FAILURES_MAX == 8
    quota = Ending("connect", reason="busy", http_status=429)
    assert reaction(quota, Situation(2), chance=0.0).retry_in_s is not None
    assert reaction(quota, Situation(3), chance=0.0).retry_in_s is None


def test_the_service_names_the_wait() -> None:
    """Retry-After is kept to."""
    ending = Ending("connect", reason="busy", http_status=503, retry_after_s=7)
    assert reaction(ending, FIRST, chance=0.0).retry_in_s == 7


def test_what_was_refused_is_not_sent_again() -> None:
    """After 1007 neither the media that waits nor the handle is used: they may be what was refused."""
    resumed = Situation(1, "resumed")
    react = reaction(Ending("open", 1007, "Request contains an invalid argument."), resumed, chance=0.0)
    assert (react.keep_handle, react.keep_media) == (False, False)


def test_a_handle_that_leads_nowhere_is_dropped() -> None:
    """Refused at the setup, or the death of links soon after a resume; not for a network that is down."""
    resumed = Situation(1, "resumed")
    assert not reaction(Ending("setup", 1007, "Request contains an invalid argument."), resumed, 0).keep_handle
    assert not reaction(Ending("setup", 1008, "Session not found."), resumed, 0).keep_handle
    assert reaction(Ending("setup", 1011, "The service is currently unavailable."), resumed, 0).keep_handle
    assert reaction(Ending("connect", reason="Connection refused"), Situation(3, "resumed"), 0).keep_handle
    worn_out = Situation(2, "resumed", deaths_after_resume=POISONED_DEATHS)
    assert not reaction(Ending("open", 1011), worn_out, 0).keep_handle


def test_a_seed_that_was_refused_becomes_shorter_until_there_is_no_shorter_one() -> None:
    """Only what a fresh link was told is shortened; the last rung is final."""
    refused = Ending("setup", 1007, "Request contains an invalid argument.")
    assert reaction(refused, Situation(1, "rehydrated"), 0).shorter_seed
    assert reaction(refused, Situation(2, "rehydrated", last_rung=True), 0).retry_in_s is None


@given(
    st.sampled_from(["connect", "setup", "open"]),
    st.none() | st.integers(1000, 4999),
    st.text(max_size=40),
    st.none() | st.integers(100, 599),
    st.integers(1, 30),
    st.sampled_from(["fresh", "resumed", "rehydrated"]),
    st.integers(0, 5),
    st.booleans(),
    st.floats(0, 1),
)
def test_every_ending_has_a_reaction(
    phase: str,
    code: int | None,
    reason: str,
    status: int | None,
    failures: int,
    how: str,
    deaths: int,
    last_rung: bool,
    chance: float,
) -> None:
    """Either a next try within bounds or an error with words; never neither."""
    ending = Ending(phase, code, reason, status)  # type: ignore[arg-type]
    react = reaction(ending, Situation(failures, how, deaths, last_rung), chance)  # type: ignore[arg-type]
    assert react.error.user_message
    if react.retry_in_s is not None:
        assert 0 < react.retry_in_s <= BACKOFF_MAX_S * (1 + JITTER)
        assert failures <= FAILURES_MAX
