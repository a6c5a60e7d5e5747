"""Sound a little shorter or longer than it was, at the same pitch.

Owns where a cut is not heard: one period of the voice (2.5 to 10 ms, 100 to 400 Hz) is left out or repeated, with an
overlap. It must not know why.
**Invariant: the length changes by one period or not at all; the first and the last sample stay, so that pieces join.**
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.media.loudness import PCM16, is_silent

Samples = NDArray[np.float32]

PERIOD_MIN, PERIOD_MAX = 40, 160  # samples at 16 kHz
OVERLAP = 160
LEAST = OVERLAP + PERIOD_MAX  # 20 ms: shorter sound is left as it is
LIKE_MIN = 0.5  # normalised correlation below which a cut would be heard


def shorter(pcm: bytes) -> bytes:
    """Without one period: the beginning glides into what is one period later. 16 kHz mono s16le."""
    samples = np.frombuffer(pcm, PCM16).astype(np.float32)
    period = _period(pcm, samples)
    if period is None:
        return pcm
    joined = _glide(samples, samples[period:])
    return np.concatenate((joined, samples[period + OVERLAP :])).astype(PCM16).tobytes()


def longer(pcm: bytes) -> bytes:
    """With one period twice: what is one period later glides back into the beginning. 16 kHz mono s16le."""
    samples = np.frombuffer(pcm, PCM16).astype(np.float32)
    period = _period(pcm, samples)
    if period is None:
        return pcm
    joined = _glide(samples[period:], samples)
    return np.concatenate((samples[:period], joined, samples[OVERLAP:])).astype(PCM16).tobytes()


def _glide(out: Samples, into: Samples) -> Samples:
    """From the beginning of one to the beginning of another."""
    ramp = np.linspace(0.0, 1.0, OVERLAP, dtype=np.float32)
    return out[:OVERLAP] * (1 - ramp) + into[:OVERLAP] * ramp


def _period(pcm: bytes, samples: Samples) -> int | None:
    """A distance at which the sound is like itself; None when there is none."""
    if samples.size < LEAST:
        return None
    if is_silent(pcm):
        return PERIOD_MAX
    head = samples[:OVERLAP]
    later = samples[PERIOD_MIN : PERIOD_MAX + OVERLAP]
    squares = np.concatenate(([0.0], np.cumsum(later * later)))
    energy = np.sqrt((squares[OVERLAP:] - squares[:-OVERLAP]) * float(np.dot(head, head))) + 1.0
    likeness = np.correlate(later, head, "valid") / energy
    best = int(np.argmax(likeness))
    return PERIOD_MIN + best if likeness[best] >= LIKE_MIN else None
