"""The camera: from RTP packets to JPEG frames for the model.

Owns the way of a coded frame to a picture. It must not know the model's leg or sockets.
**Invariant: at most `CODED_MAX` coded frames and one picture wait; a picture that was decoded from something broken is
not handed on; one that is too large, or that nobody wants to see, is not decoded, unless later ones build on it.**

A camera of 30 fps gives ten times what is sampled. Its frames wait until one of them can be wanted, and are then
decoded at one go; a key frame meanwhile spares those before it, and where the operator chose so it is asked for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any

import av

from gateway.media.dimensions import MACROBLOCK_PX, h264_size, vp8_size
from gateway.media.frames import Codec, CodedFrame, Frames
from gateway.media.key_frames import KeyFrames
from gateway.media.pictures import Decoded, Pictures, TooLarge, luma, open_decoder
from gateway.media.rtp import Packet
from gateway.media.sampler import sketch

CODED_MAX = 90  # three seconds of a camera that ignores what it is told; then a key frame is cheaper
WAITING_MAX = 30  # so many are decoded also where nobody will look, so that a wanted one does not wait for all of them


class VideoUplink:
    """One camera, with `key_frames` on demand or without."""

    def __init__(self, pictures: Pictures, key_frames: KeyFrames | None = None) -> None:
        self.frames = Frames()
        self._key_frames = key_frames
        self._pictures = pictures
        self._coded: deque[CodedFrame] = deque()
        self._arrived = asyncio.Event()
        self._decoder = VideoDecoder(pictures.max_px)

    @property
    def paused(self) -> bool:
        """Whether nothing is looked at."""
        return self._pictures.paused

    def push(self, packet: Packet, codec: Codec, now_s: float) -> None:
        """A packet arrived."""
        if not self.paused:
            self._take(self.frames.push(packet, codec, now_s))

    def look(self, now_s: float, rtt_s: float) -> None:
        """Give up what is lost."""
        self._take(self.frames.look(now_s, rtt_s))

    def allow(self, fps_max: float | None) -> None:
        """Look at so many frames a second at most; None: at none, from this moment on."""
        was_paused = self.paused
        if fps_max is None:
            self._coded.clear()
            self.frames.broken()  # when it goes on, it does so with a key frame
        elif was_paused:
            self.frames.ask_anew()
        self._pictures.allow(fps_max)

    def _take(self, whole: list[CodedFrame]) -> None:
        if not whole:
            return
        counts = self._pictures.counts
        counts.whole += len(whole)
        for frame in whole:
            if frame.is_key:  # nothing from here on builds on what is before it
                counts.superseded += len(self._coded)
                self._coded.clear()
                if self._key_frames is not None:
                    self._key_frames.came()
            self._coded.append(frame)
        if len(self._coded) > CODED_MAX:
            counts.overflowed += len(self._coded)
            self._coded.clear()
            self.frames.broken()
        now_s = whole[-1].arrived_s
        if (self._pictures.arrives(now_s) and self._is_worth_decoding(now_s)) or len(self._coded) >= WAITING_MAX:
            self._arrived.set()

    def _is_worth_decoding(self, now_s: float) -> bool:
        """A picture is wanted: whether what waits is to be decoded for it, or a key frame waited for."""
        what = "decode" if self._key_frames is None else self._key_frames.look(len(self._coded), now_s)
        if what == "ask":
            self.frames.ask_key()
        return what == "decode"

    async def run(self) -> None:
        """Decode all, encode what is wanted; runs until it is cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            coded = tuple(self._coded)
            self._coded.clear()
            if not coded:
                continue
            decoded = await self._pictures.decode(partial(self._decoder.decode, coded), len(coded))
            if decoded is None:
                self.frames.broken()
                continue
            self._pictures.counts.superseded += len(coded) - 1
            await self._pictures.take(*decoded, coded[-1].arrived_s)

    def figures(self) -> dict[str, Any]:
        """What is known of this camera, as JSON (docs/protocol.md)."""
        return {**self._pictures.figures(), "lost_frames": self.frames.lost_frames}


class VideoDecoder:
    """Coded frames to pictures no larger than `max_px` on a side; used from one thread at a time.

    The size is read before anything is decoded: 28 kB can announce 15,900 × 15,900 pixels, for which the decoder takes
    380 MB and half a second.
    """

    def __init__(self, max_px: int) -> None:
        self._max_px = -(-max_px // MACROBLOCK_PX) * MACROBLOCK_PX  # H.264 announces whole macroblocks
        self._codec: Codec | None = None
        self._context: Any = None

    def decode(self, coded: tuple[CodedFrame, ...]) -> Decoded:
        """Decode these in order; the newest picture and a sketch of it. Raises TooLarge, ValueError and FFmpegError."""
        picture = None
        for frame in coded:
            size = (vp8_size if frame.codec == "vp8" else h264_size)(frame.data)
            if size is not None and max(size) > self._max_px:
                raise TooLarge(size)
            if frame.codec != self._codec or self._context is None:
                self._codec, self._context = frame.codec, open_decoder(frame.codec, self._max_px)
            for picture in self._context.decode(av.Packet(frame.data)):
                if picture.is_corrupt:
                    raise ValueError("the decoder calls it corrupt")
        if picture is None:
            raise ValueError("there is no picture in it")
        return picture, sketch(luma(picture))
