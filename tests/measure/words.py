"""Whether it is that speech which arrived, on a machine of any speed.

The recording of a call on a loaded machine is the same speech with pieces missing, made up, and moved against each
other, so one comparison over the whole sentence fails where a listener hears every word. Here the sentence is cut into
pieces as long as a syllable or two; each is looked for by itself, in its spectrum over time, and counts when it is like
what is there and comes after the pieces before it. How good the speech is, is measured by `make bench-network`.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.signal import correlate, stft

from tests.measure.sound import STEP_MS, Samples

PIECE_S, APART_S = 0.4, 0.2
LIKE = 0.8  # correlation from which a piece counts; Opus, gain control and noise suppression leave more than 0.9
THAT_SPEECH = 0.35  # least share: other speech of the same voice reaches 0.2, a break of 100 ms each 0.5 s leaves 0.5
BAND_EDGES_HZ = (150, 300, 500, 800, 1200, 1800, 2700, 3800)  # what distinguishes vowels and telephones carry
LOOK_MS = 32
FLOOR_DB = -50.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """What of a speech is found in a recording."""

    share: float  # of its pieces, 0 to 1
    begin_s: float  # where it begins, by the middle of what its pieces say; NaN when none is found


def arrival(speech: Samples, recording: Samples, rate_hz: int) -> Arrival:
    """Look for the pieces of the speech, in their order."""
    wanted, there = _bands_db(speech, rate_hz), _bands_db(recording, rate_hz)
    size, step = int(PIECE_S * 1000) // STEP_MS, int(APART_S * 1000) // STEP_MS
    begins = range(0, wanted.shape[1] - size + 1, step)
    found: list[tuple[int, int]] = []  # (place in the recording, in the speech)
    for begin in begins:
        likeness = _likeness(wanted[:, begin : begin + size], there)
        best = int(np.argmax(likeness)) if likeness.size else -1
        if best >= 0 and likeness[best] > LIKE:
            found.append((best, begin))
    in_order = _longest_rise(found)
    offsets = [place - begin for place, begin in in_order]
    begin_s = statistics.median(offsets) * STEP_MS / 1000 if offsets else float("nan")
    return Arrival(len(in_order) / len(begins), begin_s)


def _bands_db(sound: Samples, rate_hz: int) -> Samples:
    """Level of each band and step in dB above FLOOR_DB under the loudest; shape (bands, steps)."""
    look, step = rate_hz * LOOK_MS // 1000, rate_hz * STEP_MS // 1000
    if sound.size < look:
        return np.zeros((len(BAND_EDGES_HZ) - 1, 0))
    frequencies, _, spectrum = stft(sound, rate_hz, nperseg=look, noverlap=look - step, boundary=None)
    power = np.abs(spectrum) ** 2
    edges = pairwise(BAND_EDGES_HZ)
    bands = [power[(frequencies >= low) & (frequencies < high)].sum(axis=0) for low, high in edges]
    levels = 10 * np.log10(np.array(bands) + 1e-14)
    return np.asarray(np.maximum(levels - levels.max(), FLOOR_DB) - FLOOR_DB)


def _likeness(piece: Samples, there: Samples) -> Samples:
    """Normalised correlation of the piece with each place of the recording."""
    size = piece.shape[1]
    if there.shape[1] < size:
        return np.zeros(0)
    wanted, ones = piece - piece.mean(), np.ones(size)
    score = sum(correlate(row, want, mode="valid") for row, want in zip(there, wanted, strict=True))
    energy = sum(correlate(row**2, ones, mode="valid") for row in there)
    mean = sum(correlate(row, ones, mode="valid") for row in there) / piece.size
    spread = np.sqrt(np.maximum(energy - piece.size * mean**2, 1e-9))
    return np.asarray(score / (spread * max(float(np.linalg.norm(wanted)), 1e-9)))


def _longest_rise(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence whose places rise strictly."""
    tails: list[list[tuple[int, int]]] = []  # the rise of each length that ends lowest
    for piece in found:
        at = bisect_left([rise[-1][0] for rise in tails], piece[0])
        tails[at : at + 1] = [[*(tails[at - 1] if at else []), piece]]
    return tails[-1] if tails else []
