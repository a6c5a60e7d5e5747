"""Where a conversation stands on the ladder: resume with the handle, else rehydrate, else begin anew.

Owns the handle, the number of the present link, how it was opened and the failures before it. It must not know links,
clocks or what is told to one.
**Invariant: a handle that led nowhere, or that the service calls stale while something was said, opens no link.**
"""

from __future__ import annotations

from typing import Any

from gateway.live.recovery import POISONED_S, Ending, How, Reaction, Situation, reaction

STABLE_S = 10.0  # a link that lived this long was a good one: failures are counted anew


class Ladder:
    """The links of one conversation, of which at most one is open."""

    def __init__(self, handle: str | None = None, generation: int = 0) -> None:
        self.generation = generation  # how many links were opened
        self.how: How = "fresh"  # how the present link was, or the next one is opened
        self.failures = 0  # in a row, before a link was a good one
        self._handle = handle
        self._handle_is_stale = False  # the service says: to resume now would lose what is going on
        self._deaths_after_resume = 0
        self._opened_s: float | None = None

    def figures(self) -> dict[str, Any]:
        """Where it stands, as JSON (docs/protocol.md)."""
        is_open = self._opened_s is not None
        return {"generation": self.generation, "how": self.how, "open": is_open, "failures": self.failures}

    @property
    def handle(self) -> str | None:
        """What the next link is resumed with; None when it is not."""
        return self._handle if self.how == "resumed" else None

    @property
    def fresh_handle(self) -> str | None:
        """The handle, if it knows all that was said."""
        return None if self._handle_is_stale else self._handle

    @property
    def handle_is_stale(self) -> bool:
        """Whether something goes on that the handle does not know."""
        return self._handle_is_stale

    def update(self, handle: str | None, *, resumable: bool) -> None:
        """The service gave a handle; one that is not resumable leaves the former in its place."""
        self._handle_is_stale = not resumable
        self._handle = handle if resumable else self._handle

    def next(self, *, nothing_said: bool) -> None:
        """Decide how the next link is opened."""
        self._opened_s = None
        usable = self._handle is not None and (nothing_said or not self._handle_is_stale)
        if self.generation and usable:
            self.how = "resumed"
            return
        self.how = "fresh" if nothing_said or not self.generation else "rehydrated"
        self._handle = None

    def opened(self, now_s: float) -> None:
        """The next link is open."""
        self._opened_s = now_s
        self.generation += 1
        self._handle_is_stale = False

    def left(self, *, keep_handle: bool) -> None:
        """The link was left on purpose."""
        self._handle = self._handle if keep_handle else None

    def ended(self, ending: Ending, now_s: float, chance: float, *, last_rung: bool) -> Reaction:
        """The link ended, or did not come about: what to do. `chance` is a random number from 0 to 1."""
        lived_s = 0.0 if self._opened_s is None else now_s - self._opened_s
        self.failures = 1 if lived_s >= STABLE_S else self.failures + 1
        died_early = self.how == "resumed" and lived_s < POISONED_S and ending.phase != "connect"
        self._deaths_after_resume = self._deaths_after_resume + 1 if died_early else 0
        react = reaction(ending, Situation(self.failures, self.how, self._deaths_after_resume, last_rung), chance)
        if not react.keep_handle:
            self._handle = None
        return react
