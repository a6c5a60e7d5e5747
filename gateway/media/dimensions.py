"""How large a coded picture is, before it is decoded.

Owns the reading of a VP8 key frame's header (RFC 6386 §9.1), of H.264 sequence parameter sets (ITU-T H.264 §7.3.2.1)
and of a JPEG's frame header (ITU-T T.81 §B.2.2). It must not know decoders or what size is too large.
**Invariant: a size that a decoder would take from the bytes of a video is found here; what cannot be read raises
ValueError; the work is bounded by the length of the data.**
"""

from __future__ import annotations

from collections.abc import Iterator

VP8_START_CODE = b"\x9d\x01\x2a"
NAL_START = b"\0\0\1"
SPS = 7
SPS_MAX_BYTES = 512  # with every scaling list and timing a real one has 200
HIGH_PROFILES = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}  # they describe the chroma too
MACROBLOCK_PX = 16
GOLOMB_MAX_BITS = 32
SIZE_MAX_MACROBLOCKS = 1 << 16  # larger than any level allows; also keeps products small
POC_CYCLE_MAX = 255
JPEG_START = b"\xff\xd8"
JPEG_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive (T.81 table B.1); a canvas makes no others
JPEG_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length

Size = tuple[int, int]


def vp8_size(data: bytes) -> Size | None:
    """(width, height) that a VP8 frame announces; None for one that is no key frame and has the size of the one before.

    Raises ValueError.
    """
    if not data:
        raise ValueError("the frame is empty")
    if data[0] & 1:
        return None
    if len(data) < 10 or data[3:6] != VP8_START_CODE:
        raise ValueError("the key frame has no header")
    width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    if not width or not height:
        raise ValueError("the key frame has no size")
    return width, height


def h264_size(data: bytes) -> Size | None:
    """The largest (width, height) that an Annex B stream announces; None when it announces none. Raises ValueError."""
    sizes = [sps_size(nal) for nal in nals(data) if nal[0] & 0x1F == SPS]
    if not sizes:
        return None
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def jpeg_size(data: bytes) -> Size:
    """(width, height) that a JPEG announces before its first scan. Raises ValueError."""
    if not data.startswith(JPEG_START):
        raise ValueError("the picture is not a JPEG")
    at = len(JPEG_START)
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill (§B.1.1.2)
            at += 1
        elif marker in JPEG_BARE:
            at += 2
        elif marker in JPEG_FRAMES:
            height, width = (int.from_bytes(data[at + offset : at + offset + 2]) for offset in (5, 7))
            if not width or not height:
                raise ValueError("the JPEG has no size")
            return width, height
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
    raise ValueError("the JPEG announces no size")


def nals(data: bytes) -> Iterator[bytes]:
    """The NAL units of an Annex B stream, as decoders find them: also one that is hidden in another."""
    begin = data.find(NAL_START)
    while begin >= 0:
        begin += len(NAL_START)
        end = data.find(NAL_START, begin)
        nal = data[begin : end if end >= 0 else len(data)]
        if nal:
            yield nal
        begin = end


def sps_size(nal: bytes) -> Size:
    """(width, height) of the pictures of a sequence parameter set, before cropping. Raises ValueError."""
    bits = _Bits(_without_emulation(nal[1:SPS_MAX_BYTES]))
    profile = bits.read(8)
    bits.read(16)  # constraints and level
    bits.golomb()  # its id
    if profile in HIGH_PROFILES:
        _skip_chroma(bits)
    bits.golomb()  # log2_max_frame_num
    order_count = bits.golomb()
    if order_count == 0:
        bits.golomb()
    elif order_count == 1:
        bits.read(1)
        bits.golomb()
        bits.golomb()
        cycle = bits.golomb()
        if cycle > POC_CYCLE_MAX:
            raise ValueError("the parameter set has an impossible cycle")
        for _ in range(cycle):
            bits.golomb()
    bits.golomb()  # max_num_ref_frames
    bits.read(1)
    width, height = bits.golomb() + 1, bits.golomb() + 1
    fields = 2 - bits.read(1)
    if width > SIZE_MAX_MACROBLOCKS or height > SIZE_MAX_MACROBLOCKS:
        raise ValueError("the parameter set has an impossible size")
    return width * MACROBLOCK_PX, height * MACROBLOCK_PX * fields


def _skip_chroma(bits: _Bits) -> None:
    chroma = bits.golomb()
    if chroma == 3:
        bits.read(1)
    bits.golomb()  # bit depths
    bits.golomb()
    bits.read(1)
    if bits.read(1):
        for index in range(12 if chroma == 3 else 8):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last


def _without_emulation(data: bytes) -> bytes:
    """The bytes of a NAL unit without those that only keep start codes out (§7.4.1)."""
    return data.replace(b"\0\0\3", b"\0\0")


class _Bits:
    """Reads bit by bit; raises ValueError beyond the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def read(self, count: int) -> int:
        """The next bits as a number."""
        if count > self._left:
            raise ValueError("the parameter set is cut off")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        """ue(v) (§9.1)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > GOLOMB_MAX_BITS:
                raise ValueError("the parameter set has a number without an end")
        return (1 << zeros) - 1 + self.read(zeros)

    def signed_golomb(self) -> int:
        """se(v)."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)
