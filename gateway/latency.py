"""What a session tells of how long its answers take.

Owns the metrics and the events of TTFAB. It must not know audio, sockets or the session: time is an argument.
**Invariant: a measurement is told once; the warning that frames cost latency is told when that begins.**
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from gateway import events
from gateway.telemetry import metrics
from gateway.telemetry.ttfab import Trigger, TtfabClock, VideoCost


class Latency:
    """The answers of one session."""

    def __init__(self, publish: Callable[[events.Message], None]) -> None:
        self._publish = publish
        self._clock = TtfabClock()
        self._video_cost = VideoCost()

    def begin(self, trigger: Trigger, at_s: float) -> None:
        """From here an answer is awaited."""
        self._clock.begin(trigger, at_s)

    def cancel(self) -> None:
        """No answer is awaited any more."""
        self._clock.cancel()

    def frame(self, now_s: float) -> None:
        """A frame went to the model."""
        self._clock.frame(now_s)

    def reached(self, to: Literal["payload", "packet"], now_s: float) -> None:
        """Sound of the model is here; the first of an answer is measured and told."""
        ttfab = self._clock.reached(to, now_s)
        if ttfab is None:
            return
        metrics.TTFAB_S.labels(ttfab.trigger, ttfab.to, metrics.fps_label(ttfab.video_fps)).observe(ttfab.duration_s)
        if ttfab.trigger == "speech" and ttfab.to == "payload":
            self._video_cost.add(ttfab)
        slope = self._video_cost.slope_ms_per_fps
        self._publish(
            events.server_message(
                "ttfab",
                trigger=ttfab.trigger,
                to=ttfab.to,
                ms=round(ttfab.duration_s * 1000),
                video_fps=round(ttfab.video_fps, 1),
                video_slope_ms_per_fps=None if slope is None else round(slope),
            )
        )
        if self._video_cost.newly_costly():
            words = "Answers come later the more frames are sent: lower GATEWAY_VIDEO_FPS_MAX."
            self._publish(events.server_message("notice", code="video_costs_latency", text=words, level="warning"))
