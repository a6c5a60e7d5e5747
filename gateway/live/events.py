"""What a conversation tells: the events of the service that matter to a session, and those of its links.

Owns their shapes. It must not know who listens.
**Invariant: plain data; nothing in it is tied to a link that may be gone.**
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.live.messages import (
    GenerationComplete,
    GoAway,
    Interrupted,
    ModelWords,
    Speech,
    ToolCalls,
    ToolCallsCancelled,
    TurnComplete,
    UsageReport,
    UserWords,
)
from gateway.live.recovery import How

__all__ = [
    "ConversationEvent",
    "FrameSent",
    "GenerationComplete",
    "GoAway",
    "Interrupted",
    "LinkLost",
    "LinkOpened",
    "LinkOpening",
    "ModelWords",
    "Notice",
    "Speech",
    "ToolCalls",
    "ToolCallsCancelled",
    "TurnComplete",
    "UsageReport",
    "UserWords",
]


@dataclass(frozen=True, slots=True)
class LinkOpening:
    """A link is being opened."""


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """The model listens. `generation` counts the links of this conversation from 1."""

    generation: int
    how: How


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The link ended without our asking; the next try comes in so many seconds."""

    reason: str
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class FrameSent:
    """This frame has been handed to the network."""

    frame_id: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth knowing, in words."""

    code: str
    text: str
    level: Literal["info", "warning", "error"]


ConversationEvent = (
    LinkOpening
    | LinkOpened
    | LinkLost
    | Speech
    | GenerationComplete
    | TurnComplete
    | Interrupted
    | UserWords
    | ModelWords
    | ToolCalls
    | ToolCallsCancelled
    | UsageReport
    | GoAway
    | FrameSent
    | Notice
)
