"""How full the context is."""

from gateway.live.context import ContextMeter


def test_what_was_reported_and_what_came_since_is_counted() -> None:
    """A report replaces the estimate."""
    meter = ContextMeter(1000)
    for _ in range(25 * 10):
        meter.audio(bytes(1280))
    meter.frame()
    assert meter.tokens == 250 + 64
    meter.report(600)
    meter.frame()
    assert meter.tokens == 664
    assert not meter.over_budget
    meter.report(1001)
    assert meter.over_budget


def test_a_fresh_link_starts_from_its_seed() -> None:
    """Four characters are a token."""
    meter = ContextMeter(1000)
    meter.report(5000)
    meter.restart("x" * 400)
    assert meter.tokens == 100
