"""How much the camera may send."""

import itertools
import random

from gateway.media.bandwidth import LEAST_BPS, MOST_BPS, SETTLE_S, START_BPS, Bandwidth

PACKET_S = 0.02


def rates(lag_s: object, seconds: float, bandwidth: Bandwidth | None = None, begin_s: float = 0.0) -> list[int]:
    """The rate each 20 ms, with speech as late as `lag_s(now_s)` says."""
    bandwidth = bandwidth or Bandwidth()
    found = []
    for index in range(int(seconds / PACKET_S)):
        now_s = begin_s + index * PACKET_S
        bandwidth.add(lag_s(now_s), now_s)  # type: ignore[operator]
        bandwidth.look(now_s)
        found.append(bandwidth.bps)
    return found


def test_a_free_way_is_used_step_by_step() -> None:
    """From a careful start to the most, also where packets jitter by 20 ms."""
    chance = random.Random(1)
    found = rates(lambda _: chance.uniform(0, 0.04), 30)
    assert found[0] == START_BPS * 1.1
    assert found[-1] == MOST_BPS
    assert sorted(found) == found


def test_speech_that_queues_behind_pictures_makes_room_for_itself() -> None:
    """Step by step to the least, not faster than a step can be felt; the camera is told at once."""
    bandwidth = Bandwidth()
    told_s = []
    for index in range(500):
        now_s = index * PACKET_S
        bandwidth.add(0.2, now_s)
        if bandwidth.look(now_s):
            told_s.append(now_s)
    assert bandwidth.bps == LEAST_BPS
    assert all(later - earlier >= SETTLE_S - 1e-9 for earlier, later in itertools.pairwise(told_s))


def test_a_queue_that_comes_with_each_picture_is_noticed() -> None:
    """Three pictures a second, each of which holds speech back for 100 ms."""
    found = rates(lambda now_s: 0.12 if now_s % 0.333 < 0.1 else 0.01, 3)
    assert found[-1] < START_BPS


def test_the_rate_recovers_with_the_network() -> None:
    """With more care than before it was met."""
    bandwidth = Bandwidth()
    rates(lambda _: 0.2, 10, bandwidth)
    found = rates(lambda _: 0.01, 150, bandwidth, 10.0)
    assert found[int(30 / PACKET_S)] < START_BPS
    assert found[-1] == MOST_BPS


def test_without_speech_nothing_is_decided() -> None:
    """The rate stays as it is."""
    bandwidth = Bandwidth()
    assert not bandwidth.look(5.0)
    assert bandwidth.bps == START_BPS
