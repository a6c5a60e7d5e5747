"""The model's voice on its way out: one packet a beat, in step with RTP time, nothing in silence."""

import itertools

import numpy as np

from gateway.media.opus import OpusDecoder
from gateway.media.playout import CHUNK_MS, RATE_HZ, Playout
from gateway.media.voice import SILENCE, SILENCE_TICKS, TICK_RTP, Voice

SECOND = (8000 * np.sin(2 * np.pi * 300 * np.arange(RATE_HZ) / RATE_HZ)).astype("<i2").tobytes()
INTERRUPTION_MAX_MS = 60


class Line:
    """What one voice has sent and told."""

    def __init__(self) -> None:
        self.playout = Playout()
        self.packets: list[tuple[bytes, int, bool]] = []
        self.told: list[bool] = []
        self.voice = Voice(self.playout, self.told.append, lambda *packet: self.packets.append(packet))

    def beats(self, count: int) -> None:
        """So many beats of 20 ms."""
        for _ in range(count):
            self.voice.tick()


def test_speech_leaves_as_opus_in_step_with_rtp_time() -> None:
    """One packet of 20 ms a beat, and nothing before speech; the first one is marked."""
    line = Line()
    line.beats(5)
    assert line.packets == []
    line.playout.push(SECOND)
    line.beats(10)
    times = [rtp_time for _, rtp_time, _ in line.packets]
    assert times[0] == 5 * TICK_RTP
    assert {after - before for before, after in itertools.pairwise(times)} == {TICK_RTP}
    assert [begins for *_, begins in line.packets] == [True] + [False] * 9
    assert line.told == [True]
    assert len(OpusDecoder(16_000).decode(line.packets[5][0])) == 16_000 * CHUNK_MS // 1000 * 2


def test_an_interruption_is_silent_within_60_ms() -> None:
    """What is sent after it, counted in packets, is a fade and nothing more."""
    line = Line()
    line.playout.push(SECOND * 3)
    line.beats(10)
    line.packets.clear()
    line.playout.flush()
    line.beats(30)
    sounding = [payload for payload, *_ in line.packets if payload != SILENCE]
    assert len(sounding) * CHUNK_MS <= INTERRUPTION_MAX_MS
    assert line.told == [True, False]


def test_of_silence_only_the_beginning_is_sent() -> None:
    """When the answer is over, packets that say so follow and then none; the end of speaking is told once."""
    line = Line()
    line.playout.push(SECOND[: len(SECOND) // 10])
    line.playout.end_of_speech()
    line.beats(40)
    assert len(line.packets) == 5 + SILENCE_TICKS
    assert [payload for payload, *_ in line.packets[5:]] == [SILENCE] * SILENCE_TICKS
    assert line.told == [True, False]


def test_the_packet_of_silence_is_opus() -> None:
    """A decoder takes it for 20 ms in which nothing was sent."""
    assert len(OpusDecoder(16_000).decode(SILENCE)) == 16_000 * CHUNK_MS // 1000 * 2


def test_a_stall_is_skipped_and_not_sent_in_a_burst() -> None:
    """Beats that were missed move RTP time on; the packet after them is one packet."""
    line = Line()
    line.playout.push(SECOND)
    line.voice.tick()
    line.voice.tick(missed=7)
    assert [rtp_time for _, rtp_time, _ in line.packets] == [0, 8 * TICK_RTP]


def test_reported_loss_makes_packets_carry_the_one_before() -> None:
    """Under loss the bitrate grows for redundancy, and shrinks again without."""
    line = Line()
    noise = np.random.default_rng(1).normal(0, 6000, RATE_HZ).astype("<i2").tobytes()

    def mean_bytes() -> float:
        line.packets.clear()
        line.playout.push(noise)
        line.beats(40)
        return float(np.mean([len(payload) for payload, *_ in line.packets[10:]]))

    calm = mean_bytes()
    line.voice.reported_loss(20)
    lossy = mean_bytes()
    line.voice.reported_loss(0)
    assert lossy > calm * 1.1 > mean_bytes() * 0.99
