"""TTFAB, the time to the first audio byte, and what video costs of it.

Owns the clock of one answer and the statistics of one session. It must not know audio, packets or clocks: time is an
argument.
**Invariant: each answer is measured once for each end; an answer whose beginning is not known is not measured.**
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

Trigger = Literal["speech", "text", "tool", "resume"]

SAMPLES_MAX = 60
SAMPLES_LEAST = 12  # below this a slope is chance
WINDOW_S = 10.0  # in which frames are counted
COST_MS = 150.0  # between the slowest and the fastest rate seen: what a person begins to notice
CORRELATION_LEAST = 0.5


@dataclass(frozen=True, slots=True)
class Ttfab:
    """One measurement."""

    trigger: Trigger
    to: Literal["payload", "packet"]  # from Gemini, or out to the browser
    duration_s: float
    video_fps: float


class TtfabClock:
    """Measures the answers of one session."""

    def __init__(self) -> None:
        self._trigger: Trigger | None = None
        self._begun_s = 0.0
        self._missing: set[Literal["payload", "packet"]] = set()
        self._frames: deque[float] = deque()

    def begin(self, trigger: Trigger, at_s: float) -> None:
        """From here an answer is awaited."""
        self._trigger, self._begun_s, self._missing = trigger, at_s, {"payload", "packet"}

    def cancel(self) -> None:
        """No answer is awaited any more."""
        self._missing = set()

    def frame(self, now_s: float) -> None:
        """A frame went to the model."""
        self._frames.append(now_s)

    def reached(self, to: Literal["payload", "packet"], now_s: float) -> Ttfab | None:
        """The first sound is here; None when it was measured already, or its beginning is not known."""
        if to not in self._missing or self._trigger is None:
            return None
        self._missing.discard(to)
        return Ttfab(self._trigger, to, now_s - self._begun_s, self.video_fps(now_s))

    def video_fps(self, now_s: float) -> float:
        """Frames a second that went to the model lately."""
        while self._frames and now_s - self._frames[0] > WINDOW_S:
            self._frames.popleft()
        return len(self._frames) / WINDOW_S


class VideoCost:
    """Whether answers come later when more frames are sent."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES_MAX)
        self._told = False

    def add(self, measured: Ttfab) -> None:
        """One more answer to speech."""
        self._samples.append((measured.video_fps, measured.duration_s * 1000))

    @property
    def slope_ms_per_fps(self) -> float | None:
        """How many ms later an answer comes for each frame a second more; None when that cannot be told."""
        fit = self._fit()
        return None if fit is None else fit[0]

    def newly_costly(self) -> bool:
        """True once, when video begins to cost latency; it can be told again after it has stopped to."""
        fit = self._fit()
        costly = fit is not None and fit[1] >= COST_MS and fit[2] >= CORRELATION_LEAST
        newly = costly and not self._told
        self._told = costly
        return newly

    def _fit(self) -> tuple[float, float, float] | None:
        """(slope, cost over the range of rates, correlation)."""
        if len(self._samples) < SAMPLES_LEAST:
            return None
        fps, ttfab_ms = np.array(self._samples).T
        if np.ptp(fps) < 0.5 or np.ptp(ttfab_ms) == 0:
            return None
        slope = float(np.polyfit(fps, ttfab_ms, 1)[0])
        return slope, slope * float(np.ptp(fps)), float(np.corrcoef(fps, ttfab_ms)[0, 1])
