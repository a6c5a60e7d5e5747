"""The packets of a camera put together to coded frames."""

import itertools
import struct

from hypothesis import given
from hypothesis import strategies as st

from gateway.media.frames import (
    HOLE_MAX_S,
    LATE,
    MISSING_MAX,
    PLI_LEAST_S,
    PLI_MOST_S,
    TAIL_S,
    WAITING_MAX,
    CodedFrame,
    Frames,
    begins_key_frame,
    vp8_descriptor_bytes,
)
from gateway.media.rtp import SEQUENCES, Packet

RTT_S = 0.06
KEY, DELTA = b"\x10\x00key", b"\x10\x01delta"  # VP8: start of the first partition; the P bit of the frame header
MORE = b"\x00more"  # no start of a partition
VP8 = "vp8"


def packet(sequence: int, payload: bytes, frame: int = 0, *, marker: bool = True, ssrc: int = 5) -> Packet:
    """One packet of a 3 fps camera."""
    return Packet(96, sequence % 65536, frame * 30_000, ssrc, payload, marker)


def push(frames: Frames, *packets: Packet, now_s: float = 0.0) -> list[CodedFrame]:
    """What is whole after all of them."""
    return [frame for one in packets for frame in frames.push(one, VP8, now_s)]


def test_a_frame_is_whole_with_its_marker() -> None:
    """At once, not when the next one begins; the parts joined without their descriptors."""
    frames = Frames()
    assert push(frames, packet(1, KEY, marker=False)) == []
    (frame,) = push(frames, packet(2, MORE), now_s=0.5)
    assert (frame.data, frame.is_key, frame.arrived_s) == (b"\x00keymore", True, 0.5)
    (after,) = push(frames, packet(3, DELTA, 1))
    assert (after.data, after.is_key) == (b"\x01delta", False)


def test_a_key_frame_can_be_asked_for_though_nothing_is_broken() -> None:
    """Once for each wish, and what comes goes on being handed out."""
    frames = Frames()
    push(frames, packet(1, KEY))
    frames.ask_key()
    assert frames.wants_pli(0.1)
    assert not frames.wants_pli(0.2)
    assert push(frames, packet(2, DELTA, 1))


def test_a_sender_without_markers_is_understood() -> None:
    """The next timestamp ends a frame."""
    frames = Frames()
    parts = [packet(1, KEY, 0, marker=False), packet(2, MORE, 0, marker=False), packet(3, DELTA, 1, marker=False)]
    assert [frame.data for frame in push(frames, *parts)] == [b"\x00keymore"]


def test_nothing_is_handed_out_before_a_key_frame() -> None:
    """What cannot be decoded is asked for as a key frame instead."""
    frames = Frames()
    assert push(frames, packet(1, DELTA, 0), packet(2, DELTA, 1)) == []
    assert frames.wants_pli(0.0)
    assert len(push(frames, packet(3, KEY, 2))) == 1
    assert not frames.wants_pli(10.0)


def test_overtaken_packets_are_put_in_order_over_the_wrap_around() -> None:
    """Numbers 65535, 0 and 1 in any order, and each of them twice."""
    frames = Frames()
    push(frames, packet(65534, KEY))
    parts = [packet(65535, DELTA, 1, marker=False), packet(0, MORE, 1, marker=False), packet(1, MORE, 1)]
    found = push(frames, parts[2], parts[0], parts[0], parts[1], parts[2])
    assert [frame.data for frame in found] == [b"\x01deltamoremore"]


def test_what_is_missing_is_asked_for_and_waited_for() -> None:
    """At once, again after a round trip, and the frames after the hole come when it is filled."""
    frames = Frames()
    push(frames, packet(1, KEY))
    assert push(frames, packet(3, DELTA, 2), now_s=0.7) == []
    assert frames.requests(0.7, 0.1) == [2 + SEQUENCES]
    assert frames.requests(0.75, 0.1) == []
    assert frames.requests(0.81, 0.1) == [2 + SEQUENCES]
    assert [frame.data for frame in push(frames, packet(2, DELTA, 1), now_s=0.85)] == [b"\x01delta", b"\x01delta"]
    assert frames.requests(1.0, 0.1) == []


