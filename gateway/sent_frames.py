"""Which pictures are on their way to the model, and which one it saw last.

Owns the few that wait, the newest that went, and the telling of it. It must not know cameras or links.
**Invariant: no more than `UNSENT_MAX` wait; what was seen last is a picture that really went.**
"""

from __future__ import annotations

from collections.abc import Callable

from gateway import events
from gateway.media.pictures import Frame

UNSENT_MAX = 4  # the outbox keeps the newest one; a few more may be on their way through it


class SentFrames:
    """The pictures of one session."""

    def __init__(self, publish: Callable[[events.Message], None]) -> None:
        self._publish = publish
        self.newest: Frame | None = None
        self._unsent: dict[int, Frame] = {}

    def waits(self, frame: Frame) -> None:
        """This one was handed over to be sent."""
        self._unsent[frame.id] = frame
        while len(self._unsent) > UNSENT_MAX:
            del self._unsent[min(self._unsent)]

    def went(self, frame_id: int, now_s: float) -> None:
        """This one was sent."""
        frame = self._unsent.pop(frame_id, None)
        self._unsent = {unsent: kept for unsent, kept in self._unsent.items() if unsent > frame_id}
        if frame is not None:
            self.newest = frame
            age_ms = round((now_s - frame.captured_at_s) * 1000)
            self._publish(events.frame(frame.id, age_ms, frame.width, frame.height, len(frame.jpeg)))
