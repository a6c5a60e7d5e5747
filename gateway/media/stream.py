"""A peer whose media come over WebSockets, for networks that let nothing else through.

Owns the way of sound, pictures and voice between messages and the session, through one socket after the other, and when
the browser counts as away. It must not know sockets: a `Wire` is given to it. To its session it is what `Peer` is.
**Invariant: sound is handed on in order and once, however often the socket is lost; the voice waits here, and not in
the network, when that is slower than speech, and what a lost socket did not deliver is said again.**
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from gateway.guard.bucket import TokenBucket
from gateway.guard.intake import Intake
from gateway.media.loudness import level_dbov
from gateway.media.peer_sink import PeerSink, PeerState
from gateway.media.pictures import Pictures
from gateway.media.stream_camera import StreamCamera
from gateway.media.stream_ear import StreamEar
from gateway.media.stream_wire import SOUND_MS, Kind, Message, PictureParts, SoundLine, read, write
from gateway.media.voice import Voice
from gateway.media.worker import MediaWorker
from gateway.settings import Settings
from gateway.telemetry import metrics

logger = logging.getLogger(__name__)

KEY_BYTES = 9
WATCH_S = 0.25  # how often the watchdog looks
SUSPECT_S, DETACHED_S = 2.0, 5.0  # as of a WebRTC peer; the browser sends sound all the time, muted or not
PAUSE_S = 1.0  # as of the microphone of a WebRTC peer
KEPT_S = 20  # of sound that a browser may have kept while it was away; the page keeps 15
# What a second of the microphone may bring: its clock is not ours, and what was kept follows at once.
SOUND_PER_S, SOUND_BURST = 1.25 * 1000 / SOUND_MS, KEPT_S * 1000 / SOUND_MS
NEWEST_BLOCKS = 25  # the second whose level is told to who asks
HEARD_EVERY = 2  # blocks: the browser learns within 80 ms that its sound is stuck


class Wire(Protocol):
    """One socket."""

    def send(self, message: bytes) -> None:
        """Hand over a message; must not block."""

    def close(self) -> None:
        """It carries nothing any more."""


class StreamPeer:
    """One browser: `run` until it is over, then `close`; `connect` for each of its sockets."""

    def __init__(
        self,
        settings: Settings,
        voice: Voice,
        sink: PeerSink,
        worker: MediaWorker,
        frame_ids: Iterator[int],
    ) -> None:
        self.key = secrets.token_urlsafe(KEY_BYTES)  # by which its browser is known again
        self.video_refused = False  # there is no section to be refused: a picture that comes is not looked at
        self._voice = voice
        self._sink = sink
        self._wire: Wire | None = None
        self._state = PeerState.CONNECTING
        self._over = asyncio.Event()
        self._heard_s: float | None = None  # when anything last came
        self._sound_s: float | None = None
        self._paused = True
        self._line = SoundLine()
        self._newest: deque[bytes] = deque(maxlen=NEWEST_BLOCKS)
        self._sound = TokenBucket(SOUND_PER_S, SOUND_BURST)
        self._intake = Intake(settings.call_max_kbps, settings.call_max_packets_per_s)
        self._parts = PictureParts()
        self._ear = StreamEar(self._send, self._pace)
        self._camera: StreamCamera | None = None
        if settings.video:
            told = sink.peer_frame, sink.peer_video_wish, sink.peer_picture_refused
            self._camera = StreamCamera(Pictures(settings, worker.jpeg, *told, frame_ids))

    hears = True

    @property
    def sound_seq(self) -> int | None:
        """The last block of sound that was taken."""
        return self._line.seq

    def connect(self, wire: Wire, heard_seq: int | None) -> None:
        """A socket is there; the one before is closed. Of the voice its browser has played up to `heard_seq`, if it has
        heard any."""
        if self._wire is not None:
            self._wire.close()
        self._wire, self._parts = wire, PictureParts()
        self._heard_s = asyncio.get_running_loop().time()
        if heard_seq is not None:
            self._ear.heard(heard_seq)
        self._take_back()
        self._pace()

    def disconnect(self, wire: Wire) -> None:
        """The socket is gone; the voice waits for another."""
        if wire is self._wire:
            self._wire = None
            self._pace()

    def take(self, data: bytes, now_s: float) -> None:
        """A message arrived; raises ValueError for one that is none, or comes faster than anybody speaks."""
        message = read(data)
        self._heard_s = now_s
        if message.kind is Kind.SOUND:  # which has a bound of its own
            self._take_sound(message, now_s)
            return
        wanted = self._intake.take(len(data), message.kind is Kind.PICTURE)
        if message.kind is Kind.PICTURE:
            self._take_picture(message, now_s, wanted=wanted)
        elif wanted:
            self._ear.heard(message.seq)
            self._pace()

    def _take_sound(self, message: Message, now_s: float) -> None:
        if not self._sound.take(now_s):
            raise ValueError("Sound comes faster than it can have been spoken.")
        self._sound_s = now_s
        self._paused = False
        blocks = self._line.take(message.seq, message.payload)
        for block in blocks:
            self._newest.append(block)
            self._sink.peer_level(level_dbov(block), SOUND_MS)
            self._sink.peer_audio(block)
        if blocks:
            metrics.UPLINK_MS.labels("received").inc(SOUND_MS)
            metrics.UPLINK_MS.labels("silent").inc((len(blocks) - 1) * SOUND_MS)
        if not blocks or message.seq % HEARD_EVERY == 0:
            self._send(write(Kind.HEARD, self._line.seq or 0))

    def _take_picture(self, part: Message, now_s: float, *, wanted: bool) -> None:
        picture = self._parts.take(part, wanted=wanted)
        if picture is not None and self._camera is not None:
            self._camera.push(picture, now_s)

    def _send(self, message: bytes) -> None:
        if self._wire is not None:
            self._wire.send(message)

    def _take_back(self) -> None:
        """What is on its way will never arrive: it is said again, and waits for the next who hears it."""
        self._voice.join(self._ear, publishes=True)
        self._voice.hold(self._ear, self._ear.take_back())

    def _pace(self) -> None:
        """The voice goes on while there is a way for it that is not full."""
        if self._wire is None or self._ear.is_full:
            self._voice.hold(self._ear, 0)
        else:
            self._voice.release(self._ear)

    def allow_video(self, fps_max: float | None) -> None:
        """Look at so many frames a second at most; None: at none."""
        if self._camera is not None:
            self._camera.allow(fps_max)

    def figures(self) -> dict[str, Any]:
        """What is known of the connection, as JSON (docs/protocol.md)."""
        sound = b"".join(self._newest)
        peak = int(np.abs(np.frombuffer(sound, dtype="<i2").astype(np.int32)).max()) if sound else 0
        return {
            "state": self._state.value,
            "way": "stream",
            "voice_on_its_way_ms": round(self._ear.unheard_ms),
            "audio": {
                "paused": self._paused,
                "blocks": self._line.blocks,
                "missing": self._line.missing,
                "repeated": self._line.repeated,
                "rms_dbov": round(level_dbov(sound), 1),
                "peak": round(peak / 32768, 4),
            },
            "video": self._camera.figures() if self._camera is not None else None,
        }

    async def run(self) -> None:
        """Carry media until `close` is called."""
        looking = asyncio.create_task(self._camera.run()) if self._camera is not None else None
        try:
            while not self._over.is_set():
                self._watch(asyncio.get_running_loop().time())
                try:
                    async with asyncio.timeout(WATCH_S):
                        await self._over.wait()
                except TimeoutError:
                    pass
        finally:
            if looking is not None:
                looking.cancel()
                for result in await asyncio.gather(looking, return_exceptions=True):
                    if isinstance(result, Exception):
                        logger.error("the camera of a stream failed", exc_info=result)
            await self.close()

    async def close(self) -> None:
        """End `run`; may be called again and at any time."""
        if self._over.is_set():
            return
        self._over.set()
        self._take_back()
        self._voice.leave(self._ear)
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        self._step(PeerState.CLOSED, "The connection is closed.")

    def _watch(self, now_s: float) -> None:
        if (verdict := self._intake.look(now_s)) is not None:
            self._sink.peer_intake(verdict)
        if self._heard_s is None:
            self._heard_s = now_s
        if self._sound_s is not None and now_s - self._sound_s > PAUSE_S and not self._paused:
            self._paused = True
            self._sink.peer_audio_paused()
        silent_s = now_s - self._heard_s
        if silent_s > DETACHED_S:
            self._voice.leave(self._ear)
            self._step(PeerState.DETACHED, "Your connection was lost; your conversation is kept.")
        elif silent_s > SUSPECT_S:
            self._step(PeerState.SUSPECT, "Nothing arrives from your browser at the moment.")
        elif self._wire is not None:
            self._voice.join(self._ear, publishes=True)
            self._pace()
            self._step(PeerState.CONNECTED, "Media arrives.")

    def _step(self, state: PeerState, reason: str) -> None:
        if state is not self._state and self._state is not PeerState.CLOSED:
            self._state = state
            self._sink.peer_state(state, reason)
