"""How large a coded picture is, before it is decoded."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.dimensions import h264_size, jpeg_size, nals, sps_size, vp8_size


def encoded(codec: str, width: int, height: int, **options: str) -> bytes:
    """A grey key frame by a real encoder."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.options = Fraction(1, 30), options
    picture = av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), 90, np.uint8), format="yuv420p")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))


def vp8_key(width: int, height: int) -> bytes:
    """Only the header."""
    return b"\x10\x02\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")


class Bits:
    """Writes bit by bit."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, count: int) -> "Bits":
        """So many bits."""
        self.text += f"{value:0{count}b}"
        return self

    def golomb(self, *values: int) -> "Bits":
        """ue(v)."""
        for value in values:
            digits = f"{value + 1:b}"
            self.text += "0" * (len(digits) - 1) + digits
        return self

    def __bytes__(self) -> bytes:
        padded = self.text + "1" + "0" * (-len(self.text) - 1 & 7)
        return int(padded, 2).to_bytes(len(padded) // 8, "big")


def sps(width_mbs: int, height_mbs: int, *, profile: int = 66) -> bytes:
    """A sequence parameter set, with start code."""
    bits = Bits().put(profile, 8).put(0, 16).golomb(0, 0, 2, 0).put(0, 1)
    bits.golomb(width_mbs - 1, height_mbs - 1).put(1, 1)
    return b"\0\0\0\1\x67" + bytes(bits).replace(b"\0\0\0", b"\0\0\3\0")


@pytest.mark.parametrize(("width", "height"), [(64, 48), (640, 480), (642, 362), (1920, 1080), (1080, 1920)])
def test_what_real_encoders_write_is_read(width: int, height: int) -> None:
    """VP8 as it is, H.264 in whole macroblocks, in every profile."""
    assert vp8_size(encoded("libvpx", width, height, deadline="realtime")) == (width, height)
    whole = (-(-width // 16) * 16, -(-height // 16) * 16)
    for profile in ("baseline", "main", "high"):
        assert h264_size(encoded("libx264", width, height, preset="ultrafast", profile=profile)) == whole


def test_giants_are_seen() -> None:
    """16,383 is the largest that VP8 can say; H.264 can say more."""
    assert vp8_size(vp8_key(16_383, 16_383)) == (16_383, 16_383)
    assert h264_size(sps(1024, 1024)) == (16_384, 16_384)
    assert h264_size(b"\0\0\1\x65slice" + sps(40, 30) + sps(1024, 3)) == (16_384, 480), "the largest of several counts"


def test_a_parameter_set_that_hides_in_another_unit_is_found() -> None:
    """A decoder splits at every start code, wherever a sender put it."""
    assert h264_size(b"\0\0\0\1\x65abc\0\0\1" + sps(1024, 1024)[4:] + b"\0\0\1\x41xyz") == (16_384, 16_384)


def test_what_is_not_a_key_frame_announces_nothing() -> None:
    """It has the size of the one before."""
    assert vp8_size(b"\x11\x02\x00anything") is None
    assert h264_size(b"\0\0\0\1\x41slice") is None
    assert list(nals(b"no start code")) == []


@pytest.mark.parametrize("data", [b"", b"\x10", b"\x10\x02\x00\x9d\x01\x2b" + bytes(4), vp8_key(0, 480)])
def test_a_key_frame_that_cannot_be_read_is_refused(data: bytes) -> None:
    """Cut off, without its start code, without a size."""
    with pytest.raises(ValueError, match="frame"):
        vp8_size(data)


@pytest.mark.parametrize("nal", [b"\x67", b"\x67\x42\x00\x1e", b"\x67\x42\x00\x1e" + bytes(200)])
def test_a_parameter_set_that_cannot_be_read_is_refused(nal: bytes) -> None:
    """Cut off, and with numbers that have no end."""
    with pytest.raises(ValueError, match="parameter set"):
        sps_size(nal)


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_any_bytes_are_a_size_or_a_value_error(data: bytes, tail: bytes) -> None:
    """Nothing else comes of them."""
    for read in (vp8_size, h264_size):
        for one in (data, b"\0\0\1\x67" + data, vp8_key(1, 1)[: len(tail)] + data, data + b"\0\0\1\x67" + tail):
            try:
                size = read(one)
            except ValueError:
                continue
            assert size is None or min(size) > 0


def jpeg(*segments: bytes) -> bytes:
    """A JPEG of these segments."""
    return b"\xff\xd8" + b"".join(segments) + bytes(9)


def frame_header(marker: int, width: int, height: int) -> bytes:
    """T.81 §B.2.2, of one component."""
    return bytes([0xFF, marker, 0, 11, 8, *height.to_bytes(2), *width.to_bytes(2), 1, 1, 0x11, 0])


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\xff\xe0\x00\x04JF",
        b"\xff\xff\xff\xfe\x00\x03x",
        b"\xff\x01",
        b"\xff\xe1\x00\x08\xff\xc0\x00\x0b\x08\xff",
    ],
    ids=["first", "app", "fill", "bare", "hidden"],
)
def test_the_size_of_a_jpeg_is_that_of_its_frame_header(before: bytes) -> None:
    """Whatever stands before it, also what only looks like one inside of another segment."""
    for marker in (0xC0, 0xC1, 0xC2):
        assert jpeg_size(jpeg(before, frame_header(marker, 640, 480))) == (640, 480)


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a", jpeg(), jpeg(frame_header(0xC0, 0, 480)), jpeg(frame_header(0xC3, 640, 480)), jpeg(b"no marker")],
)
def test_what_has_no_size_is_no_jpeg(data: bytes) -> None:
    """Raises ValueError."""
    with pytest.raises(ValueError, match="JPEG"):
        jpeg_size(data)
