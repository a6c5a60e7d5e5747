"""The camera: from RTP packets to JPEG frames for the model.

Owns the way of a picture through decoder, sampler and encoder. It must not know the model's leg or sockets.
**Invariant: at most `CODED_MAX` coded frames and one picture wait; a picture that was decoded from something broken is
not handed on; one that is too large, or that nobody wants to see, is not decoded.**
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import av
import numpy as np

from gateway.media.dimensions import MACROBLOCK_PX, Size, h264_size, vp8_size
from gateway.media.frames import Codec, CodedFrame, Frames
from gateway.media.jpeg import JpegWorker
from gateway.media.rtp import Packet
from gateway.media.sampler import Luma, Sampler, sketch
from gateway.settings import Settings
from gateway.telemetry import metrics

logger = logging.getLogger(__name__)

CODED_MAX = 90  # three seconds of a camera that ignores what it is told; then a key frame is cheaper


@dataclass(slots=True)
class VideoCounts:
    """What became of the pictures of one camera."""

    whole: int = 0  # coded frames that were put together
    overflowed: int = 0  # of them, forgotten undecoded: the decoder did not keep up
    undecodable: int = 0
    superseded: int = 0  # decoded when a newer one was there already
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


class VideoUplink:
    """One camera."""

    def __init__(
        self,
        settings: Settings,
        jpeg: JpegWorker,
        on_frame: Callable[[Frame], None],
        on_wish: Callable[[float], None],
        on_refused: Callable[[int, int], None],
        ids: Iterator[int],
    ) -> None:
        self.frames = Frames()
        self._settings = settings
        self._jpeg = jpeg
        self._on_frame = on_frame
        self._on_wish = on_wish
        self._on_refused = on_refused
        self._ids = ids
        self._sampler = Sampler(settings.video_fps_min, settings.video_fps_max)
        self._wish_fps = settings.video_fps_max
        self._counts = VideoCounts()
        self._coded: deque[CodedFrame] = deque()
        self._arrived = asyncio.Event()
        self._decoder = VideoDecoder(settings.camera_max_px)
        self.paused = False

    def push(self, packet: Packet, codec: Codec, now_s: float) -> None:
        """A packet arrived."""
        if not self.paused:
            self._take(self.frames.push(packet, codec, now_s))

    def look(self, now_s: float, rtt_s: float) -> None:
        """Give up what is lost."""
        self._take(self.frames.look(now_s, rtt_s))

    def allow(self, fps_max: float | None) -> None:
        """Look at so many frames a second at most; None: at none, from this moment on."""
        if fps_max is None:
            self.paused = True
            self._coded.clear()
            self.frames.broken()  # when it goes on, it does so with a key frame
            self._wish(0.0)
            return
        self._sampler.limit(min(self._settings.video_fps_min, fps_max), fps_max)
        if self.paused:
            self.paused = False
            self.frames.ask_anew()
        self._wish(fps_max)

    def _wish(self, fps: float) -> None:
        if fps != self._wish_fps:
            self._wish_fps = fps
            self._on_wish(fps)

    def _take(self, whole: list[CodedFrame]) -> None:
        if not whole:
            return
        self._counts.whole += len(whole)
        self._coded.extend(whole)
        if len(self._coded) > CODED_MAX:
            self._counts.overflowed += len(self._coded)
            self._coded.clear()
            self.frames.broken()
        self._arrived.set()

    async def run(self) -> None:
        """Decode all, encode what is wanted; runs until it is cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            coded = tuple(self._coded)
            self._coded.clear()
            if not coded:
                continue
            try:
                picture, luma_sketch = await self._jpeg.run(self._decoder.decode, coded)
            except TooLarge as refused:
                self.frames.broken()
                self._on_refused(*refused.size)
                continue
            except (ValueError, av.FFmpegError) as error:
                logger.info("a picture could not be decoded: %s", error)
                metrics.FRAMES.labels("undecodable").inc()
                self._counts.undecodable += len(coded)
                self.frames.broken()
                continue
            self._counts.superseded += len(coded) - 1
            await self._sample(picture, luma_sketch, coded[-1].arrived_s)

    async def _sample(self, picture: av.VideoFrame, luma_sketch: Luma, arrived_s: float) -> None:
        if self.paused:
            return
        wanted = self._sampler.take(luma_sketch, arrived_s)
        self._wish(self._sampler.wish_fps(arrived_s))
        if not wanted:
            self._counts.not_wanted += 1
            return
        begun_s = asyncio.get_running_loop().time()
        try:
            jpeg = await self._jpeg.encode(picture, self._settings.video_size_px, self._settings.video_max_bytes)
        except (ValueError, av.FFmpegError) as error:
            logger.warning("a picture could not be encoded: %s", error)
            metrics.FRAMES.labels("unencodable").inc()
            self._counts.unencodable += 1
            return
        self._count_jpeg(len(jpeg.data), (asyncio.get_running_loop().time() - begun_s) * 1000)
        self._on_frame(Frame(next(self._ids), jpeg.data, jpeg.width, jpeg.height, arrived_s))

    def _count_jpeg(self, size_bytes: int, lasted_ms: float) -> None:
        counts = self._counts
        counts.sampled += 1
        counts.jpeg_bytes += size_bytes
        counts.encode_ms += lasted_ms
        counts.newest_bytes, counts.newest_encode_ms = size_bytes, lasted_ms

    def figures(self) -> dict[str, Any]:
        """What is known of this camera, as JSON (docs/protocol.md)."""
        counted = asdict(self._counts)
        rounded = {name: round(counted[name], 1) for name in ("encode_ms", "newest_encode_ms")}
        return {**counted, **rounded, "lost_frames": self.frames.lost_frames, "wish_fps": self._wish_fps}