def test_a_hole_is_given_up_after_300_ms() -> None:
    """No picture is made from what is left; a key frame is asked for, less and less often while none comes."""
    frames = Frames()
    push(frames, packet(1, KEY))
    push(frames, packet(3, DELTA, 2), now_s=1.0)
    frames.look(1.0 + HOLE_MAX_S - 0.01, RTT_S)
    assert not frames.wants_pli(1.29)
    frames.look(1.0 + HOLE_MAX_S + 0.01, RTT_S)
    assert frames.lost_frames == 1
    assert push(frames, packet(2, DELTA, 1), packet(4, DELTA, 3), now_s=1.4) == []
    asked_s = [at / 100 for at in range(131, 3000) if frames.wants_pli(at / 100)]
    gaps_s = [round(later - earlier, 1) for earlier, later in itertools.pairwise(asked_s)]
    assert gaps_s[:3] == [PLI_LEAST_S, 2 * PLI_LEAST_S, 4 * PLI_LEAST_S]
    assert max(gaps_s) == PLI_MOST_S
    assert len(push(frames, packet(9, KEY, 8), now_s=31.0)) == 1


def test_a_key_frame_behind_the_hole_makes_it_unimportant() -> None:
    """It is handed out when the hole is given up, without asking for another."""
    frames = Frames()
    push(frames, packet(1, KEY))
    push(frames, packet(3, KEY, 2), packet(4, DELTA, 3), now_s=1.0)
    assert [frame.is_key for frame in frames.look(1.0 + HOLE_MAX_S + 0.01, RTT_S)] == [True, False]
    assert not frames.wants_pli(1.4)


def test_a_hole_in_the_key_frame_itself_needs_another() -> None:
    """It is asked for at once when the hole is given up, however often that happens."""
    frames = Frames()
    for turn in range(4):
        now_s, first = turn * 1.0, turn * 10
        push(frames, packet(first, KEY, turn, marker=False), packet(first + 2, MORE, turn), now_s=now_s)
        assert not frames.wants_pli(now_s)
        assert frames.look(now_s + HOLE_MAX_S + 0.01, RTT_S) == []
        assert frames.wants_pli(now_s + HOLE_MAX_S + 0.01)
    assert len(push(frames, packet(99, KEY, 99), now_s=9.0)) == 1


def test_a_long_way_is_waited_for() -> None:
    """Where a round trip takes 300 ms a repetition cannot be there sooner."""
    frames = Frames()
    push(frames, packet(1, KEY))
    push(frames, packet(3, DELTA, 2), now_s=1.0)
    frames.look(1.5, 0.3)
    assert len(push(frames, packet(2, DELTA, 1), now_s=1.5)) == 2


def test_a_lost_end_is_noticed_before_the_next_frame() -> None:
    """A frame that goes on is asked for its next packet after a moment; one that was whole is not."""
    frames = Frames()
    push(frames, packet(1, KEY, marker=False))
    assert frames.requests(TAIL_S - 0.01, 0.1) == []
    assert frames.requests(TAIL_S + 0.01, 0.1) == [2 + SEQUENCES]
    frames.look(10.0, RTT_S)
    assert frames.lost_frames == 0, "the packet may not exist, so nothing is given up for it"
    frames = Frames()
    push(frames, packet(1, KEY))
    assert frames.requests(10.0, 0.1) == []


def test_a_frame_that_is_lost_as_a_whole_is_asked_for_before_the_next_one_tells_of_it() -> None:
    """When it is late by more than cameras are; a third of a second long, because the camera may have slowed down."""
    frames, tick_s = Frames(), 0.02
    push(frames, packet(1, KEY), now_s=10.0)
    push(frames, packet(2, DELTA, 1), now_s=10.33)
    asked = {10.33 + beat * tick_s: frames.requests(10.33 + beat * tick_s, RTT_S) for beat in range(200)}
    when = [at_s for at_s, numbers in asked.items() if numbers]
    assert {tuple(asked[at_s]) for at_s in when} == {(3 + SEQUENCES,)}
    assert LATE / 3 < when[0] - 10.33 < LATE / 3 + TAIL_S + 2 * tick_s
    assert when[-1] - when[0] <= HOLE_MAX_S
    assert frames.lost_frames == 0
    assert len(push(frames, packet(3, DELTA, 2), now_s=14.5)) == 1
    assert frames.requests(14.6, RTT_S) == []


def test_padding_has_a_number_and_no_picture() -> None:
    """Browsers probe with empty packets between two frames."""
    frames = Frames()
    found = push(frames, packet(1, KEY), packet(2, b"", 1, marker=False), packet(3, b"", 1), packet(4, DELTA, 1))
    assert [frame.is_key for frame in found] == [True, False]


def test_a_new_stream_begins_with_a_key_frame() -> None:
    """After `replaceTrack` or a restart of the sender, old packets mean nothing."""
    frames = Frames()
    push(frames, packet(1, KEY), packet(2, DELTA, 1, marker=False))
    assert push(frames, packet(900, DELTA, 0, ssrc=6)) == []
    assert frames.wants_pli(0.0)
    assert len(push(frames, packet(901, KEY, 1, ssrc=6))) == 1


