"""Media over a WebSocket: the layout of its messages, and what their numbers mean.

Owns the header, the length of a block, the line of sound that blocks make, and the putting together of pictures. It
must not know sockets, sessions, codecs or clocks.
**Invariant: the line never goes back and never stretches: each block is handed on once, a gap is silence of its own
length up to `GAP_MAX_BLOCKS`; a picture costs at most `PICTURE_MAX_BYTES`; whatever bytes come, only ValueError is
raised.**

Numbers count up to 2**32 - 1: five years of blocks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

HEADER = struct.Struct("!BBxxI")  # kind, flags, number; eight bytes, so that samples behind it are aligned
MORE = 1  # flag of a part of a picture: another follows
SOUND_MS = 40  # what a block of the microphone lasts, as the model's leg takes them
SOUND_BYTES = SOUND_MS * 16_000 * 2 // 1000  # 16 kHz mono s16le
GAP_MAX_BLOCKS = 25  # a second: what is longer was a pause, which the model need not sit through
PART_MAX_BYTES = 32 * 1024  # the page sends 4 KiB, so that sound never waits for more than one of them
PICTURE_MAX_BYTES = 256 * 1024  # 512 px at the best quality have 120 kB
SEQ_MAX = 2**32 - 1


class Kind(IntEnum):
    """What a message carries."""

    SOUND = 1  # of the microphone: SOUND_BYTES
    PICTURE = 2  # of the camera: a JPEG, or a part of one; its parts have one number
    VOICE = 3  # of the model: 20 ms, 24 kHz mono s16le; a number that is left out is 20 ms of silence
    HEARD = 4  # both ways: all sound, or voice, up to this number has arrived, or been played
    FLUSH = 5  # of the model: voice before this number is not to be played any more


FROM_BROWSER = (Kind.SOUND, Kind.PICTURE, Kind.HEARD)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the browser."""

    kind: Kind
    seq: int
    payload: bytes
    more: bool = False  # of a picture


def read(data: bytes) -> Message:
    """Parse a message of the browser; raises ValueError with a sentence."""
    if len(data) < HEADER.size:
        raise ValueError(f"A message has at least {HEADER.size} bytes; this one has {len(data)}.")
    kind, flags, seq = HEADER.unpack_from(data)
    size = len(data) - HEADER.size
    if kind not in FROM_BROWSER:
        raise ValueError(f"There are messages of kind 1 (sound), 2 (picture) and 4 (heard); this one is of {kind}.")
    if kind == Kind.SOUND and size != SOUND_BYTES:
        raise ValueError(f"A block of sound has {SOUND_BYTES} bytes; this one has {size}.")
    if kind == Kind.PICTURE and not 0 < size <= PART_MAX_BYTES:
        raise ValueError(f"A picture, or a part of one, has 1 to {PART_MAX_BYTES} bytes; this one has {size}.")
    if kind == Kind.HEARD and size:
        raise ValueError(f"What has been heard is a number alone; this message has {size} bytes more.")
    return Message(Kind(kind), seq, data[HEADER.size :], bool(flags & MORE) and kind == Kind.PICTURE)


def write(kind: Kind, seq: int, payload: bytes = b"", *, more: bool = False) -> bytes:
    """A message."""
    return HEADER.pack(kind, MORE if more else 0, min(seq, SEQ_MAX)) + payload


class SoundLine:
    """The blocks of one microphone; outlives the sockets that bring them."""

    def __init__(self) -> None:
        self.seq: int | None = None  # the last that was taken
        self.blocks = 0  # that came
        self.repeated = 0
        self.missing = 0

    def take(self, seq: int, block: bytes) -> list[bytes]:
        """What of the line this block completes, in order: nothing for one that was taken before."""
        ahead = 1 if self.seq is None else seq - self.seq
        if ahead <= 0:
            self.repeated += 1
            return []
        self.seq = seq
        self.blocks += 1
        self.missing += ahead - 1
        return [bytes(SOUND_BYTES)] * min(ahead - 1, GAP_MAX_BLOCKS) + [block]


class PictureParts:
    """The parts of the picture that is just coming."""

    def __init__(self) -> None:
        self._seq: int | None = None
        self._parts = bytearray()
        self._is_whole = True

    def take(self, part: Message, *, wanted: bool = True) -> bytes | None:
        """The picture when this was its last part, and every part was wanted. A part of another picture lets the one
        before go unfinished. Raises ValueError for a picture that is too large."""
        if part.seq != self._seq:
            self._seq, self._is_whole = part.seq, True
            self._parts.clear()
        self._is_whole &= wanted
        if len(self._parts) + len(part.payload) > PICTURE_MAX_BYTES:
            raise ValueError(f"A picture has at most {PICTURE_MAX_BYTES} bytes.")
        if self._is_whole:
            self._parts += part.payload
        if part.more:
            return None
        picture = bytes(self._parts) if self._is_whole else None
        self._seq = None
        return picture


class Outgoing:
    """What waits to be sent to the browser: of `HEARD` only the newest, and no voice that was flushed."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._heard: bytes | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting) or self._heard is not None

    def put(self, message: bytes) -> None:
        """Add a message."""
        if message[0] == Kind.HEARD:
            self._heard = message
            return
        if message[0] == Kind.FLUSH:
            self._waiting.clear()
        self._waiting.append(message)

    def take(self) -> list[bytes]:
        """All that waits, in order."""
        taken = self._waiting if self._heard is None else [*self._waiting, self._heard]
        self._waiting, self._heard = [], None
        return taken
