"""What a bearer may spend of the model: tokens and frames.

Owns the counts and what has to be told of them. It must not know sessions, links, stores or the wire.
**Invariant: sessions of one token spend from one purse, which is kept while the token is valid (of the newest
`PURSES_MAX` tokens); what was spent here is settled with the other processes once; each warning is made once a
session.**
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from gateway.guard.claims import Claims

What = Literal["tokens", "frames"]

LOW_SHARE = 0.9  # of a budget, from which its end is near
PURSES_MAX = 10_000  # 3 MB; tokens live for minutes, so that so many at once mean thousands of calls


@dataclass(frozen=True, slots=True)
class Sum:
    """So much of the model."""

    tokens: int = 0
    frames: int = 0


@dataclass(slots=True)
class Purse:
    """What was spent with one token, as far as this process knows; `owed`: of that, what no other process knows yet."""

    tokens: int = 0
    frames: int = 0
    owed: Sum = Sum()

    def spend(self, tokens: int = 0, frames: int = 0) -> None:
        """So much more, here."""
        self.tokens += tokens
        self.frames += frames
        self.owed = Sum(self.owed.tokens + tokens, self.owed.frames + frames)

    def settle(self, told: Sum, total: Sum) -> None:
        """The others were told so much of what is owed, and all have spent so much in total."""
        self.owed = Sum(self.owed.tokens - told.tokens, self.owed.frames - told.frames)
        self.tokens = total.tokens + self.owed.tokens
        self.frames = total.frames + self.owed.frames


class Purses:
    """The purses of all tokens of a process."""

    def __init__(self) -> None:
        self._purses: OrderedDict[str, tuple[Purse, float | None]] = OrderedDict()

    def of(self, claims: Claims, now: float) -> Purse:
        """The purse of a bearer at `now` (seconds since the epoch); a new one for who has no token."""
        if claims.token_id is None:
            return Purse()
        while self._purses:
            expires_at = next(iter(self._purses.values()))[1]
            if len(self._purses) < PURSES_MAX and (expires_at is None or expires_at > now):
                break
            self._purses.popitem(last=False)
        purse, _ = self._purses.get(claims.token_id, (Purse(), None))
        self._purses[claims.token_id] = purse, claims.expires_at
        self._purses.move_to_end(claims.token_id)
        return purse

    def owing(self) -> list[tuple[str, Purse, float | None]]:
        """The purses of which the other processes do not know all: whose token, and when that expires."""
        return [
            (token_id, purse, expires_at)
            for token_id, (purse, expires_at) in self._purses.items()
            if purse.owed != Sum()
        ]


@dataclass(frozen=True, slots=True)
class Low:
    """Of this not much is left."""

    what: What


@dataclass(frozen=True, slots=True)
class Spent:
    """Of this nothing is left."""

    what: What


class Budget:
    """What one session may spend from its purse; None: as much as it likes."""

    def __init__(self, tokens: int | None, frames: int | None, purse: Purse) -> None:
        self._most: dict[What, int | None] = {"tokens": tokens, "frames": frames}
        self._purse = purse
        self._told: set[What] = set()

    def spend_tokens(self, count: int) -> Low | Spent | None:
        """The model has counted a turn: everything it read for it and everything it said."""
        self._purse.spend(tokens=count)
        return self._look("tokens")

    def spend_frame(self) -> Low | Spent | None:
        """A frame went to the model."""
        self._purse.spend(frames=1)
        return self._look("frames")

    def has_spent(self, tokens: int, frames: int) -> None:
        """So much was spent in another process, which may have settled it, or may not have come to that."""
        self._purse.spend(max(0, tokens - self._purse.tokens), max(0, frames - self._purse.frames))

    def left(self, what: What) -> int | None:
        """How much may still be spent; None: no matter how much."""
        most = self._most[what]
        return None if most is None else max(0, most - self.spent(what))

    def spent(self, what: What) -> int:
        """How much was spent from the purse."""
        return self._purse.tokens if what == "tokens" else self._purse.frames

    @property
    def is_spent(self) -> bool:
        """True when there is nothing left of one of them."""
        return self.left("tokens") == 0 or self.left("frames") == 0

    def _look(self, what: What) -> Low | Spent | None:
        most = self._most[what]
        if most is None:
            return None
        used = self.spent(what)
        if used >= most:
            return Spent(what)
        if used >= most * LOW_SHARE and what not in self._told:
            self._told.add(what)
            return Low(what)
        return None
