"""That speech is told from everything else, however badly it came through."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.measure.sound import Samples, find, read_wav
from tests.measure.test_sound import RATE_HZ, SPEECH, padded
from tests.measure.words import THAT_SPEECH, arrival
from tests.programs import require

SAME_VOICE = {  # in the pace and rhythm of the corpus' sentence
    "weather": "The weather tomorrow will be mostly sunny with a few clouds over the hills. Please bring three copies.",
    "morning": "Good morning. Did you hear where we have been going on a Sunday? They are tall and old, and we should "
    "love to say that we are happy.",
}


def broken(every_s: float, gap_s: float, seed: int) -> Samples:
    """As a loaded machine leaves it: at random times so much is left out, or so much silence comes in between."""
    rng = np.random.default_rng(seed)
    pieces, at = [], 0
    while at < SPEECH.size:
        size = int(rng.exponential(every_s) * RATE_HZ) + 1
        pieces.append(SPEECH[at : at + size])
        at += size
        if rng.random() < 0.5:
            pieces.append(np.zeros(int(gap_s * RATE_HZ)))
        else:
            at += int(gap_s * RATE_HZ)
    return padded(np.concatenate(pieces), 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_speech_that_a_loaded_machine_broke_is_still_that_speech(seed: int) -> None:
    """A break of 100 ms each half second, here missing and there inserted: no match as a whole, but by its pieces."""
    line = broken(0.5, 0.1, seed)
    assert find(SPEECH, line, RATE_HZ).correlation < 0.75
    assert arrival(SPEECH, line, RATE_HZ).share > THAT_SPEECH


def test_whole_speech_is_found_whole_and_where_it_is() -> None:
    """Also quiet, and in noise of 10 dB below it."""
    quiet = arrival(SPEECH, padded(SPEECH * 0.1, 1.5), RATE_HZ)
    assert quiet.share == 1
    assert abs(quiet.begin_s - 1.5) < 0.02
    line = padded(SPEECH, 1.5)
    noise = np.random.default_rng(1).normal(0, np.sqrt(np.mean(SPEECH**2) / 10), line.size)
    assert arrival(SPEECH, line + noise, RATE_HZ).share > 0.8


@pytest.mark.parametrize("name", SAME_VOICE)
def test_other_speech_of_the_same_voice_is_not_taken_for_it(name: str, tmp_path: Path) -> None:
    """Other words, however alike the voice, stay far below the bar."""
    espeak = require("espeak-ng", "apt-get install espeak-ng")
    path = tmp_path / "other.wav"
    subprocess.run([espeak, "-v", "en-us", "-s", "150", "-w", path, SAME_VOICE[name]], check=True)
    assert arrival(SPEECH, padded(read_wav(path, RATE_HZ), 1.0), RATE_HZ).share < THAT_SPEECH - 0.1


def test_neither_noise_nor_silence_nor_speech_in_another_order_passes() -> None:
    """Nor the beginning alone, nor speech played backwards, nor nothing at all."""
    third = SPEECH.size // 3
    shuffled = np.concatenate([SPEECH[2 * third :], SPEECH[third : 2 * third], SPEECH[:third]])
    wrong = {
        "noise": np.random.default_rng(2).normal(0, 0.1, SPEECH.size * 3),
        "silence": np.zeros(SPEECH.size * 2),
        "a tone": 0.2 * np.sin(2 * np.pi * 440 * np.arange(SPEECH.size * 2) / RATE_HZ),
        "backwards": padded(SPEECH[::-1], 1.0),
        "another order": padded(shuffled, 1.0),
        "the first third": padded(SPEECH[:third], 1.0, 8.0),
        "a breath": SPEECH[:1000],
        "nothing": np.zeros(0),
    }
    shares = {name: arrival(SPEECH, line, RATE_HZ).share for name, line in wrong.items()}
    assert {name: share for name, share in shares.items() if share >= THAT_SPEECH} == {}
