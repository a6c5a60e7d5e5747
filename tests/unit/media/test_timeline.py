"""The continuous line of the person's voice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.timeline import (
    LIMIT_MS,
    MESSAGE_BYTES,
    MESSAGE_MS,
    PAUSE_S,
    RATE_HZ,
    START_MS,
    Timeline,
)

PACKET_MS = 20
PACKET = RATE_HZ * PACKET_MS // 1000


def loud(samples: int) -> bytes:
    """PCM that is not silence."""
    return (np.full(samples, 3000) * np.where(np.arange(samples) % 2, 1, -1)).astype("<i2").tobytes()


def push_packets(timeline: Timeline, count: int, first: int = 0, now_s: float = 0.0) -> None:
    """Packets in a row."""
    for index in range(first, first + count):
        timeline.push(index * PACKET, loud(PACKET), now_s)


def test_it_begins_when_a_little_is_buffered() -> None:
    """The first message is not torn by jitter."""
    timeline = Timeline()
    push_packets(timeline, START_MS // PACKET_MS - 1)
    assert timeline.take(0.0) == []
    push_packets(timeline, 1, first=START_MS // PACKET_MS - 1)
    assert timeline.take(0.0) == [loud(MESSAGE_BYTES // 2)]


def test_what_is_taken_is_as_long_as_the_time_that_passed() -> None:
    """Ten seconds of packets that come in bursts of 200 ms leave as ten seconds of 40 ms messages."""
    timeline = Timeline()
    taken = 0
    for tick in range(250):
        now_s = tick * MESSAGE_MS / 1000
        if tick % 5 == 0:
            push_packets(timeline, 10, first=tick * 2, now_s=now_s)
        messages = timeline.take(now_s)
        assert all(len(message) == MESSAGE_BYTES for message in messages)
        taken += len(messages)
    assert taken == 250
    assert timeline.filled_ms == 0


def test_a_stalled_loop_catches_up() -> None:
    """After a stall of 200 ms the messages of those 200 ms are due at once."""
    timeline = Timeline()
    push_packets(timeline, 30)
    timeline.take(0.0)
    assert len(timeline.take(0.2)) == 5


def test_a_hole_is_silence_of_its_length() -> None:
    """Two lost packets are 40 ms of silence; what follows is not moved."""
    timeline = Timeline()
    push_packets(timeline, 3)
    push_packets(timeline, 3, first=5)
    line = b"".join(timeline.take(0.0) + timeline.take(0.12))
    assert line == loud(3 * PACKET) + bytes(2 * PACKET * 2) + loud(3 * PACKET)
    assert timeline.filled_ms == 40


def test_sound_that_was_there_already_is_not_heard_twice() -> None:
    """A packet that overlaps what came before adds only what is new."""
    timeline = Timeline()
    push_packets(timeline, 4)
    timeline.push(3 * PACKET, loud(2 * PACKET), 0.0)
    assert timeline.buffered_ms == 5 * PACKET_MS


def test_a_new_clock_of_the_sender_is_no_hole() -> None:
    """A jump of the sender's time by hours, either way, adds nothing."""
    timeline = Timeline()
    push_packets(timeline, 3)
    timeline.push(10**9, loud(PACKET), 0.0)
    timeline.push(5, loud(PACKET), 0.0)
    timeline.push(5 + PACKET, loud(PACKET), 0.0)
    assert timeline.buffered_ms == 6 * PACKET_MS


def test_late_sound_is_caught_up_in_silence() -> None:
    """Delay that a late burst has left is paid back by leaving out silence, not speech."""
    timeline = Timeline()
    push_packets(timeline, 3)
    timeline.take(0.0)
    timeline.take(0.3)  # nothing came: silence was filled in
    timeline.push(3 * PACKET, loud(15 * PACKET), 0.3)
    timeline.push(18 * PACKET, bytes(15 * PACKET * 2), 0.3)
    heard = b"".join(timeline.take(0.9))
    assert heard.count(loud(15 * PACKET)) == 1
    assert timeline.skipped_ms > 0
    assert timeline.dropped_ms == 0


def test_speech_that_comes_far_too_late_is_dropped_and_counted() -> None:
    """A browser that was frozen and sends seconds at once does not delay the conversation by seconds."""
    timeline = Timeline()
    push_packets(timeline, 100)
    assert timeline.buffered_ms <= LIMIT_MS
    assert timeline.dropped_ms > 0


def test_a_second_without_sound_is_a_pause() -> None:
    """No silence is made up for a microphone that is gone; the line begins anew when sound comes again."""
    timeline = Timeline()
    push_packets(timeline, 3)
    timeline.take(0.0)
    assert not timeline.paused
    timeline.take(PAUSE_S)
    assert timeline.take(PAUSE_S + 0.1) == []
    assert timeline.paused
    push_packets(timeline, 5, first=500, now_s=30.0)
    timeline.take(30.0)
    assert not timeline.paused


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=5, max_size=200))
def test_the_line_is_never_longer_or_shorter_than_the_clock(ticks: list[tuple[int, int]]) -> None:
    """Whatever comes and is lost, between two pauses each 40 ms give one message."""
    timeline = Timeline()
    position = taken = 0
    begun_s: float | None = None
    for index, (count, lost) in enumerate(ticks):
        now_s = index * MESSAGE_MS / 1000
        position += lost
        push_packets(timeline, count, first=position, now_s=now_s)
        position += count
        messages = timeline.take(now_s)
        if timeline.paused:
            begun_s, taken = None, 0
            continue
        begun_s = now_s if begun_s is None else begun_s
        taken += len(messages)
        assert taken == round((now_s - begun_s) * 1000 / MESSAGE_MS) + 1