def test_a_payload_that_is_none_needs_a_key_frame() -> None:
    """A descriptor that is cut off is never handed to a decoder."""
    frames = Frames()
    push(frames, packet(1, KEY))
    assert push(frames, packet(2, b"\x90\x80", 1)) == []
    assert frames.needs_key


def test_a_vp8_descriptor_is_measured() -> None:
    """RFC 7741 §4.2: with picture ids of 7 and 15 bits, TL0PICIDX, and TID."""
    assert vp8_descriptor_bytes(b"\x10x") == 1
    assert vp8_descriptor_bytes(b"\x90\x80\x01x") == 3
    assert vp8_descriptor_bytes(b"\x90\x80\x81\x01x") == 4
    assert vp8_descriptor_bytes(b"\x90\xf0\x81\x01\x02\x03x") == 6
    assert vp8_descriptor_bytes(b"\x90\x10\x03x") == 3
    for cut_off in (b"", b"\x10", b"\x90", b"\x90\x80", b"\x90\xf0\x81\x01\x02\x03"):
        assert vp8_descriptor_bytes(cut_off) is None


def test_h264_becomes_an_annex_b_stream() -> None:
    """Single units, aggregates and fragments (RFC 6184 §5.6 to §5.8)."""
    sps, idr = b"\x67sps", b"\x65idr"
    aggregate = b"\x78" + struct.pack("!H", len(sps)) + sps + struct.pack("!H", len(idr)) + idr
    frames = Frames()
    (frame,) = frames.push(packet(1, aggregate), "h264", 0.0)
    assert (frame.is_key, frame.data) == (True, b"\0\0\0\1\x67sps\0\0\0\1\x65idr")
    fragments = [b"\x5c\x81ab", b"\x5c\x01cd", b"\x5c\x41ef"]
    found = [
        frame
        for index, payload in enumerate(fragments)
        for frame in frames.push(packet(2 + index, payload, 1, marker=index == 2), "h264", 0.0)
    ]
    assert [frame.data for frame in found] == [b"\0\0\0\1\x41abcdef"]
    assert begins_key_frame(b"\x7c\x85x", "h264")
    assert not begins_key_frame(b"\x7c\x05x", "h264")
    assert frames.push(packet(5, b"\x78\x00\xffx", 2), "h264", 0.0) == [], "an aggregate that is cut off"


def test_parameter_sets_alone_make_no_picture_that_builds_on_nothing() -> None:
    """Some encoders repeat them before pictures that build on others: those before are still needed."""
    frames = Frames()
    (begun,) = frames.push(packet(1, b"\x65idr"), "h264", 0.0)
    assert begun.is_key
    assert frames.push(packet(2, b"\x67sps", 1, marker=False), "h264", 0.0) == []
    (builds,) = frames.push(packet(3, b"\x41slice", 1), "h264", 0.0)
    assert not builds.is_key
    fragments = [b"\x7c\x85ab", b"\x7c\x45cd"]
    found = [
        one
        for index, payload in enumerate(fragments)
        for one in frames.push(packet(4 + index, payload, 2, marker=index == 1), "h264", 0.0)
    ]
    assert [one.is_key for one in found] == [True]


def test_what_is_said_before_a_key_frame_is_part_of_it() -> None:
    """Remarks of an encoder (SEI) may come first and with the parameter sets; without these nothing is decoded."""
    sei, sps, idr = b"\x06remark", b"\x67sps", b"\x65idr"
    aggregate = b"\x78" + struct.pack("!H", len(sei)) + sei + struct.pack("!H", len(sps)) + sps
    frames = Frames()
    assert frames.push(packet(1, aggregate, marker=False), "h264", 0.0) == []
    (frame,) = frames.push(packet(2, idr), "h264", 0.0)
    assert (frame.is_key, frame.data) == (True, b"\0\0\0\1" + b"\0\0\0\1".join((sei, sps, idr)))


@given(
    st.lists(
        st.tuples(st.integers(0, 65535), st.integers(0, 5), st.binary(max_size=8), st.booleans(), st.integers(1, 2)),
        max_size=400,
    )
)
def test_whatever_comes_nothing_grows(hostile: list[tuple[int, int, bytes, bool, int]]) -> None:
    """Any packets at all: nothing raises, buffer and requests stay bounded."""
    frames = Frames()
    for index, (sequence, frame, payload, marker, ssrc) in enumerate(hostile):
        now_s = index * 0.001
        frames.push(packet(sequence, payload, frame, marker=marker, ssrc=ssrc), "vp8" if frame % 2 else "h264", now_s)
        frames.look(now_s, RTT_S)
        assert len(frames.requests(now_s, 0.05)) <= MISSING_MAX + 1
        assert len(frames._waiting) <= WAITING_MAX
