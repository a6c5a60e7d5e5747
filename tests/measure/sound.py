"""How sound is measured in tests: alignment, likeness, pitch.

All functions take mono float arrays and rates in Hz. Levels are compared as envelopes, because what a browser does to
speech (noise suppression, gain control, coding) changes the waveform and not the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import correlate, resample_poly

Samples = NDArray[np.float64]

STEP_MS = 10
FLOOR_DB = -60.0


@dataclass(frozen=True, slots=True)
class Likeness:
    """How one sound is found in another."""

    offset_s: float  # where in the longer one the shorter begins
    correlation: float  # of the envelopes, 1 for the same


def read_wav(path: Path, rate_hz: int) -> Samples:
    """A mono WAV at this rate, from -1 to 1."""
    found_hz, samples = wavfile.read(path)
    sound = samples.astype(np.float64) / 32768
    return sound if found_hz == rate_hz else resample(sound, found_hz, rate_hz)


def resample(sound: Samples, from_hz: int, to_hz: int) -> Samples:
    """The same sound at another rate."""
    divisor = np.gcd(from_hz, to_hz)
    return np.asarray(resample_poly(sound, to_hz // divisor, from_hz // divisor))


def envelope_db(sound: Samples, rate_hz: int) -> Samples:
    """Level of each 10 ms in dB, not below FLOOR_DB under the loudest."""
    step = rate_hz * STEP_MS // 1000
    blocks = sound[: sound.size // step * step].reshape(-1, step)
    levels = 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-12)
    return np.maximum(levels - levels.max(), FLOOR_DB)


def find(needle: Samples, haystack: Samples, rate_hz: int) -> Likeness:
    """Where the needle is in the haystack, and how well it is matched there."""
    wanted, there = envelope_db(needle, rate_hz), envelope_db(haystack, rate_hz)
    wanted, there = wanted - FLOOR_DB, there - FLOOR_DB
    score = correlate(there, wanted - wanted.mean(), mode="valid")
    energy = correlate(there**2, np.ones_like(wanted), mode="valid")
    mean = correlate(there, np.ones_like(wanted), mode="valid") / wanted.size
    spread = np.sqrt(np.maximum(energy - wanted.size * mean**2, 1e-9))
    normalized = score / (spread * np.linalg.norm(wanted - wanted.mean()))
    best = int(np.argmax(normalized))
    return Likeness(best * STEP_MS / 1000, float(normalized[best]))


def pitch_hz(sound: Samples, rate_hz: int, low_hz: float = 60, high_hz: float = 4000) -> float:
    """The strongest frequency within a range."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
    frequencies = np.fft.rfftfreq(sound.size, 1 / rate_hz)
    spectrum[(frequencies < low_hz) | (frequencies > high_hz)] = 0
    return float(frequencies[np.argmax(spectrum)])


def loudest(sound: Samples, rate_hz: int, length_s: float, around_hz: float) -> tuple[float, float]:
    """Where (s) a tone of this frequency is strongest, and its share of all energy there (0 to 1)."""
    size = int(rate_hz * length_s)
    step = size // 4
    best = (0.0, 0.0)
    for at in range(0, sound.size - size, step):
        block = sound[at : at + size]
        spectrum = np.abs(np.fft.rfft(block * np.hanning(size))) ** 2
        frequencies = np.fft.rfftfreq(size, 1 / rate_hz)
        near = spectrum[np.abs(frequencies - around_hz) < 60].sum()
        share = float(near / (spectrum.sum() + 1e-9))
        if np.mean(block**2) > 1e-5 and share > best[1]:
            best = (at / rate_hz, share)
    return best


def aligned(needle: Samples, haystack: Samples, rate_hz: int) -> Samples:
    """The piece of the haystack, as long as the needle, that lies best under it, to the sample."""
    around = int(find(needle, haystack, rate_hz).offset_s * rate_hz)
    slack = rate_hz // 20  # the envelope tells the place to a few steps of 10 ms
    begin = max(0, around - slack)
    window = haystack[begin : around + needle.size + slack]
    if window.size < needle.size:
        window = np.pad(window, (0, needle.size - window.size))
    at = int(np.argmax(np.abs(correlate(window, needle, mode="valid"))))
    return window[at : at + needle.size]
