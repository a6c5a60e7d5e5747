"""The operator's key."""

import hmac
from unittest.mock import patch

from gateway.guard.operator import is_operator
from gateway.settings import Settings

KEY, BEFORE = "now" * 11, "old" * 11


def test_the_key_and_the_one_before_are_the_operators() -> None:
    """Nothing else is; without a key nobody is the operator."""
    settings = Settings(operator_key=KEY, operator_key_previous=BEFORE)
    assert is_operator(settings, KEY)
    assert is_operator(settings, BEFORE)
    for wrong in ("", KEY[:-1], KEY + "x", KEY.upper(), "é", "\udcff"):
        assert not is_operator(settings, wrong)
    assert not is_operator(Settings(), "")


def test_the_comparison_takes_the_same_time_whatever_is_given() -> None:
    """Both keys are always compared, as digests of one length, by a function that does not stop early."""
    settings = Settings(operator_key=KEY, operator_key_previous=BEFORE)
    for given in (KEY, "x", "x" * 5000):
        with patch.object(hmac, "compare_digest", wraps=hmac.compare_digest) as compare:
            is_operator(settings, given)
        assert [len(call.args[0]) == len(call.args[1]) == 32 for call in compare.call_args_list] == [True, True]
