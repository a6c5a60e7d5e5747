"""The camera's way from packets to JPEG: what is decoded, and what is refused before."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from gateway.media.frames import CodedFrame
from gateway.media.jpeg import JpegWorker
from gateway.media.key_frames import PATIENCE_S, KeyFrames
from gateway.media.pictures import Decoded, Frame, Pictures, TooLarge
from gateway.media.rtp import Packet
from gateway.media.video_uplink import WAITING_MAX, VideoDecoder, VideoUplink
from gateway.settings import Settings
from tests.unit.media.test_dimensions import encoded, sps, vp8_key

PICTURE = encoded("libvpx", 320, 240, deadline="realtime")


def coded(data: bytes, codec: Any = "vp8") -> CodedFrame:
    """A key frame."""
    return CodedFrame(codec, data, True, 0.0)


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        (coded(vp8_key(16_000, 16_000) + bytes(30_000)), (16_000, 16_000)),
        (coded(vp8_key(321, 16) + bytes(100)), (321, 16)),
        (coded(sps(1024, 1024) + b"\0\0\1\x65" + bytes(1000), "h264"), (16_384, 16_384)),
    ],
)
def test_a_picture_that_is_too_large_is_not_decoded(frame: CodedFrame, size: tuple[int, int]) -> None:
    """Whoever announces it: 28 kB can be worth 380 MB. No decoder is even opened."""
    decoder = VideoDecoder(320)
    with pytest.raises(TooLarge) as refused:
        decoder.decode((frame,))
    assert refused.value.size == size
    assert decoder._context is None


def test_a_picture_of_the_largest_size_is_decoded() -> None:
    """In both codecs; H.264 announces whole macroblocks, which are more than is seen."""
    assert VideoDecoder(320).decode((coded(PICTURE),))[0].width == 320
    tall = encoded("libx264", 320, 180, preset="ultrafast", tune="zerolatency")
    assert VideoDecoder(320).decode((coded(tall, "h264"),))[0].height == 180


def test_the_decoder_has_a_lock_of_its_own() -> None:
    """Were a size not found before, the decoder would refuse it."""
    decoder = VideoDecoder(64)
    decoder.decode((coded(encoded("libvpx", 64, 48, deadline="realtime")),))
    decoder._max_px = 640
    with pytest.raises(ValueError, match="Invalid argument"):
        decoder.decode((coded(PICTURE),))


def key_and_more(count: int) -> list[bytes]:
    """A key frame of VP8 and those that build on it."""
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
    encoder.time_base, encoder.options = Fraction(1, 30), {"deadline": "realtime", "lag-in-frames": "0", "g": "1000"}
    coded = []
    for index in range(count):
        picture = av.VideoFrame.from_ndarray(np.full((360, 320), index * 31 % 200, dtype=np.uint8), format="yuv420p")
        picture.pts = index
        coded += [bytes(packet) for packet in encoder.encode(picture)]
    return coded


class CountedDecoder(VideoDecoder):
    """Notes how many coded frames it gets at a time."""

    def __init__(self, max_px: int) -> None:
        super().__init__(max_px)
        self.counts: list[int] = []

    def decode(self, coded: tuple[CodedFrame, ...]) -> Decoded:
        """As the decoder does."""
        self.counts.append(len(coded))
        return super().decode(coded)


class Camera:
    """An uplink, and what comes of it."""

    def __init__(self, key_frames: KeyFrames | None = None, **settings: Any) -> None:
        self.frames: list[Frame] = []
        self.wishes: list[float] = []
        self.refused: list[tuple[int, int]] = []
        self.jpeg = JpegWorker()
        self.uplink = VideoUplink(
            Pictures(
                Settings(**settings),
                self.jpeg,
                self.frames.append,
                self.wishes.append,
                lambda width, height: self.refused.append((width, height)),
                itertools.count(1),
            ),
            key_frames,
        )
        self.decoder = self.uplink._decoder = CountedDecoder(self.uplink._pictures.max_px)
        self.running = asyncio.create_task(self.uplink.run())
        self._sequence = 0

    def sends(self, data: bytes, now_s: float) -> None:
        """One key frame in as many packets as it takes."""
        parts = [data[at : at + 1100] for at in range(0, len(data), 1100)]
        for index, part in enumerate(parts):
            head = b"\x10" if index == 0 else b"\x00"
            packet = Packet(96, self._sequence, round(now_s * 90_000), 7, head + part, index == len(parts) - 1)
            self._sequence = (self._sequence + 1) % 65_536
            self.uplink.push(packet, "vp8", now_s)

    def watch_decoder(self) -> list[int]:
        """How many coded frames it gets at a time, from now on."""
        self.decoder.counts.clear()
        return self.decoder.counts

    async def close(self) -> None:
        """Look at nothing more."""
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        self.jpeg.close()

    async def until(self, met: Any) -> None:
        """The picture thread has got so far."""
        async with asyncio.timeout(20):
            while not met():
                await asyncio.sleep(0.01)


@pytest.fixture
async def camera() -> AsyncIterator[Camera]:
    """A camera whose pictures may have 640 pixels."""
    one = Camera(camera_max_px=640)
    yield one
    await one.close()


@pytest.fixture
async def demanding() -> AsyncIterator[Camera]:
    """One that is asked for key frames."""
    one = Camera(KeyFrames())
    yield one
    await one.close()


async def test_a_giant_is_refused_and_the_next_picture_is_seen(camera: Camera) -> None:
    """The size is told; after it a key frame is wanted."""
    camera.sends(vp8_key(16_000, 16_000) + bytes(28_000), 0.0)
    await camera.until(lambda: camera.refused)
    assert camera.refused == [(16_000, 16_000)]
    assert camera.uplink.frames.needs_key
    camera.sends(PICTURE, 1.0)
    await camera.until(lambda: camera.frames)
    assert (camera.frames[0].width, camera.frames[0].height) == (320, 240)


async def test_a_paused_camera_costs_nothing_and_resumes_with_a_key_frame(camera: Camera) -> None:
    """It is told to send nothing, what comes is not put together, and it is asked anew at once."""
    camera.sends(PICTURE, 0.0)
    await camera.until(lambda: camera.frames)
    camera.uplink.frames.wants_pli(0.5)
    camera.uplink.allow(None)
    assert camera.wishes == [0]
    assert camera.uplink.frames.wants_pli(0.6), "a key frame is what it will go on with"
    camera.sends(PICTURE, 1.0)
    await asyncio.sleep(0)
    assert not camera.uplink._coded
    camera.uplink.allow(1.0)
    assert camera.wishes == [0, 1]
    assert camera.uplink.frames.wants_pli(1.1), "also right after another request"
    camera.sends(PICTURE, 2.0)
    await camera.until(lambda: len(camera.frames) == 2)


async def test_what_a_key_frame_makes_needless_is_not_decoded(camera: Camera) -> None:
    """Pictures that cannot be wanted wait; those before a key frame are never decoded."""
    camera.sends(PICTURE, 0.0)
    await camera.until(lambda: camera.frames)
    decoded = camera.watch_decoder()
    for index in range(1, 10):
        camera.sends(PICTURE, index / 30)
        await asyncio.sleep(0)
    assert not decoded
    camera.sends(PICTURE, 10 / 30)
    await camera.until(lambda: decoded)
    assert decoded == [1]
    assert camera.uplink.figures()["superseded"] == 9


async def test_pictures_that_build_on_each_other_are_decoded_at_one_go(camera: Camera) -> None:
    """Those of a third of a second, when one of them can be wanted."""
    coded = key_and_more(12)
    decoded = camera.watch_decoder()
    for index, data in enumerate(coded):
        camera.sends(data, index / 30)
        await asyncio.sleep(0)
        if index == 0:
            await camera.until(lambda: camera.frames)
    await camera.until(lambda: len(decoded) >= 2)
    assert decoded[:2] == [1, 10]
    assert camera.uplink.figures()["undecodable"] == 0


async def test_what_nobody_looks_at_is_decoded_before_it_becomes_much(camera: Camera) -> None:
    """A picture in ten seconds is wanted: the decoder keeps up all the same."""
    camera.uplink.allow(0.1)
    for index, data in enumerate(key_and_more(100)):
        camera.sends(data, index / 30)
        await camera.until(lambda: len(camera.uplink._coded) < WAITING_MAX)
    figures = camera.uplink.figures()
    assert (figures["whole"], figures["overflowed"], figures["undecodable"]) == (100, 0, 0)


async def test_a_key_frame_on_demand_spares_the_frames_before_it(demanding: Camera) -> None:
    """It is asked for when a picture is wanted; what came since the last one is not decoded."""
    camera, coded = demanding, key_and_more(11)
    decoded = camera.watch_decoder()
    for index, data in enumerate(coded):
        assert not camera.uplink.frames.wants_pli(index / 30)
        camera.sends(data, index / 30)
        if index == 0:
            await camera.until(lambda: camera.frames)
    assert camera.uplink.frames.wants_pli(11 / 30)
    assert not camera.uplink.frames.wants_pli(11 / 30), "one request is enough"
    camera.sends(PICTURE, 12 / 30)
    await camera.until(lambda: len(decoded) == 2)
    assert decoded == [1, 1]
    assert camera.uplink.figures()["superseded"] == 10


async def test_a_camera_that_gives_no_key_frame_is_seen_all_the_same(demanding: Camera) -> None:
    """What waited for one is decoded."""
    camera, coded = demanding, key_and_more(30)
    decoded = camera.watch_decoder()
    sent = round((10 / 30 + PATIENCE_S) * 30) + 2  # the first that comes after it
    for index, data in enumerate(coded[:sent]):
        camera.sends(data, index / 30)
        if index == 0:
            await camera.until(lambda: camera.frames)
    await camera.until(lambda: len(decoded) == 2)
    assert sum(decoded) == sent
    assert camera.uplink.figures()["undecodable"] == 0


async def test_fewer_pictures_are_taken_when_less_is_allowed(camera: Camera) -> None:
    """However much moves."""
    camera.uplink.allow(0.5)
    pictures = [encoded("libvpx", 320, 240, deadline="realtime"), encoded("libvpx", 160, 240, deadline="realtime")]
    for index in range(20):
        camera.sends(pictures[index % 2], index / 2)
        await camera.until(lambda: not camera.uplink._arrived.is_set() and not camera.jpeg.wait_s)
    assert camera.wishes[0] == 0.5
    assert 4 <= len(camera.frames) <= 6


async def test_the_wait_for_the_picture_thread_is_known() -> None:
    """Of the oldest piece of work; nothing waits when all is done, also what was given up."""
    worker = JpegWorker()
    assert worker.wait_s == 0
    go = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result()

    tasks = [asyncio.create_task(worker.run(work)) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert worker.wait_s > 0
    tasks[1].cancel()
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert worker.wait_s == 0
    worker.close()
