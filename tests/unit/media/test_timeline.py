"""The person's voice as one line, by what is played when. Whole networks are in test_audio_uplink.py."""

import random
from dataclasses import asdict

import numpy as np
import pytest

from gateway.media.reorder import Reorder
from gateway.media.rtp import Packet
from gateway.media.timeline import BLOCK_BYTES, BLOCK_MS, BYTES_PER_MS, CONCEAL_MAX_MS, PAUSE_S, Timeline

LOUD = (np.tile([3000, -3000], 160)).astype("<i2").tobytes()


class Coder:
    """20 ms a packet, of the loudness that the packet names; it repairs what a packet calls repairable."""

    def __init__(self) -> None:
        self.concealed_ms = 0

    def decode(self, payload: bytes) -> bytes:
        """b"bad" is none."""
        if payload == b"bad":
            raise ValueError("no packet")
        return bytes(len(LOUD)) if payload == b"quiet" else LOUD

    def decode_fec(self, payload: bytes, duration_ms: int) -> bytes | None:
        """The packet before, where this one knows it."""
        return LOUD[: duration_ms * BYTES_PER_MS] if payload == b"lbrr" else None

    def conceal(self, duration_ms: int) -> bytes:
        """A guess as loud as sound."""
        self.concealed_ms += duration_ms
        return (LOUD * 3)[: duration_ms * BYTES_PER_MS]

    def reset(self) -> None:
        """Nothing to forget."""


class Line:
    """A microphone without a network."""

    def __init__(self) -> None:
        self.packets = Reorder()
        self.coder = Coder()
        self.timeline = Timeline(self.packets, self.coder)
        self.blocks: list[bytes] = []

    def run(self, first: int, count: int, without: tuple[int, ...] = (), payload: bytes = b"sound") -> None:
        """So many packets, each taken when it is due."""
        for number in range(first, first + count):
            if number not in without:
                self.packets.push(Packet(111, number % 65536, number * 960, 7, payload), number * 0.02)
            self.blocks += self.timeline.take(number * 0.02 + 0.001)

    def listen(self, until_s: float, from_s: float) -> None:
        """No packet comes."""
        for tick in range(round((until_s - from_s) * 50)):
            self.blocks += self.timeline.take(from_s + tick * 0.02 + 0.001)


def test_it_begins_when_a_little_is_buffered() -> None:
    """The first block is not torn by jitter."""
    line = Line()
    line.run(0, 3)
    assert line.blocks == []
    line.run(3, 2)
    assert line.blocks
    assert set(line.blocks) == {LOUD}


def test_a_stalled_loop_catches_up() -> None:
    """After a stall of 200 ms its blocks are due at once, and nothing is stretched for it."""
    line = Line()
    line.run(0, 20)
    before = len(line.blocks)
    for number in range(20, 30):
        line.packets.push(Packet(111, number, number * 960, 7, b"sound"), 0.4 + (number - 20) * 0.02)
    line.blocks += line.timeline.take(0.581)
    assert len(line.blocks) - before == 10
    assert line.timeline.stretched_ms == 0


def test_a_hole_is_filled_from_the_next_packet_where_that_knows_it() -> None:
    """The sound of LBRR, and no guess."""
    line = Line()
    line.run(0, 100, without=(50,), payload=b"lbrr")
    assert line.timeline.shares.fec == 20
    assert line.timeline.shares.concealed == 0
    assert set(line.blocks) == {LOUD}


def test_a_hole_is_guessed_fading_and_then_silent() -> None:
    """Not longer than 100 ms: longer guesses are words that nobody said; each hole has its own length."""
    line = Line()
    line.run(0, 100, without=tuple(range(50, 62)))
    shares = line.timeline.shares
    assert line.coder.concealed_ms == CONCEAL_MAX_MS
    assert shares.concealed == CONCEAL_MAX_MS
    assert shares.concealed + shares.silent >= 240 - BLOCK_MS
    loudness = [float(np.abs(np.frombuffer(block, "<i2").astype(float)).mean()) for block in line.blocks]
    begin = next(index for index, loud in enumerate(loudness) if loud < 2999)
    assert loudness[begin : begin + 5] == sorted(loudness[begin : begin + 5], reverse=True)
    assert loudness[begin + 6] == 0
    assert loudness[-1] > 2990


