"""The Opus encoder."""

import av
import numpy as np
import pytest

from gateway.media.opus import OpusEncoder

RATE_HZ = 24_000


def test_a_tone_comes_back_as_the_same_tone() -> None:
    """FFmpeg decodes our packets to the pitch that went in, without starting a thread."""
    encoder = OpusEncoder(RATE_HZ)
    samples = (9000 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)).astype("<i2")
    decoder = av.CodecContext.create("opus", "r")
    decoded = []
    for at in range(0, RATE_HZ, RATE_HZ // 50):
        packet = encoder.encode(samples[at : at + RATE_HZ // 50].tobytes())
        decoded += [frame.to_ndarray()[0] for frame in decoder.decode(av.Packet(packet))]
    heard = np.concatenate(decoded)[4800:]
    peak = np.argmax(np.abs(np.fft.rfft(heard * np.hanning(heard.size))))
    assert abs(peak * 48_000 / heard.size - 440) < 5


def test_a_length_that_is_no_frame_is_refused() -> None:
    """libopus encodes 2.5 to 60 ms at once and nothing between."""
    with pytest.raises(ValueError, match="cannot encode"):
        OpusEncoder(RATE_HZ).encode(bytes(1234))


def test_a_rate_that_opus_does_not_have_is_refused() -> None:
    """44.1 kHz is not one of them."""
    with pytest.raises(ValueError, match="44100"):
        OpusEncoder(44_100)
