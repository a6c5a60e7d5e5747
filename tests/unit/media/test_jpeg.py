"""Pictures to JPEG."""

import io
from collections.abc import Iterator

import av
import numpy as np
import pytest
from PIL import Image

from gateway.media.jpeg import JpegWorker, fit

LIMIT_BYTES = 30_720


@pytest.fixture
def worker() -> Iterator[JpegWorker]:
    """A worker that is closed after the test."""
    running = JpegWorker()
    yield running
    running.close()


def picture(width: int, height: int, *, noise: bool = False) -> av.VideoFrame:
    """A gradient, or the hardest picture there is."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack((columns * 255 // width, rows * 255 // height, np.full_like(rows, 128)), axis=-1)
    if noise:
        pixels = rng.integers(0, 255, pixels.shape)
    return av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24").reformat(format="yuv420p")


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 480, (512, 384)),
        (1280, 720, (512, 288)),
        (480, 640, (384, 512)),
        (99, 81, (98, 80)),
        (512, 512, (512, 512)),
    ],
)
def test_it_fits_into_the_square_in_its_own_proportions(width: int, height: int, expected: tuple[int, int]) -> None:
    """Large pictures shrink, small ones stay, sides are even."""
    assert fit(width, height, 512) == expected


async def test_many_sizes_in_turn_are_decodable(worker: JpegWorker) -> None:
    """Encoders are reused across sizes and sessions; each JPEG is complete."""
    for width, height in [(640, 480), (480, 640), (640, 480), (1280, 720), (640, 480)]:
        jpeg = await worker.encode(picture(width, height), 512, LIMIT_BYTES)
        with Image.open(io.BytesIO(jpeg.data)) as image:
            image.load()
            assert image.size == (jpeg.width, jpeg.height)
            assert max(image.size) <= 512
        assert len(jpeg.data) <= LIMIT_BYTES


async def test_the_hardest_picture_stays_within_the_bytes(worker: JpegWorker) -> None:
    """Noise gets coarser, and smaller when that is not enough."""
    for limit_bytes in (LIMIT_BYTES, 6000):
        jpeg = await worker.encode(picture(1280, 720, noise=True), 512, limit_bytes)
        assert len(jpeg.data) <= limit_bytes


async def test_colours_survive(worker: JpegWorker) -> None:
    """The mean of a red picture is red: full-range YCbCr is written as such."""
    red = av.VideoFrame.from_ndarray(np.full((480, 640, 3), (200, 30, 40), dtype=np.uint8), format="rgb24")
    jpeg = await worker.encode(red.reformat(format="yuv420p"), 512, LIMIT_BYTES)
    with Image.open(io.BytesIO(jpeg.data)) as image:
        mean = np.asarray(image).mean(axis=(0, 1))
    assert np.abs(mean - (200, 30, 40)).max() < 6


async def test_what_cannot_fit_is_refused(worker: JpegWorker) -> None:
    """A bound that no thumbnail meets is an error, not a larger JPEG."""
    with pytest.raises(ValueError, match="no JPEG"):
        await worker.encode(picture(640, 480), 512, 100)
