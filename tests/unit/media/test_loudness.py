"""Levels of sound."""

import numpy as np
import pytest

from gateway.media.loudness import PCM16, SILENT_RMS, is_silent, level_dbov, mean_square


def test_levels_are_dbov() -> None:
    """A full-scale square wave is 0 dBov, half of it -6, nothing is -127."""
    full = np.full(640, 32767, PCM16)
    assert abs(level_dbov(full.tobytes())) < 0.01
    assert abs(level_dbov((full // 2).astype(PCM16).tobytes()) + 6.02) < 0.05
    assert level_dbov(bytes(1280)) == -127.0
    assert level_dbov(b"") == -127.0


def test_the_loudest_does_not_overflow() -> None:
    """Two seconds of the lowest number there is."""
    assert mean_square(np.full(32_000, -32768, PCM16).tobytes()) == 2.0**30


def test_half_a_sample_is_refused() -> None:
    """Whoever cuts sound there would hear noise from then on."""
    with pytest.raises(ValueError, match=r"sample|multiple of element size"):
        mean_square(bytes(3))


def test_what_is_below_the_limit_is_silent() -> None:
    """Just below, and not at it."""
    for rms, silent in ((SILENT_RMS - 1, True), (SILENT_RMS, False)):
        assert is_silent(np.full(320, rms, PCM16).tobytes()) is silent
