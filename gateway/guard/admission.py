"""Who is let in, by the places there are and by how busy the machine is.

Owns the two decisions: whether one more session may be set up, and how much is shed of what the calls do. It must not
know sessions, how load is measured, or clocks: time is an argument.
**Invariant: video is shed before calls are turned away, a step at a time; what was shed comes back a step at a time
once the load has been clearly lower for a while, and after a relapse later than before.**
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from gateway.errors import Overloaded, TooManySessions, TooManySessionsOfSubject, TooManySetups
from gateway.settings import Settings
from gateway.telemetry.load import Load


class Level(IntEnum):
    """How much is shed."""

    NORMAL = 0
    LESS_VIDEO = 1  # every camera is looked at no more often than a still one
    NO_VIDEO = 2  # no camera is looked at
    FULL = 3  # and no session is added


# Shares of what is bearable. The first step comes early: its effect takes seconds, until cameras have been told.
ENTER = {Level.LESS_VIDEO: 0.7, Level.NO_VIDEO: 0.85, Level.FULL: 1.0}
LEAVE_SHARE = 0.75  # of the share at which a level is entered: what was shed is load again when it comes back
STEP_S = 0.5  # between two steps up: nothing that was shed shows sooner
HOLD_S = 5.0  # of lower load before a step down
HOLD_MOST_S = 60.0
RELAPSE_S = 30.0  # a step up so soon after one down came from that one
RETRY_SETUP_S = 1.0  # a set-up takes about so long
RETRY_FULL_S = 10.0  # two steps down
RETRY_PLACE_S = 15.0  # calls last for minutes


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The sessions there are."""

    sessions: int
    setting_up: int
    of_subject: int | None  # None: this subject may have as many as it likes


class Admission:
    """The decisions of one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._level = Level.NORMAL
        self._stepped_s = float("-inf")
        self._lowered_s = float("-inf")  # when the last step down was
        self._calm_s: float | None = None  # since when the load is low enough for a step down
        self._hold_s = HOLD_S

    @property
    def level(self) -> Level:
        """How much is shed at the moment."""
        return self._level

    def check(self, taken: Occupancy) -> None:
        """Raise what keeps one more session out."""
        settings = self._settings
        if self._level is Level.FULL:
            raise Overloaded("The gateway has enough to do at the moment; please try again soon.", RETRY_FULL_S)
        if taken.sessions >= settings.max_sessions:
            raise TooManySessions("All places are taken at the moment; please try again in a moment.", RETRY_PLACE_S)
        if taken.of_subject is not None and taken.of_subject >= settings.sessions_per_subject:
            raise TooManySessionsOfSubject(
                f"You have {taken.of_subject} calls already; end one of them first.", settings.detach_grace_s
            )
        if taken.setting_up >= settings.setups_at_once:
            raise TooManySetups("Many calls are just being set up; please try again in a moment.", RETRY_SETUP_S)

    def feed(self, load: Load, now_s: float) -> bool:
        """A measurement; True when the level has changed."""
        share = self.share(load)
        above = Level(self._level + 1) if self._level < Level.FULL else None
        if above is not None and share >= ENTER[above]:
            self._calm_s = None
            if now_s - self._stepped_s < STEP_S:
                return False
            relapse = now_s - self._lowered_s < RELAPSE_S
            self._hold_s = min(HOLD_MOST_S, self._hold_s * 2) if relapse else self._hold_s
            return self._step(above, now_s)
        if self._level is Level.NORMAL:
            if now_s - self._lowered_s > RELAPSE_S:
                self._hold_s = HOLD_S
            return False
        if share >= ENTER[self._level] * LEAVE_SHARE:
            self._calm_s = None
            return False
        if self._calm_s is None:
            self._calm_s = now_s
        if now_s - self._calm_s < self._hold_s:
            return False
        self._lowered_s = self._calm_s = now_s
        return self._step(Level(self._level - 1), now_s)

    def share(self, load: Load) -> float:
        """The load as a share of what is bearable, by the worst of its measures."""
        settings = self._settings
        return max(
            load.lag_ms / settings.load_lag_ms,
            load.cpu / settings.load_cpu,
            load.memory / settings.load_memory,
            load.decode_ms / settings.load_decode_ms,
        )

    def _step(self, level: Level, now_s: float) -> bool:
        self._level = level
        self._stepped_s = now_s
        return True
