"""The packets of a microphone between their arrival and their playing: in order, without repetitions, with what is
missing asked for again.

Owns the mapping of the sender's clock to ours, the buffer, the requests for lost packets, and how long a packet is
waited for. It must not know codecs, sockets or clocks: arrival times are arguments.
**Invariant: positions rise with the clock whatever the sender's sequence numbers and timestamps do; a position is
handed out once; the buffer and the requests are bounded.**

A *position* counts 1/48000 s (the RTP clock of Opus, RFC 7587 §4.1) on one line that never jumps back. *Lag* is how far
behind the fastest way of a packet something is.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gateway.media.rtp import SEQUENCES, TIMES, Packet, Unwrapper

CLOCK_HZ = 48_000
TARGET_MIN_S = 0.030  # waits of 20 to 40 ms, as the beat falls: the next packet can still tell of a lost one
TARGET_START_S = 0.060  # room for RED's copy, 20 ms behind, before anything is known
TARGET_MAX_S = 0.200  # an answer that comes later than that is worse than a word that has to be guessed
LATE_COST_S = 4.0  # what it is worth that all sound comes in time: so 1 % of it is worth 40 ms of delay
SURE = 400  # packets: before that many have come, one that is late says little
TRIAL_S = 2.0  # so long is looked before a shorter wait is chosen: a few packets know nothing of the losses to come
CLEAN_TRIAL_S = 1.2  # when none was late or lost: of 5 % something shows itself in so many in 95 calls of 100
STEADY = 0.4  # of a change must be gain, because each change is heard
STEADY_S = 0.008
WINDOW_S = 8.0  # over which lags are looked at: how soon the wait becomes shorter when the network does
LOOK_EVERY = 10  # packets between two looks
BASE_WINDOW_S = 5.0  # the fastest way is looked for in this and the window before it
JUMP_S = 2.0  # a timestamp that is further off than any network is a restart of the sender's clock
STRAY_S = 0.5  # so long a newer packet must be missed before a lower sequence number is a restart
BUFFER_MAX = 100  # packets: two seconds of 20 ms
MISSING_MAX = 50  # a longer hole is a gap of the network: most of it could not come back in time
REPEAT_S = 0.020  # the request itself may be lost; a browser does not answer twice within its round trip
RETRY_S = 0.040  # RFC 4585 leaves it open; below the round trip a repetition is waste
RTT_START_S = 0.1
TRIES_MAX = 5
SEEN_MAX = 2 * BUFFER_MAX  # sequence numbers: what is older than these is late, however often it comes
SEEN_MASK = (1 << SEEN_MAX) - 1
KNOWN_S = 1.0  # so long what was asked for is known as such when it comes
GUARD_PACKETS = 2  # a packet that so many have overtaken is lost, or as good as lost
GUARD_MAX_S = 0.04
GUARD_LEARNING = 0.2  # how fast the guard follows what is seen
EARLY = 0.7  # of the round trip: what comes sooner after it was asked for was on its way
MARGIN_S = 0.01  # a packet has to be there before its time, and the line follows the target only so closely

Source = Literal["received", "retransmitted", "red"]


@dataclass(slots=True)
class Stored:
    """A packet that waits, and since when."""

    payload: bytes
    source: Source
    arrived_s: float


@dataclass(slots=True)
class _Missing:
    since_s: float
    position: int
    first_asked_s: float | None = None
    asked_s: float | None = None
    tries: int = 0


class Reorder:
    """The buffer of one microphone."""

    def __init__(self) -> None:
        self.target_s = TARGET_START_S
        self.rtt_s = RTT_START_S
        self.late = 0  # packets that came after their time
        self.duplicates = 0
        self.restarts = 0
        self.newest_lag_s = 0.0  # of the packet that came last
        self._ssrc: int | None = None
        self._sequences = Unwrapper()
        self._shift = 0  # from the sender's (unwrapped) timestamps to positions
        self._packet_ticks = CLOCK_HZ // 50
        self._newest_position = 0
        self._newest_s = 0.0
        self._base_s: float | None = None  # arrival time of position 0 by the fastest way
        self._base_windows: deque[tuple[float, float]] = deque(maxlen=2)  # (begin, least offset)
        self._base_history: deque[tuple[float, float]] = deque(maxlen=120)
        # Of the newest packets, and when each came: in one piece of memory, because a hundred calls share a cache.
        self._lags = array("d")
        self._lags_s = array("d")
        self._lagged_s = float("-inf")  # when one came that the shortest wait is too short for
        self._unlooked = 0
        self._waiting: dict[int, Stored] = {}
        self._missing: dict[int, _Missing] = {}
        self._seen = 0  # which sequence numbers have come: bit n is the newest one less n
        self._seen_newest = 0
        self._guard_s = 0.0  # how long packets are overtaken here
        self._played = -(1 << 62)  # positions below are over

    # What comes

    def push(self, packet: Packet, now_s: float, *, red: bool = False) -> Source | None:
        """Take in a packet and tell how it came; None when it was known already. `red` marks a redundant copy."""
        is_new = packet.ssrc != self._ssrc
        if is_new:
            self._restart_sequences(packet.ssrc)
        position = self._position(packet.timestamp, now_s, is_new=is_new)
        number = self._number(packet.sequence, now_s)
        if self._is_seen(number):
            self.duplicates += not red
            return None
        source = self._source(number, now_s, red=red)
        if position > self._newest_position:
            self._newest_position = position
        self._newest_s = now_s
        self._look(position, now_s)
        if position < self._played:
            self.late += not red
        elif position not in self._waiting:
            self._waiting[position] = Stored(packet.payload, source, now_s)
            if len(self._waiting) > BUFFER_MAX:
                del self._waiting[min(self._waiting)]
        return source

    def _source(self, number: int, now_s: float, *, red: bool) -> Source:
        missing = self._missing.pop(number, None)
        if red:
            return "red"
        if missing is None:
            return "received"
        if missing.first_asked_s is not None and now_s - missing.first_asked_s >= EARLY * self.rtt_s:
            return "retransmitted"
        # It was overtaken, not lost: a little patience saves requests.
        overtaken_s = min(GUARD_MAX_S, now_s - missing.since_s)
        self._guard_s += (1.0 if overtaken_s > self._guard_s else GUARD_LEARNING) * (overtaken_s - self._guard_s)
        return "received"

    def _restart_sequences(self, ssrc: int) -> None:
        if self._ssrc is not None:
            self.restarts += 1
        self._ssrc = ssrc
        self._sequences = Unwrapper()
        self._missing.clear()
        self._seen = 0

    def _number(self, sequence: int, now_s: float) -> int:
        """The unwrapped sequence number; notes what is missing before it."""
        before = self._sequences.newest
        number = self._sequences.unwrap(sequence)
        if before is None:
            return number
        if number > before + 1:
            position = self._newest_position
            first = max(before + 1, number - MISSING_MAX)
            for index, lost in enumerate(range(before + 1, number), start=1):
                if lost >= first:
                    self._missing[lost] = _Missing(now_s, position + index * self._packet_ticks)
            while len(self._missing) > BUFFER_MAX:
                del self._missing[next(iter(self._missing))]
        elif number < before - MISSING_MAX * 20 and now_s - self._newest_s > STRAY_S:
            ssrc = self._ssrc or 0
            self._restart_sequences(ssrc)
            return self._sequences.unwrap(sequence)
        return number

    def _is_seen(self, number: int) -> bool:
        """Whether this one has come before; from now on it has."""
        ahead = number - self._seen_newest
        if ahead > 0 or not self._seen:
            self._seen_newest = number
            self._seen = (self._seen << ahead | 1) & SEEN_MASK if 0 < ahead < SEEN_MAX else 1
            return False
        if ahead <= -SEEN_MAX:
            return False
        bit = 1 << -ahead
        was_seen = bool(self._seen & bit)
        self._seen |= bit
        return was_seen

    def _position(self, timestamp: int, now_s: float, *, is_new: bool) -> int:
        """Where a timestamp is on the line. A new stream, or a restart of the sender's clock, goes on where the line is
        by our clock."""
        if self._base_s is None:
            self._shift = TIMES - timestamp
            self._base_s = now_s - TIMES / CLOCK_HZ
            self._base_windows.append((now_s, self._base_s))
            self._newest_position = TIMES
            return TIMES
        expected = round((now_s - self._base_s) * CLOCK_HZ)
        off = (timestamp + self._shift - expected + TIMES // 2) % TIMES - TIMES // 2
        if is_new or abs(off) > JUMP_S * CLOCK_HZ:
            self.restarts += not is_new
            self._shift += -off
            off = 0
        return expected + off

    def is_next(self, packet: Packet) -> bool:
        """Whether this packet follows those that have come, none of which is missing: its copies tell nothing new."""
        newest = self._sequences.newest
        follows = newest is not None and packet.sequence == (newest + 1) % SEQUENCES
        return follows and packet.ssrc == self._ssrc and not self._missing

    # How long to wait

    def lag_s(self, position: int, now_s: float) -> float:
        """How long ago this position arrived, or would have by the fastest way."""
        assert self._base_s is not None
        return now_s - self._base_s - position / CLOCK_HZ

    def position_at(self, lag_s: float, now_s: float) -> int:
        """The position that has this lag now."""
        assert self._base_s is not None
        return round((now_s - self._base_s - lag_s) * CLOCK_HZ)

    @property
    def skew_ppm(self) -> float:
        """How much faster than ours the sender's clock runs; 0 before it can be told."""
        if len(self._base_history) < 6:
            return 0.0
        (first_s, first), (last_s, last) = self._base_history[1], self._base_history[-1]
        return -(last - first) / (last_s - first_s) * 1e6

    def _look(self, position: int, now_s: float) -> None:
        offset = now_s - position / CLOCK_HZ
        windows = self._base_windows
        begun_s, least = windows[-1]
        if now_s - begun_s > BASE_WINDOW_S:
            self._base_history.append(windows[-1])
            windows.append((now_s, offset))
            self._base_s = min(windows[0][1], offset)
        elif offset < least:
            windows[-1] = begun_s, offset
            self._base_s = min(windows[0][1], offset)
        assert self._base_s is not None
        self.newest_lag_s = lag_s = offset - self._base_s
        self._lags.append(lag_s)
        self._lags_s.append(now_s)
        if lag_s > TARGET_MIN_S - MARGIN_S:
            self._lagged_s = now_s
        self._unlooked += 1
        if self._unlooked >= LOOK_EVERY:
            self._unlooked = 0
            over = bisect_left(self._lags_s, now_s - WINDOW_S)
            del self._lags_s[:over], self._lags[:over]
            if self.target_s > TARGET_MIN_S or now_s - self._lagged_s <= WINDOW_S:
                self._choose(np.sort(np.frombuffer(self._lags)))

    def _choose(self, ordered: NDArray[np.float64]) -> None:
        """The wait that costs least, in delay and in what comes too late for it."""
        each_s = LATE_COST_S / max(ordered.size, SURE)

        def cost_s(wait_s: float) -> float:
            later = ordered.size - int(np.searchsorted(ordered, wait_s - MARGIN_S, "right"))
            return wait_s + later * each_s

        # Who waits for a lag just so waits for all before it: what is later are those behind it.
        bearable = ordered[: np.searchsorted(ordered, TARGET_MAX_S - MARGIN_S)]
        costs_s = bearable + each_s * np.arange(ordered.size - 1, ordered.size - 1 - bearable.size, -1)
        best_s = max(TARGET_MIN_S, float(bearable[costs_s.argmin()]) + MARGIN_S if bearable.size else 0.0)
        began_s, now_s = self._lags_s[0], self._lags_s[-1]
        is_clean = self._lagged_s < began_s and not self._missing
        if best_s < self.target_s and now_s - began_s < (CLEAN_TRIAL_S if is_clean else TRIAL_S):
            return
        least_s = max(STEADY_S, STEADY * abs(best_s - self.target_s))
        if cost_s(best_s) < cost_s(self.target_s) - least_s:
            self.target_s = best_s

    # What is missing

    def requests(self, now_s: float) -> list[int]:
        """Sequence numbers to ask for now."""
        if not self._missing:
            return []
        due, over = [], []
        for number, missing in self._missing.items():
            too_late_s = self.lag_s(missing.position, now_s) + self.rtt_s / 2 - TARGET_MAX_S
            # Also what is over is asked for: when it comes tells whether a longer wait would be worth its while.
            if too_late_s > 0 or missing.tries >= (TRIES_MAX if missing.position >= self._played else 1):
                over.append(number)
            elif missing.asked_s is None:
                overtaken = (self._sequences.newest or 0) - number
                if overtaken >= GUARD_PACKETS or now_s - missing.since_s >= self._guard_s:
                    due.append(number)
            elif now_s - missing.asked_s >= (REPEAT_S if missing.tries == 1 else max(RETRY_S, self.rtt_s)):
                due.append(number)
        for number in due:
            missing = self._missing[number]
            missing.asked_s = now_s
            missing.first_asked_s = missing.first_asked_s or now_s
            missing.tries += 1
        for number in over:
            # What was asked for may still come: it is then known as a repetition.
            asked_s = self._missing[number].first_asked_s
            if asked_s is None or now_s - asked_s > KNOWN_S:
                del self._missing[number]
        return due

    # What is played

    @property
    def is_empty(self) -> bool:
        """True when no packet waits."""
        return not self._waiting

    @property
    def newest_s(self) -> float:
        """When a packet last came."""
        return self._newest_s

    def first(self) -> int | None:
        """The lowest position that waits."""
        return min(self._waiting) if self._waiting else None

    def peek(self, position: int) -> Stored | None:
        """The packet of a position."""
        return self._waiting.get(position)

    def take(self, position: int, ticks: int) -> None:
        """This position was played, and everything before `position + ticks` is over."""
        self._played = position + ticks
        waiting = self._waiting
        waiting.pop(position, None)
        while waiting and (first := min(waiting)) < self._played:
            del waiting[first]

    def packet_lasts(self, ticks: int) -> None:
        """How long the sender's packets are, once it is known."""
        self._packet_ticks = ticks
