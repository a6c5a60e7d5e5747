"""Which pictures are on their way to the model, and which one it saw last.

Owns the few that wait, and the newest that went. It must not know cameras or links.
**Invariant: no more than `UNSENT_MAX` wait; what was seen last is a picture that really went.**
"""

from __future__ import annotations

from gateway.media.video_uplink import Frame

UNSENT_MAX = 4  # the outbox keeps the newest one; a few more may be on their way through it


class SentFrames:
    """The pictures of one session."""

    def __init__(self) -> None:
        self.newest: Frame | None = None
        self._unsent: dict[int, Frame] = {}

    def waits(self, frame: Frame) -> None:
        """This one was handed over to be sent."""
        self._unsent[frame.id] = frame
        while len(self._unsent) > UNSENT_MAX:
            del self._unsent[min(self._unsent)]

    def went(self, frame_id: int) -> Frame | None:
        """This one was sent; None when it is not known any more."""
        frame = self._unsent.pop(frame_id, None)
        self._unsent = {unsent: kept for unsent, kept in self._unsent.items() if unsent > frame_id}
        self.newest = frame or self.newest
        return frame
