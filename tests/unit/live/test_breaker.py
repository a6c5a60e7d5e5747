"""The circuit breaker of a used-up quota."""

from gateway.live.breaker import OPEN_FIRST_S, OPEN_MAX_S, Breaker


def test_it_opens_for_longer_each_time_and_a_success_closes_it() -> None:
    """Up to five minutes."""
    breaker = Breaker()
    assert breaker.wait_s(0.0) == 0
    now_s, waits = 0.0, []
    for _ in range(6):
        breaker.trip(now_s)
        waits.append(breaker.wait_s(now_s))
        now_s += waits[-1]
    assert waits == [OPEN_FIRST_S, 60, 120, 240, OPEN_MAX_S, OPEN_MAX_S]
    breaker.success()
    assert breaker.wait_s(now_s) == 0
    breaker.trip(now_s)
    assert breaker.wait_s(now_s) == OPEN_FIRST_S


def test_those_who_notice_together_open_it_once() -> None:
    """A hundred conversations that are refused in the same second do not add up."""
    breaker = Breaker()
    for _ in range(100):
        breaker.trip(1.0)
    assert breaker.wait_s(1.0) == OPEN_FIRST_S


def test_the_service_names_the_time() -> None:
    """Retry-After is kept to."""
    breaker = Breaker()
    breaker.trip(0.0, retry_after_s=5)
    assert breaker.wait_s(0.0) == 5
