"""The Opus codec of libopus."""

import ctypes
from pathlib import Path

import av
import numpy as np
import pytest

from gateway.media.opus import OpusDecoder, OpusEncoder, has_lbrr, packet_ms
from tests.measure.sound import read_wav

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


SPEECH = Path(__file__).parents[2] / "corpus/speech/question.wav"
PACKET_BYTES = 640  # 20 ms at 16 kHz


def spoken() -> list[bytes]:
    """A sentence as packets with much redundancy."""
    pcm = (read_wav(SPEECH, 16_000) * 32767).astype("<i2").tobytes()
    encoder = OpusEncoder(16_000)
    encoder.tune(bitrate_bps=40_000, loss_percent=20)
    return [encoder.encode(pcm[at : at + PACKET_BYTES]) for at in range(0, len(pcm) - PACKET_BYTES, PACKET_BYTES)]


def test_the_redundant_copy_is_found_where_libopus_finds_it() -> None:
    """Our reading of the flag agrees with libopus' own, which Debian's is too old to have, for a whole sentence."""
    (wheel,) = (Path(av.__file__).parent.parent / "av.libs").glob("libopus-*")
    opus, packets = ctypes.CDLL(str(wheel)), spoken()
    theirs = [opus.opus_packet_has_lbrr(packet, ctypes.c_int32(len(packet))) == 1 for packet in packets]
    assert [has_lbrr(packet) for packet in packets] == theirs
    assert 0.3 < sum(theirs) / len(theirs) < 1.0


def test_a_lost_packet_is_restored_from_the_next() -> None:
    """Much nearer to what was said than a guess is."""
    packets = spoken()
    whole, patched, guessed = OpusDecoder(16_000), OpusDecoder(16_000), OpusDecoder(16_000)
    errors = {"patched": 0.0, "guessed": 0.0}
    for index in range(len(packets) - 1):
        said = whole.decode(packets[index])
        if index % 10 == 5 and has_lbrr(packets[index + 1]):
            restored = patched.decode_fec(packets[index + 1], 20)
            assert restored is not None
            for name, pcm in (("patched", restored), ("guessed", guessed.conceal(20))):
                distance = np.frombuffer(pcm, "<i2").astype(float) - np.frombuffer(said, "<i2").astype(float)
                errors[name] += float(np.mean(distance**2))
        else:
            patched.decode(packets[index])
            guessed.decode(packets[index])
    assert errors["patched"] < errors["guessed"] / 4


@pytest.mark.parametrize(
    ("head", "sound_ms"),
    [
        *((b"\x48", 20), (b"\x50", 40), (b"\x58", 60), (b"\x78", 20), (b"\xf8", 20), (b"\xe0", 2.5)),
        *((b"\xf9", 40), (b"\xfa", 40), (b"\xfb\x03", 60), (b"\xfb", 0), (b"", 0)),
    ],
)
def test_how_much_sound_a_packet_has_is_read_from_its_head(head: bytes, sound_ms: float) -> None:
    """Frames of each kind, one, two or many of them; 0 where the head is cut off."""
    assert packet_ms(head) == sound_ms


def test_what_is_no_packet_is_refused() -> None:
    """Nothing, and lengths that contradict themselves; without redundancy there is nothing to restore."""
    decoder = OpusDecoder(16_000)
    for wrong in (b"", b"\xff\xff\xff"):
        with pytest.raises(ValueError, match=r"Opus packet|cannot decode"):
            decoder.decode(wrong)
    assert decoder.decode_fec(b"\x48", 20) is None
    assert not has_lbrr(b"\xfc\xff\xff")
    decoder.reset()
    assert len(decoder.conceal(20)) == PACKET_BYTES
