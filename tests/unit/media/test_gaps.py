"""How regularly packets come."""

from gateway.media.gaps import Gaps


def test_a_regular_stream_has_no_gaps() -> None:
    """A packet every 20 ms."""
    gaps = Gaps()
    for index in range(100):
        gaps.add(index * 0.02)
    assert gaps.as_json() == {"over_60_ms": 0, "over_200_ms": 0, "over_1000_ms": 0, "longest_ms": 20}


def test_each_gap_counts_in_every_class_that_it_exceeds() -> None:
    """The longest is kept."""
    gaps = Gaps()
    for at_s in (0.0, 0.1, 0.4, 1.9, 1.92):
        gaps.add(at_s)
    assert gaps.as_json() == {"over_60_ms": 3, "over_200_ms": 2, "over_1000_ms": 1, "longest_ms": 1500}
