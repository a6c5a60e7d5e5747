"""The charts of the benches."""

import pytest

from bench.chart import bars


@pytest.mark.parametrize(
    ("value", "shown"), [(0.6907, "0.691 ms"), (45.94, "45.9 ms"), (809.7, "810 ms"), (1738.0, "1738 ms")]
)
def test_a_value_is_written_as_people_write_it(value: float, shown: str) -> None:
    """Three digits are enough, but a thousand is no power of ten."""
    assert f">{shown}<" in bars("Delay", " ms", {"voice": {"p99": value}}, ["p99"])