def test_a_hole_in_a_pause_is_counted_as_one() -> None:
    """Nothing that was said is lost where the sound before it was silent; after speech it is a guess."""
    line = Line()
    line.run(0, 50)
    line.run(50, 50, without=(60, 70, 80), payload=b"quiet")
    assert line.timeline.shares.pause == 60
    assert line.timeline.shares.concealed == 0
    line.run(100, 50, without=(120,))
    assert line.timeline.shares.pause == 60
    assert line.timeline.shares.concealed == 20


def test_the_line_is_as_long_as_the_time_that_passed() -> None:
    """With losses everywhere, within two blocks over ten seconds."""
    line = Line()
    line.run(0, 500, without=tuple(range(20, 500, 7)))
    assert abs(len(line.blocks) - 500) <= 4
    assert {len(block) for block in line.blocks} == {BLOCK_BYTES}


def test_a_pause_is_one_after_a_second_and_ends_with_the_next_packet() -> None:
    """No sound is made up in it; the line goes on by the clock."""
    line = Line()
    line.run(0, 50)
    line.listen(until_s=1.0 + PAUSE_S + 0.1, from_s=1.0)
    assert line.timeline.paused
    during = len(line.blocks)
    line.listen(until_s=60.0, from_s=2.1)
    assert len(line.blocks) == during
    line.run(3000, 50)
    assert not line.timeline.paused
    assert len(line.blocks) >= during + 45


def test_the_tail_of_an_utterance_is_not_held_back() -> None:
    """What has come is played although nothing follows: with DTX nothing may follow for long."""
    line = Line()
    line.run(0, 50)
    line.listen(until_s=1.2, from_s=1.0)
    assert line.timeline.shares.received == 1000


def test_a_packet_that_is_none_is_a_hole() -> None:
    """It is counted, and the line goes on."""
    line = Line()
    line.run(0, 20)
    line.run(20, 1, payload=b"bad")
    line.run(21, 20)
    assert line.timeline.undecodable == 1
    assert line.timeline.shares.concealed == 20
    assert abs(len(line.blocks) - 38) <= 1


def test_a_delay_that_grows_is_followed_and_one_that_shrinks_too() -> None:
    """Packets that come 100 ms later are all played; the wait is taken back in the next silence."""
    line = Line()
    line.run(0, 100)
    for number in range(100, 1000):
        late_s = 0.1 if number < 300 else 0.0
        payload = b"quiet" if number > 900 else b"sound"
        line.packets.push(Packet(111, number, number * 960, 7, payload), number * 0.02 + late_s)
        line.blocks += line.timeline.take(number * 0.02 + late_s + 0.001)
    shares = line.timeline.shares
    assert shares.received >= 994 * 20
    assert line.packets.late <= 1
    assert line.timeline.lag_s < 0.08


@pytest.mark.parametrize("phase_ms", range(0, 20, 2))
def test_what_comes_within_the_wait_is_played(phase_ms: int) -> None:
    """However the beat lies between the packets: sound that lies ready before a beat is not taken for time to wait."""
    line, chance = Line(), random.Random(1)
    arrivals = sorted((number * 0.02 + chance.random() * 0.05, number) for number in range(1000))
    for number in range(1000):
        now_s = number * 0.02 + phase_ms / 1000
        while arrivals and arrivals[0][0] <= now_s:
            at_s, sent = arrivals.pop(0)
            line.packets.push(Packet(111, sent, sent * 960, 7, b"quiet" if sent % 100 < 50 else b"sound"), at_s)
        line.timeline.take(now_s)
        if number == 450:
            settled = asdict(line.timeline.shares)
    after = asdict(line.timeline.shares)
    assert all(after[how] == settled[how] for how in ("concealed", "silent", "pause"))
    assert line.timeline.lag_s <= line.timeline.wait_s + 0.02
