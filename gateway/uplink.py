"""From the person to the model: what one peer of a session brings.

Owns where sound, levels, pictures and states of a peer go. It must not know how they come about.
**Invariant: only the session's present peer is listened to; what a former one still says is lost.**
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway import events
from gateway.allowance import Allowance
from gateway.data_carrier import DataCarrier
from gateway.guard.intake import Verdict
from gateway.line import Line
from gateway.live.conversation import Conversation
from gateway.media.channel import Channel
from gateway.media.peer import Frame, PeerState
from gateway.media.timeline import BYTES_PER_MS
from gateway.sent_frames import SentFrames
from gateway.speech import Speech


class Uplink:
    """The `PeerSink` of one peer. `is_present` tells whether it is the session's; set before the peer is answered."""

    def __init__(
        self,
        conversation: Conversation,
        speech: Speech,
        line: Line,
        allowance: Allowance,
        frames: SentFrames,
        data: DataCarrier,
        *,
        publish: Callable[[events.Message], None],
        on_state: Callable[[PeerState, str], None],
    ) -> None:
        self.is_present: Callable[[], bool] = lambda: False
        self._conversation = conversation
        self._speech = speech
        self._line = line
        self._has_begun = False  # to bring sound
        self._allowance = allowance
        self._frames = frames
        self._data = data
        self._publish = publish
        self._on_state = on_state

    def peer_audio(self, pcm: bytes) -> None:
        """40 ms of sound, 16 kHz mono s16le."""
        if not self.is_present():
            return
        now_s = asyncio.get_running_loop().time()
        if not self._speech.passes(pcm, now_s):
            self._line.ends()
            return
        if not self._has_begun:
            self._begin(now_s - len(pcm) / BYTES_PER_MS / 1000)
        self._line.goes_on(now_s)
        self._conversation.send_audio(pcm)

    def _begin(self, now_s: float) -> None:
        """Its first sound begins now: join it to that of the peer before."""
        self._has_begun = True
        if self._line.is_pause(now_s):
            self._line.ends()
            self._conversation.audio_stream_end()
        for silence in self._line.seam(now_s):
            self._conversation.send_audio(silence)

    def peer_audio_paused(self) -> None:
        """No sound comes for the time being."""
        if self.is_present():
            self._line.ends()
            self._speech.paused(asyncio.get_running_loop().time())

    def peer_level(self, level_dbov: float, duration_ms: float) -> None:
        """How loud it is."""
        if self.is_present() and self._speech.level(level_dbov, duration_ms, asyncio.get_running_loop().time()):
            self._allowance.active()

    def peer_frame(self, frame: Frame) -> None:
        """A picture for the model."""
        if self.is_present():
            self._frames.waits(frame)
            self._conversation.send_frame(frame.id, frame.jpeg)

    def peer_picture_refused(self, width: int, height: int) -> None:
        """A picture that is too large to be decoded."""
        if self.is_present():
            self._allowance.picture_refused(width, height)

    def peer_video_wish(self, fps: float) -> None:
        """The camera need not send more often than this."""
        if self.is_present():
            self._publish(events.server_message("video_wish", fps=fps))

    def peer_intake(self, verdict: Verdict) -> None:
        """Whether it sends too much."""
        if self.is_present():
            self._allowance.traffic(verdict)

    def peer_unheard(self, silent_s: float) -> None:
        """Its network may be another one, and it may not know yet."""
        if self.is_present():
            self._publish(events.server_message("unheard", ms=round(silent_s * 1000)))

    def peer_state(self, state: PeerState, reason: str) -> None:
        """How the connection is."""
        if self.is_present():
            self._on_state(state, reason)

    def peer_channel(self, channel: Channel) -> None:
        """The browser opened a data channel."""
        if self.is_present():
            self._data.opened(channel)

    def peer_data_dropped(self, why: str) -> None:
        """Something of a data channel was turned away, whichever peer's it was."""
        self._data.dropped(why)
