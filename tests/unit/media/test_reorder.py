"""The packets of a microphone between arrival and playing."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.reorder import (
    BUFFER_MAX,
    CLOCK_HZ,
    REPEAT_S,
    SEEN_MAX,
    TARGET_MAX_S,
    TARGET_MIN_S,
    TARGET_START_S,
    TRIES_MAX,
    Reorder,
)
from gateway.media.rtp import SEQUENCES, TIMES, Packet

TICKS = 960


def packet(number: int, *, ssrc: int = 7, sequence: int = 65_530, timestamp: int = TIMES - 3 * TICKS) -> Packet:
    """Number `number` of a stream whose counters wrap around soon."""
    return Packet(111, (sequence + number) % SEQUENCES, (timestamp + number * TICKS) % TIMES, ssrc, b"%d" % number)


def drain(packets: Reorder, start: int, count: int) -> list[bytes | None]:
    """What is played from a position on."""
    found = []
    for position in range(start, start + count * TICKS, TICKS):
        stored = packets.peek(position)
        found.append(stored.payload if stored is not None else None)
        packets.take(position, TICKS)
    return found


def test_positions_follow_the_sender_through_every_wrap_around() -> None:
    """Numbers and timestamps wrap within the first packets; the line does not."""
    packets = Reorder()
    for number in range(10):
        assert packets.push(packet(number), number * 0.02) == "received"
    first = packets.first()
    assert first is not None
    assert drain(packets, first, 10) == [b"%d" % number for number in range(10)]


def test_a_packet_is_next_when_nothing_is_missing_before_it() -> None:
    """Not the first one, not after a gap until it is filled, not of another source; through the wrap-around."""
    packets = Reorder()
    assert not packets.is_next(packet(0))
    for number in range(8):
        packets.push(packet(number), number * 0.02)
        assert packets.is_next(packet(number + 1))
    assert not packets.is_next(packet(7))
    assert not packets.is_next(packet(8, ssrc=8))
    assert not packets.is_next(packet(9))
    packets.push(packet(9), 0.18)
    assert not packets.is_next(packet(10))
    packets.push(packet(8), 0.19)
    assert packets.is_next(packet(10))


def test_order_is_restored_and_repetitions_are_dropped() -> None:
    """Reversed pairs and doubles come out in order, once."""
    packets = Reorder()
    for number in (0, 2, 1, 1, 3, 5, 4, 5, 0):
        packets.push(packet(number), 0.02 * number)
    first = packets.first()
    assert first is not None
    assert drain(packets, first, 6) == [b"%d" % number for number in range(6)]
    assert packets.duplicates == 3


def test_a_repetition_is_known_within_the_newest_numbers() -> None:
    """What is further back is late however often it comes; a leap ahead forgets what was before it."""
    packets = Reorder()
    for number in range(SEEN_MAX + 1):
        packets.push(packet(number), 0.02 * number)
        packets.take(number * TICKS + TIMES, TICKS)
    now_s = 0.02 * SEEN_MAX
    assert packets.push(packet(1), now_s) is None
    assert (packets.duplicates, packets.late) == (1, 0)
    for _ in range(2):
        assert packets.push(packet(0), now_s) == "received"
    assert (packets.duplicates, packets.late) == (1, 2)
    ahead = 2 * SEEN_MAX
    for number in (ahead, ahead - 1, ahead, ahead - 1):
        packets.push(packet(number), now_s + 0.5)
    assert packets.duplicates == 3


def test_what_comes_after_its_time_is_late_and_not_played() -> None:
    """A position is handed out once."""
    packets = Reorder()
    packets.push(packet(0), 0.0)
    packets.push(packet(2), 0.04)
    first = packets.first()
    assert first is not None
    drain(packets, first, 3)
    packets.push(packet(1), 0.3)
    assert packets.is_empty
    assert packets.late == 1


def test_another_stream_and_another_clock_go_on_where_the_line_is() -> None:
    """After replaceTrack, a restart of the sender or a jump of its timestamps, positions follow our clock."""
    packets = Reorder()
    for number in range(50):
        packets.push(packet(number), number * 0.02)
    before = packets.position_at(0.0, 1.5)
    packets.push(Packet(111, 3, 5, 99, b"other stream"), 1.5)
    packets.push(Packet(111, 4, 3_000_000_000, 99, b"clock jumps"), 1.52)
    assert packets.restarts == 2
    found = [position for position in packets._waiting if position >= before - TICKS]
    assert [round((position - before) / TICKS) for position in found] == [0, 1]


def test_a_lost_packet_is_asked_for_when_two_have_overtaken_it() -> None:
    """Then again soon, because the request may be lost, and then each round trip; until it comes."""
    packets = Reorder()
    packets.rtt_s = 0.06
    packets._guard_s = 0.04
    packets.push(packet(0), 0.0)
    packets.push(packet(2), 0.04)
    assert packets.requests(0.04) == []
    packets.push(packet(3), 0.06)
    lost = packets.requests(0.06)
    assert [number % SEQUENCES for number in lost] == [packet(1).sequence]
    assert packets.requests(0.06 + REPEAT_S / 2) == []
    assert packets.requests(0.06 + REPEAT_S) == lost
    assert packets.requests(0.06 + REPEAT_S + 0.03) == []
    assert packets.requests(0.06 + REPEAT_S + 0.06) == lost
    assert packets.push(packet(1), 0.15) == "retransmitted"
    assert packets.requests(0.5) == []


def test_without_reordering_it_is_asked_for_at_once() -> None:
    """A network that never reorders needs no patience."""
    packets = Reorder()
    packets.push(packet(0), 0.0)
    packets.push(packet(2), 0.04)
    assert len(packets.requests(0.04)) == 1


def test_reordering_teaches_patience_and_order_unlearns_it() -> None:
    """Packets that come by themselves soon after are waited for so long."""
    packets = Reorder()
    for number in range(0, 40, 2):
        packets.push(packet(number + 1), number * 0.02 + 0.02)
        packets.push(packet(number), number * 0.02 + 0.035)
    assert 0.01 < packets._guard_s <= 0.02


def test_requests_end_when_the_answer_would_be_too_late() -> None:
    """Nothing is asked for more often than it can help, nor after its time."""
    packets = Reorder()
    packets.rtt_s = 0.01
    packets.push(packet(0), 0.0)
    for number in range(2, 20):
        packets.push(packet(number), number * 0.02)
    asked = [now for tick in range(200) if (now := 0.4 + tick * 0.02) and packets.requests(now)]
    assert len(asked) <= TRIES_MAX
    assert not asked or asked[-1] < 0.02 + TARGET_MAX_S + 0.4
    assert not packets._missing


def test_a_red_copy_fills_the_hole_and_nothing_is_asked_for() -> None:
    """The copy comes with the next packet."""
    packets = Reorder()
    packets.push(packet(0), 0.0)
    assert packets.push(packet(1), 0.04, red=True) == "red"
    assert packets.push(packet(2), 0.04) == "received"
    assert packets.requests(0.04) == []
    assert packets.push(packet(2), 0.06, red=True) is None
    assert packets.duplicates == 0


def lags(packets: Reorder, seconds: float, lag: random.Random | float, begin_s: float = 0.0, loss: float = 0.0) -> None:
    """Packets that arrive with random lags up to `lag`, and some again after 120 ms."""
    chance = random.Random(3)
    arrivals = []
    for number in range(int(begin_s * 50), int((begin_s + seconds) * 50)):
        late = chance.random() * lag if isinstance(lag, float) else 0.0
        arrivals.append((number * 0.02 + (0.12 if chance.random() < loss else late), number))
    for at_s, number in sorted(arrivals):
        packets.push(packet(number), at_s)


def test_the_wait_fits_the_network_and_comes_back_down() -> None:
    """Short on a good network, as long as the jitter on a bad one, short again within a few windows."""
    packets = Reorder()
    lags(packets, 20, 0.0)
    assert packets.target_s == TARGET_MIN_S
    lags(packets, 20, 0.1, begin_s=20)
    assert 0.09 < packets.target_s <= 0.12
    lags(packets, 30, 0.0, begin_s=40)
    assert packets.target_s == TARGET_MIN_S


def test_the_wait_is_not_shortened_by_the_first_packets() -> None:
    """A second without a loss is no network without one; half a second more, and it is. With one late, two are."""
    packets = Reorder()
    lags(packets, 1.0, 0.0)
    assert packets.target_s == TARGET_START_S
    lags(packets, 0.5, 0.0, begin_s=1.0)
    assert packets.target_s == TARGET_MIN_S
    shaky = Reorder()
    for number in range(150):
        shaky.push(packet(number), number * 0.02 + (0.03 if number == 10 else 0.0))
        if number < 100:
            assert shaky.target_s == TARGET_START_S
    assert shaky.target_s == TARGET_MIN_S


def test_a_retransmission_is_waited_for_when_many_are_needed() -> None:
    """One loss in a hundred is not worth 80 ms of delay for all; one in ten is."""
    rarely, often = Reorder(), Reorder()
    lags(rarely, 20, 0.01, loss=0.01)
    lags(often, 20, 0.01, loss=0.1)
    assert rarely.target_s < 0.07
    assert 0.12 < often.target_s < 0.15


def test_what_could_never_come_in_time_is_not_waited_for() -> None:
    """With a round trip of half a second the wait stays short: the copy in the next packet has to do."""
    packets = Reorder()
    for number in range(1000):
        if number % 10:
            packets.push(packet(number), number * 0.02)
        elif number:
            packets.push(packet(number), number * 0.02 + 0.5)
    assert packets.target_s <= 0.06


def test_skew_is_measured() -> None:
    """A sender whose clock runs 150 ppm fast is told as such."""
    packets = Reorder()
    for number in range(50 * 120):
        packets.push(packet(number), number * 0.02 / (1 + 150e-6))
    assert 130 < packets.skew_ppm < 170


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(1, 3)), max_size=300))
def test_hostile_numbers_fill_nothing(numbers: list[tuple[int, int, int]]) -> None:
    """Whatever sequence numbers, timestamps and streams come, buffer and requests stay bounded."""
    packets = Reorder()
    for index, (sequence, timestamp, ssrc) in enumerate(numbers):
        now_s = index * 0.01
        packets.push(Packet(111, sequence, timestamp, ssrc, b"x"), now_s)
        assert len(packets.requests(now_s)) <= BUFFER_MAX
        assert len(packets._waiting) <= BUFFER_MAX
        assert len(packets._missing) <= BUFFER_MAX
        first = packets.first()
        if first is not None and index % 3 == 0:
            packets.take(first, TICKS)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 65535), st.lists(st.booleans(), min_size=50, max_size=300))
def test_positions_never_go_back(timestamp: int, sequence: int, kept: list[bool]) -> None:
    """From any start, with any losses, each later packet lies later on the line by just as much."""
    packets, positions = Reorder(), []
    for number, keep in enumerate(kept):
        if keep:
            packets.push(packet(number, sequence=sequence, timestamp=timestamp), number * 0.02)
            positions.append((number, packets._newest_position))
    for (number, position), (later, further) in itertools.pairwise(positions):
        assert further - position == (later - number) * CLOCK_HZ // 50
