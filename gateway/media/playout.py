"""The model's voice between its arrival and its playing.

Owns the queue of speech: it comes in bursts, up to minutes ahead, and leaves 20 ms at a time. It must not know codecs,
tracks or clocks: who calls `take` every 20 ms is the clock, and times are arguments.
**Invariant: every sample that was pushed is taken once, in order, unless it was flushed; a flush is silent within two
takes.**
"""

from __future__ import annotations

from collections import deque

import numpy as np

RATE_HZ = 24_000
BYTES_PER_MS = RATE_HZ * 2 // 1000
CHUNK_MS = 20
CHUNK_BYTES = CHUNK_MS * BYTES_PER_MS
PREBUFFER_MS = 120  # the service pauses this long between chunks now and then
QUEUE_MAX_MS = 120_000  # an answer is never longer than a minute or two; a runaway must not fill the memory
# A connection is given up after 5 s of silence; what it did not carry is played again.
REWIND_MAX_TAKES = 6_000 // CHUNK_MS
FADE_MS = 10  # long enough not to click


class Playout:
    """The speech of one session; outlives the peers that play it."""

    def __init__(self) -> None:
        self.underruns = 0  # how often speech ran dry before it was complete
        self.overflow_ms = 0.0  # speech that came beyond QUEUE_MAX_MS and was not kept
        self.played_ms = 0.0  # the playhead: all speech that was ever taken
        self._chunks: deque[bytes] = deque()
        self._queued_bytes = 0
        self._odd = b""
        self._complete = True
        self._playing = False
        self._fade = b""
        self._takes = 0
        self._history: deque[tuple[int, float, bytes]] = deque()  # speech that was taken: by which take, when, and what

    @property
    def queued_ms(self) -> float:
        """Speech that waits to be played."""
        return self._queued_bytes / BYTES_PER_MS

    @property
    def complete(self) -> bool:
        """True when no more of the present speech is to come and all of it was played."""
        return self._complete and not self._queued_bytes and not self._fade

    @property
    def can_begin(self) -> bool:
        """True when nothing is being played, and enough has come to begin."""
        enough_ms = CHUNK_MS if self._complete else PREBUFFER_MS
        return not self._playing and (self.queued_ms >= enough_ms or (self._complete and self._queued_bytes > 0))

    def figures(self) -> dict[str, float]:
        """What is known of the model's voice, as JSON (docs/protocol.md)."""
        return {
            "queued_ms": round(self.queued_ms),
            "played_ms": round(self.played_ms),
            "underruns": self.underruns,
            "overflow_ms": round(self.overflow_ms),
        }

    def push(self, pcm: bytes) -> None:
        """Add speech, 24 kHz mono s16le, of any length; half a sample is kept for the next push."""
        self._complete = False
        pcm = self._odd + pcm
        self._odd = pcm[len(pcm) & ~1 :]
        pcm = pcm[: len(pcm) & ~1]
        room = QUEUE_MAX_MS * BYTES_PER_MS - self._queued_bytes
        if len(pcm) > room:
            self.overflow_ms += (len(pcm) - room) / BYTES_PER_MS
            pcm = pcm[:room]
        if pcm:
            self._chunks.append(pcm)
            self._queued_bytes += len(pcm)

    def end_of_speech(self) -> None:
        """The speech is complete: play it to its end without waiting for more."""
        self._complete = True
        self._odd = b""

    def flush(self) -> float:
        """The person spoke over it: drop what waits, with a short fade; returns the ms that were dropped."""
        dropped_ms = self.queued_ms
        if self._playing:
            samples = np.frombuffer(self._read(CHUNK_BYTES), dtype="<i2").astype(np.float32)
            ramp = np.clip(1.0 - np.arange(samples.size) / (FADE_MS * RATE_HZ / 1000), 0.0, 1.0)
            self._fade = (samples * ramp).astype("<i2").tobytes()
        self._chunks.clear()
        self._history.clear()
        self._queued_bytes = 0
        self._playing = False
        self.end_of_speech()
        return dropped_ms

    def rewind(self, takes: int) -> float:
        """What was taken the last so many times was heard by no one: play it again. The ms of speech that was."""
        unheard = [chunk for take, _, chunk in self._history if take > self._takes - takes]
        self._history.clear()
        for chunk in reversed(unheard):
            self._chunks.appendleft(chunk)
            self._queued_bytes += len(chunk)
            self.played_ms -= len(chunk) / BYTES_PER_MS
        return len(unheard) * CHUNK_MS

    def taken_since(self, at_s: float) -> int:
        """How many takes have to be rewound to say again what was taken after that; 0 when it was nothing. After a
        stall of the loop that is less than the time that passed."""
        return next((self._takes + 1 - take for take, taken_s, _ in self._history if taken_s > at_s), 0)

    def take(self, now_s: float) -> bytes | None:
        """The next 20 ms to play (480 samples), or None for silence."""
        self._takes += 1
        if self._history and self._history[0][0] <= self._takes - REWIND_MAX_TAKES:
            self._history.popleft()
        if not (self._playing or self._queued_bytes or self._fade):  # most of the time
            return None
        chunk = self._take()
        if chunk is not None:
            self._history.append((self._takes, now_s, chunk))
        return chunk

    def _take(self) -> bytes | None:
        if self._fade:
            fade, self._fade = self._fade, b""
            return fade
        if not self._playing:
            self._playing = self.can_begin
            if not self._playing:
                return None
        if self._queued_bytes < CHUNK_BYTES and not self._complete:
            self.underruns += 1
            self._playing = False  # wait for a prebuffer again: one gap is heard less than many
            return None
        if not self._queued_bytes:
            self._playing = False
            return None
        return self._read(CHUNK_BYTES)

    def _read(self, size: int) -> bytes:
        """The next bytes of the queue, filled up with silence at its end."""
        taken = bytearray()
        while self._chunks and len(taken) < size:
            chunk = self._chunks.popleft()
            wanted = size - len(taken)
            if len(chunk) > wanted:
                self._chunks.appendleft(chunk[wanted:])
            taken += chunk[:wanted]
        self._queued_bytes -= len(taken)
        self.played_ms += len(taken) / BYTES_PER_MS
        return bytes(taken).ljust(size, b"\0")
