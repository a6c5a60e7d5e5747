"""What a bearer may do."""

import pytest

from gateway.guard.claims import ANYONE, Claims

ANNA, BEN, OPERATOR = Claims("anna"), Claims("ben"), Claims("operator", operator=True)


@pytest.mark.parametrize(
    ("bearer", "owner", "may"),
    [
        (ANNA, ANNA, True),
        (Claims("anna", token_id="2"), Claims("anna", token_id="1"), True),
        (BEN, ANNA, False),
        (ANYONE, ANNA, False),
        (ANNA, ANYONE, False),
        (ANYONE, ANYONE, True),
        (OPERATOR, ANNA, True),
    ],
)
def test_a_session_is_its_subjects_and_the_operators(bearer: Claims, owner: Claims, may: bool) -> None:
    """Each token of one subject may use its sessions, the operator may use all, another subject none."""
    assert bearer.may_use(owner) is may


def test_claims_are_spent_when_their_time_is_over() -> None:
    """At the second of their end, not before; without an end never."""
    assert not Claims("anna", expires_at=100.0).is_spent(99.9)
    assert Claims("anna", expires_at=100.0).is_spent(100.0)
    assert not ANNA.is_spent(1e12)
