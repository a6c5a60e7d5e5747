"""SCTP packets, made harmless before aiortc reads them."""

import struct

import pytest
from aiortc import rtcsctptransport as sctp
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.sctp import GAPS_MAX, STREAMS_MAX, WINDOW_BYTES, WINDOW_CHUNKS, fault_of, waiting

HEADER = bytes(12)


def chunk(kind: int, body: bytes, length: int | None = None) -> bytes:
    """A chunk with its header and padding; `length` is what it says of itself."""
    said = len(body) + 4 if length is None else length
    return struct.pack("!BBH", kind, 0, said) + body + bytes(-len(body) % 4)


def parameter(kind: int, body: bytes, length: int | None = None) -> bytes:
    """The same for a parameter."""
    said = len(body) + 4 if length is None else length
    return struct.pack("!HH", kind, said) + body + bytes(-len(body) % 4)


def sack(*gaps: tuple[int, int], count: int | None = None) -> bytes:
    """A report of gaps."""
    body = struct.pack("!LLHH", 1, 2, len(gaps) if count is None else count, 0)
    return chunk(3, body + b"".join(struct.pack("!HH", *gap) for gap in gaps))


def data(stream: int, text: bytes) -> bytes:
    """A DATA chunk."""
    return chunk(0, struct.pack("!LHHL", 7, stream, 0, 51) + text)


INIT = struct.pack("!LLHHL", 1, 1000, 10, 10, 1)

GOOD = {
    "data": data(1, b"hello"),
    "data and sack": data(0, b"x") + sack((2, 3), (5, 5)),
    "init": chunk(1, INIT + parameter(0xC000, b"") + parameter(0x8008, b"\xc0\x82")),
    "heartbeat": chunk(4, parameter(1, b"12345")),
    "abort": chunk(6, b""),
    "cookie": chunk(10, b"c" * 24),
    "reset": chunk(130, parameter(13, struct.pack("!LLLHH", 1, 2, 3, 0, 1))),
    "forward": chunk(192, struct.pack("!LHH", 9, 1, 4)),
    "unknown": chunk(77, b"anything"),
}
BAD = {
    "empty": (b"", "too short"),
    "chunk of length 0": (chunk(0, b"x" * 16, length=0), "chunk length"),
    "chunk beyond the end": (chunk(0, b"x" * 16, length=400), "chunk length"),
    "data without content": (chunk(0, b"x" * 12), "chunk body"),
    "stream": (data(STREAMS_MAX, b"x"), "stream"),
    "parameter of length 0": (chunk(4, parameter(1, b"1234", length=0)), "parameter length"),
    "parameter of an init": (chunk(1, INIT + parameter(5, b"", length=0)), "parameter length"),
    "parameter beyond the end": (chunk(6, parameter(1, b"1234", length=99)), "parameter length"),
    "short reset": (chunk(130, parameter(13, b"1234")), "parameter body"),
    "odd reset": (chunk(130, parameter(13, b"x" * 13)), "parameter body"),
    "too many gaps": (sack(*[(0, 65535)] * 200), "gap reports"),
    "gap backwards": (sack((5, 2)), "gap reports"),
    "gaps beyond the end": (sack((1, 1), count=50), "gap reports"),
    "init and more": (chunk(1, INIT) + data(0, b"x"), "INIT is not alone"),
    "forward to a stream": (chunk(192, struct.pack("!LHH", 9, STREAMS_MAX, 4)), "stream"),
    "half a forward": (chunk(192, struct.pack("!LH", 9, 1)), "stream"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_browsers_send_has_no_fault(name: str) -> None:
    """Each kind of chunk, as it is meant."""
    assert fault_of(HEADER + GOOD[name]) is None


@pytest.mark.parametrize("name", BAD)
def test_what_would_harm_has_one(name: str) -> None:
    """It is said where."""
    packet, fault = BAD[name]
    assert fault_of((HEADER + packet) if packet else packet) == fault


def test_reports_of_gaps_are_bounded() -> None:
    """As many chunks as could be on their way, and not one more."""
    assert fault_of(HEADER + sack((1, GAPS_MAX))) is None
    assert fault_of(HEADER + sack((1, GAPS_MAX), (GAPS_MAX + 2, GAPS_MAX + 2))) == "gap reports"


CHUNK = st.builds(
    lambda kind, body, wrong: chunk(kind, body, len(body) + 4 + wrong if wrong else None),
    st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192, 200]),
    st.binary(max_size=80),
    st.sampled_from([0, 0, 0, -3, 1]),
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=120), st.lists(CHUNK, max_size=4).map(lambda chunks: HEADER + b"".join(chunks))))
def test_what_has_no_fault_can_be_read(packet: bytes) -> None:
    """Nothing raises here, and aiortc reads what passed to its end."""
    if fault_of(packet) is not None:
        return
    checksum = sctp.crc32c(packet[:8] + bytes(4) + packet[12:])
    whole = packet[:8] + struct.pack("<L", checksum) + packet[12:]
    *_, chunks = sctp.parse_packet(whole)
    for one in chunks:
        if isinstance(one, sctp.ReconfigChunk):
            for kind, body in one.params:
                if kind in sctp.RECONFIG_PARAM_TYPES:
                    sctp.RECONFIG_PARAM_TYPES[kind].parse(body)


def test_what_waits_for_something_missing_is_bounded() -> None:
    """In order: taken; ahead: while there is room; a message that never ends: the channel is given up."""
    assert waiting(1, 0, 0) == waiting(0, 9999, WINDOW_BYTES) == waiting(2**31, 9999, WINDOW_BYTES) == "take"
    assert waiting(2, 0, 0) == "take"
    assert waiting(2, WINDOW_CHUNKS, 0) == waiting(2, 0, WINDOW_BYTES) == waiting(WINDOW_CHUNKS + 1, 0, 0) == "drop"
    assert waiting(1, WINDOW_CHUNKS, WINDOW_BYTES) == "take"
    assert waiting(1, 2 * WINDOW_CHUNKS, 0) == waiting(1, 0, 2 * WINDOW_BYTES) == "abort"
