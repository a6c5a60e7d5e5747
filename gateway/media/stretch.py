"""Sound a little shorter or longer than it was, at the same pitch.

Owns where a cut is not heard: one period of the voice (2.5 to 10 ms, 100 to 400 Hz) is left out or repeated, with an
overlap. It must not know why.
**Invariant: the length changes by one period or not at all; the first and the last sample stay, so that pieces join.**
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
PCM16 = np.dtype("<i2")  # made once: to read it from its name takes as long as to read 20 ms of sound

PERIOD_MIN, PERIOD_MAX = 40, 160  # samples at 16 kHz
OVERLAP = 160
LEAST = OVERLAP + PERIOD_MAX  # 20 ms: shorter sound is left as it is
LIKE_MIN = 0.5  # normalised correlation below which a cut would be heard
SILENT_RMS = 100.0  # of 16-bit samples, -50 dBov: any cut is silent


def is_silent(samples: Samples) -> bool:
    """Whether nothing is heard in it."""
    return float(np.dot(samples, samples)) < SILENT_RMS * SILENT_RMS * samples.size


def shorter(samples: Samples) -> Samples:
    """Without one period: the beginning glides into what is one period later."""
    period = _period(samples)
    if period is None:
        return samples
    ramp = np.linspace(0.0, 1.0, OVERLAP, dtype=np.float32)
    joined = samples[:OVERLAP] * (1 - ramp) + samples[period : period + OVERLAP] * ramp
    return np.concatenate((joined, samples[period + OVERLAP :]))


def longer(samples: Samples) -> Samples:
    """With one period twice: what is one period later glides back into the beginning."""
    period = _period(samples)
    if period is None:
        return samples
    ramp = np.linspace(0.0, 1.0, OVERLAP, dtype=np.float32)
    joined = samples[period : period + OVERLAP] * (1 - ramp) + samples[:OVERLAP] * ramp
    return np.concatenate((samples[:period], joined, samples[OVERLAP:]))


def _period(samples: Samples) -> int | None:
    """A distance at which the sound is like itself; None when there is none."""
    if samples.size < LEAST:
        return None
    if is_silent(samples):
        return PERIOD_MAX
    head = samples[:OVERLAP]
    later = samples[PERIOD_MIN : PERIOD_MAX + OVERLAP]
    squares = np.concatenate(([0.0], np.cumsum(later * later)))
    energy = np.sqrt((squares[OVERLAP:] - squares[:-OVERLAP]) * float(np.dot(head, head))) + 1.0
    likeness = np.correlate(later, head, "valid") / energy
    best = int(np.argmax(likeness))
    return PERIOD_MIN + best if likeness[best] >= LIKE_MIN else None
