"""Which pictures the model gets."""

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.sampler import Luma, Sampler, motion, sketch

STILL = sketch(np.full((480, 640), 100, dtype=np.uint8))


def moving(index: int) -> Luma:
    """A picture that has nothing in common with the one before."""
    return sketch(np.full((480, 640), index * 97 % 251, dtype=np.uint8))


def frames_taken(camera_fps: float, seconds: float, pictures: Callable[[int], Luma]) -> int:
    """How many of a camera's pictures are taken."""
    sampler = Sampler(1.0, 3.0)
    count = int(camera_fps * seconds)
    return sum(seen(sampler, pictures(index), index / camera_fps) for index in range(count))


def seen(sampler: Sampler, picture: Luma, now_s: float) -> bool:
    """Whether a picture that arrives is taken."""
    return sampler.arrives(now_s) and sampler.take(picture, now_s)


def test_a_still_picture_is_taken_once_a_second() -> None:
    """`fps_min` holds for cameras of any rate."""
    for camera_fps in (5, 10, 15, 30):
        assert 20 <= frames_taken(camera_fps, 20, lambda _: STILL) <= 21


def test_a_moving_picture_is_taken_three_times_a_second() -> None:
    """`fps_max` is reached, also by a camera that gives no more than that."""
    for camera_fps in (3, 5, 10, 15, 30):
        assert 58 <= frames_taken(camera_fps, 20, moving) <= 61


def test_a_camera_that_is_not_punctual_loses_no_frame() -> None:
    """Pictures that come 40 ms early or late at 3 fps are still all taken."""
    sampler = Sampler(1.0, 3.0)
    times = [index / 3 + (0.04 if index % 2 else -0.04) for index in range(60)]
    assert sum(seen(sampler, moving(index), now_s) for index, now_s in enumerate(times)) >= 59


def test_movement_is_noticed_before_the_next_second() -> None:
    """When a still picture begins to move the next frame does not wait for `fps_min`."""
    sampler = Sampler(1.0, 3.0)
    assert seen(sampler, STILL, 0.0)
    assert not seen(sampler, STILL, 0.1)
    assert seen(sampler, moving(2), 0.4)


def test_pictures_that_cannot_be_wanted_are_not_looked_at() -> None:
    """Of 30 a second: one look for each frame while everything moves, five at what is still, and none in between."""
    for picture, most in ((moving, 61), (lambda _: STILL, 101)):
        sampler, looks = Sampler(1.0, 3.0), 0
        for index in range(600):
            if sampler.arrives(index / 30):
                looks += 1
                sampler.take(picture(index), index / 30)
        assert most - 2 <= looks <= most


def test_noise_is_not_motion() -> None:
    """Sensor noise does not raise the rate; a part of the picture that changes does."""
    rng = np.random.default_rng(3)
    plane = np.full((480, 640), 120, dtype=np.int16)
    noisy = [sketch(np.clip(plane + rng.normal(0, 4, plane.shape), 0, 255).astype(np.uint8)) for _ in range(2)]
    assert motion(*noisy) == 0.0
    hand = plane.astype(np.uint8).copy()
    hand[100:300, 100:300] = 220
    assert 0.3 < motion(noisy[0], sketch(hand)) <= 1.0


def test_a_picture_of_another_size_is_new() -> None:
    """A turned phone is compared with nothing."""
    assert motion(STILL, sketch(np.full((640, 480), 100, dtype=np.uint8))) == 1.0
    assert motion(None, STILL) == 1.0


@given(st.lists(st.floats(0.001, 0.6), min_size=2, max_size=200), st.booleans())
def test_the_rate_is_never_above_the_most(gaps_s: list[float], moves: bool) -> None:
    """However a camera delivers, any stretch of time holds no more than `fps_max` frames a second, plus one."""
    sampler = Sampler(1.0, 3.0)
    now_s, taken = 0.0, []
    for index, gap_s in enumerate(gaps_s):
        now_s += gap_s
        if seen(sampler, moving(index) if moves else STILL, now_s):
            taken.append(now_s)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= 3.0 * (taken[last] - taken[first]) + 2


def test_a_still_camera_may_send_less_often_and_a_moving_one_not() -> None:
    """The wish falls after ten seconds without motion, to twice what is taken, and rises with the first motion."""
    sampler = Sampler(1.0, 3.0)
    for index in range(30):
        sampler.take(moving(index), index / 3)
    assert sampler.wish_fps(10.0) == 3.0
    for index in range(30, 70):
        sampler.take(STILL, index / 3)
    assert sampler.wish_fps(19.0) == 3.0
    assert sampler.wish_fps(23.0) == 2.0
    sampler.take(moving(2), 23.5)
    assert sampler.wish_fps(23.5) == 3.0
