"""Which pictures of the camera the model gets.

Owns the frame rate: `fps_min` of a still picture, `fps_max` of a moving one, in between for a little motion. It must
not know codecs or clocks: time is an argument, a picture is its luma.
**Invariant: over any stretch of time no more than `fps_max` frames a second are taken, plus one.**
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

SKETCH_POINTS = 48  # along the longer side: small things that move still cover a point
CHANGED_LEVELS = 16  # a point has changed when its luma moved by more than camera noise does
STILL_SHARE = 0.01  # of all points changed: noise and a flickering lamp
MOVING_SHARE = 0.12  # a hand or a turning head before the camera
EARLY = 0.25  # of an interval: cameras are not punctual, and a frame that is a little early is better than none


def sketch(luma: Luma) -> Luma:
    """A copy of every n-th point of a luma plane (height × width)."""
    step = max(1, max(luma.shape) // SKETCH_POINTS)
    return luma[::step, ::step].copy()


def motion(before: Luma | None, after: Luma) -> float:
    """How much has moved between two sketches, from 0 (still) to 1; 1 when there is nothing to compare with."""
    if before is None or before.shape != after.shape:
        return 1.0
    changed = np.abs(before.astype(np.int16) - after.astype(np.int16)) > CHANGED_LEVELS
    share = float(np.count_nonzero(changed)) / changed.size
    return min(1.0, max(0.0, (share - STILL_SHARE) / (MOVING_SHARE - STILL_SHARE)))


class Sampler:
    """The sampling of one camera."""

    def __init__(self, fps_min: float, fps_max: float) -> None:
        self._fps_min = fps_min
        self._fps_max = fps_max
        self._last: Luma | None = None
        self._last_s = -1e9
        self._paid_until_s = -1e9  # up to when `fps_max` allows what was taken

    def take(self, luma_sketch: Luma, now_s: float) -> bool:
        """Tell whether the picture of this moment is wanted; if so it is the one to compare the next with."""
        shortest_s = 1.0 / self._fps_max
        if now_s < self._paid_until_s - EARLY * shortest_s:
            return False
        amount = motion(self._last, luma_sketch)
        interval_s = 1.0 / (self._fps_min + (self._fps_max - self._fps_min) * amount)
        if now_s - self._last_s < interval_s * (1.0 - EARLY) and amount < 1.0:
            return False
        self._paid_until_s = max(self._paid_until_s, now_s - EARLY * shortest_s) + shortest_s
        self._last, self._last_s = luma_sketch, now_s
        return True
