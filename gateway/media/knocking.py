"""What helps a browser that is not heard to find out why, before it knows itself that its network is another one.

Owns when it is told and when it is knocked at, so that it can tell whether it hears us. It must not know sockets or
clocks: when is an argument.
**Invariant: a gap is told once; a second after its end nothing is sent because of it.**
"""

from __future__ import annotations

from typing import Literal

UNHEARD_S = 0.6  # 30 packets of speech, one of a sender that saves silence (DTX, each 400 ms)
KNOCK_S = 0.1  # the page listens for four of them
AFTER_S = 1.0  # the gap may be over before the browser is told of it
GIVEN_UP_S = 5.0  # the call is detached by then


class Knocking:
    """The rule for one browser that sends sound or pictures all the time."""

    def __init__(self) -> None:
        self._knock_s = 0.0
        self._until_s = 0.0

    def look(self, silent_s: float, now_s: float) -> Literal["tell", "knock"] | None:
        """What to do now, when nothing has come for so long; asked at every beat."""
        if UNHEARD_S < silent_s <= GIVEN_UP_S:
            is_told = now_s < self._until_s
            self._until_s = now_s + AFTER_S
            if not is_told:
                return "tell"
        if self._knock_s <= now_s < self._until_s:
            self._knock_s = now_s + KNOCK_S
            return "knock"
        return None
