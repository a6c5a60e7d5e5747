"""A picture for Chromium's fake camera: half of the time still, half of the time moving."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT, FPS = 640, 480, 20
STILL_S, MOVING_S = 8, 8  # then again from the start


def write_camera(path: Path) -> None:
    """An MJPEG file: a still picture with structure, then the same with a large square that wanders."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    scene = np.stack(
        (columns * 200 // WIDTH, rows * 200 // HEIGHT, 90 + (columns // 40 + rows // 40) % 2 * 40), axis=-1
    )
    still = _jpeg(scene.astype(np.uint8))
    with path.open("wb") as file:
        for _ in range(STILL_S * FPS):
            file.write(still)
        for index in range(MOVING_S * FPS):
            moved = scene.astype(np.uint8).copy()
            left = (index * 37) % (WIDTH - 240)
            top = (index * 23) % (HEIGHT - 240)
            moved[top : top + 240, left : left + 240] = (240, 220, 30)
            file.write(_jpeg(moved))


def _jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
