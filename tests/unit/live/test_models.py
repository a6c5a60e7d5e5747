"""The capability table."""

import pytest

from gateway.live.models import CAREFUL, capabilities


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        ("gemini-3.8-live", "gemini-3.8-live"),
        ("models/gemini-3.8-live-extended-thinking", "gemini-3.8-live-extended-thinking"),
        ("models/gemini-3.1-flash-live-preview", "gemini-3.1-flash-live"),
        ("projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash-native-audio", "gemini-live-2.5-flash"),
    ],
)
def test_the_longest_prefix_decides(model: str, prefix: str) -> None:
    """Short ids, resource names and publisher paths find their family."""
    assert capabilities(model).prefix == prefix


def test_an_unknown_model_is_treated_with_care() -> None:
    """A model of tomorrow gets the row that every model so far would take."""
    assert capabilities("gemini-9-live") is CAREFUL
