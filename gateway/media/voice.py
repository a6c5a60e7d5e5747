"""The model's voice on its way out: from one playout to all who hear it.

Owns when 20 ms of the playout are taken, whom that follows, and whether the model is speaking. It must not know the
model's leg, codecs, peers or clocks: who calls `beat` every 20 ms is the clock, and times are arguments.
**Invariant: the playhead moves by what the lead hears; where nobody leads it moves by the clock, so that no
conversation waits for a listener that is not there.**

The lead is the peer that publishes, where it hears: while it is away the voice waits for it, and what it missed is said
again. A session whose peer only sends (WHIP) is led by the first of its listeners that is reached; when none is, by the
clock. The others hear what the lead hears, and miss what they miss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.media.playout import Playout
from gateway.telemetry import metrics

QUIET_TICKS = 25  # half a second without sound is the end of speaking, not a gap in it


class Ear(Protocol):
    """Where the voice can be heard."""

    def play(self, pcm: bytes | None, missed: int) -> None:
        """The next 20 ms, 24 kHz mono s16le, or None for silence, after so many beats that were missed."""

    @property
    def unheard_ms(self) -> float:
        """What it was given and is known not to have played yet."""

    def flush(self) -> float:
        """The person spoke over it: what it has not played is not to be heard any more; the ms that this is."""


class Voice:
    """The voice of one session; outlives the peers that play it."""

    def __init__(self, playout: Playout, on_speaking: Callable[[bool], None]) -> None:
        self.waits = True  # for the publisher; False for one that does not hear
        self._playout = playout
        self._on_speaking = on_speaking
        self._publisher: Ear | None = None
        self._ears: list[Ear] = []  # in the order in which they came
        self._held: list[Ear] = []  # those that nothing reaches at the moment
        self._speaking = False
        self._quiet_ticks = 0
        self._is_ahead = False  # of the clock, by the beat with which the speech began

    @property
    def is_heard(self) -> bool:
        """Whether anybody is reached."""
        return any(ear not in self._held for ear in self._ears)

    @property
    def unheard_ms(self) -> float:
        """Speech that the lead has not heard yet."""
        lead = self._lead
        return self._playout.queued_ms + (lead.unheard_ms if lead is not None else 0.0)

    def flush(self) -> float:
        """The person spoke over it: drop what the lead has not heard; the ms that this was."""
        dropped_ms, lead = self._playout.flush(), self._lead
        for ear in self._ears:
            unheard_ms = ear.flush()
            if ear is lead:
                dropped_ms += unheard_ms
        return dropped_ms

    def join(self, ear: Ear, *, publishes: bool) -> None:
        """It is reached from now on."""
        if ear not in self._ears:
            self._ears.append(ear)
        if publishes:
            self._publisher = ear

    def leave(self, ear: Ear) -> None:
        """It is gone."""
        if ear in self._ears:
            self._ears.remove(ear)
        self.release(ear)
        if ear is self._publisher:
            self._publisher = None
            self._change(False)

    def taken_since(self, at_s: float) -> int:
        """How many beats have to be said again for what was taken after that: after a stall of the loop less than the
        time that passed."""
        return self._playout.taken_since(at_s)

    def hold(self, ear: Ear, unheard: int) -> None:
        """It is not reached, and did not hear what was taken the last so many times: when it leads this is said again,
        later."""
        led = ear is self._lead
        if ear not in self._held:
            self._held.append(ear)
        if unheard and led and ear is self._lead:
            self._playout.rewind(unheard)

    def release(self, ear: Ear) -> None:
        """It is reached again."""
        if ear in self._held:
            self._held.remove(ear)

    def begin(self, now_s: float) -> None:
        """Speech has come: after a silence it begins at once, not with the next beat. The silence after it is a beat
        shorter for that."""
        if not self._speaking and not self._is_ahead and not self._is_waiting and self._playout.can_begin:
            self._is_ahead = True
            self._play(self._take(now_s), 0)

    def beat(self, now_s: float, missed: int) -> None:
        """20 ms have passed, and so many beats that were missed."""
        pcm = None if self._is_waiting else self._take(now_s)
        if pcm is None and self._is_ahead and not missed:
            self._is_ahead = False
        else:
            self._play(pcm, missed)

    def _play(self, pcm: bytes | None, missed: int) -> None:
        for ear in self._ears:
            if ear not in self._held:
                ear.play(pcm, missed)

    @property
    def _is_waiting(self) -> bool:
        lead = self._lead
        return self.waits if lead is None else lead in self._held

    @property
    def _lead(self) -> Ear | None:
        if self.waits or self._publisher is not None:
            return self._publisher
        return next((ear for ear in self._ears if ear not in self._held), next(iter(self._ears), None))

    def _take(self, now_s: float) -> bytes | None:
        underruns = self._playout.underruns
        pcm = self._playout.take(now_s)
        if self._playout.underruns != underruns:
            metrics.UNDERRUNS.inc()
        if pcm is not None:
            self._quiet_ticks = 0
            self._change(True)
        elif self._speaking:
            self._quiet_ticks += 1
            if self._playout.complete or self._quiet_ticks >= QUIET_TICKS:
                self._change(False)
        return pcm

    def _change(self, speaking: bool) -> None:
        if speaking != self._speaking:
            self._speaking = speaking
            self._on_speaking(speaking)
