"""How the next link is opened."""

from gateway.live.ladder import STABLE_S, Ladder
from gateway.live.recovery import POISONED_DEATHS, Ending

LOST = Ending("open", 1011)


def opened(ladder: Ladder, now_s: float = 0.0, *, nothing_said: bool = False) -> str:
    """Open the next link; how."""
    ladder.next(nothing_said=nothing_said)
    ladder.opened(now_s)
    return ladder.how


def test_the_first_link_is_fresh() -> None:
    """Whatever was said before it opened."""
    ladder = Ladder()
    assert opened(ladder) == "fresh"
    assert (ladder.generation, ladder.handle) == (1, None)


def test_a_link_with_a_handle_is_resumed() -> None:
    """With the newest handle that was good."""
    ladder = Ladder()
    opened(ladder)
    ladder.update("a", resumable=True)
    ladder.ended(LOST, 1.0, 0.0, last_rung=False)
    assert opened(ladder, 1.0) == "resumed"
    assert ladder.handle == "a"


def test_a_stale_handle_resumes_only_when_nothing_was_said() -> None:
    """Otherwise the new link is told, and the handle is forgotten."""
    for nothing_said, how in ((True, "resumed"), (False, "rehydrated")):
        ladder = Ladder()
        opened(ladder)
        ladder.update("a", resumable=True)
        ladder.update("", resumable=False)
        assert ladder.fresh_handle is None
        assert opened(ladder, nothing_said=nothing_said) == how
    assert ladder.fresh_handle is None
    assert opened(ladder) == "rehydrated"


def test_another_process_goes_on_with_the_handle() -> None:
    """Its first link is not the first of the conversation."""
    ladder = Ladder("a", 3)
    assert opened(ladder) == "resumed"
    assert ladder.generation == 4


def test_failures_count_until_a_link_is_stable() -> None:
    """One that lived long begins a new count."""
    ladder = Ladder()
    for failures in (1, 2, 3):
        ladder.next(nothing_said=True)
        ladder.ended(Ending("connect", reason="refused"), 0.0, 0.0, last_rung=False)
        assert ladder.failures == failures
    opened(ladder, 0.0)
    ladder.ended(LOST, STABLE_S, 0.0, last_rung=False)
    assert ladder.failures == 1


def test_a_handle_that_leads_nowhere_is_given_up() -> None:
    """After some links that died soon after they were resumed."""
    ladder = Ladder("a", 1)
    for _ in range(POISONED_DEATHS):
        assert opened(ladder, 0.0) == "resumed"
        ladder.ended(LOST, 1.0, 0.0, last_rung=False)
    assert opened(ladder) == "rehydrated"


def test_a_link_that_is_left_for_a_fresh_one_leaves_its_handle() -> None:
    """One that only goes away keeps it."""
    for keep, how in ((True, "resumed"), (False, "rehydrated")):
        ladder = Ladder("a", 1)
        opened(ladder)
        ladder.left(keep_handle=keep)
        assert opened(ladder) == how
