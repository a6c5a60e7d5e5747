"""What a peer and its owner say to each other: directions, states, candidates, and the `PeerSink`.

Owns these words. It must not know peers or sessions.
**Invariant: whatever else carries a person's voice and pictures can speak to a `PeerSink` as a WebRTC peer does.**
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from gateway.guard.intake import Verdict
from gateway.media.channel import Channel
from gateway.media.pictures import Frame

# What the answer allows at most: a conversation, a camera that only sends (WHIP), a listener (WHEP).
Direction = Literal["sendrecv", "recvonly", "sendonly"]


class PeerState(StrEnum):
    """Where a peer is in its life."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    SUSPECT = "suspect"  # connected, but nothing arrives
    DETACHED = "detached"  # nothing has arrived for so long that the browser is away
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class TrickleCandidate:
    """A remote ICE candidate: `candidate:…` and the section it belongs to."""

    candidate: str
    mid: str | None = None
    mline_index: int | None = None


class PeerSink(Protocol):
    """What a peer tells; every call is on the event loop and must not block."""

    def peer_audio(self, pcm: bytes) -> None:
        """40 ms of the person's voice, 16 kHz mono s16le, steady by the clock."""

    def peer_audio_paused(self) -> None:
        """No sound has come for a second."""

    def peer_level(self, level_dbov: float, duration_ms: float) -> None:
        """How loud the person was during the last so many ms."""

    def peer_frame(self, frame: Frame) -> None:
        """A sampled picture."""

    def peer_video_wish(self, fps: float) -> None:
        """The camera need not send more often than this."""

    def peer_picture_refused(self, width: int, height: int) -> None:
        """The camera sends pictures of this size, which is too large."""

    def peer_intake(self, verdict: Verdict) -> None:
        """The browser sends more than a call may, or does so no more."""

    def peer_unheard(self, silent_s: float) -> None:
        """For so long nothing has come from a browser that sent media; once for each gap, before it is suspect."""

    def peer_state(self, state: PeerState, reason: str) -> None:
        """The state changed; the reason is a sentence."""

    def peer_channel(self, channel: Channel) -> None:
        """The browser opened a data channel."""

    def peer_data_dropped(self, why: str) -> None:
        """Something of the data channel was turned away (`SctpGuard`); `endless`: and the channel was closed."""
