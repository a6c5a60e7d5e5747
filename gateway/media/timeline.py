"""The person's voice as one continuous line of sound, steady by the clock.

Owns what is played when: packets, what stands in for lost ones, and the small stretching by which the line follows the
network and the sender's clock. It must not know RTP, sockets or clocks: packets come from `Reorder`, sound from a
`Decoder`, time as an argument.
**Invariant: between two pauses, what was taken is as long as the time that passed; a hole is concealment or silence of
its own length, never a jump; nothing is made up for longer than `CONCEAL_MAX_MS`.**
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from gateway.media.loudness import PCM16, is_silent
from gateway.media.reorder import CLOCK_HZ, Reorder, Source
from gateway.media.stretch import longer, shorter

RATE_HZ = 16_000
BYTES_PER_MS = RATE_HZ * 2 // 1000
TICKS_PER_SAMPLE = CLOCK_HZ // RATE_HZ
BLOCK_MS = 20
BLOCK_BYTES = BLOCK_MS * BYTES_PER_MS
BLOCK_TICKS = CLOCK_HZ * BLOCK_MS // 1000
SLIP_TICKS = CLOCK_HZ // 400  # less than any Opus frame: the sender's clock has slipped

PAUSE_S = 1.0  # no packet for so long is a pause (the service wants it told), not a hole
CONCEAL_MAX_MS = 100  # longer than that, guesses become words that nobody said
HOLD_MAX_S = 0.26  # a delay that grows is followed this far; then the network has a gap and time goes on
EARLY_S = 0.005  # a beat that was late at the start makes those after it look early
SLACK_S = 0.01  # between wait and target, before the line is stretched: a beat in all, to either side half of it
EDGE_S = 0.001  # and a little more, so that a wait at the edge is not stretched back and forth
SPEECH_SLACK_S = 0.03  # while somebody speaks: a little can wait for a silence, in which it is not heard
PHRASE_MS = 600  # of silence end a phrase; within one the line aims at the same wait, so that its rhythm stays
AGREE_S = 8.0  # unless it goes on for so long with the wrong one


Kind = Source | Literal["fec", "concealed", "pause", "silent"]


class Decoder(Protocol):
    """Opus to 16 kHz mono s16le."""

    def decode(self, payload: bytes) -> bytes:
        """A packet; raises ValueError when it is none."""

    def decode_fec(self, payload: bytes, duration_ms: int) -> bytes | None:
        """What was before this packet, as the packet itself knows it (LBRR); None when it does not."""

    def conceal(self, duration_ms: int) -> bytes:
        """A guess at what was lost."""

    def reset(self) -> None:
        """Forget the past."""


@dataclass(slots=True)
class Shares:
    """How much of the line came how, in ms.

    What never came is a guess (`concealed`), a guess right after silence, which is silence too (`pause`), or, after too
    long a guess, nothing (`silent`).
    """

    received: float = 0.0
    retransmitted: float = 0.0
    red: float = 0.0
    fec: float = 0.0
    concealed: float = 0.0
    pause: float = 0.0
    silent: float = 0.0

    def add(self, kind: Kind, duration_ms: float) -> None:
        """So much more of this kind."""
        setattr(self, kind, getattr(self, kind) + duration_ms)


class Timeline:
    """The line of one microphone: push into `packets` as they arrive, take by the clock."""

    def __init__(self, packets: Reorder, decoder: Decoder) -> None:
        self.shares = Shares()
        self.stretched_ms = 0.0  # added (positive) and left out (negative) to follow the network, in all
        self.played = 0  # packets
        self.waited_ms = 0.0  # from their arrival to their playing, of all of them together
        self.undecodable = 0
        self.lag_s = 0.0  # of the newest piece that was played
        self._packets = packets
        self._decoder = decoder
        self._position: int | None = None  # the playhead
        self._started_s = 0.0
        self._taken = 0
        self._made_up_ms = 0.0  # since the last real sound
        self._held_ticks = 0  # of it, what did not move the playhead: it may turn out to have been a hole
        self._aim_s = 0.0  # the wait that is aimed at: the target, or that of the phrase's begin
        self._agreed_s = 0.0  # when it last was the target
        self._silent_ms = 0.0  # of the newest sound
        self._buffer = bytearray()

    @property
    def paused(self) -> bool:
        """True before the first sound and during a pause."""
        return self._position is None

    @property
    def wait_s(self) -> float:
        """How long a packet waits before it is played, at the least."""
        return self._packets.target_s

    def take(self, now_s: float) -> list[bytes]:
        """The blocks of 20 ms that are due by now; none during a pause."""
        if self._position is None:
            first = self._packets.first()
            if first is None or self._packets.lag_s(first, now_s) < self._packets.target_s:
                return []
            self._position, self._started_s, self._taken = first, now_s, 0
            self._aim_s, self._agreed_s, self._silent_ms = self._packets.target_s, now_s, 0.0
            self._made_up_ms, self._held_ticks = CONCEAL_MAX_MS, 0
            self._buffer.clear()
            self._decoder.reset()
        if self._packets.is_empty and now_s - self._packets.newest_s > PAUSE_S:
            self._position = None
            return []
        blocks = []
        # Each block is played as of its own time: a loop that is late must not mistake itself for the network.
        while (due_s := self._started_s + self._taken * BLOCK_MS / 1000) <= now_s + EARLY_S:
            self._taken += 1
            blocks.append(self._block(due_s))
        return blocks

    def _block(self, now_s: float) -> bytes:
        while len(self._buffer) < BLOCK_BYTES:
            self._buffer += self._next(now_s)
        block = bytes(self._buffer[:BLOCK_BYTES])
        del self._buffer[:BLOCK_BYTES]
        return block

    def _next(self, now_s: float) -> bytes:
        """The next piece of sound: a packet, or what stands in for it."""
        assert self._position is not None
        stored = self._packets.peek(self._position)
        lag_s = self.lag_s = self._packets.lag_s(self._position, now_s)
        if stored is not None:
            try:
                pcm = self._decoder.decode(stored.payload)
            except ValueError:
                self.undecodable += 1
                return self._hole(now_s, None)
            ticks = len(pcm) // 2 * TICKS_PER_SAMPLE
            self._packets.packet_lasts(ticks)
            self.played += 1
            self.waited_ms += (now_s - stored.arrived_s) * 1000
            self._advance(ticks)
            self._made_up_ms = 0.0
            self._held_ticks = 0
            self.shares.add(stored.source, len(pcm) / BYTES_PER_MS)
            return self._steer(pcm, lag_s, now_s)
        first = self._packets.first()
        if first is None:
            if lag_s < HOLD_MAX_S:
                return self._hold(BLOCK_MS)  # late, or lost: it is not known yet, and time is left
            return self._hole(now_s, None)
        if lag_s < self._aim_s - SLACK_S and first - self._position <= 10 * BLOCK_TICKS:
            return self._hold(BLOCK_MS // 2)  # it may still come
        return self._hole(now_s, first)

    def _hold(self, duration_ms: int) -> bytes:
        """Wait at this place."""
        self._held_ticks += duration_ms * CLOCK_HZ // 1000
        return self._made_up(duration_ms)

    def _hole(self, now_s: float, until: int | None) -> bytes:
        """A piece of the line that will never come."""
        assert self._position is not None
        ticks = BLOCK_TICKS if until is None else min(BLOCK_TICKS, until - self._position)
        duration_ms = ticks * 1000 // CLOCK_HZ
        if ticks < SLIP_TICKS:
            self._advance(ticks)
            return b""
        if self._held_ticks >= ticks and until is not None:  # its time has passed already
            self._held_ticks -= ticks
            self._advance(ticks)
            return b""
        after = self._packets.peek(self._position + ticks)
        self._advance(ticks)
        if after is not None and ticks == BLOCK_TICKS:
            recovered = self._decoder.decode_fec(after.payload, duration_ms)
            if recovered is not None:
                self._made_up_ms = 0.0
                self._note_silence(recovered)
                self.shares.add("fec", duration_ms)
                return recovered
        return self._made_up(duration_ms)

    def _made_up(self, duration_ms: int) -> bytes:
        if self._made_up_ms >= CONCEAL_MAX_MS:
            self.shares.add("silent", duration_ms)
            return bytes(duration_ms * BYTES_PER_MS)
        begin, end = self._made_up_ms, self._made_up_ms + duration_ms
        self._made_up_ms = end
        samples = np.frombuffer(self._decoder.conceal(duration_ms), PCM16)
        self.shares.add("pause" if self._silent_ms else "concealed", duration_ms)
        ramp = np.linspace(1 - begin / CONCEAL_MAX_MS, max(0.0, 1 - end / CONCEAL_MAX_MS), samples.size)
        return (samples * ramp).astype(PCM16).tobytes()

    def _advance(self, ticks: int) -> None:
        assert self._position is not None
        self._packets.take(self._position, ticks)
        self._position += ticks

    def _note_silence(self, pcm: bytes) -> bool:
        """Whether this sound is silence."""
        silent = is_silent(pcm)
        self._silent_ms = self._silent_ms + len(pcm) / BYTES_PER_MS if silent else 0.0
        return silent

    def _steer(self, pcm: bytes, lag_s: float, now_s: float) -> bytes:
        """Shorter when packets wait longer than they need to, longer when they do not wait long enough.

        What they wait is a matter of whole beats: sound that lies ready before its beat is delay that helps no packet.
        """
        silent = self._note_silence(pcm)
        target_s = self._packets.target_s
        if abs(target_s - self._aim_s) <= SLACK_S:
            self._agreed_s = now_s
        if self._silent_ms >= PHRASE_MS or now_s - self._agreed_s > AGREE_S:
            self._aim_s, self._agreed_s = target_s, now_s
        off_s = lag_s - self._aim_s
        lies_ready = len(self._buffer) >= BLOCK_BYTES // 2  # about what `shorter` takes away
        if off_s < -(SLACK_S if silent else SPEECH_SLACK_S):
            changed = longer(pcm)
        elif off_s > SPEECH_SLACK_S or (silent and (lies_ready or off_s - BLOCK_MS / 1000 >= EDGE_S - SLACK_S)):
            changed = shorter(pcm)
        else:
            return pcm
        self.stretched_ms += (len(changed) - len(pcm)) / BYTES_PER_MS
        return changed