class TooLarge(Exception):
    """A picture announces a size that is not decoded."""

    def __init__(self, size: Size) -> None:
        super().__init__(f"{size[0]}×{size[1]}")
        self.size = size


class VideoDecoder:
    """Coded frames to pictures no larger than `max_px` on a side; used from one thread at a time.

    The size is read before anything is decoded: 28 kB can announce 15,900 × 15,900 pixels, for which the decoder takes
    380 MB and half a second.
    """

    def __init__(self, max_px: int) -> None:
        self._max_px = -(-max_px // MACROBLOCK_PX) * MACROBLOCK_PX  # H.264 announces whole macroblocks
        self._codec: Codec | None = None
        self._context: Any = None

    def decode(self, coded: tuple[CodedFrame, ...]) -> tuple[av.VideoFrame, Luma]:
        """Decode these in order; the newest picture and a sketch of it. Raises TooLarge, ValueError and FFmpegError."""
        picture = None
        for frame in coded:
            size = (vp8_size if frame.codec == "vp8" else h264_size)(frame.data)
            if size is not None and max(size) > self._max_px:
                raise TooLarge(size)
            if frame.codec != self._codec or self._context is None:
                self._codec, self._context = frame.codec, _open(frame.codec, self._max_px)
            for picture in self._context.decode(av.Packet(frame.data)):
                if picture.is_corrupt:
                    raise ValueError("the decoder calls it corrupt")
        if picture is None:
            raise ValueError("there is no picture in it")
        return picture, sketch(luma(picture))


def _open(codec: Codec, max_px: int) -> Any:
    context: Any = av.CodecContext.create(codec, "r")
    context.options = {"max_pixels": str(max_px**2)}  # a second lock behind the one above
    context.thread_count = 1  # threads of its own cost more than they bring at 3 fps
    return context


def luma(picture: av.VideoFrame) -> Luma:
    """The luma plane of a planar YUV picture (height × width), not copied."""
    plane = picture.planes[0]
    lines: Luma = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    return lines[: picture.height, : picture.width]
