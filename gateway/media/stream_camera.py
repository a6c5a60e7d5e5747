"""A camera whose pictures come one by one, as JPEG.

Owns the way of such a picture to a frame. It must not know sockets, messages or sessions.
**Invariant: one picture waits, the newest; it is decoded when its size is known to be bearable, and what the model gets
was encoded here.**
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import av

from gateway.media.dimensions import jpeg_size
from gateway.media.pictures import Decoded, Pictures, TooLarge, luma, open_decoder
from gateway.media.sampler import sketch


class StreamCamera:
    """One camera."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._newest: tuple[bytes, float] | None = None
        self._arrived = asyncio.Event()

    def allow(self, fps_max: float | None) -> None:
        """Look at so many frames a second at most; None: at none, from this moment on."""
        if fps_max is None:
            self._newest = None
        self._pictures.allow(fps_max)

    def push(self, data: bytes, now_s: float) -> None:
        """A picture arrived."""
        if self._pictures.paused:
            return
        self._pictures.counts.whole += 1
        self._pictures.counts.superseded += self._newest is not None
        self._newest = data, now_s
        if self._pictures.arrives(now_s):
            self._arrived.set()

    async def run(self) -> None:
        """Decode, and encode what is wanted; runs until it is cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._newest is None:
                continue
            (data, arrived_s), self._newest = self._newest, None
            decoded = await self._pictures.decode(partial(decode, data, self._pictures.max_px))
            if decoded is not None:
                await self._pictures.take(*decoded, arrived_s)

    def figures(self) -> dict[str, Any]:
        """What is known of this camera, as JSON (docs/protocol.md)."""
        return self._pictures.figures()


def decode(data: bytes, max_px: int) -> Decoded:
    """The picture of a JPEG and a sketch of it. Raises TooLarge, ValueError and FFmpegError."""
    size = jpeg_size(data)
    if max(size) > max_px:
        raise TooLarge(size)
    context = open_decoder("mjpeg", max_px)
    pictures = [*context.decode(av.Packet(data)), *context.decode(None)]
    if not pictures or pictures[0].is_corrupt:
        raise ValueError("there is no picture in it")
    return pictures[0], sketch(luma(pictures[0]))
