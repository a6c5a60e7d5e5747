"""The networks a test session can be sent through."""

import pytest

from gateway.errors import BadRequest
from gateway.testing.networks import BOUNDS, NETWORKS, network_from


def test_a_train_has_tunnels_and_a_clean_network_has_nothing() -> None:
    """The names mean what they say."""
    assert NETWORKS["train"].up.blackouts[0] == (30.0, 32.0)
    assert NETWORKS["train"].up.burst > 1
    assert not any(
        NETWORKS["clean"].as_json()["up"][name] for name in ("loss_percent", "delay_ms", "jitter_ms", "kbps")
    )
    assert NETWORKS["3g"].up.rate_bps < NETWORKS["3g"].down.rate_bps


def test_a_custom_network_is_what_was_asked_for() -> None:
    """In both directions, each with its own rate; what is not said is not impaired."""
    network = network_from("custom", {"loss_percent": "20", "delay_ms": "30", "up_kbps": "300"})
    assert (network.up.loss, network.up.delay_ms, network.up.rate_bps) == (0.2, 30, 300_000)
    assert (network.down.loss, network.down.jitter_ms, network.down.rate_bps) == (0.2, 0, 0)


@pytest.mark.parametrize("text", ["", "much", "-1", "91", "nan", "inf", "1e9"])
def test_a_figure_out_of_bounds_is_refused(text: str) -> None:
    """With its name and its bounds."""
    with pytest.raises(BadRequest, match=r"loss_percent must be a number from 0 to 90"):
        network_from("custom", {"loss_percent": text})


@pytest.mark.parametrize("parameter", BOUNDS)
@pytest.mark.parametrize("edge", [0, 1])
def test_every_figure_within_its_bounds_can_be_used(parameter: str, edge: int) -> None:
    """Also the least and the most."""
    network_from("custom", {parameter: str(BOUNDS[parameter][edge])})


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    """So that a caller can choose another."""
    with pytest.raises(BadRequest, match="no network 'moon'; there are clean, good, 3g"):
        network_from("moon", {})
