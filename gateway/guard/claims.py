"""What the bearer of a request may do.

Owns the rights, whatever they came from: a token, the operator's key, or a gateway that is open. It must not know how
they are proved, nor HTTP.
**Invariant: a session is used by its own subject or by the operator, and by nobody else.**
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Claims:
    """The rights of one bearer; None where nothing was said, so that the settings decide."""

    subject: str  # whose call it is: sessions of one subject may be used by each of its tokens
    token_id: str | None = None
    single_use: bool = False  # the token starts one session, and may then be used for that one only
    expires_at: float | None = None  # seconds since the epoch
    session_max_s: float | None = None
    reattach_s: float | None = None  # how long the conversation is kept after its browser has gone
    video: bool = True
    video_fps_max: float | None = None
    tools: frozenset[str] | None = None  # names; None: all
    profile: str | None = None
    token_budget: int | None = None  # of the model's tokens
    frame_budget: int | None = None
    origins: tuple[str, ...] = ()  # pages that may use it; empty: those of the settings
    operator: bool = False

    def as_json(self) -> dict[str, Any]:
        """For a record."""
        told = asdict(self)
        return {**told, "tools": sorted(self.tools) if self.tools is not None else None}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Claims:
        """What `as_json` told."""
        tools = told["tools"]
        return cls(
            **{**told, "tools": frozenset(tools) if tools is not None else None, "origins": tuple(told["origins"])}
        )

    def may_use(self, owner: Claims) -> bool:
        """Whether a session of `owner` is there for this bearer."""
        return self.operator or self.subject == owner.subject

    def is_spent(self, now: float) -> bool:
        """Whether its time was over at `now` (seconds since the epoch)."""
        return self.expires_at is not None and now >= self.expires_at


ANYONE = Claims(subject="anyone")  # of a gateway that is open: there the id of a session is the capability
