"""What a bearer may spend of the model."""

from gateway.guard.budgets import PURSES_MAX, Budget, Low, Purse, Purses, Spent, Sum
from gateway.guard.claims import ANYONE, Claims


def claims(token_id: str | None = "token", expires_at: float | None = 1000.0) -> Claims:
    """Of a token."""
    return Claims("somebody", token_id, expires_at=expires_at)


def test_a_budget_tells_once_that_it_is_low_and_then_that_it_is_spent() -> None:
    """At nine tenths, and at all of it."""
    budget = Budget(1000, None, Purse())
    assert [budget.spend_tokens(count) for count in (500, 399, 1, 50, 60)] == [
        None,
        None,
        Low("tokens"),
        None,
        Spent("tokens"),
    ]
    assert budget.left("tokens") == 0
    assert budget.is_spent


def test_frames_have_a_budget_of_their_own() -> None:
    """And what has none is never told."""
    budget = Budget(None, 2, Purse())
    assert [budget.spend_frame(), budget.spend_tokens(10**9), budget.spend_frame()] == [None, None, Spent("frames")]
    assert (budget.left("frames"), budget.left("tokens")) == (0, None)
    unlimited = Budget(None, None, Purse())
    assert unlimited.spend_frame() is None
    assert not unlimited.is_spent


def test_sessions_of_one_token_spend_from_one_purse() -> None:
    """A new session does not begin with a full one; another token, or none, does."""
    purses = Purses()
    first, second = (Budget(100, None, purses.of(claims(), 0.0)) for _ in range(2))
    first.spend_tokens(60)
    assert second.spend_tokens(60) == Spent("tokens")
    assert Budget(100, None, purses.of(claims("other"), 0.0)).left("tokens") == 100
    Budget(100, None, purses.of(ANYONE, 0.0)).spend_tokens(100)
    assert not Budget(100, None, purses.of(ANYONE, 0.0)).is_spent


def test_purses_are_kept_while_their_token_is_valid_and_are_bounded() -> None:
    """Expired ones go first; beyond the bound those that were used longest ago."""
    purses = Purses()
    purses.of(claims("old", expires_at=10.0), 0.0).tokens = 7
    purses.of(claims("kept", expires_at=99.0), 0.0).tokens = 7
    assert purses.of(claims("kept", expires_at=99.0), 50.0).tokens == 7
    assert purses.of(claims("old", expires_at=10.0), 50.0).tokens == 0
    for index in range(2 * PURSES_MAX):
        purses.of(claims(f"token {index}", expires_at=1e9), 50.0)
    assert len(purses._purses) <= PURSES_MAX


def test_what_was_spent_in_another_process_counts() -> None:
    """Once: what this process knows already is not added."""
    budget = Budget(100, None, Purse(tokens=30))
    budget.has_spent(80, 5)
    assert (budget.spent("tokens"), budget.spent("frames"), budget.left("tokens")) == (80, 5, 20)
    budget.has_spent(40, 0)
    assert budget.left("tokens") == 20


def test_what_is_owed_is_settled_once() -> None:
    """What is spent while the others are being told is told to them next time."""
    purses = Purses()
    purse = purses.of(claims(), 0.0)
    assert purses.owing() == []
    budget = Budget(100, None, purse)
    budget.spend_tokens(30)
    ((token_id, owing, expires_at),) = purses.owing()
    assert (token_id, owing, expires_at) == ("token", purse, 1000.0)
    told = purse.owed
    budget.spend_tokens(5)
    purse.settle(told, Sum(tokens=50))  # others have spent 20
    assert (budget.spent("tokens"), purse.owed) == (55, Sum(tokens=5))
    purse.settle(purse.owed, Sum(tokens=55))
    assert purses.owing() == []
    assert budget.left("tokens") == 45
