"""How loud sound is.

Owns the arithmetic from samples to a level. It must not know what follows from it.
**Invariant: the power of sound is exact: the sum of its squares is a whole number below 2^53.**
"""

from __future__ import annotations

import math

import numpy as np

from gateway.media.native import native

PCM16 = np.dtype("<i2")  # made once: to read it from its name takes as long as to read 20 ms of sound
FULL_SCALE = 32768.0
SILENCE_DBOV = -127.0
SILENT_RMS = 100.0  # of 16-bit samples, -50 dBov: any cut is silent


@native
def mean_square(pcm: bytes, /) -> float:
    """The power of s16le sound, of 0 to 2^30; that of none is 0. Raises ValueError for half a sample."""
    samples = np.frombuffer(pcm, PCM16).astype(np.float64)
    return float(np.dot(samples, samples)) / samples.size if samples.size else 0.0


def level_dbov(pcm: bytes) -> float:
    """Level of s16le mono PCM in dBov: 0 is the loudest possible, -127 is silence (RFC 6464 §3)."""
    power = mean_square(pcm) / FULL_SCALE**2
    return max(SILENCE_DBOV, 10.0 * math.log10(power)) if power > 0.0 else SILENCE_DBOV


def is_silent(pcm: bytes) -> bool:
    """Whether nothing is heard in it."""
    return mean_square(pcm) < SILENT_RMS * SILENT_RMS
