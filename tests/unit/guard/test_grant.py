"""Requests for tokens; the claims of tokens themselves are in test_tokens."""

from typing import Any

import pytest

from gateway.errors import BadRequest
from gateway.guard.grant import parse_request


def test_a_request_that_says_nothing_wants_the_usual() -> None:
    """One session, all that the settings allow, ten minutes to start it."""
    wanted = parse_request({})
    assert (wanted.subject, wanted.expires_in_s, wanted.reusable) == (None, 600, False)
    assert (wanted.video, wanted.tools, wanted.origins) == (True, None, ())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"subjcet": "anna"}, "subjcet: extra inputs are not permitted"),
        ({"subject": ""}, "subject: string should have at least 1 character"),
        ({"expires_in_s": 0}, "expires_in_s: input should be greater than 0"),
        ({"expires_in_s": "inf"}, "expires_in_s: input should be a finite number"),
        ({"expires_in_s": "NaN"}, "expires_in_s: input should be a finite number"),
        ({"video": "no"}, "video: input should be a valid boolean"),
        ({"token_budget": 0}, "token_budget: input should be greater than 0"),
        ({"session_max_s": -1}, "session_max_s: input should be greater than 0"),
    ],
)
def test_a_mistake_is_named(body: dict[str, Any], said: str) -> None:
    """By the name of the field; the value is not repeated."""
    with pytest.raises(BadRequest) as raised:
        parse_request(body)
    assert said in raised.value.user_message
