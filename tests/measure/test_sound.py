"""The measures measure what they say: known changes are found, and differences are not overlooked."""

from pathlib import Path

import numpy as np

from tests.measure.sound import aligned, find, loudest, pitch_hz, read_wav

RATE_HZ = 16_000
SPEECH = read_wav(Path(__file__).parents[1] / "corpus/speech/question.wav", RATE_HZ)
RNG = np.random.default_rng(5)


def padded(sound: np.ndarray, before_s: float, after_s: float = 2.0) -> np.ndarray:
    """The sound with quiet noise around it."""
    line = RNG.normal(0, 1e-4, int((before_s + after_s) * RATE_HZ) + sound.size)
    at = int(before_s * RATE_HZ)
    line[at : at + sound.size] += sound
    return line


def test_speech_is_found_where_it_is() -> None:
    """Its place is told to a hundredth of a second, also when it is quieter and noisy."""
    found = find(SPEECH, padded(SPEECH * 0.3, 1.5), RATE_HZ)
    assert abs(found.offset_s - 1.5) < 0.02
    assert found.correlation > 0.95


def test_other_sound_is_not_taken_for_it() -> None:
    """Speech played backwards, and noise, stay far below what the same speech reaches."""
    assert find(SPEECH, padded(SPEECH[::-1], 1.0), RATE_HZ).correlation < 0.6
    assert find(SPEECH, RNG.normal(0, 0.1, SPEECH.size * 2), RATE_HZ).correlation < 0.3


def test_missing_words_are_noticed() -> None:
    """A second of speech that is cut out or silent lowers the likeness below what tests ask for."""
    holes = SPEECH.copy()
    holes[2 * RATE_HZ : 3 * RATE_HZ] = 0
    assert find(SPEECH, padded(holes, 1.0), RATE_HZ).correlation < 0.9


def test_pitch_and_tones_are_found() -> None:
    """A tone is told by its frequency and its place."""
    tone = 0.2 * np.sin(2 * np.pi * 1046.5 * np.arange(RATE_HZ // 5) / RATE_HZ)
    assert abs(pitch_hz(tone, RATE_HZ) - 1046.5) < 5
    at_s, share = loudest(padded(tone, 1.0), RATE_HZ, 0.08, 1046.5)
    assert 0.95 < at_s < 1.2
    assert share > 0.8
    assert loudest(padded(SPEECH, 1.0), RATE_HZ, 0.08, 3333)[1] < 0.8


def test_a_piece_is_cut_out_to_the_sample() -> None:
    """Also when it lies between two steps of the envelope, and is turned over."""
    line = padded(-SPEECH, 1.00731)
    assert np.corrcoef(aligned(SPEECH, line, RATE_HZ), -SPEECH)[0, 1] > 0.999
