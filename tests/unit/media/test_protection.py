"""What goes with the voice, by what is lost."""

import pytest

from gateway.media.protection import Protection, protection


@pytest.mark.parametrize(
    ("loss_percent", "red", "expected"),
    [
        (0.0, True, Protection()),
        (1.9, True, Protection()),
        (2.0, True, Protection(copies=1)),
        (7.9, True, Protection(copies=1)),
        (8.0, True, Protection(copies=2, bitrate_bps=28_000)),
        (100.0, True, Protection(copies=2, bitrate_bps=28_000)),
        (0.0, False, Protection()),
        (2.9, False, Protection()),
        (3.0, False, Protection(coarse_percent=10)),
        (21.4, False, Protection(coarse_percent=21)),
        (100.0, False, Protection(coarse_percent=30)),
    ],
)
def test_the_more_is_lost_the_more_goes_with_each_packet(loss_percent: float, red: bool, expected: Protection) -> None:
    """Whole copies where the browser takes them, coarse ones where it does not; nothing on a good network."""
    assert protection(loss_percent, red=red) == expected


@pytest.mark.parametrize("red", [True, False])
def test_the_whole_stays_small(red: bool) -> None:
    """A slow network is not drowned in copies."""
    for loss_percent in range(101):
        chosen = protection(loss_percent, red=red)
        assert chosen.bitrate_bps * (1 + chosen.copies) <= 90_000
