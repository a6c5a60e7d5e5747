"""SRTP of one direction of a peer (RFC 3711), by libsrtp.

Owns the way of a packet through a session of pylibsrtp. It must not know RTP, peers or sockets.
**Invariant: what is not authentic, or too long, raises pylibsrtp.Error or ValueError; no bytes of it come out.**

pylibsrtp's own methods make a length and two slices for each packet, beside a buffer of each session. A worker's calls
are all of one thread, so here they share a length and a buffer: less to make, and less memory that a hundred calls
touch in turns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pylibsrtp
from pylibsrtp._binding import ffi, lib

from gateway.media.datagrams import DATAGRAM_MAX_BYTES

_buffer = ffi.new("char[]", DATAGRAM_MAX_BYTES + pylibsrtp.SRTP_MAX_SRTCP_TRAILER_LEN)  # the longest that is added
_view = ffi.buffer(_buffer)
_length = ffi.new("int *")


class Srtp:
    """What a session seals or opens."""

    def __init__(self, session: pylibsrtp.Session) -> None:
        self._session = session  # the memory of the one below is freed with it
        self._srtp = session._srtp[0]

    def protect(self, packet: bytes) -> bytes:
        """Seal a packet of RTP."""
        return self._pass(packet, lib.srtp_protect)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Seal a packet of RTCP."""
        return self._pass(packet, lib.srtp_protect_rtcp)

    def unprotect(self, packet: bytes) -> bytes:
        """Open a packet of RTP."""
        return self._pass(packet, lib.srtp_unprotect)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Open a packet of RTCP."""
        return self._pass(packet, lib.srtp_unprotect_rtcp)

    def _pass(self, packet: bytes, function: Callable[[Any, Any, Any], int]) -> bytes:
        size = len(packet)
        if size > DATAGRAM_MAX_BYTES:
            raise ValueError(f"{size} bytes are too long for a packet")
        ffi.memmove(_buffer, packet, size)
        _length[0] = size
        if error := function(self._srtp, _buffer, _length):
            raise pylibsrtp.Error(pylibsrtp.ERRORS[error])
        passed: bytes = _view[: _length[0]]
        return passed
