"""SRTP of one direction of a peer (RFC 3711), by libsrtp.

Owns the way of a packet through a session of pylibsrtp. It must not know RTP, peers or sockets.
**Invariant: what is not authentic, or too long, raises pylibsrtp.Error or ValueError; no bytes of it come out.**

pylibsrtp's own methods make a length and two slices for each packet, beside a buffer of each session. A worker's calls
are all of one thread, so here they share a length and a buffer: less to make, and less memory that a hundred calls
touch in turns.
"""

from __future__ import annotations

from typing import Any

import pylibsrtp
from pylibsrtp._binding import ffi, lib

from gateway.media.datagrams import DATAGRAM_MAX_BYTES
from gateway.media.native import IN_C, native

_buffer = ffi.new("char[]", DATAGRAM_MAX_BYTES + pylibsrtp.SRTP_MAX_SRTCP_TRAILER_LEN)  # the longest that is added
_view = ffi.buffer(_buffer)
_length = ffi.new("int *")


def _address(pointer: Any) -> int:
    return int(ffi.cast("uintptr_t", pointer))


def _function(name: str) -> Any:
    """What `srtp_pass` takes: where it is in C, the address of a function."""
    return _address(ffi.addressof(lib, name)) if IN_C else getattr(lib, name)


PROTECT, PROTECT_RTCP = _function("srtp_protect"), _function("srtp_protect_rtcp")
UNPROTECT, UNPROTECT_RTCP = _function("srtp_unprotect"), _function("srtp_unprotect_rtcp")


@native
def srtp_pass(function: Any, session: Any, packet: bytes, /) -> bytes:
    """What libsrtp makes of a packet. Raises pylibsrtp.Error, and ValueError for one that is too long."""
    size = len(packet)
    if size > DATAGRAM_MAX_BYTES:
        raise ValueError(f"{size} bytes are too long for a packet")
    ffi.memmove(_buffer, packet, size)
    _length[0] = size
    if error := function(session, _buffer, _length):
        raise pylibsrtp.Error(pylibsrtp.ERRORS[error])
    passed: bytes = _view[: _length[0]]
    return passed


class Srtp:
    """What a session seals or opens."""

    def __init__(self, session: pylibsrtp.Session) -> None:
        self._session = session  # the memory of the one below is freed with it
        self._srtp = _address(session._srtp[0]) if IN_C else session._srtp[0]

    def protect(self, packet: bytes) -> bytes:
        """Seal a packet of RTP."""
        return srtp_pass(PROTECT, self._srtp, packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Seal a packet of RTCP."""
        return srtp_pass(PROTECT_RTCP, self._srtp, packet)

    def unprotect(self, packet: bytes) -> bytes:
        """Open a packet of RTP."""
        return srtp_pass(UNPROTECT, self._srtp, packet)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Open a packet of RTCP."""
        return srtp_pass(UNPROTECT_RTCP, self._srtp, packet)
