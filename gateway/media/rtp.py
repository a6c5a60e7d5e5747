"""RTP packets: their header, and what is wrapped in their payload.

Owns the reading and writing of RTP (RFC 3550 §5.1) and RED (RFC 2198 §3), the reading of the audio-level extension
(RFC 6464), and the unwrapping of RTX (RFC 4588 §4). It must not know sockets, SRTP or codecs.
**Invariant: whatever the bytes are, `parse` returns a packet or None and raises nothing.**
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.media.native import native

HEADER = struct.Struct("!BBHII")
ONE_BYTE_EXTENSIONS = 0xBEDE  # RFC 8285 §4.2
TWO_BYTE_EXTENSIONS = 0x1000  # RFC 8285 §4.3: the last four bits are free
RED_BLOCK_HEADER = struct.Struct("!I")
SEQUENCES = 1 << 16
TIMES = 1 << 32
VIDEO_HZ = 90_000  # the clock of all video (RFC 3551 §5)


@dataclass(slots=True)
class Packet:
    """One RTP packet; `payload` is without padding."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    level_dbov: int | None = None  # RFC 6464: 0 is the loudest, -127 silence
    voice: bool = False  # the sender says that this is voice


@native
def parse(data: bytes, level_extension: int | None = None, /) -> Packet | None:
    """Read a packet; None when it is none. `level_extension` is the negotiated id of the audio level."""
    size = len(data)
    if size < 12:
        return None
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    if first >> 6 != 2:
        return None
    offset = 12 + 4 * (first & 0x0F)
    packet = Packet(second & 0x7F, sequence, timestamp, ssrc, b"", second >> 7 == 1)
    if first & 0x10:
        if offset + 4 > size:
            return None
        profile, words = struct.unpack_from("!HH", data, offset)
        begin, offset = offset + 4, offset + 4 + words * 4
        if offset > size:
            return None
        if level_extension is not None:
            _read_level(packet, data, begin, offset, profile, level_extension)
    end = size
    if first & 0x20:
        end -= data[-1]
        if data[-1] == 0:
            return None
    if offset > end:
        return None
    packet.payload = data[offset:end]
    return packet


def is_of(data: bytes, ssrc: int) -> bool:
    """Whether a datagram looks like a packet of this source."""
    return len(data) >= 12 and not 64 <= data[1] & 0x7F < 96 and HEADER.unpack_from(data)[4] == ssrc  # RFC 5761 §4


def _read_level(packet: Packet, data: bytes, offset: int, end: int, profile: int, wanted: int) -> None:
    at = None
    if profile == ONE_BYTE_EXTENSIONS:
        while offset < end:
            head = data[offset]
            if head >> 4 == 15:  # reserved: stop here
                return
            if head >> 4 == wanted:
                at = offset + 1
                break
            offset += 2 + (head & 0x0F) if head else 1  # 0 is padding
    elif profile & 0xFFF0 == TWO_BYTE_EXTENSIONS:
        while offset < end:
            head = data[offset]
            if head == 0:
                offset += 1
                continue
            length = data[offset + 1] if offset + 1 < end else 0
            if head == wanted and length:
                at = offset + 2
                break
            offset += 2 + length
    if at is not None and at < end:
        packet.voice, packet.level_dbov = data[at] >> 7 == 1, -(data[at] & 0x7F)


def build(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool = False
) -> bytes:
    """A packet without extensions."""
    second = payload_type | (0x80 if marker else 0)
    return HEADER.pack(0x80, second, sequence % SEQUENCES, timestamp % TIMES, ssrc) + payload


def unwrap_rtx(packet: Packet, payload_type: int, ssrc: int) -> Packet | None:
    """The packet that a retransmission carries; None for an empty one, as browsers send to probe."""
    if len(packet.payload) < 3:
        return None
    (sequence,) = struct.unpack_from("!H", packet.payload)
    return Packet(payload_type, sequence, packet.timestamp, ssrc, packet.payload[2:], packet.marker)


def wrap_red(payload_type: int, payload: bytes, *earlier: tuple[bytes, int]) -> bytes:
    """The payload of a RED packet: this payload, and some before it, oldest first, each with its distance in ticks
    (RFC 2198 §3). What its header has no room for is left out."""
    heads = copies = b""
    for copy, ticks in earlier:
        if len(copy) < 1 << 10 and ticks < 1 << 14:
            heads += RED_BLOCK_HEADER.pack(1 << 31 | payload_type << 24 | ticks << 10 | len(copy))
            copies += copy
    return heads + bytes([payload_type]) + copies + payload


@native
def unwrap_red(packet: Packet, *, copies: bool = True) -> list[Packet]:
    """The blocks of a RED packet, oldest first; the last one is the packet's own, and the only one without `copies`.
    Empty when it cannot be read.

    A redundant block has no sequence number of its own: those of one distance each are assumed, as browsers send.
    """
    data = packet.payload
    size = len(data)
    offset, words, copied_bytes = 0, [], 0
    while offset < size and data[offset] & 0x80:
        if offset + 4 > size:
            return []
        (word,) = RED_BLOCK_HEADER.unpack_from(data, offset)
        words.append(word)
        copied_bytes += word & 0x3FF
        offset += 4
    begin = offset + 1
    if begin + copied_bytes > size:
        return []
    found: list[Packet] = []
    if copies:
        found += _copies(packet, begin, words)
    if begin + copied_bytes < size:
        own_type, payload = data[offset] & 0x7F, data[begin + copied_bytes :]
        own = Packet(own_type, packet.sequence, packet.timestamp, packet.ssrc, payload, packet.marker)
        own.level_dbov, own.voice = packet.level_dbov, packet.voice
        found.append(own)
    return found


def _copies(packet: Packet, offset: int, words: list[int]) -> list[Packet]:
    """The redundant blocks of a RED packet, by their headers; their bytes begin at `offset`."""
    found = []
    for distance, word in zip(range(len(words), 0, -1), words, strict=True):
        payload_type, earlier, length = word >> 24 & 0x7F, word >> 10 & 0x3FFF, word & 0x3FF
        if length:
            sequence, timestamp = (packet.sequence - distance) % SEQUENCES, (packet.timestamp - earlier) % TIMES
            payload = packet.payload[offset : offset + length]
            found.append(Packet(payload_type, sequence, timestamp, packet.ssrc, payload, packet.marker))
        offset += length
    return found


class Unwrapper:
    """Sequence numbers without the wrap-around."""

    def __init__(self) -> None:
        self.newest: int | None = None

    def unwrap(self, sequence: int) -> int:
        """The number nearest to the newest one."""
        if self.newest is None:
            self.newest = sequence + SEQUENCES  # room below, for packets that come before the first
            return self.newest
        step = (sequence - self.newest) % SEQUENCES
        if step == 1:  # nearly always
            self.newest += 1
            return self.newest
        number = self.newest + (step - SEQUENCES if step >= SEQUENCES // 2 else step)
        self.newest = max(self.newest, number)
        return number
