"""Decoded pictures to JPEG, off the event loop.

Owns the one encoding thread of a process, the scaler and the encoders that it reuses. It must not know sessions,
sampling or tracks.
**Invariant: a JPEG fits into `size_px` × `size_px` with the picture's own proportions, is never enlarged, and has at
most `max_bytes`.**
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar, TypeVarTuple

import av
from av.video.reformatter import Interpolation, VideoReformatter

# mjpeg quantizers, finest first. 4 is as good as Pillow's 75 at the same size; 31 is the coarsest there is.
QUANTIZERS = (4, 6, 9, 13, 18, 24, 31)
TIME_BASE = Fraction(1, 30)
SHRINK = 0.75  # of the side, when even the coarsest quantizer does not fit
ENCODERS_KEPT = 12  # 2.5 MB each; sizes and quantizers in use at a time are few


Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


@dataclass(frozen=True, slots=True)
class Jpeg:
    """An encoded picture."""

    data: bytes
    width: int
    height: int


class JpegWorker:
    """Encodes the pictures of all sessions, one at a time."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jpeg")
        self._waiting: deque[float] = deque()  # since when each piece of work waits; the first is being done
        self._times = itertools.count()
        self._reformatter = VideoReformatter()
        self._encoders: OrderedDict[tuple[int, int, int], Any] = OrderedDict()

    async def encode(self, picture: av.VideoFrame, size_px: int, max_bytes: int) -> Jpeg:
        """Scale and encode a picture; raises ValueError when not even a thumbnail of it fits into `max_bytes`."""
        return await self.run(self._encode, picture, size_px, max_bytes)

    async def run(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Do something else with pictures in the same thread, such as decoding."""
        loop = asyncio.get_running_loop()
        self._waiting.append(loop.time())
        done = loop.run_in_executor(self._executor, work, *arguments)
        done.add_done_callback(lambda _: self._waiting.popleft())  # one thread: they are done in their order
        return await done

    @property
    def wait_s(self) -> float:
        """How long the oldest piece of work has waited; 0 when there is none."""
        return asyncio.get_running_loop().time() - self._waiting[0] if self._waiting else 0.0

    def close(self) -> None:
        """End the thread; a picture that is being encoded is waited for."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._encoders.clear()

    def _encode(self, picture: av.VideoFrame, size_px: int, max_bytes: int) -> Jpeg:
        while size_px >= 16:
            width, height = fit(picture.width, picture.height, size_px)
            scaled = self._reformatter.reformat(
                picture, width, height, format="yuvj420p", interpolation=Interpolation.AREA, threads=1
            )
            for quantizer in QUANTIZERS:
                data = self._encode_at(scaled, quantizer)
                if len(data) <= max_bytes:
                    return Jpeg(data, width, height)
            size_px = int(size_px * SHRINK)
        raise ValueError(f"no JPEG of this picture fits into {max_bytes} bytes")

    def _encode_at(self, scaled: av.VideoFrame, quantizer: int) -> bytes:
        key = (scaled.width, scaled.height, quantizer)
        encoder = self._encoders.get(key)
        if encoder is None:
            encoder = self._encoders[key] = _open_encoder(*key)
            if len(self._encoders) > ENCODERS_KEPT:
                self._encoders.popitem(last=False)
        self._encoders.move_to_end(key)
        scaled.pts, scaled.time_base = next(self._times), TIME_BASE  # an encoder takes rising times only
        return b"".join(bytes(packet) for packet in encoder.encode(scaled))


def fit(width: int, height: int, size_px: int) -> tuple[int, int]:
    """The largest even size of these proportions within a square, not larger than the picture."""
    scale = min(1.0, size_px / max(width, height))
    return max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2)


def _open_encoder(width: int, height: int, quantizer: int) -> Any:
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = TIME_BASE
    encoder.thread_count = 1
    encoder.qmin = encoder.qmax = quantizer
    encoder.options = {"huffman": "default"}  # the standard tables: an optimal one costs a second pass
    return encoder
