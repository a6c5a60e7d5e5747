"""Which pictures are on their way to the model, and which one it saw last."""

from typing import Any

from gateway.media.pictures import Frame
from gateway.sent_frames import UNSENT_MAX, SentFrames


def frame(number: int) -> Frame:
    """A picture that came at the second of its number."""
    return Frame(number, b"jpeg", 512, 384, float(number))


def test_a_picture_counts_as_seen_when_it_went() -> None:
    """Those before it were replaced and never go; an unknown one is nothing."""
    told: list[dict[str, Any]] = []
    frames = SentFrames(told.append)
    for number in (1, 2, 3):
        frames.waits(frame(number))
    assert frames.newest is None
    frames.went(2, 2.25)
    frames.went(1, 3.0)
    frames.went(0, 3.0)
    assert frames.newest == frame(2)
    assert told[0]["data"]["age_ms"] == 250
    assert len(told) == 1
    frames.went(3, 3.5)
    assert frames.newest == frame(3)


def test_few_wait() -> None:
    """The oldest are forgotten when the link takes none."""
    frames = SentFrames(lambda _: None)
    for number in range(100):
        frames.waits(frame(number))
    frames.went(99 - UNSENT_MAX, 0.0)
    assert frames.newest is None
    frames.went(99, 0.0)
    assert frames.newest == frame(99)
