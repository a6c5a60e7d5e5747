"""The person's line of sound across the peers that bring it.

Owns the seam between the last sound of one peer and the first of the next. It must not know peers, packets or the
model's leg: times are arguments.
**Invariant: a seam is silence of its own length or a pause that was told, never a jump; so what the model hears is as
long as the time that passed.**
"""

from __future__ import annotations

from gateway.media.timeline import BYTES_PER_MS, PAUSE_S

SILENCE_MS = 40  # as long as the messages of a peer
LEAST_S = 0.02  # less is how unevenly sound is handed on


class Line:
    """The sound of one session."""

    def __init__(self) -> None:
        self._until_s: float | None = None  # loop time; None during a pause

    def goes_on(self, now_s: float) -> None:
        """Sound was handed on until now."""
        self._until_s = now_s

    def ends(self) -> None:
        """The model is told that no sound comes for the time being."""
        self._until_s = None

    def is_pause(self, now_s: float) -> bool:
        """Whether sound has been missing for so long that it is a pause, which nobody has told so far."""
        return self._until_s is not None and now_s - self._until_s > PAUSE_S

    def seam(self, now_s: float) -> list[bytes]:
        """What goes before the first sound of another peer, which begins now: silence, 16 kHz mono s16le."""
        if self._until_s is None or now_s - self._until_s < LEAST_S:
            return []
        left_ms = round((now_s - self._until_s) * 1000)
        whole, rest_ms = divmod(left_ms, SILENCE_MS)
        pieces_ms = [SILENCE_MS] * whole + [rest_ms] * (rest_ms > 0)
        return [bytes(piece_ms * BYTES_PER_MS) for piece_ms in pieces_ms]
