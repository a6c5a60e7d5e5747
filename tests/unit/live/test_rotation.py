"""When to change the link on purpose."""

from gateway.live.rotation import MARGIN_S, Rotation


def test_without_a_need_it_stays() -> None:
    """However quiet it is."""
    assert not Rotation().is_due(1e9, quiet=True)


def test_after_go_away_the_first_quiet_moment_is_taken() -> None:
    """And the last moment before the end, quiet or not."""
    rotation = Rotation()
    rotation.go_away(50.0, 100.0)
    assert not rotation.is_due(101.0, quiet=False)
    assert rotation.is_due(101.0, quiet=True)
    assert not rotation.is_due(150.0 - MARGIN_S - 0.1, quiet=False)
    assert rotation.is_due(150.0 - MARGIN_S, quiet=False)


def test_a_short_notice_is_halved() -> None:
    """When there is less time than the margin, half of it is used for waiting."""
    rotation = Rotation()
    rotation.go_away(2.0, 100.0)
    assert not rotation.is_due(100.9, quiet=False)
    assert rotation.is_due(101.0, quiet=False)


def test_the_earliest_end_counts() -> None:
    """A second announcement does not take the first one back."""
    rotation = Rotation()
    rotation.go_away(10.0, 100.0)
    rotation.go_away(60.0, 101.0)
    assert rotation.is_due(105.0, quiet=False)


def test_a_renewal_has_no_hurry() -> None:
    """It waits for a quiet moment for as long as it takes."""
    rotation = Rotation()
    rotation.renew()
    assert rotation.is_wanted
    assert not rotation.is_due(1e9, quiet=False)
    assert rotation.is_due(1.0, quiet=True)
