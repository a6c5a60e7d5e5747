"""The packets of a camera put together to coded frames.

Owns the order of packets, what of it is missing and asked for again, and the decision that only a key frame helps. It
must not know decoders, sockets or clocks: times are arguments.
**Invariant: a frame that is handed out is whole, and everything since the last key frame was handed out before it.**
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.media.rtp import TIMES, VIDEO_HZ, Packet, Unwrapper

Codec = Literal["vp8", "h264"]

HOLE_MAX_S = 0.3  # a repetition that takes longer than a camera's frame is not waited for; a key frame is asked for
TRIES = 2  # round trips that a repetition may take, where those are longer
RETRY_S = 0.04
TAIL_S = 0.06  # a frame leaves a browser in one go: when its end has not come by then, it is lost
LATE = 1.25  # of the time between the two frames before, by their timestamps: no camera is punctual
WAITING_MAX = 1024  # packets: a key frame of 1080p has 200
MISSING_MAX = 128
PLI_LEAST_S = 0.5
PLI_MOST_S = 4.0  # to a camera that does not answer
START_CODE = b"\0\0\0\1"


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """One whole frame, as a decoder takes it."""

    codec: Codec
    data: bytes
    is_key: bool  # nothing from here on builds on what was before
    arrived_s: float


@dataclass(slots=True)
class _Missing:
    since_s: float
    asked_s: float | None = None
    until_s: float = math.inf  # it is asked for, because it may not exist


class Frames:
    """The frames of one camera."""

    def __init__(self) -> None:
        self.lost_frames = 0  # how often a hole was given up
        self._ssrc: int | None = None
        self._sequences = Unwrapper()
        self._waiting: dict[int, tuple[Packet, Codec]] = {}
        self._missing: dict[int, _Missing] = {}
        self._more_s = math.inf  # when the packet after the newest one is missed
        self._ended: int | None = None  # the timestamp of the newest frame that did
        self._next: int | None = None  # where the next frame begins; None: at a key frame
        self._pli_s: float | None = None
        self._pli_wait_s = PLI_LEAST_S
        self._is_key_wanted = False  # though nothing is broken

    @property
    def needs_key(self) -> bool:
        """True while only a key frame helps."""
        return self._next is None

    def push(self, packet: Packet, codec: Codec, now_s: float) -> list[CodedFrame]:
        """Take in a packet; the frames that are whole now."""
        if packet.ssrc != self._ssrc:
            self._ssrc = packet.ssrc
            self._sequences = Unwrapper()
            self._ended = None
            self.broken()
        before = self._sequences.newest
        number = self._sequences.unwrap(packet.sequence)
        if self._next is not None and number < self._next:
            return []
        self._missing.pop(number, None)
        if before is None or number > before:
            self._more_s = now_s + TAIL_S + (self._next_frame_s(packet.timestamp) if packet.marker else 0.0)
        if before is not None and number > before + 1:
            if number - before + len(self._missing) > MISSING_MAX:
                self.broken()
            else:
                for lost in range(before + 1, number):
                    self._missing[lost] = _Missing(now_s)
        self._waiting[number] = packet, codec
        if len(self._waiting) > WAITING_MAX:
            self.broken()
        return self._whole(now_s)

    def broken(self) -> None:
        """What was handed out cannot be continued."""
        self.lost_frames += self._next is not None
        self._next = None
        self._waiting.clear()
        self._missing.clear()

    def ask_anew(self) -> None:
        """A key frame is wanted again after a pause: ask for it at once."""
        self._pli_s, self._pli_wait_s = None, PLI_LEAST_S

    def ask_key(self) -> None:
        """A key frame would be welcome: ask for it once."""
        self._is_key_wanted = True

    def look(self, now_s: float, rtt_s: float) -> list[CodedFrame]:
        """Give up holes that are too old; frames that can be handed out without them."""
        patience_s = max(HOLE_MAX_S, TRIES * rtt_s)
        lost = [number for number, missing in self._missing.items() if now_s - missing.since_s > patience_s]
        if not lost:
            return []
        newest_key = self._newest_key()
        if newest_key is None or newest_key < max(lost):
            self.broken()
            return []
        # A key frame that has come, or comes, behind the hole makes it unimportant.
        self.lost_frames += self._next is not None
        self._begin(newest_key)
        return self._whole(now_s)

    def requests(self, now_s: float, rtt_s: float) -> list[int]:
        """Sequence numbers to ask for now."""
        if now_s > self._more_s and self._sequences.newest is not None:
            # No later packet tells of this loss before the next frame, which may be a second away.
            self._missing.setdefault(self._sequences.newest + 1, _Missing(math.inf, until_s=now_s + HOLE_MAX_S))
            self._more_s = math.inf
        self._missing = {number: missing for number, missing in self._missing.items() if now_s <= missing.until_s}
        due = [
            number
            for number, missing in self._missing.items()
            if missing.asked_s is None or now_s - missing.asked_s >= max(RETRY_S, rtt_s)
        ]
        for number in due:
            self._missing[number].asked_s = now_s
        return due

    def wants_pli(self, now_s: float) -> bool:
        """Whether to ask for a key frame now; each time is longer after the one before while none comes."""
        if self._ssrc is None:
            return False
        was_wanted, self._is_key_wanted = self._is_key_wanted, False
        if self._next is not None:
            return was_wanted
        if self._pli_s is not None and now_s - self._pli_s < self._pli_wait_s:
            return False
        if self._pli_s is not None:
            self._pli_wait_s = min(PLI_MOST_S, self._pli_wait_s * 2)
        self._pli_s = now_s
        return True

    @property
    def ssrc(self) -> int | None:
        """The stream that comes."""
        return self._ssrc

    def _next_frame_s(self, timestamp: int) -> float:
        """In how long, at the most, the frame after this one comes, which ends now."""
        before, self._ended = self._ended, timestamp
        return math.inf if before is None else LATE * ((timestamp - before) % TIMES) / VIDEO_HZ

    def _whole(self, now_s: float) -> list[CodedFrame]:
        if self._next is None:
            newest_key = self._newest_key()
            if newest_key is None:
                return []
            self._begin(newest_key)
        assert self._next is not None
        found: list[CodedFrame] = []
        while True:
            while self._next in self._waiting and not self._waiting[self._next][0].payload:
                del self._waiting[self._next]  # padding has a number of its own
                self._next += 1
            frame = self._frame_at(self._next, now_s)
            if frame is None:
                return found
            coded, self._next = frame
            if coded is None:
                self.broken()
                return found
            found.append(coded)

    def _begin(self, number: int) -> None:
        """Go on with the key frame that begins here."""
        self._next = number
        self._waiting = {waiting: one for waiting, one in self._waiting.items() if waiting >= number}
        self._missing = {missing: one for missing, one in self._missing.items() if missing >= number}
        self._pli_s, self._pli_wait_s = None, PLI_LEAST_S

    def _newest_key(self) -> int | None:
        """Where the newest key frame begins: an encoder may say something before what marks it, and parameter sets with
        that."""
        keys = [number for number, (packet, codec) in self._waiting.items() if begins_key_frame(packet.payload, codec)]
        if not keys:
            return None
        begin = max(keys)
        time = self._waiting[begin][0].timestamp
        while begin - 1 in self._waiting and self._waiting[begin - 1][0].timestamp == time:
            begin -= 1
        return begin

    def _frame_at(self, begin: int, now_s: float) -> tuple[CodedFrame | None, int] | None:
        """The frame that begins here and the number after it; None while it is not whole."""
        packets: list[Packet] = []
        number = begin
        while True:
            stored = self._waiting.get(number)
            if stored is None:
                return None
            packet, codec = stored
            if packets and packet.timestamp != packets[0].timestamp:  # a sender without markers
                break
            packets.append(packet)
            number += 1
            if packet.marker:
                break
        for used in range(begin, number):
            del self._waiting[used]
        payloads = [packet.payload for packet in packets]
        data = DEPACKETISE[codec](payloads)
        if data is None:
            return None, number
        is_key = any(_has_idr(payload) if codec == "h264" else begins_key_frame(payload, codec) for payload in payloads)
        return CodedFrame(codec, data, is_key, now_s), number


def vp8_descriptor_bytes(payload: bytes) -> int | None:
    """Length of the VP8 payload descriptor (RFC 7741 §4.2); None when it is cut off."""
    if not payload:
        return None
    size = 1
    if payload[0] & 0x80:
        if len(payload) < 2:
            return None
        extended, size = payload[1], 2
        if extended & 0x80:
            if len(payload) < 3:
                return None
            size += 2 if payload[2] & 0x80 else 1
        size += bool(extended & 0x40) + bool(extended & 0x30)
    return size if size < len(payload) else None


def begins_key_frame(payload: bytes, codec: Codec) -> bool:
    """Whether a key frame begins with this payload."""
    if codec == "vp8":
        size = vp8_descriptor_bytes(payload)
        return size is not None and payload[0] & 0x17 == 0x10 and payload[size] & 1 == 0
    if len(payload) < 2:
        return False
    kind = payload[0] & 0x1F
    if kind == 24:  # STAP-A
        return len(payload) > 3 and payload[3] & 0x1F in (5, 7)
    if kind == 28:  # FU-A
        return payload[1] & 0x80 != 0 and payload[1] & 0x1F in (5, 7)
    return kind in (5, 7)


def _has_idr(payload: bytes) -> bool:
    """Whether a slice of an IDR picture is in it, or begins: parameter sets alone also come before pictures that build
    on others (RFC 6184 §5.6 to §5.8)."""
    kind = payload[0] & 0x1F if payload else 0
    if kind == 24:
        return any(unit and unit[0] & 0x1F == 5 for unit in _aggregated(payload) or ())
    if kind == 28:
        return len(payload) > 1 and payload[1] & 0x9F == 0x85
    return kind == 5


def _aggregated(payload: bytes) -> list[bytes] | None:
    """The units of a STAP-A (RFC 6184 §5.7.1); None when it is cut off."""
    units, offset = [], 1
    while offset + 2 <= len(payload):
        (size,) = struct.unpack_from("!H", payload, offset)
        offset += 2
        if offset + size > len(payload):
            return None
        units.append(payload[offset : offset + size])
        offset += size
    return units


def _vp8(payloads: list[bytes]) -> bytes | None:
    parts = []
    for payload in payloads:
        size = vp8_descriptor_bytes(payload)
        if size is None:
            return None
        parts.append(payload[size:])
    return b"".join(parts)


def _h264(payloads: list[bytes]) -> bytes | None:
    """RFC 6184 §5.6 to §5.8 as an Annex B stream."""
    found = bytearray()
    for payload in payloads:
        if len(payload) < 2:
            return None
        kind = payload[0] & 0x1F
        if kind == 24:
            units = _aggregated(payload)
            if units is None:
                return None
            for unit in units:
                found += START_CODE + unit
        elif kind == 28:
            if payload[1] & 0x80:
                found += START_CODE + bytes([payload[0] & 0xE0 | payload[1] & 0x1F])
            found += payload[2:]
        elif 1 <= kind <= 23:
            found += START_CODE + payload
        else:
            return None
    return bytes(found)


DEPACKETISE: dict[Codec, Callable[[list[bytes]], bytes | None]] = {"vp8": _vp8, "h264": _h264}
