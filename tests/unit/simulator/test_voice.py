"""The simulator's ears and voice."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gateway.simulator import voice
from gateway.simulator.voice import Ended, Listener, Sight, Started
from tests.measure.sound import find, pitch_hz, read_wav

CORPUS = Path(__file__).parents[2] / "corpus"
RATE_HZ = voice.INPUT_HZ


def tone(duration_s: float, level: float = 6000.0, frequency_hz: float = 300.0) -> bytes:
    """A voice of one pitch."""
    time_s = np.arange(int(RATE_HZ * duration_s)) / RATE_HZ
    return (level * np.sin(2 * np.pi * frequency_hz * time_s)).astype("<i2").tobytes()


def silence(duration_s: float) -> bytes:
    """Nothing."""
    return bytes(int(RATE_HZ * duration_s) * 2)


def feed(listener: Listener, pcm: bytes, step: int = 1280) -> list[Started | Ended]:
    """In messages of 40 ms."""
    return [change for at in range(0, len(pcm), step) for change in listener.feed(pcm[at : at + step])]


def test_an_utterance_is_cut_at_its_silence() -> None:
    """It begins a little before its first sound, ends with its last, and is the very PCM that came in."""
    listener = Listener(500)
    pcm = silence(1.0) + tone(2.0)
    started, ended = feed(listener, pcm + silence(1.0))
    assert started == Started()
    assert isinstance(ended, Ended)
    assert 2.0 <= ended.duration_s <= 2.31
    assert pcm.endswith(ended.pcm)


def test_a_short_pause_belongs_to_the_utterance() -> None:
    """People breathe; the silence of the setup decides."""
    pcm = tone(1.0) + silence(0.3) + tone(1.0) + silence(1.0)
    assert [type(change) for change in feed(Listener(500), pcm)] == [Started, Ended]
    assert [type(change) for change in feed(Listener(200), pcm)] == [Started, Ended, Started, Ended]


def test_clicks_and_quiet_rooms_are_no_speech() -> None:
    """Neither 40 ms of noise nor a hum far below a voice starts an utterance."""
    assert feed(Listener(), silence(0.5) + tone(0.04) + silence(0.5)) == []
    assert feed(Listener(), tone(3.0, level=150)) == []


def test_messages_of_any_size_give_the_same_utterance() -> None:
    """Cutting into blocks does not depend on how sound arrives."""
    pcm = silence(0.4) + tone(1.0) + silence(1.0)
    assert feed(Listener(), pcm, step=1280) == feed(Listener(), pcm, step=333 * 2)


def test_a_pause_of_the_stream_ends_the_utterance() -> None:
    """audioStreamEnd completes what was being said, and nothing when nothing was."""
    listener = Listener()
    feed(listener, tone(1.0))
    ended = listener.end()
    assert ended is not None
    assert ended.duration_s == 1.0
    assert listener.end() is None


def test_speech_is_said_back_in_its_own_pitch_after_a_chime() -> None:
    """What goes in at 16 kHz comes out at 24 kHz, not faster."""
    speech = read_wav(CORPUS / "speech/question.wav", RATE_HZ)
    pcm = (speech * 32767).astype("<i2").tobytes()
    answer = np.frombuffer(voice.say_back(pcm), dtype="<i2").astype(float) / 32768
    chime = len(voice.chime()) // 2
    assert abs(pitch_hz(answer[: chime // 2], voice.OUTPUT_HZ) - voice.CHIME_HZ[0]) < 15
    back = np.interp(np.arange(0, answer.size, 1.5), np.arange(answer.size), answer)
    assert find(speech, back, RATE_HZ).correlation > 0.98


def test_other_rates_are_resampled_as_declared() -> None:
    """48 kHz input has the pitch it had."""
    time_s = np.arange(48_000) / 48_000
    pcm = voice.to_16_khz((6000 * np.sin(2 * np.pi * 440 * time_s)).astype("<i2").tobytes(), 48_000)
    assert abs(pitch_hz(np.frombuffer(pcm, dtype="<i2").astype(float), RATE_HZ) - 440) < 3


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((200, 30, 40), "red"),
        ((30, 160, 40), "green"),
        ((40, 60, 200), "blue"),
        ((230, 210, 30), "yellow"),
        ((240, 130, 20), "orange"),
        ((10, 10, 10), "black"),
        ((250, 250, 250), "white"),
        ((128, 128, 128), "grey"),
    ],
)
def test_colours_have_the_names_people_give_them(rgb: tuple[int, int, int], name: str) -> None:
    """A person without a key hears that the camera works."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), rgb).save(buffer, "PNG")
    sight = voice.look(buffer.getvalue())
    assert (sight.width_px, sight.height_px, sight.colour) == (64, 48, name)


