"""From decoded pictures to JPEG frames for the model.

Owns which pictures of one camera are sampled, their encoding, what becomes of those that cannot be decoded, and what
the camera is told of it. It must not know how pictures come, or what their bytes mean.
**Invariant: while it is paused nothing is sampled; each change of what is wished is told once.**
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import av
import numpy as np

from gateway.media.dimensions import Size
from gateway.media.jpeg import JpegWorker
from gateway.media.sampler import Luma, Sampler
from gateway.settings import Settings
from gateway.telemetry import metrics

logger = logging.getLogger(__name__)

Decoded = tuple[av.VideoFrame, Luma]  # a picture, and a sketch of it


class TooLarge(Exception):
    """A picture announces a size that is not decoded."""

    def __init__(self, size: Size) -> None:
        super().__init__(f"{size[0]}×{size[1]}")
        self.size = size


@dataclass(slots=True)
class PictureCounts:
    """What became of the pictures of one camera."""

    whole: int = 0  # coded frames that were put together
    overflowed: int = 0  # of them, forgotten undecoded: the decoder did not keep up
    undecodable: int = 0
    superseded: int = 0  # a newer one was there before it could be wanted
    not_wanted: int = 0  # decoded, and not sampled
    unencodable: int = 0
    sampled: int = 0  # became a JPEG
    jpeg_bytes: int = 0  # of all of them
    encode_ms: float = 0.0  # for all of them, with the wait for the thread that all calls share
    newest_bytes: int = 0
    newest_encode_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled picture."""

    id: int  # counts from 1 in each session
    jpeg: bytes
    width: int
    height: int
    captured_at_s: float  # loop time at which the picture arrived


class Pictures:
    """The pictures of one camera."""

    def __init__(
        self,
        settings: Settings,
        jpeg: JpegWorker,
        on_frame: Callable[[Frame], None],
        on_wish: Callable[[float], None],
        on_refused: Callable[[int, int], None],
        ids: Iterator[int],
    ) -> None:
        self.counts = PictureCounts()
        self.paused = False
        self._settings = settings
        self._jpeg = jpeg
        self._on_frame = on_frame
        self._on_wish = on_wish
        self._on_refused = on_refused
        self._ids = ids
        self._sampler = Sampler(settings.video_fps_min, settings.video_fps_max)
        self._wish_fps = settings.video_fps_max

    def allow(self, fps_max: float | None) -> None:
        """Look at so many frames a second at most; None: at none, from this moment on."""
        self.paused = fps_max is None
        if fps_max is not None:
            self._sampler.limit(min(self._settings.video_fps_min, fps_max), fps_max)
        self._wish(fps_max or 0.0)

    def _wish(self, fps: float) -> None:
        if fps != self._wish_fps:
            self._wish_fps = fps
            self._on_wish(fps)

    @property
    def max_px(self) -> int:
        """The longer side of the largest picture that is decoded."""
        return self._settings.camera_max_px

    async def decode(self, decode: Callable[[], Decoded], count: int = 1) -> Decoded | None:
        """What `decode` makes, in the thread of all calls, of so many coded pictures; None when it raises TooLarge,
        ValueError or FFmpegError, which is counted and told."""
        try:
            return await self._jpeg.run(decode)
        except TooLarge as refused:
            self._on_refused(*refused.size)
        except (ValueError, av.FFmpegError) as error:
            logger.info("a picture could not be decoded: %s", error)
            metrics.FRAMES.labels("undecodable").inc()
            self.counts.undecodable += count
        return None

    def arrives(self, now_s: float) -> bool:
        """A coded picture has come; whether it is worth to be decoded. Call it for every one."""
        return self._sampler.arrives(now_s)

    async def take(self, picture: av.VideoFrame, luma_sketch: Luma, arrived_s: float) -> None:
        """A picture was decoded: encode it, if it is wanted."""
        if self.paused:
            return
        wanted = self._sampler.take(luma_sketch, arrived_s)
        self._wish(self._sampler.wish_fps(arrived_s))
        if not wanted:
            self.counts.not_wanted += 1
            return
        begun_s = asyncio.get_running_loop().time()
        try:
            jpeg = await self._jpeg.encode(picture, self._settings.video_size_px, self._settings.video_max_bytes)
        except (ValueError, av.FFmpegError) as error:
            logger.warning("a picture could not be encoded: %s", error)
            metrics.FRAMES.labels("unencodable").inc()
            self.counts.unencodable += 1
            return
        self._count_jpeg(len(jpeg.data), (asyncio.get_running_loop().time() - begun_s) * 1000)
        self._on_frame(Frame(next(self._ids), jpeg.data, jpeg.width, jpeg.height, arrived_s))

    def _count_jpeg(self, size_bytes: int, lasted_ms: float) -> None:
        counts = self.counts
        counts.sampled += 1
        counts.jpeg_bytes += size_bytes
        counts.encode_ms += lasted_ms
        counts.newest_bytes, counts.newest_encode_ms = size_bytes, lasted_ms

    def figures(self) -> dict[str, Any]:
        """What is known of this camera, as JSON (docs/protocol.md)."""
        counted = asdict(self.counts)
        rounded = {name: round(counted[name], 1) for name in ("encode_ms", "newest_encode_ms")}
        return {**counted, **rounded, "wish_fps": self._wish_fps}


def open_decoder(codec: str, max_px: int) -> Any:
    """A decoder of pictures no larger than `max_px` on a side: a second lock behind the size that is read before."""
    context: Any = av.CodecContext.create(codec, "r")
    context.options = {"max_pixels": str(max_px**2)}
    context.thread_count = 1  # threads of its own cost more than they bring at 3 fps
    return context


def luma(picture: av.VideoFrame) -> Luma:
    """The luma plane of a planar YUV picture (height × width), not copied."""
    plane = picture.planes[0]
    lines: Luma = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    return lines[: picture.height, : picture.width]
