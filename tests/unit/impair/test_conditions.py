"""What happens to datagrams on a bad network."""

import itertools

import pytest

from gateway.impair import Conditions, Impairment

COUNT = 20_000


def fates(conditions: Conditions, count: int = COUNT, seed: int = 1) -> list[list[float]]:
    """The deliveries of so many datagrams, one each 20 ms."""
    impairment = Impairment(conditions, seed)
    return [impairment.deliveries(100, index * 0.02) for index in range(count)]


def test_a_seed_is_a_fate() -> None:
    """The same seed loses the same datagrams; another one others."""
    conditions = Conditions(loss=0.2, jitter_ms=10, delay_ms=30, duplicate=0.1)
    assert fates(conditions, 200) == fates(conditions, 200)
    assert fates(conditions, 200) != fates(conditions, 200, seed=2)


@pytest.mark.parametrize("burst", [1, 4])
def test_so_much_is_lost_in_runs_so_long(burst: float) -> None:
    """Share and mean length of the runs are what was asked for."""
    lost = [not fate for fate in fates(Conditions(loss=0.1, burst=burst))]
    runs = [len(list(run)) for is_lost, run in itertools.groupby(lost) if is_lost]
    assert sum(lost) / COUNT == pytest.approx(0.1, abs=0.015)
    assert sum(runs) / len(runs) == pytest.approx(max(burst, 1 / 0.9), rel=0.1)


def test_delays_are_spread_and_overtake() -> None:
    """Evenly around the middle; some arrive before their predecessors."""
    arrivals = [fate[0] for fate in fates(Conditions(delay_ms=50, jitter_ms=30))]
    delays_ms = [(at - index * 0.02) * 1000 for index, at in enumerate(arrivals)]
    assert (min(delays_ms), max(delays_ms)) == (pytest.approx(20, abs=1), pytest.approx(80, abs=1))
    assert any(later < earlier for earlier, later in itertools.pairwise(arrivals))


def test_repetitions_come_twice() -> None:
    """So many as were asked for."""
    twice = sum(len(fate) == 2 for fate in fates(Conditions(duplicate=0.05)))
    assert twice / COUNT == pytest.approx(0.05, abs=0.01)


def test_a_limited_rate_holds_back_and_then_drops() -> None:
    """What would wait longer than the queue is lost; the rest leaves at the rate."""
    impairment = Impairment(Conditions(rate_bps=80_000, queue_ms=100), 1)
    deliveries = [impairment.deliveries(1000, 0.0) for _ in range(3)]
    assert deliveries == [[pytest.approx(0.1)], [], []]
    assert impairment.deliveries(500, 0.1) == [pytest.approx(0.15)]
    assert (impairment.passed, impairment.lost) == (2, 2)


def test_a_blackout_takes_everything_while_it_lasts() -> None:
    """And nothing after."""
    passed = [bool(fate) for fate in fates(Conditions(blackouts=((1.0, 3.0),)), 200)]
    assert passed == [True] * 50 + [False] * 100 + [True] * 50


def test_conditions_that_are_none_are_refused() -> None:
    """With what they need."""
    for wrong in ({"loss": 1.0}, {"loss": -0.1}, {"burst": 0.5}, {"delay_ms": -1.0}):
        with pytest.raises(ValueError, match="conditions need"):
            Conditions(**wrong)
