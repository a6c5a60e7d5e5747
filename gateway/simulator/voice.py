"""The simulator's ears and voice: what an utterance is, and what is said back.

Owns the cutting of the incoming sound into utterances, the sound of an answer and its words. Time is counted in
samples. It must not know sockets, messages or the wall clock.
**Invariant: an utterance is the very PCM that came in, from `PRE_ROLL_MS` before its first voiced block to its last.**
"""

from __future__ import annotations

import colorsys
import io
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

INPUT_HZ = 16_000
OUTPUT_HZ = 24_000
BLOCK_MS = 20
BLOCK_BYTES = INPUT_HZ * BLOCK_MS // 1000 * 2

VOICED_RMS = 260.0  # -42 dBov: above the noise of a room, below quiet speech
ONSET_BLOCKS = 4  # 80 ms: shorter bursts are clicks
PRE_ROLL_MS = 300
UTTERANCE_MAX_S = 30  # what is longer is said back from its end

CHIME_HZ = (1046.5, 1568.0)  # C6 and G6: above the pitch of voices, so that it is told from them
CHIME_TONE_MS = 90
GAP_MS = 120
ECHO_HANGOVER_MS = 160  # of silence end a sound
TONE_HZ = 440.0  # of the test tone; 20 ms are not a whole number of its periods, so a piece too many or too few shows
TONE_AMPLITUDE = 8000.0  # -12 dBFS
HUM_HZ = 220.0  # the first note
HUM_STEPS = 25  # notes of a semitone, two octaves; then again from the first
HUM_WORD_MS = 180
HUM_GAP_MS = 60
HUM_WORDS_MAX = 50

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Started:
    """The person began to speak."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The person stopped to speak."""

    pcm: bytes  # 16 kHz mono s16le
    duration_s: float


