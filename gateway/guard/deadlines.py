"""When a session has to end, and when its end is announced.

Owns two deadlines: of its age, and of silence. It must not know what is said about them, nor clocks: times are
arguments.
**Invariant: each announcement comes once, before the end it announces; of several that are overdue only the nearest is
made; activity puts off the end of silence and never that of age.**
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["time", "idle"]

TIME_SOON_S = (60.0, 10.0)  # to come to an end, and to say goodbye
IDLE_SOON_S = 30.0  # to say that one is still there


@dataclass(frozen=True, slots=True)
class Soon:
    """An end is so near."""

    kind: Kind
    left_s: float


@dataclass(frozen=True, slots=True)
class Over:
    """The end is here."""

    kind: Kind


class Deadlines:
    """The deadlines of one session that begins at `now_s`."""

    def __init__(self, session_max_s: float, idle_end_s: float, now_s: float) -> None:
        self.ends_s = now_s + session_max_s
        self._idle_end_s = idle_end_s
        # What would be announced in the first half of a short session is not news.
        self._time_soon_s = [soon_s for soon_s in TIME_SOON_S if soon_s <= session_max_s / 2]
        self._idle_soon_s = min(IDLE_SOON_S, idle_end_s / 2)
        self._idle_told = False
        self._active_s = now_s

    def active(self, now_s: float) -> None:
        """Somebody said or typed something, or a tool is at work."""
        self._active_s = now_s
        self._idle_told = False

    @property
    def _idle_ends_s(self) -> float:
        return self._active_s + self._idle_end_s

    @property
    def next_s(self) -> float:
        """When to look again."""
        time_s = self.ends_s - (self._time_soon_s[0] if self._time_soon_s else 0.0)
        return min(time_s, self._idle_ends_s - (0.0 if self._idle_told else self._idle_soon_s))

    def look(self, now_s: float) -> Soon | Over | None:
        """What is due now; look again until there is nothing."""
        if now_s >= self.ends_s:
            return Over("time")
        if now_s >= self._idle_ends_s:
            return Over("idle")
        reached = [soon_s for soon_s in self._time_soon_s if now_s >= self.ends_s - soon_s]
        if reached:
            self._time_soon_s = self._time_soon_s[len(reached) :]
            return Soon("time", self.ends_s - now_s)
        if not self._idle_told and now_s >= self._idle_ends_s - self._idle_soon_s:
            self._idle_told = True
            return Soon("idle", self._idle_ends_s - now_s)
        return None
