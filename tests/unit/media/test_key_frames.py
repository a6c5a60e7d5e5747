"""When a key frame is asked for instead of decoding what waits."""

import pytest

from gateway.media.key_frames import DEAF_S, EVERY_S, PATIENCE_S, TRIES, WORTH_FRAMES, KeyFrames

MANY = WORTH_FRAMES


def test_few_frames_are_decoded() -> None:
    """A camera that sends hardly more often than it is looked at is never asked."""
    assert KeyFrames().look(WORTH_FRAMES - 1, 0.0) == "decode"


def test_many_wait_for_a_key_frame_that_is_asked_for_once() -> None:
    """And are decoded after all when none comes."""
    asked = KeyFrames()
    assert asked.look(MANY, 0.0) == "ask"
    assert asked.look(MANY + 1, PATIENCE_S / 2) == "wait"
    assert asked.look(MANY + 9, PATIENCE_S + 0.01) == "decode"


def test_a_key_frame_that_has_come_is_decoded() -> None:
    """It is alone, and the request is answered."""
    asked = KeyFrames()
    asked.look(MANY, 0.0)
    asked.came()
    assert asked.look(1, 0.1) == "decode"


def test_requests_keep_their_distance() -> None:
    """What waits meanwhile goes on waiting, and the next request comes in time."""
    asked = KeyFrames()
    asked.look(MANY, 0.0)
    asked.came()
    assert asked.look(MANY, EVERY_S - 0.01) == "wait"
    assert asked.look(MANY, EVERY_S) == "ask"


@pytest.fixture
def deaf() -> tuple[KeyFrames, float]:
    """A camera that has just been given up, and when."""
    asked, now_s = KeyFrames(), 0.0
    for _ in range(TRIES):
        assert asked.look(MANY, now_s) == "ask"
        now_s += PATIENCE_S + 0.01
        assert asked.look(MANY, now_s) == "decode"
        gone_s, now_s = now_s, now_s + EVERY_S
    return asked, gone_s


def test_a_camera_that_does_not_answer_is_left_in_peace(deaf: tuple[KeyFrames, float]) -> None:
    """Its frames are decoded without a wait, until it is asked again much later."""
    asked, gone_s = deaf
    assert asked.look(MANY, gone_s + EVERY_S) == "decode"
    assert asked.look(MANY, gone_s + DEAF_S) == "ask"


def test_one_answer_makes_up_for_a_lost_request() -> None:
    """A network that loses every second request has no deaf camera behind it."""
    asked, now_s = KeyFrames(), 0.0
    for _ in range(3 * TRIES):
        assert asked.look(MANY, now_s) == "ask"
        assert asked.look(MANY, now_s + PATIENCE_S + 0.01) == "decode"
        now_s += 2 * EVERY_S
        assert asked.look(MANY, now_s) == "ask"
        asked.came()
        now_s += EVERY_S
