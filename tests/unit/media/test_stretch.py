"""Sound is made shorter and longer by a period that is not heard."""

import numpy as np
import pytest

from gateway.media.loudness import PCM16
from gateway.media.stretch import PERIOD_MAX, PERIOD_MIN, longer, shorter
from tests.measure.sound import pitch_hz

RATE_HZ = 16_000
PACKET = 320


def voice(hz: float, size: int = PACKET) -> np.ndarray:
    """A voiced sound: a tone and its harmonics."""
    times = np.arange(size) / RATE_HZ
    return sum(4000 / n * np.sin(2 * np.pi * hz * n * times) for n in (1, 2, 3)).astype(PCM16)


def samples(pcm: bytes) -> np.ndarray:
    """Of s16le, with room to compute."""
    return np.frombuffer(pcm, PCM16).astype(np.int32)


@pytest.mark.parametrize("hz", [110, 150, 220, 300])
def test_a_voice_keeps_its_pitch_and_its_edges(hz: float) -> None:
    """One period fewer or more, and no step at a joint that the sound has not itself."""
    line = voice(hz, PACKET * 9).astype(np.int32)
    sound = line[PACKET * 4 : PACKET * 5].astype(PCM16).tobytes()
    for changed in (samples(shorter(sound)), samples(longer(sound))):
        period = abs(changed.size - PACKET)
        assert PERIOD_MIN <= period <= PERIOD_MAX
        assert abs(period / (RATE_HZ / hz) - round(period / (RATE_HZ / hz))) < 0.1
        joined = np.concatenate((line[: PACKET * 4], changed, line[PACKET * 5 :]))
        assert np.abs(np.diff(joined)).max() < 1.2 * np.abs(np.diff(line)).max()
        assert abs(pitch_hz(joined, RATE_HZ) - hz) < hz * 0.05


def test_sound_that_is_like_nothing_is_left_alone() -> None:
    """A click, and what is too short, whether it is heard or not."""
    click = np.zeros(PACKET, PCM16)
    click[40:44] = 20_000
    for sound in (click, voice(200, 160), np.zeros(160, PCM16), np.zeros(0, PCM16)):
        assert shorter(sound.tobytes()) == longer(sound.tobytes()) == sound.tobytes()


def test_silence_changes_most() -> None:
    """Any cut in it is silent."""
    quiet = np.full(PACKET, 3, PCM16).tobytes()
    assert samples(shorter(quiet)).size == PACKET - PERIOD_MAX
    assert samples(longer(quiet)).size == PACKET + PERIOD_MAX
