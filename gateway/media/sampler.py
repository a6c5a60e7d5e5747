"""Which pictures of the camera the model gets.

Owns the frame rate: `fps_min` of a still picture, `fps_max` of a moving one, in between for a little motion. It must
not know codecs or clocks: time is an argument, a picture is its luma.
**Invariant: over any stretch of time no more than `fps_max` frames a second are taken, plus one; which ones does not
depend on the pictures that were not looked at.**
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

SKETCH_POINTS = 48  # along the longer side: small things that move still cover a point
CHANGED_LEVELS = 16  # a point has changed when its luma moved by more than camera noise does
STILL_SHARE = 0.01  # of all points changed: noise and a flickering lamp
STILL_S = 10.0  # without motion for so long, a camera may send less often
MOVING_SHARE = 0.12  # a hand or a turning head before the camera
LOOKS = 2  # at pictures in the shortest time between two frames, where nothing has moved so far


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
        self._arrived_s = -math.inf
        self._half_s = 0.0  # of the time between two pictures
        self._looked_s = -math.inf
        self._moved_s = -math.inf
        self._slot_s = -math.inf  # when the last frame was due; the next is due one interval later

    def limit(self, fps_min: float, fps_max: float) -> None:
        """Other rates from now on."""
        self._fps_min, self._fps_max = fps_min, fps_max

    def arrives(self, now_s: float) -> bool:
        """A picture has come; whether it can be wanted, whatever is on it. One that cannot need not be decoded.

        Call it for every picture.
        """
        shortest_s = 1.0 / self._fps_max
        self._half_s = min(now_s - self._arrived_s, shortest_s) / 2
        self._arrived_s = now_s
        can_s = max(self._slot_s + shortest_s, self._looked_s + shortest_s / LOOKS)
        must_s = self._slot_s + 1.0 / self._fps_min
        return now_s >= min(can_s, must_s) - self._half_s

    def take(self, luma_sketch: Luma, now_s: float) -> bool:
        """Tell whether the picture of this moment is wanted; if so it is the one to compare the next with.

        Call it for every picture that `arrives` finds worth it. A picture is taken when it is nearer to the time a
        frame is due than the next picture will be, so that a camera of 3 fps that is not punctual still gives 3.
        """
        self._looked_s = now_s
        amount = motion(self._last, luma_sketch)
        if amount > 0:
            self._moved_s = now_s
        interval_s = 1.0 / (self._fps_min + (self._fps_max - self._fps_min) * amount)
        due_s = self._slot_s + interval_s
        if now_s < due_s - self._half_s:
            return False
        self._slot_s = due_s if now_s - due_s < self._half_s else now_s
        self._last = luma_sketch
        return True

    def wish_fps(self, now_s: float) -> float:
        """How often the camera should send: more often than frames are taken, so that motion is noticed soon."""
        still = now_s - self._moved_s > STILL_S
        return min(self._fps_max, 2 * self._fps_min) if still else self._fps_max
