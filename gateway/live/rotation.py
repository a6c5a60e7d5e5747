"""When to change the link on purpose.

Owns the moment: after `goAway`, or when the context is to be renewed, at the first quiet moment. It must not know
links or clocks: time is an argument.
**Invariant: after `goAway` the link is changed before its time is up, quiet or not; without a need it never is.**
"""

from __future__ import annotations

MARGIN_S = 5.0  # before the announced end: what comes at the last second is cut off


class Rotation:
    """The plan of one link."""

    def __init__(self) -> None:
        self._wanted = False
        self._deadline_s: float | None = None

    @property
    def is_wanted(self) -> bool:
        """True when the link should be changed."""
        return self._wanted

    def go_away(self, time_left_s: float, now_s: float) -> None:
        """The service ends the link in so many seconds; an earlier announcement is not forgotten."""
        margin_s = min(MARGIN_S, time_left_s / 2)
        deadline_s = now_s + time_left_s - margin_s
        self._deadline_s = deadline_s if self._deadline_s is None else min(self._deadline_s, deadline_s)
        self._wanted = True

    def renew(self) -> None:
        """The context should be renewed; there is no hurry."""
        self._wanted = True

    def is_due(self, now_s: float, *, quiet: bool) -> bool:
        """True when the link is to be changed now."""
        if self._deadline_s is not None and now_s >= self._deadline_s:
            return True
        return self._wanted and quiet
