"""SCTP from the browser, made harmless before aiortc reads it (RFC 9260, RFC 8831).

Owns what a packet must be, and how much of it may wait for what is missing. aiortc takes lengths on trust: a parameter
of length 0 would never end, a few gap reports of 65,536 each take seconds, and what waits for a lost fragment has no
bound. It must not know sockets, DTLS or data channels.
**Invariant: a packet without a fault can be read in a time that its length bounds; what `waiting` lets in is bounded.**
"""

from __future__ import annotations

import struct
from typing import Literal

STREAMS_MAX = 64  # a browser opens one or two channels
WINDOW_BYTES = 256 * 1024  # what may wait for something missing, as the browser is told (a_rwnd)
WINDOW_CHUNKS = 1024  # the same for small messages; a chunk costs 500 bytes of memory beside its content
GAPS_MAX = 4096  # chunks of ours that are reported at once; far more than are ever on their way

_HEADER_BYTES, _CHUNK_HEADER_BYTES = 12, 4
_DATA, _INIT, _INIT_ACK, _SACK, _HEARTBEAT, _HEARTBEAT_ACK, _ABORT, _SHUTDOWN, _, _ERROR = range(10)
_RECONFIG, _FORWARD_TSN = 130, 192
_LEAST_BYTES = {_DATA: 13, _INIT: 16, _INIT_ACK: 16, _SACK: 12, _SHUTDOWN: 4, _FORWARD_TSN: 4}
_PARAMETERS_AT = {_INIT: 16, _INIT_ACK: 16, _HEARTBEAT: 0, _HEARTBEAT_ACK: 0, _ABORT: 0, _ERROR: 0, _RECONFIG: 0}
_RESET_OUTGOING, _RESET_RESPONSE, _ADD_OUTGOING = 13, 16, 17  # RFC 6525 §4
_LEAST_OF_PARAMETER = {_RESET_OUTGOING: 12, _RESET_RESPONSE: 8, _ADD_OUTGOING: 8}


def fault_of(packet: bytes) -> str | None:
    """What is wrong with a packet; None for a good one. The checksum is left to aiortc."""
    if len(packet) < _HEADER_BYTES + _CHUNK_HEADER_BYTES:
        return "too short"
    at, kinds = _HEADER_BYTES, []
    while at <= len(packet) - _CHUNK_HEADER_BYTES:
        kind, length = packet[at], int.from_bytes(packet[at + 2 : at + 4], "big")
        if length < _CHUNK_HEADER_BYTES or at + length > len(packet):
            return "chunk length"
        fault = _chunk_fault(kind, packet[at + _CHUNK_HEADER_BYTES : at + length])
        if fault is not None:
            return fault
        kinds.append(kind)
        at += length + -length % 4
    if _INIT in kinds and len(kinds) > 1:
        return "INIT is not alone"  # RFC 9260 §4
    return None


def waiting(ahead: int, chunks: int, size_bytes: int) -> Literal["take", "drop", "abort"]:
    """What to do with a DATA chunk.

    `ahead` is its TSN less the last one in order, modulo 2**32; `chunks` and `size_bytes` are what waits already. What
    is dropped is sent again. The one next in order is taken even then, because it may complete what waits; when that
    goes on and on, it is a message without end.
    """
    if ahead == 0 or ahead >= 2**31:
        return "take"  # a repetition: aiortc reports it and keeps nothing
    if ahead == 1:
        return "abort" if chunks >= 2 * WINDOW_CHUNKS or size_bytes >= 2 * WINDOW_BYTES else "take"
    return "drop" if ahead > WINDOW_CHUNKS or chunks >= WINDOW_CHUNKS or size_bytes >= WINDOW_BYTES else "take"


def _chunk_fault(kind: int, body: bytes) -> str | None:
    if len(body) < _LEAST_BYTES.get(kind, 0):
        return "chunk body"
    if kind == _DATA and int.from_bytes(body[4:6], "big") >= STREAMS_MAX:
        return "stream"
    if kind == _SACK:
        return _sack_fault(body)
    if kind == _FORWARD_TSN:
        streams = struct.unpack(f"!{(len(body) - 4) // 2}H", body[4:])[::2] if len(body) % 4 == 0 else (STREAMS_MAX,)
        return "stream" if any(stream >= STREAMS_MAX for stream in streams) else None
    if kind in _PARAMETERS_AT:
        return _parameter_fault(kind, body, _PARAMETERS_AT[kind])
    return None


def _sack_fault(body: bytes) -> str | None:
    gaps, duplicates = struct.unpack_from("!HH", body, 8)
    if len(body) < 12 + 4 * (gaps + duplicates):
        return "gap reports"
    edges = struct.unpack_from(f"!{2 * gaps}H", body, 12)
    reported = [end - start for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return "gap reports" if any(one < 0 for one in reported) or sum(reported) + gaps > GAPS_MAX else None


def _parameter_fault(kind: int, body: bytes, at: int) -> str | None:
    while at <= len(body) - 4:
        name, length = struct.unpack_from("!HH", body, at)
        if length < 4 or at + length > len(body):
            return "parameter length"
        if kind == _RECONFIG and length - 4 < _LEAST_OF_PARAMETER.get(name, 0):
            return "parameter body"
        if kind == _RECONFIG and name == _RESET_OUTGOING and length % 2:
            return "parameter body"
        at += length + -length % 4
    return None
