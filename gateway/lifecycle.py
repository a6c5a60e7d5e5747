"""The life of a session, as a table.

Owns which state follows which, and the words for every way a session can end. It must not know peers, conversations,
sockets or clocks: `session.py` feeds it triggers and acts on the state it answers.

    STARTING ──peer connected──▶ LIVE ──peer lost──▶ DETACHED ──peer connected──▶ LIVE
        │                         │                     │
        └───────── end ───────────┴──────── end ────────┴──▶ ENDING ──released──▶ ENDED

**Invariant: a session ends exactly once, for exactly one reason, and that reason is the first that was given.**
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a session is in its life."""

    STARTING = "starting"  # the first peer is negotiating, the conversation is being opened
    LIVE = "live"  # a peer is connected
    DETACHED = "detached"  # the peer is lost; the conversation waits for another
    ENDING = "ending"  # a reason to end was given; the legs are being closed
    ENDED = "ended"  # nothing is left


class Trigger(StrEnum):
    """What can happen to a session."""

    PEER_CONNECTED = "peer_connected"
    PEER_LOST = "peer_lost"
    END = "end"
    RELEASED = "released"


class EndReason(StrEnum):
    """Why a session ended: the value is the stable code, `words` the sentence for the person."""

    USER = "user"
    NEVER_CONNECTED = "never_connected"
    GRACE_OVER = "grace_over"
    TIME_UP = "time_up"
    IDLE = "idle"
    TOKEN_BUDGET = "token_budget"
    FRAME_BUDGET = "frame_budget"
    TOO_MUCH_MEDIA = "too_much_media"
    UPSTREAM = "upstream"
    SHUTDOWN = "shutdown"
    MOVED = "moved"  # for this process only: another has the session now
    INTERNAL = "internal"

    @property
    def words(self) -> str:
        """A sentence that can be shown as it is."""
        return _WORDS[self]


_WORDS = {
    EndReason.USER: "You ended the call.",
    EndReason.NEVER_CONNECTED: "No media arrived from your browser: a firewall may be blocking UDP.",
    EndReason.GRACE_OVER: "Your connection was gone for too long, so the call was ended.",
    EndReason.TIME_UP: "The time for this call is up.",
    EndReason.IDLE: "Nobody said anything for a long time, so the call was ended.",
    EndReason.TOKEN_BUDGET: "What this call may use of the model is used up.",
    EndReason.FRAME_BUDGET: "The pictures this call may show are used up.",
    EndReason.TOO_MUCH_MEDIA: "Your device sent far more than a call may, so the call was ended.",
    EndReason.UPSTREAM: "The model cannot be reached any more.",
    EndReason.SHUTDOWN: "The gateway is shutting down.",
    EndReason.MOVED: "Your call goes on at another server.",
    EndReason.INTERNAL: "Something went wrong inside the gateway; the operator's log has the details.",
}

TABLE: dict[tuple[State, Trigger], State] = {
    (State.STARTING, Trigger.PEER_CONNECTED): State.LIVE,
    # A first peer that is lost may have never carried media; a retry of it is as good as the first try.
    (State.STARTING, Trigger.PEER_LOST): State.DETACHED,
    (State.STARTING, Trigger.END): State.ENDING,
    (State.LIVE, Trigger.PEER_CONNECTED): State.LIVE,  # reattach while the old peer still seemed alive
    (State.LIVE, Trigger.PEER_LOST): State.DETACHED,
    (State.LIVE, Trigger.END): State.ENDING,
    (State.DETACHED, Trigger.PEER_CONNECTED): State.LIVE,
    (State.DETACHED, Trigger.PEER_LOST): State.DETACHED,  # a reattach that failed
    (State.DETACHED, Trigger.END): State.ENDING,
    # While the legs are being closed they still report; nothing leads back.
    (State.ENDING, Trigger.PEER_CONNECTED): State.ENDING,
    (State.ENDING, Trigger.PEER_LOST): State.ENDING,
    (State.ENDING, Trigger.END): State.ENDING,
    (State.ENDING, Trigger.RELEASED): State.ENDED,
    (State.ENDED, Trigger.END): State.ENDED,
}


class IllegalStep(RuntimeError):
    """A trigger arrived in a state the table has no row for: a defect of the gateway."""


@dataclass(slots=True)
class Lifecycle:
    """The state of one session."""

    state: State = State.STARTING
    reason: EndReason | None = None
    words: str = ""
    was_live: bool = False

    def step(self, trigger: Trigger) -> State:
        """Move along the table and return the new state; raises IllegalStep where the table has no row."""
        try:
            self.state = TABLE[self.state, trigger]
        except KeyError:
            raise IllegalStep(f"a session that is {self.state} cannot take {trigger}") from None
        self.was_live |= self.state is State.LIVE
        return self.state

    def end(self, reason: EndReason, words: str = "") -> bool:
        """Give the reason to end, with more exact words if there are any; False when one was given before."""
        first = self.reason is None
        if first:
            self.reason = reason
            self.words = words or reason.words
        self.step(Trigger.END)
        return first
