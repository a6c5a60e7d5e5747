"""Media that is encoded once and sent by every call: a person's speech as Opus, a moving picture as VP8 or H.264.

Owns the encodings and their cutting into RTP payloads. It must not know calls, clocks or sockets.
**Invariant: a loop can be played from its begin again and again: it begins with a key frame, and each payload fits into
a datagram.**
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from gateway.media.loudness import level_dbov
from gateway.media.opus import OpusEncoder
from tests.measure.sound import read_wav, resample

QUESTION, QUESTION_HZ = Path(__file__).parents[2] / "tests/corpus/speech/question.wav", 16_000

LOOP_S = 10
SPOKEN_S = 4.5  # of it the person speaks so long; the rest is for the answer
GOLDEN_SHARE = (5**0.5 - 1) / 2
PACKET_MS = 20
RTP_HZ = 48_000
PAYLOAD_MAX_BYTES = 1100  # as libwebrtc cuts, with room for header, SRTP and a tunnel
VIDEO_HZ = 90_000
NOISE = 6  # levels: a camera is never as clean as a drawn picture
NOISE_SHIFTS = 64
MARK_HZ, MARK_MS, MARK_EVERY_S = 1000.0, 60, 0.58  # no multiple of the messages' 40 ms

Codec = Literal["vp8", "h264"]


@dataclass(frozen=True, slots=True)
class SoundPacket:
    """Some sound as Opus."""

    payload: bytes
    level: int  # RFC 6464: what the header extension says, 0 to 127 below the loudest
    is_mark: bool = False  # a tone begins here, after silence


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """What a camera sends."""

    codec: Codec
    width: int
    height: int
    fps: int
    bitrate_bps: int
    key_every_s: int = LOOP_S


def phase_s(number: int) -> float:
    """Where in the loop a call begins: those of any number of calls are spread evenly, as with people who do not know
    each other."""
    return number * GOLDEN_SHARE % 1 * LOOP_S


def speech(packet_ms: int = PACKET_MS) -> tuple[SoundPacket, ...]:
    """The sentence of the corpus, then silence, `LOOP_S` in all; as a browser sends it, coded at 48 kHz."""
    return sound(speech_pcm(), packet_ms)


def marks() -> tuple[SoundPacket, ...]:
    """A short tone every `MARK_EVERY_S` instead of speech; the packet in which each begins has `is_mark`."""
    step = round(MARK_EVERY_S * 1000) // PACKET_MS
    line = np.zeros(RTP_HZ * MARK_MS // 1000)
    line[:] = np.sin(2 * np.pi * MARK_HZ * np.arange(line.size) / RTP_HZ) * 0.5
    line.resize(RTP_HZ * PACKET_MS // 1000 * step)
    packets = sound((np.tile(line, round(LOOP_S / MARK_EVERY_S)) * 32767).astype("<i2").tobytes(), PACKET_MS)
    return tuple(replace(packet, is_mark=index % step == 0) for index, packet in enumerate(packets))


@cache
def speech_pcm() -> bytes:
    """The same, 48 kHz mono s16le."""
    spoken = resample(read_wav(QUESTION, QUESTION_HZ), QUESTION_HZ, RTP_HZ)[: round(RTP_HZ * SPOKEN_S)]
    line = np.zeros(RTP_HZ * LOOP_S)
    line[: spoken.size] = spoken
    noise = np.random.default_rng(1).normal(0, 1e-4, line.size)  # a room is not silent
    return bytes(((line + noise) * 32767).clip(-32768, 32767).astype("<i2").tobytes())


def sound(pcm: bytes, packet_ms: int) -> tuple[SoundPacket, ...]:
    """48 kHz mono s16le as packets."""
    encoder, size = OpusEncoder(RTP_HZ), RTP_HZ * packet_ms // 1000 * 2
    pieces = (pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size))
    return tuple(SoundPacket(encoder.encode(piece), round(-level_dbov(piece))) for piece in pieces)


@cache
def picture(wanted: PictureFormat) -> tuple[tuple[bytes, ...], ...]:
    """A test picture that moves all the time, `LOOP_S` of it: the payloads of each frame."""
    cut = vp8_payloads if wanted.codec == "vp8" else h264_payloads
    return tuple(tuple(cut(frame)) for frame in coded_frames(wanted))


def coded_frames(wanted: PictureFormat) -> Iterator[bytes]:
    """The same, as an encoder gives it."""
    encoder, scene = _encoder(wanted), Scene(wanted)
    for index in range(LOOP_S * wanted.fps):
        yield from (bytes(packet) for packet in encoder.encode(scene.frame(index)))
    yield from (bytes(packet) for packet in encoder.encode(None))


class Scene:
    """A structured wall before which a large square wanders, with the noise of a camera."""

    def __init__(self, wanted: PictureFormat) -> None:
        self._wanted = wanted
        rows, columns = np.mgrid[0 : wanted.height, 0 : wanted.width]
        wall = 60 + columns * 100 // wanted.width + (columns // 40 + rows // 40) % 2 * 40
        self._wall = wall.astype(np.int16)
        shape = (wanted.height + NOISE_SHIFTS, wanted.width + NOISE_SHIFTS)
        self._noise = np.random.default_rng(1).integers(-NOISE, NOISE + 1, shape, dtype=np.int16)

    def frame(self, index: int) -> av.VideoFrame:
        """One picture."""
        wanted, seconds = self._wanted, index / self._wanted.fps
        luma, side = self._wall.copy(), wanted.height // 2
        left = int((1 + np.sin(seconds * 2.1)) / 2 * (wanted.width - side))
        top = int((1 + np.cos(seconds * 1.3)) / 2 * (wanted.height - side))
        luma[top : top + side, left : left + side] = 210
        down, right = index * 7 % NOISE_SHIFTS, index * 13 % NOISE_SHIFTS
        luma += self._noise[down : down + wanted.height, right : right + wanted.width]
        chroma = np.full((wanted.height // 2, wanted.width), 128, dtype=np.int16)
        planes = np.concatenate([luma, chroma]).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, wanted.fps)
        is_key = index % (wanted.key_every_s * wanted.fps) == 0
        frame.pict_type = av.video.frame.PictureType.I if is_key else av.video.frame.PictureType.NONE
        return frame


def _encoder(wanted: PictureFormat) -> Any:
    name = "libvpx" if wanted.codec == "vp8" else "libx264"
    encoder: Any = av.CodecContext.create(name, "w")
    encoder.width, encoder.height, encoder.pix_fmt = wanted.width, wanted.height, "yuv420p"
    encoder.bit_rate, encoder.time_base, encoder.framerate = wanted.bitrate_bps, Fraction(1, wanted.fps), wanted.fps
    encoder.gop_size, encoder.thread_count = LOOP_S * wanted.fps, 1
    rate = str(wanted.bitrate_bps)
    encoder.options = (
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "maxrate": rate, "minrate": rate}
        if wanted.codec == "vp8"
        else {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "x264-params": "annexb=1"}
    )
    return encoder


def vp8_payloads(frame: bytes) -> Iterator[bytes]:
    """RFC 7741 §4.2 with the shortest descriptor."""
    for at in range(0, len(frame), PAYLOAD_MAX_BYTES):
        yield (b"\x10" if at == 0 else b"\x00") + frame[at : at + PAYLOAD_MAX_BYTES]


def h264_payloads(frame: bytes) -> Iterator[bytes]:
    """RFC 6184 §5.6 and §5.8: a NAL unit as it is, or in pieces (FU-A)."""
    for unit in frame.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]:
        if len(unit) <= PAYLOAD_MAX_BYTES:
            yield unit
            continue
        head, body = unit[0], unit[1:]
        for at in range(0, len(body), PAYLOAD_MAX_BYTES):
            first, last = at == 0, at + PAYLOAD_MAX_BYTES >= len(body)
            yield bytes([head & 0xE0 | 28, first << 7 | last << 6 | head & 0x1F]) + body[at : at + PAYLOAD_MAX_BYTES]
