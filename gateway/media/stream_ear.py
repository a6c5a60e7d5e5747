"""The model's voice as numbered messages, no further ahead than its listener keeps up with.

Owns the numbers, and how much of the voice is on its way. It must not know where the voice comes from, sockets or
clocks.
**Invariant: each number is 20 ms, silence included; what is on its way is known to the block, so that an interruption
and a lost socket take back exactly what nobody heard.**
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gateway.media.playout import CHUNK_MS
from gateway.media.stream_wire import Kind, write

# More in the network could not be interrupted soon; less would stop at a round trip of half a second and the browser's
# own buffer.
ON_ITS_WAY_MAX_MS = 1_000


class StreamEar:
    """An `Ear` of the voice; `send` takes its messages, `on_full` is told when no more are to come for now."""

    def __init__(self, send: Callable[[bytes], None], on_full: Callable[[], None]) -> None:
        self._send = send
        self._on_full = on_full
        self._seq = 1  # of the next 20 ms; 0 is what a browser has heard that has heard nothing yet
        self._on_its_way: deque[int] = deque()  # the numbers of sound that was sent and not heard yet

    @property
    def unheard_ms(self) -> float:
        """Sound that was sent and not heard yet."""
        return len(self._on_its_way) * CHUNK_MS

    @property
    def is_full(self) -> bool:
        """Whether more would only wait on the way."""
        return self.unheard_ms >= ON_ITS_WAY_MAX_MS

    def play(self, pcm: bytes | None, missed: int) -> None:
        """The next 20 ms, 24 kHz mono s16le, or None for silence. Beats that were missed are not made up for: over
        there nothing is lost, and the buffer bridges them."""
        if pcm is not None:
            self._send(write(Kind.VOICE, self._seq, pcm))
            self._on_its_way.append(self._seq)
        self._seq += 1
        if self.is_full:
            self._on_full()

    def heard(self, seq: int) -> None:
        """All up to this number was played over there."""
        while self._on_its_way and self._on_its_way[0] <= seq:
            self._on_its_way.popleft()

    def flush(self) -> float:
        """The person spoke over it: what is on its way is not to be played. The ms that this was."""
        unheard_ms = self.unheard_ms
        if unheard_ms:
            self._send(write(Kind.FLUSH, self._seq + 1))  # also the fade that the playout ends with: it would come late
            self._on_its_way.clear()
        return unheard_ms

    def take_back(self) -> int:
        """What is on its way never arrives: how many 20 ms ago the first of it was taken; 0 for nothing."""
        since = self._seq - self._on_its_way[0] if self._on_its_way else 0
        self._on_its_way.clear()
        return since
