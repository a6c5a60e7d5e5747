"""What goes to the model next.

Owns the three lanes of the uplink: control messages, sound in its order, and at most one frame. It must not know
sockets or encodings; time and the number of unsent bytes are arguments.
**Invariant: sound is never dropped because of a frame; it is dropped only when it is older than `AUDIO_MAX_AGE_S`,
oldest first, and what was dropped is counted.**
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

AUDIO_MAX_AGE_S = 3.0  # a link opens in less; older speech would be answered when the person has moved on
VIDEO_UNSENT_MAX_BYTES = 64 * 1024  # about two frames: with more unsent, another one would only delay sound
PCM_BYTES_PER_MS = 32  # 16 kHz, 16 bit, mono


@dataclass(frozen=True, slots=True)
class Control:
    """A message that is ready for the wire."""

    message: str
    elsewhere: str | None = None  # what to say instead on another link than the one it is meant for; None: the same


@dataclass(frozen=True, slots=True)
class Audio:
    """The next sound, 16 kHz mono s16le."""

    pcm: bytes
    waited_s: float = 0.0  # how long it was in the outbox


@dataclass(frozen=True, slots=True)
class AudioStreamEnd:
    """The sound pauses here."""


@dataclass(frozen=True, slots=True)
class FrameToSend:
    """The newest frame."""

    frame_id: int
    jpeg: bytes


Outgoing = Control | Audio | AudioStreamEnd | FrameToSend


class Outbox:
    """The lanes of one conversation; outlives its links."""

    def __init__(self) -> None:
        self.dropped_audio_ms = 0.0
        self.dropped_frames = 0
        self._control: deque[Control] = deque()
        self._sound: deque[tuple[float, Audio | AudioStreamEnd]] = deque()
        self._frame: FrameToSend | None = None

    @property
    def has_frame(self) -> bool:
        """True while a frame waits."""
        return self._frame is not None

    @property
    def has_control(self) -> bool:
        """True while a control message waits."""
        return bool(self._control)

    def figures(self) -> dict[str, Any]:
        """What waits and what was dropped, as JSON (docs/protocol.md)."""
        return {
            "waiting_audio_ms": round(sum(_duration_ms(item) for _, item in self._sound)),
            "waiting_control": len(self._control),
            "waiting_frame": self.has_frame,
            "dropped_audio_ms": round(self.dropped_audio_ms),
            "dropped_frames": self.dropped_frames,
        }

    def put_control(self, message: str, *, first: bool = False, elsewhere: str | None = None) -> None:
        """Send this before any media; `first`: before other control messages too; `elsewhere` is what it becomes when
        another link is opened before it went."""
        (self._control.appendleft if first else self._control.append)(Control(message, elsewhere))

    def put_audio(self, pcm: bytes, now_s: float) -> None:
        """Send this after the sound before it."""
        self._sound.append((now_s, Audio(pcm)))
        self._drop_old(now_s)

    def put_audio_stream_end(self, now_s: float) -> None:
        """Tell the pause after the sound before it, once."""
        if not self._sound or not isinstance(self._sound[-1][1], AudioStreamEnd):
            self._sound.append((now_s, AudioStreamEnd()))

    def put_frame(self, frame_id: int, jpeg: bytes) -> None:
        """Replace the frame that waits."""
        self.dropped_frames += self._frame is not None
        self._frame = FrameToSend(frame_id, jpeg)

    def next(self, now_s: float, unsent_bytes: int) -> Outgoing | None:
        """Take what is to be sent now; None when there is nothing, or only a frame that has to wait."""
        self._drop_old(now_s)
        if self._control:
            return self._control.popleft()
        if self._sound:
            put_s, sound = self._sound.popleft()
            return Audio(sound.pcm, now_s - put_s) if isinstance(sound, Audio) else sound
        if self._frame is not None and unsent_bytes <= VIDEO_UNSENT_MAX_BYTES:
            frame, self._frame = self._frame, None
            return frame
        return None

    def other_link(self) -> None:
        """What waits goes to another link than it was meant for."""
        self._control = deque(
            Control(item.message if item.elsewhere is None else item.elsewhere) for item in self._control
        )

    def forget_media(self) -> None:
        """Drop the frame and the sound that wait: they belong to a link that is gone."""
        self.dropped_audio_ms += sum(_duration_ms(item) for _, item in self._sound)
        self.dropped_frames += self._frame is not None
        self._sound.clear()
        self._frame = None

    def _drop_old(self, now_s: float) -> None:
        while self._sound and now_s - self._sound[0][0] > AUDIO_MAX_AGE_S:
            self.dropped_audio_ms += _duration_ms(self._sound.popleft()[1])


def _duration_ms(item: Audio | AudioStreamEnd) -> float:
    return len(item.pcm) / PCM_BYTES_PER_MS if isinstance(item, Audio) else 0.0