class Listener:
    """Cuts a stream of 16 kHz mono s16le into utterances, by its level."""

    def __init__(self, silence_ms: int = 500) -> None:
        self.speaking = False
        self._silence_blocks = max(1, silence_ms // BLOCK_MS)
        self._pending = b""
        self._pre_roll: deque[bytes] = deque(maxlen=PRE_ROLL_MS // BLOCK_MS)
        self._utterance: deque[bytes] = deque(maxlen=UTTERANCE_MAX_S * 1000 // BLOCK_MS)
        self._voiced = 0
        self._silent = 0

    def feed(self, pcm: bytes) -> list[Started | Ended]:
        """Take the next sound and tell what began or ended in it."""
        self._pending += pcm
        changes: list[Started | Ended] = []
        while len(self._pending) >= BLOCK_BYTES:
            block, self._pending = self._pending[:BLOCK_BYTES], self._pending[BLOCK_BYTES:]
            change = self._block(block)
            if change is not None:
                changes.append(change)
        return changes

    def end(self) -> Ended | None:
        """The stream pauses: what was being said is complete."""
        return self._cut() if self.speaking else None

    def _block(self, block: bytes) -> Started | Ended | None:
        samples = np.frombuffer(block, dtype="<i2").astype(np.float32)
        voiced = float(np.sqrt(np.mean(samples * samples))) > VOICED_RMS
        self._voiced = self._voiced + 1 if voiced else 0
        if self.speaking:
            self._utterance.append(block)
            self._silent = 0 if voiced else self._silent + 1
            return self._cut() if self._silent >= self._silence_blocks else None
        self._pre_roll.append(block)
        if self._voiced < ONSET_BLOCKS:
            return None
        self.speaking = True
        self._silent = 0
        self._utterance.extend(self._pre_roll)
        self._pre_roll.clear()
        return Started()

    def _cut(self) -> Ended:
        blocks = list(self._utterance)
        pcm = b"".join(blocks[: len(blocks) - self._silent])
        self._utterance.clear()
        self.speaking = False
        self._voiced = self._silent = 0
        return Ended(pcm, len(pcm) / 2 / INPUT_HZ)


def to_16_khz(pcm: bytes, rate_hz: int) -> bytes:
    """Mono s16le of another rate, as the service resamples what a MIME type declares."""
    if rate_hz == INPUT_HZ:
        return pcm
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2").astype(np.float32)
    positions = np.arange(0, samples.size, rate_hz / INPUT_HZ)
    return _pcm(np.interp(positions, np.arange(samples.size), samples).astype(np.float32))


def say_back(pcm: bytes) -> bytes:
    """The answer to an utterance of 16 kHz PCM: a chime, then the utterance itself; 24 kHz mono s16le."""
    return chime() + _silence(GAP_MS) + _pcm(_three_halves(np.frombuffer(pcm, dtype="<i2").astype(np.float32)))


def hum(words: int) -> bytes:
    """The answer to what was written: a chime, then a rising scale of one hummed note a word, so that each word can be
    told from its neighbours; 24 kHz mono s16le."""
    notes = (_pcm(_tone(note_hz(word), HUM_WORD_MS, 6000.0)) for word in range(max(1, min(words, HUM_WORDS_MAX))))
    return chime() + _silence(GAP_MS) + b"".join(note + _silence(HUM_GAP_MS) for note in notes)


def note_hz(word: int) -> float:
    """The pitch of a hummed word, counted from 0."""
    return float(HUM_HZ * 2 ** (word % HUM_STEPS / 12))


def chime() -> bytes:
    """Two short rising tones; 24 kHz mono s16le."""
    return b"".join(_pcm(_tone(frequency, CHIME_TONE_MS, 5000.0)) for frequency in CHIME_HZ)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one frame looks like."""

    width_px: int
    height_px: int
    red: int
    green: int
    blue: int

    @property
    def colour(self) -> str:
        """The mean colour as a person would call it."""
        hue, lightness, saturation = colorsys.rgb_to_hls(self.red / 255, self.green / 255, self.blue / 255)
        if lightness < 0.12:
            return "black"
        if lightness > 0.9:
            return "white"
        if saturation < 0.12:
            return "grey"
        names = ("red", "orange", "yellow", "green", "green", "cyan", "blue", "blue", "purple", "magenta")
        return names[round(hue * len(names)) % len(names)]


def look(jpeg: bytes) -> Sight:
    """Decode a frame; raises ValueError when it is not an image."""
    from PIL import Image  # where no picture comes it is not needed

    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            red, green, blue = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
            return Sight(image.width, image.height, red, green, blue)
    except OSError as error:
        raise ValueError(str(error)) from None


def words_for_speech(duration_s: float, frames: int, sight: Sight | None) -> str:
    """What the answer to an utterance says in words."""
    return f"I heard {duration_s:.1f} seconds of speech and saw {_frames(frames, sight)}."


def words_for_text(text: str, frames: int, sight: Sight | None) -> str:
    """What the answer to something written says in words."""
    short = text if len(text) <= 60 else text[:57] + "…"
    return f"You wrote: {short} I saw {_frames(frames, sight)}."


def _frames(count: int, sight: Sight | None) -> str:
    if sight is None:
        return "no frame"
    noun = "frame" if count == 1 else "frames"
    mean = f"#{sight.red:02x}{sight.green:02x}{sight.blue:02x}"
    return f"{count} {noun} of {sight.width_px} by {sight.height_px}, mostly {sight.colour} ({mean})"


def _tone(frequency_hz: float, duration_ms: int, amplitude: float) -> Samples:
    time_s = np.arange(OUTPUT_HZ * duration_ms // 1000, dtype=np.float32) / OUTPUT_HZ
    ramp = np.minimum(1.0, np.minimum(time_s, time_s[::-1]) / 0.008)  # 8 ms in and out, so that it does not click
    return (np.sin(2 * np.pi * frequency_hz * time_s) * ramp * amplitude).astype(np.float32)


def _silence(duration_ms: int) -> bytes:
    return bytes(OUTPUT_HZ * duration_ms // 1000 * 2)


class Upsampler:
    """16 kHz to 24 kHz for a sound that comes in pieces: up by 3, a windowed sinc below 8 kHz, down by 2.

    What comes out is `DELAY_SAMPLES` of the input late.
    """

    DELAY_SAMPLES = 12

    def __init__(self) -> None:
        taps = np.arange(-3 * self.DELAY_SAMPLES, 3 * self.DELAY_SAMPLES + 1)
        self._low_pass = np.sinc(taps / 3.0) * np.hanning(taps.size + 2)[1:-1]
        self._before = np.zeros(2 * self.DELAY_SAMPLES, dtype=np.float32)
        self._skip = 0  # of the next result, so that an odd number of samples loses no half

    def feed(self, samples: Samples) -> Samples:
        """The next piece."""
        known = np.concatenate((self._before, samples))
        self._before = known[known.size - 2 * self.DELAY_SAMPLES :]
        stuffed = np.zeros(known.size * 3, dtype=np.float32)
        stuffed[::3] = known
        # Of the three zeros behind the newest sample the last two belong to the next piece.
        whole = np.convolve(stuffed, self._low_pass, mode="valid")[: samples.size * 3]
        taken = whole[self._skip :: 2]
        self._skip = (self._skip + 2 * taken.size) - whole.size
        return taken.astype(np.float32)


def _three_halves(samples: Samples) -> Samples:
    """16 kHz to 24 kHz, all at once."""
    late = Upsampler.DELAY_SAMPLES
    return Upsampler().feed(np.concatenate((samples, np.zeros(late, dtype=np.float32))))[late * 3 // 2 :]


class Echo:
    """Says back what it hears while it hears it, and is silent in silence.

    Silence is not said: whoever plays the echo would otherwise keep for ever each delay that ever came in between. With
    a drift it hears everything later, by so many millionths of what it has heard.
    """

    def __init__(self, drift_ppm: float = 0.0) -> None:
        self._drift_ppm = drift_ppm
        self._heard = self._put_in = 0  # samples, and those that made it late
        self._later = np.zeros(0, dtype=np.float32)  # what is not heard yet
        self._upsampler = Upsampler()
        self._before = b""  # the piece before, in which a sound may have begun
        self._quiet_ms: float | None = None  # since the newest sound; None while nothing is said

    def feed(self, pcm: bytes) -> tuple[bytes, bool]:
        """16 kHz mono s16le in; the sound of 24 kHz to say now, and whether that is the end of it."""
        samples = self._drifted(np.frombuffer(pcm, dtype="<i2").astype(np.float32))
        piece = _pcm(self._upsampler.feed(samples))
        before, self._before = self._before, piece
        if samples.size and float(np.sqrt(np.mean(samples * samples))) > VOICED_RMS:
            begins, self._quiet_ms = self._quiet_ms is None, 0.0
            return (before + piece if begins else piece), False
        if self._quiet_ms is None:
            return b"", False
        self._quiet_ms += samples.size * 1000 / INPUT_HZ
        if self._quiet_ms < ECHO_HANGOVER_MS:
            return piece, False
        self._quiet_ms = None
        self._drift()
        return piece, True

    def _drifted(self, samples: Samples) -> Samples:
        """As many samples, later by what it has drifted."""
        self._heard += samples.size
        waiting = np.concatenate((self._later, samples))
        self._later = waiting[samples.size :]
        return waiting[: samples.size]

    def _drift(self) -> None:
        """Be later from now on; after a sound, so that none is torn."""
        due = round(self._heard * self._drift_ppm * 1e-6) - self._put_in
        self._put_in += due
        self._later = np.concatenate((self._later, np.zeros(due, dtype=np.float32)))


class Tone:
    """One steady tone without a seam."""

    def __init__(self) -> None:
        self._sample = 0

    def take(self, duration_ms: int) -> bytes:
        """The next piece, 24 kHz mono s16le."""
        samples = self._sample + np.arange(OUTPUT_HZ * duration_ms // 1000)
        self._sample = int(samples[-1]) + 1
        return _pcm((np.sin(2 * np.pi * TONE_HZ * samples / OUTPUT_HZ) * TONE_AMPLITUDE).astype(np.float32))


def _pcm(samples: Samples) -> bytes:
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
