"""The person's voice as one continuous line of sound, steady by the clock.

Owns the buffer between tracks, which deliver in bursts and with holes, and the model, which wants 40 ms every 40 ms. It
must not know tracks, codecs or clocks: positions and times are arguments.
**Invariant: between two pauses, what was taken is as long as the time that passed; a hole is silence, never a jump.**
"""

from __future__ import annotations

import numpy as np

RATE_HZ = 16_000
BYTES_PER_MS = RATE_HZ * 2 // 1000
MESSAGE_MS = 40  # the service recommends 20 to 40; longer is fewer messages
MESSAGE_BYTES = MESSAGE_MS * BYTES_PER_MS
BLOCK_MS = 10
BLOCK_BYTES = BLOCK_MS * BYTES_PER_MS

START_MS = 60  # buffered before the line begins: three packets, so that jitter does not tear it at once
TARGET_MS = 120  # above this, silence is left out until the line has caught up
LIMIT_MS = 600  # above this speech is left out too: an answer to what was said long ago is worse
PAUSE_S = 1.0  # no sound for so long is a pause (the service wants it told), not a hole
JUMP_MAX_SAMPLES = 2 * RATE_HZ  # a larger step in the sender's time is a new start of its clock
SILENT_RMS = 100.0  # -50 dBov: below speech, as in `activity.NEVER_VOICE_DBOV`


class Timeline:
    """The line of one peer: push as sound arrives, take by the clock."""

    def __init__(self) -> None:
        self.filled_ms = 0.0  # silence put in for sound that was missing
        self.skipped_ms = 0.0  # silence left out to catch up
        self.dropped_ms = 0.0  # sound left out because it came far too late
        self._buffer = bytearray()
        self._expected: int | None = None  # where the next sound begins, in the sender's time
        self._started_s: float | None = None
        self._taken = 0
        self._pushed_s = 0.0

    @property
    def paused(self) -> bool:
        """True before the first sound and during a pause."""
        return self._started_s is None

    @property
    def buffered_ms(self) -> float:
        """Sound that waits to be taken."""
        return len(self._buffer) / BYTES_PER_MS

    def push(self, position: int, pcm: bytes, now_s: float) -> None:
        """Add 16 kHz mono s16le that begins at `position`, in samples of the sender's time."""
        expected = position if self._expected is None else self._expected
        gap = position - expected
        end = position + len(pcm) // 2
        if 0 < gap <= JUMP_MAX_SAMPLES:
            self._buffer += bytes(gap * 2)
            self.filled_ms += gap / (RATE_HZ / 1000)
        elif -JUMP_MAX_SAMPLES <= gap < 0:  # a part of it was there already
            pcm = pcm[min(len(pcm), -gap * 2) :]
            end = max(end, expected)
        self._expected = end
        self._buffer += pcm
        self._pushed_s = now_s
        self._limit()

    def take(self, now_s: float) -> list[bytes]:
        """The 40 ms messages that are due by now; none during a pause."""
        if self._started_s is None:
            if self.buffered_ms < START_MS:
                return []
            self._started_s, self._taken = now_s, 0
        if not self._buffer and now_s - self._pushed_s > PAUSE_S:
            self._started_s = None
            return []
        due = int((now_s - self._started_s) * 1000 / MESSAGE_MS + 1e-6) + 1 - self._taken
        self._taken += max(0, due)
        return [self._message() for _ in range(due)]

    def _message(self) -> bytes:
        while self.buffered_ms > TARGET_MS and _is_silent(self._buffer[:BLOCK_BYTES]):
            del self._buffer[:BLOCK_BYTES]
            self.skipped_ms += BLOCK_MS
        pcm = bytes(self._buffer[:MESSAGE_BYTES])
        del self._buffer[:MESSAGE_BYTES]
        self.filled_ms += (MESSAGE_BYTES - len(pcm)) / BYTES_PER_MS
        return pcm.ljust(MESSAGE_BYTES, b"\0")

    def _limit(self) -> None:
        excess = len(self._buffer) - LIMIT_MS * BYTES_PER_MS
        if excess > 0:
            # Half of the limit at once: one hole is understood better than many.
            excess += LIMIT_MS * BYTES_PER_MS // 2
            del self._buffer[:excess]
            self.dropped_ms += excess / BYTES_PER_MS


def _is_silent(block: bytes | bytearray) -> bool:
    samples = np.frombuffer(bytes(block), dtype="<i2").astype(np.float32)
    return bool(np.sqrt(np.mean(samples * samples)) < SILENT_RMS)
