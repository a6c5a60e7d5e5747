"""Rates: what is let through over any time, and what is remembered of whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guard.bucket import Buckets, TokenBucket

STEPS = st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=200)


@given(st.floats(0.1, 100), st.integers(1, 50), STEPS)
def test_over_any_time_no_more_than_rate_and_burst(rate_per_s: float, burst: int, steps_s: list[float]) -> None:
    """Between any two moments, however requests are spread."""
    bucket = TokenBucket(rate_per_s, burst)
    now_s, taken = 0.0, []
    for step_s in steps_s:
        now_s += step_s
        taken += [now_s for _ in range(3) if bucket.take(now_s)]
    for first in range(0, len(taken), 7):
        for last in range(first, len(taken), 5):
            assert last - first + 1 <= burst + rate_per_s * (taken[last] - taken[first]) + 1e-6


def test_the_wait_is_told_exactly() -> None:
    """A moment before it is over there is nothing, then there is."""
    bucket = TokenBucket(2.0, 3)
    assert all(bucket.take(10.0) for _ in range(3))
    assert not bucket.take(10.0)
    wait_s = bucket.wait_s()
    assert wait_s == pytest.approx(0.5)
    assert not bucket.take(10.0 + wait_s - 0.01)
    assert bucket.take(10.0 + wait_s + 0.001)
    assert bucket.wait_s(4) == float("inf"), "more than the burst never comes"


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    """Time that seems to run backwards fills no bucket, then or later."""
    bucket = TokenBucket(1.0, 1)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(100.5)
    assert bucket.take(101.0)


def test_a_flood_from_everywhere_is_remembered_in_bounded_memory() -> None:
    """The sender that was seen longest ago is forgotten first; one that goes on sending is not."""
    buckets = Buckets(rate_per_s=0.001, burst=1, keys_max=100)
    assert buckets.take("loud", 0.0) is None
    for index in range(10_000):
        buckets.take(f"2001:db8:{index:x}::/64", 1.0)
        assert buckets.take("loud", 1.0) is not None
    assert len(buckets) == 100


def test_senders_do_not_share() -> None:
    """What one uses up another still has."""
    buckets = Buckets(1.0, 2, 10)
    assert [buckets.take("one", 0.0) for _ in range(3)] == [None, None, 1.0]
    assert buckets.take("other", 0.0) is None
