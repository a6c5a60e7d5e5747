"""What a test session is made of, and what can be broken in it.

Owns the reading of what a caller asks for. It must not know sockets, sessions or HTTP beyond names and values.
**Invariant: a plan or a drill that was read can be carried out; anything else raises BadRequest with a sentence.**
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gateway.errors import BadRequest
from gateway.simulator import Answer, Fault
from gateway.testing.networks import BOUNDS, Network, network_from

Mode = Literal["live", "simulator", "echo", "tone"]
MODES: tuple[Mode, ...] = get_args(Mode)
ANSWERS: dict[Mode, Answer] = {"simulator": "says_back", "echo": "echo", "tone": "tone"}

SEED_MAX = 2**31 - 1
SLOW_TOOL = "wait"  # the tool that a test session has besides those of the operator

# Faults of the model's side: name -> what happens, given how long it lasts.
FAULTS: dict[str, Callable[[float], Fault]] = {
    "kill_link": lambda _: Fault(at="audio", do="abort"),
    "go_away": lambda seconds: Fault(at="audio", do="go_away", time_left_s=seconds),
    "stall": lambda _: Fault(at="audio", do="stall"),
    "slow_tool": lambda seconds: Fault(at="audio", do="tool_call", name=SLOW_TOOL, args={"seconds": seconds}),
    "invalid_argument": lambda _: Fault(
        at="audio", do="close", code=1007, reason="Request contains an invalid argument."
    ),
}
# Faults of the network between browser and gateway.
WAYS = ("blackout", "change_address")
DRILLS = (*FAULTS, *WAYS)
SECONDS_DEFAULT = 5.0
SECONDS_MOST = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A test session."""

    mode: Mode
    network: Network | None = None  # None: no relay in between
    seed: int = 1  # of the network's chance


@dataclass(frozen=True, slots=True)
class Drill:
    """Something that is to go wrong now."""

    name: str
    seconds: float = SECONDS_DEFAULT  # how long it lasts, where it lasts


def read_plan(query: Mapping[str, str]) -> Plan | None:
    """The plan of a request's query; None when it asks for an ordinary session. Raises BadRequest."""
    if not {"mode", "network", "seed", *BOUNDS} & query.keys():
        return None
    mode = query.get("mode", "live")
    if mode not in MODES:
        raise BadRequest(f"There is no mode {mode[:40]!r}; there are {', '.join(MODES)}.")
    network = network_from(query["network"], query) if query.get("network") else None
    seed = query.get("seed", "1")
    if not (seed.isascii() and seed.isdigit() and int(seed) <= SEED_MAX):
        raise BadRequest(f"seed must be a whole number up to {SEED_MAX}, and was {seed[:20]!r}.")
    return Plan(mode, network, int(seed))


def read_drill(body: Any) -> Drill:
    """The drill of a request's JSON body, `{"drill": …, "seconds": …}`; raises BadRequest."""
    name = body.get("drill") if isinstance(body, dict) else None
    if name not in DRILLS:
        raise BadRequest(f"drill must be one of {', '.join(DRILLS)}.")
    seconds = body.get("seconds", SECONDS_DEFAULT)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= SECONDS_MOST:
        raise BadRequest(f"seconds must be a number above 0, up to {SECONDS_MOST:g}.")
    return Drill(str(name), float(seconds))
