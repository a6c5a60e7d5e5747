"""What a test session is made of, and drills."""

from typing import Any

import pytest

from gateway.errors import BadRequest
from gateway.testing.networks import NETWORKS
from gateway.testing.plan import DRILLS, FAULTS, Drill, Plan, read_drill, read_plan


def test_an_ordinary_request_has_no_plan() -> None:
    """Also with parameters that mean nothing here."""
    assert read_plan({}) is None
    assert read_plan({"theme": "dark"}) is None


def test_mode_network_and_seed_are_read() -> None:
    """Each may be left out."""
    assert read_plan({"mode": "echo"}) == Plan("echo")
    assert read_plan({"network": "train", "seed": "7"}) == Plan("live", NETWORKS["train"], 7)
    assert read_plan({"mode": "tone", "network": ""}) == Plan("tone", None)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"mode": "silence"}, "no mode 'silence'; there are live, simulator, echo, tone"),
        ({"network": "moon"}, "no network 'moon'"),
        ({"mode": "echo", "seed": "-1"}, "seed must be a whole number"),
        ({"mode": "echo", "seed": "٣"}, "seed must be a whole number"),
        ({"mode": "echo", "seed": "99999999999"}, "seed must be a whole number"),
    ],
)
def test_what_cannot_be_had_is_said(query: dict[str, str], words: str) -> None:
    """In a sentence."""
    with pytest.raises(BadRequest, match=words):
        read_plan(query)


def test_a_drill_is_read() -> None:
    """Five seconds, where nothing is said."""
    assert read_drill({"drill": "blackout", "seconds": 2}) == Drill("blackout", 2.0)
    assert read_drill({"drill": "kill_link"}) == Drill("kill_link", 5.0)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "drill must be one of kill_link"),
        ({"drill": "earthquake"}, "drill must be one of"),
        ({"drill": "stall", "seconds": 0}, "seconds must be"),
        ({"drill": "stall", "seconds": 61}, "seconds must be"),
        ({"drill": "stall", "seconds": True}, "seconds must be"),
        ({"drill": "stall", "seconds": "5"}, "seconds must be"),
    ],
)
def test_a_drill_that_does_not_exist_is_refused(body: Any, words: str) -> None:
    """In a sentence."""
    with pytest.raises(BadRequest, match=words):
        read_drill(body)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_made(name: str) -> None:
    """Of each drill of the model's side, as long as it is asked to last."""
    assert name in DRILLS
    fault = FAULTS[name](7.0)
    lasting = {"go_away": fault.time_left_s, "slow_tool": fault.args.get("seconds")}
    assert lasting.get(name, 7.0) == 7.0
