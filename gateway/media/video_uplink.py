"""The camera: from a track to JPEG frames for the model.

Owns the mailbox between a camera that delivers when it likes and an encoder that takes its time. It must not know the
model's leg.
**Invariant: the track is always read; at most one picture waits, the newest.**
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from gateway.media.jpeg import JpegWorker
from gateway.media.sampler import Luma, Sampler, sketch
from gateway.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled picture."""

    id: int  # counts from 1 in each session
    jpeg: bytes
    width: int
    height: int
    captured_at_s: float  # loop time at which the picture arrived


class VideoUplink:
    """Reads one track until it ends."""

    def __init__(
        self,
        track: MediaStreamTrack,
        settings: Settings,
        jpeg: JpegWorker,
        on_frame: Callable[[Frame], None],
        ids: Iterator[int],
    ) -> None:
        self._track = track
        self._settings = settings
        self._jpeg = jpeg
        self._on_frame = on_frame
        self._ids = ids
        self._sampler = Sampler(settings.video_fps_min, settings.video_fps_max)
        self._newest: tuple[av.VideoFrame, float] | None = None
        self._arrived = asyncio.Event()

    async def read(self) -> None:
        """Take in the track; returns when it has ended."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                picture = await self._track.recv()
            except MediaStreamError:
                return
            assert isinstance(picture, av.VideoFrame)
            self._newest = picture, loop.time()
            self._arrived.set()

    async def sample(self) -> None:
        """Encode the pictures that are wanted; runs until it is cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            assert self._newest is not None
            (picture, arrived_s), self._newest = self._newest, None
            if self._sampler.take(sketch(luma(picture)), arrived_s):
                await self._encode(picture, arrived_s)

    async def _encode(self, picture: av.VideoFrame, arrived_s: float) -> None:
        try:
            jpeg = await self._jpeg.encode(picture, self._settings.video_size_px, self._settings.video_max_bytes)
        except (ValueError, av.FFmpegError) as error:
            logger.warning("a picture could not be encoded: %s", error)
            return
        self._on_frame(Frame(next(self._ids), jpeg.data, jpeg.width, jpeg.height, arrived_s))


def luma(picture: av.VideoFrame) -> Luma:
    """The luma plane of a planar YUV picture (height × width), not copied."""
    plane = picture.planes[0]
    lines: Luma = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    return lines[: picture.height, : picture.width]
