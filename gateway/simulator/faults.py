"""What goes wrong, and when: the simulator's script.

Owns the reading of a script and the question which fault is due. It must not know sockets or time.
**Invariant: each fault happens at most once on each connection it names.**
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import ConfigError

At = Literal["handshake", "setup", "audio", "speaking", "turn", "tool"]
Do = Literal[
    "refuse",
    "close",
    "abort",
    "go_away",
    "stall",
    "deaf",
    "freeze",
    "tool_call",
    "empty_turn",
    "in_progress",
    "interrupted",
    "big_message",
    "poison",
    "error",
]

# Where each fault makes sense.
ANYWHERE: set[At] = {"setup", "audio", "speaking", "turn", "tool"}
OPEN: set[At] = ANYWHERE - {"setup"}
PLACES: dict[Do, set[At]] = {
    "refuse": {"handshake"},
    "close": ANYWHERE,
    "abort": ANYWHERE,
    "go_away": OPEN,
    "stall": ANYWHERE,
    "deaf": ANYWHERE,
    "freeze": ANYWHERE,
    "tool_call": OPEN - {"tool"},
    "empty_turn": {"speaking"},
    "in_progress": {"speaking"},
    "interrupted": OPEN,
    "big_message": OPEN,
    "poison": {"setup"},
    "error": ANYWHERE,
}


class Fault(BaseModel):
    """One `[[fault]]` of a schedule; docs/simulator.md describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: At
    do: Do
    connection: int | None = Field(None, ge=1)  # which connection, counted from 1; None: every one
    turn: int = Field(1, ge=1)  # speaking, turn: in or after which answer
    after_s: float = Field(0.0, ge=0)  # audio, speaking: after how much sound
    status: int = Field(503, ge=400, le=599)  # refuse
    retry_after_s: int | None = Field(None, ge=0)  # refuse
    code: int = Field(1011, ge=1000, le=4999)  # close
    reason: str = "Internal error encountered."  # close, error
    time_left_s: float = Field(50.0, ge=0)  # go_away
    stall_s: float | None = Field(None, ge=0)  # stall, deaf, freeze; None: for good
    times: int = Field(1, ge=1, le=100)  # interrupted
    name: str = "look_up"  # tool_call
    args: dict[str, Any] = Field(default_factory=dict)  # tool_call
    also: tuple[dict[str, Any], ...] = ()  # tool_call: more calls in the same message, as {"name", "args"}

    @model_validator(mode="after")
    def _makes_sense(self) -> Fault:
        if self.at not in PLACES[self.do]:
            places = ", ".join(sorted(PLACES[self.do]))
            raise ValueError(f"{self.do} cannot happen at {self.at}, only at {places}")
        return self


class Script(BaseModel):
    """A whole script; docs/simulator.md describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fault: tuple[Fault, ...] = ()
    think_ms: float = Field(0.0, ge=0, le=60_000)  # from the end of a question to its answer
    think_ms_per_fps: float = Field(0.0, ge=0, le=60_000)  # and so much more for each frame a second that comes
    echo_drift_ppm: float = Field(0.0, ge=0, le=100_000)  # an echo: the longer it hears, the later it answers


class Schedule:
    """The faults of one simulator."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._faults = faults
        self._done: set[tuple[int, int]] = set()

    def due(self, at: At, connection: int, *, turn: int = 1, elapsed_s: float = 0.0) -> list[Fault]:
        """The faults that happen now on this connection, each named once."""
        found = []
        for index, fault in enumerate(self._faults):
            here = fault.at == at and fault.connection in (None, connection)
            in_turn = at not in ("speaking", "turn") or fault.turn == turn
            if here and in_turn and elapsed_s >= fault.after_s and (index, connection) not in self._done:
                self._done.add((index, connection))
                found.append(fault)
        return found


def read_script(path: Path) -> Script:
    """The script of a TOML file; raises ConfigError with a sentence."""
    try:
        with path.open("rb") as file:
            return Script(**tomllib.load(file))
    except OSError as error:
        raise ConfigError(f"The script {path} cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The script {path} is not TOML: {error}.") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'script'}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_url=False)
        )
        raise ConfigError(f"The script {path} has a mistake: {problems}.") from None
