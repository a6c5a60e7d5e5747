"""The time to the first audio, and what video costs of it."""

import numpy as np

from gateway.telemetry.ttfab import SAMPLES_LEAST, Ttfab, TtfabClock, VideoCost


def test_an_answer_is_measured_once_for_each_end() -> None:
    """From the end of speech to Gemini's first sound, and to the first packet to the browser."""
    clock = TtfabClock()
    clock.begin("speech", 10.0)
    assert clock.reached("payload", 10.8) == Ttfab("speech", "payload", 10.8 - 10.0, 0.0)
    packet = clock.reached("packet", 10.95)
    assert packet is not None
    assert packet.to == "packet"
    assert clock.reached("payload", 11.0) is None
    assert clock.reached("packet", 11.0) is None


def test_an_answer_without_a_known_beginning_is_not_measured() -> None:
    """A greeting, or speech that went on."""
    clock = TtfabClock()
    assert clock.reached("payload", 1.0) is None
    clock.begin("speech", 2.0)
    clock.cancel()
    assert clock.reached("payload", 3.0) is None


def test_frames_of_the_last_seconds_are_its_rate() -> None:
    """Older ones are forgotten."""
    clock = TtfabClock()
    for index in range(40):
        clock.frame(index * 0.5)
    assert abs(clock.video_fps(19.5) - 2.0) < 0.15
    assert clock.video_fps(100.0) == 0.0


def samples(cost: VideoCost, slope_ms: float, count: int = 30, noise_ms: float = 40.0) -> None:
    """Answers at rates from 1 to 3."""
    rng = np.random.default_rng(2)
    for index in range(count):
        fps = 1 + index % 3
        ttfab_ms = 600 + slope_ms * fps + rng.normal(0, noise_ms)
        cost.add(Ttfab("speech", "payload", ttfab_ms / 1000, fps))


def test_video_that_costs_latency_is_told_once() -> None:
    """And its slope is about right."""
    cost = VideoCost()
    samples(cost, 150)
    assert cost.slope_ms_per_fps is not None
    assert 120 < cost.slope_ms_per_fps < 180
    assert cost.newly_costly()
    assert not cost.newly_costly()


def test_chance_is_not_taken_for_a_cost() -> None:
    """Neither noise, nor few samples, nor a rate that never changes."""
    noisy = VideoCost()
    samples(noisy, 0, noise_ms=200)
    assert not noisy.newly_costly()
    few = VideoCost()
    samples(few, 500, count=SAMPLES_LEAST - 1)
    assert few.slope_ms_per_fps is None
    steady = VideoCost()
    for _ in range(30):
        steady.add(Ttfab("speech", "payload", 1.0, 2.0))
    assert steady.slope_ms_per_fps is None
