"""A camera whose pictures are JPEG: what is decoded, and what is refused before."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gateway.media.jpeg import JpegWorker
from gateway.media.pictures import Frame, Pictures, TooLarge
from gateway.media.stream_camera import StreamCamera, decode
from gateway.settings import Settings


def jpeg(width: int = 64, height: int = 48, mode: str = "RGB", **options: Any) -> bytes:
    """A picture by an encoder of somebody else."""
    shape = (height, width, len(mode)) if len(mode) > 1 else (height, width)
    noise = np.random.default_rng(3).integers(0, 255, shape, dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise, mode).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [jpeg(), jpeg(progressive=True), jpeg(mode="L"), jpeg(subsampling=0), jpeg(mode="CMYK"), jpeg(65, 49)],
    ids=["baseline", "progressive", "grey", "444", "cmyk", "odd"],
)
async def test_whatever_jpeg_comes_becomes_one_of_ours(data: bytes) -> None:
    """Every kind of it that encoders make."""
    frames = await taken(data)
    assert [(frame.id, frame.width, frame.height) for frame in frames] == [(1, 64, 48)]
    assert Image.open(io.BytesIO(frames[0].jpeg)).mode == "RGB"


def camera_of(
    worker: JpegWorker, on_frame: Callable[[Frame], None], on_wish: Callable[[float], None] = lambda _: None
) -> StreamCamera:
    """A camera of the usual settings."""
    return StreamCamera(Pictures(Settings(), worker, on_frame, on_wish, lambda *_: None, itertools.count(1)))


async def taken(*pictures: bytes, at_once: bool = False) -> list[Frame]:
    """The frames of a camera that sends these, one after the other, a second apart."""
    frames: list[Frame] = []
    worker = JpegWorker()
    camera = camera_of(worker, frames.append)
    looking = asyncio.create_task(camera.run())
    for second, data in enumerate(pictures):
        camera.push(data, float(second))
        if not at_once:
            await settled(camera, second + 1)
    await settled(camera, len(pictures))
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    worker.close()
    return frames


async def settled(camera: StreamCamera, count: int) -> None:
    """Until so many pictures have become something."""
    async with asyncio.timeout(20):
        while True:
            seen = camera.figures()
            over = ("sampled", "not_wanted", "undecodable", "unencodable", "superseded")
            if sum(seen[name] for name in over) >= count:
                return
            await asyncio.sleep(0.005)


async def test_of_pictures_that_come_faster_than_they_are_looked_at_the_newest_counts() -> None:
    """The others are let go undecoded."""
    frames = await taken(jpeg(32, 32), jpeg(40, 40), jpeg(48, 48), at_once=True)
    assert [frame.width for frame in frames] == [48]


async def test_what_is_no_picture_is_counted_and_the_next_is_taken() -> None:
    """Half a JPEG, none at all, and then a good one."""
    frames = await taken(jpeg()[:700], b"\xff\xd8 no picture", jpeg())
    assert len(frames) in (1, 2)  # of half a picture a decoder may make something; it is not called whole
    assert frames[-1].captured_at_s == 2.0


@pytest.mark.parametrize(("size", "most"), [((65, 16), 64), ((16, 65), 64)])
def test_a_picture_that_is_too_large_is_not_decoded(size: tuple[int, int], most: int) -> None:
    """Its header tells."""
    with pytest.raises(TooLarge) as refused:
        decode(jpeg(*size), most)
    assert refused.value.size == size


def test_the_decoder_has_a_lock_of_its_own() -> None:
    """A second header behind the first, which a decoder may believe instead."""
    small = jpeg(16, 16)
    at = small.index(b"\xff\xc0")
    twice = small[:at] + small[at : at + 19] + small[at : at + 5] + b"\x27\x10\x27\x10" + small[at + 9 :]
    with pytest.raises((ValueError, TooLarge)):
        decode(twice, 64)


async def test_a_camera_that_nobody_wants_to_see_is_not_decoded() -> None:
    """From this moment on; allowed again, it is seen again, and it is told both times."""
    wishes: list[float] = []
    frames: list[Frame] = []
    worker = JpegWorker()
    camera = camera_of(worker, frames.append, wishes.append)
    looking = asyncio.create_task(camera.run())
    camera.push(jpeg(), 0.0)
    camera.allow(None)
    camera.push(jpeg(), 1.0)
    await asyncio.sleep(0)
    assert camera.figures()["whole"] == 1
    camera.allow(1.0)
    camera.push(jpeg(), 2.0)
    await settled(camera, 1)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    worker.close()
    assert [frame.captured_at_s for frame in frames] == [2.0]
    assert wishes == [0.0, 1.0]