def test_what_is_no_picture_is_told() -> None:
    """A frame that cannot be decoded is a ValueError."""
    with pytest.raises(ValueError, match="cannot identify"):
        voice.look(b"not a picture")


def test_the_words_count_what_was_heard_and_seen() -> None:
    """In a sentence of its own for speech and for text, singular and plural."""
    red = Sight(512, 384, 200, 30, 40)
    assert voice.words_for_speech(2.34, 4, red) == (
        "I heard 2.3 seconds of speech and saw 4 frames of 512 by 384, mostly red (#c81e28)."
    )
    assert (
        voice.words_for_text("Hello.", 1, red) == "You wrote: Hello. I saw 1 frame of 512 by 384, mostly red (#c81e28)."
    )
    assert voice.words_for_speech(1.0, 0, None) == "I heard 1.0 seconds of speech and saw no frame."


def test_an_echo_in_pieces_is_the_sound_itself() -> None:
    """Whatever the size of the pieces: one and a half times the samples, the same tone, no seam."""
    pcm, echo = tone(1.0, frequency_hz=1000.0), voice.Echo()
    pieces = [echo.feed(pcm[at : at + 666]) for at in range(0, 32_000, 666)]
    assert not any(is_over for _, is_over in pieces)
    heard = np.frombuffer(b"".join(sound for sound, _ in pieces), dtype="<i2").astype(float)
    assert heard.size == 24_000
    time_s = (np.arange(heard.size) - voice.Upsampler.DELAY_SAMPLES * 1.5) / voice.OUTPUT_HZ
    expected = 6000 * np.sin(2 * np.pi * 1000 * time_s)
    assert np.abs(heard - expected)[100:].max() < 60


def test_an_echo_is_silent_in_silence() -> None:
    """What is said comes back with what was just before it, ends once, and begins anew."""
    echo, size = voice.Echo(), 1280
    pcm = silence(0.4) + tone(0.2) + silence(0.8) + tone(0.2) + silence(0.4)
    said = [echo.feed(pcm[at : at + size]) for at in range(0, len(pcm), size)]
    assert [is_over for _, is_over in said].count(True) == 2
    sounding_s = sum(len(sound) for sound, _ in said) / 2 / voice.OUTPUT_HZ
    assert sounding_s == pytest.approx(2 * (0.04 + 0.2 + voice.ECHO_HANGOVER_MS / 1000), abs=0.09)
    assert [sound for sound, _ in said][:9] == [b""] * 9


def test_an_echo_that_drifts_is_later_the_more_it_has_heard() -> None:
    """By so many millionths of what it had heard when the sound before was over, and whole."""
    pcm, size = silence(1.0) + tone(0.2) + silence(0.8) + tone(0.2) + silence(0.4), 640
    begins_s = []
    for ppm in (0, 10_000):
        echo, line = voice.Echo(ppm), np.zeros(0)
        for at in range(0, len(pcm), size):
            said = np.frombuffer(echo.feed(pcm[at : at + size])[0], dtype="<i2").astype(float)
            line = np.concatenate((line, np.zeros(size * 3 // 4)))
            line[line.size - said.size :] = said  # it ends now
        loud = np.flatnonzero(np.abs(line) > 600)
        assert loud.size > 0.35 * voice.OUTPUT_HZ
        begins_s.append((loud[0] / voice.OUTPUT_HZ, loud[loud > 1.5 * voice.OUTPUT_HZ][0] / voice.OUTPUT_HZ))
    (first_s, second_s), (first_late_s, second_late_s) = begins_s
    assert first_late_s == first_s
    over_s = 1.2 + voice.ECHO_HANGOVER_MS / 1000
    assert second_late_s - second_s == pytest.approx(0.01 * over_s, abs=0.0006)


def test_a_tone_has_no_seam() -> None:
    """Pieces put together are one sine."""
    generator = voice.Tone()
    heard = np.frombuffer(b"".join(generator.take(40) for _ in range(25)), dtype="<i2").astype(float)
    expected = voice.TONE_AMPLITUDE * np.sin(2 * np.pi * voice.TONE_HZ * np.arange(24_000) / voice.OUTPUT_HZ)
    assert np.abs(heard - expected).max() <= 1
