"""The microphone: from a track to 40 ms messages for the model.

Owns the conversion of what aiortc decodes (48 kHz) to 16 kHz mono, and the pace. It must not know the model's leg.
**Invariant: messages leave by the clock of the event loop, however the track delivers.**
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gateway.media.timeline import MESSAGE_MS, RATE_HZ, Timeline

INPUT_HZ = 48_000  # the RTP clock of Opus (RFC 7587 §4.1), at which aiortc decodes
FACTOR = INPUT_HZ // RATE_HZ
TAPS = 73  # a transition from 7 to 9 kHz

Samples = NDArray[np.float32]


class Downsampler:
    """48 kHz mono to 16 kHz, in pieces of any length; delays by (TAPS - 1) / 2 samples of the input, 0.75 ms."""

    def __init__(self) -> None:
        taps = np.arange(TAPS) - (TAPS - 1) / 2
        self._low_pass = (np.sinc(taps / FACTOR) * np.hamming(TAPS) / FACTOR).astype(np.float32)
        self._kept: Samples = np.zeros(TAPS - 1, dtype=np.float32)

    def convert(self, samples: Samples) -> bytes:
        """The next samples as 16 kHz mono s16le."""
        line = np.concatenate((self._kept, samples))
        windows = sliding_window_view(line, TAPS)[::FACTOR]
        used = windows.shape[0] * FACTOR
        self._kept = line[used:]
        filtered: Samples = windows @ self._low_pass
        return np.clip(np.rint(filtered), -32768, 32767).astype("<i2").tobytes()


class AudioUplink:
    """Reads one track until it ends."""

    def __init__(
        self, track: MediaStreamTrack, on_audio: Callable[[bytes], None], on_pause: Callable[[], None]
    ) -> None:
        self.timeline = Timeline()
        self.heard_s: float | None = None  # when sound last arrived, by the loop's clock
        self._track = track
        self._on_audio = on_audio
        self._on_pause = on_pause
        self._downsampler = Downsampler()

    async def read(self) -> None:
        """Take in the track; returns when it has ended."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                frame = await self._track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.AudioFrame)
            self.heard_s = loop.time()
            position = (frame.pts or 0) // FACTOR
            self.timeline.push(position, self._downsampler.convert(mono(frame)), self.heard_s)

    async def pace(self) -> None:
        """Hand the messages on as they become due; runs until it is cancelled."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            was_paused = self.timeline.paused
            for message in self.timeline.take(loop.time()):
                self._on_audio(message)
            if self.timeline.paused and not was_paused:
                self._on_pause()
            due_s = max(due_s + MESSAGE_MS / 1000, loop.time())
            await asyncio.sleep(due_s - loop.time())


def mono(frame: av.AudioFrame) -> Samples:
    """The mean of the channels of an interleaved s16 frame."""
    channels = len(frame.layout.channels)
    interleaved = np.frombuffer(memoryview(frame.planes[0]), dtype="<i2", count=frame.samples * channels)
    mean: Samples = interleaved.reshape(-1, channels).mean(axis=1, dtype=np.float32)
    return mean
