"""When the person speaks, and what follows from it."""

from typing import Any

import numpy as np
import pytest

from gateway.latency import Latency
from gateway.speech import SILENCE_DBOV, Speech

LOUD_DBOV = -20.0


class Listener:
    """A conversation's side of it."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.told: list[str] = []
        self.ttfab_ms: list[int] = []
        self._latency = Latency(lambda message: self.ttfab_ms.append(message["data"]["ms"]))
        self.speech = Speech(
            self,  # type: ignore[arg-type]
            self._latency,
            lambda message: self.told.append(message["type"]),
        )

    def user_started(self) -> None:
        """The person began."""
        self.heard.append("started")

    def user_ended(self, *, expects_answer: bool) -> None:
        """The person stopped."""
        self.heard.append(expects_answer)

    def audio_stream_end(self) -> None:
        """No sound comes."""
        self.heard.append("paused")

    def user_left(self) -> None:
        """Nothing is owed."""
        self.heard.append("forgiven")

    def reached(self, now_s: float) -> None:
        """The model's first sound is there."""
        self._latency.reached("payload", now_s)

    def hears(self, level_dbov: float, seconds: float, now_s: float) -> int:
        """So loud for so long; how often something changed."""
        steps = round(seconds / 0.02)
        return sum(self.speech.level(level_dbov, 20.0, now_s + index * 0.02) for index in range(steps))


def test_words_expect_an_answer_and_a_cough_does_not() -> None:
    """By how long they were; the browser is told both."""
    listener = Listener()
    assert listener.hears(LOUD_DBOV, 1.5, 0.0) == 1
    assert listener.speech.going_on
    assert listener.hears(SILENCE_DBOV, 1.0, 1.5) == 1
    listener.hears(LOUD_DBOV, 0.2, 3.0)
    listener.hears(SILENCE_DBOV, 1.0, 3.2)
    assert listener.heard == ["started", True, "started", False]
    assert listener.told == ["user-started-speaking", "user-stopped-speaking"] * 2


def test_sound_that_ceases_in_the_middle_of_a_word_ends_it() -> None:
    """Nobody speaks for ever because a microphone was taken away."""
    listener = Listener()
    listener.hears(LOUD_DBOV, 1.5, 0.0)
    listener.speech.paused(2.5)
    assert not listener.speech.going_on
    assert listener.heard == ["started", True, "paused"]
    assert listener.told == ["user-started-speaking", "user-stopped-speaking"]


LOUD, SILENT, OPUS_NOISE = (np.full(640, peak, dtype="<i2").tobytes() for peak in (8000, 0, 3))


def test_a_microphone_that_is_switched_off_ends_what_is_said() -> None:
    """After its last sound, which may come later than the word of it; the answer counts from there, and no silence is
    sent until it is on."""
    listener = Listener()
    listener.hears(LOUD_DBOV, 1.5, 0.0)
    listener.speech.microphone_is("off")
    assert listener.speech.passes(LOUD, 1.5)
    assert listener.heard == ["started"]
    assert not listener.speech.passes(SILENT, 1.6)
    assert not listener.speech.passes(OPUS_NOISE, 1.7)
    assert listener.heard == ["started", True, "paused"]
    listener.reached(2.0)
    assert listener.ttfab_ms == [400]
    listener.speech.microphone_is("on")
    assert listener.speech.passes(SILENT, 3.0)
    listener.speech.paused(4.0)
    assert listener.heard == ["started", True, "paused", "paused"]


def test_whoever_is_heard_is_heard() -> None:
    """Whatever was said of the microphone, by a client that is gone, for one."""
    listener = Listener()
    listener.speech.microphone_is("off")
    assert not listener.speech.passes(SILENT, 1.0)
    assert listener.speech.passes(LOUD, 2.0)
    assert not listener.speech.passes(SILENT, 3.0)
    assert listener.heard == ["paused", "paused"]


@pytest.mark.parametrize("until_told_s", [0.2, 0.8])
def test_half_a_sentence_before_a_phone_call_expects_no_answer(until_told_s: float) -> None:
    """Also when the silence has ended it before it is known why; the clock of answers stands still."""
    listener = Listener()
    listener.hears(LOUD_DBOV, 1.5, 0.0)
    listener.hears(SILENCE_DBOV, until_told_s, 1.5)
    listener.speech.microphone_is("taken")
    listener.speech.passes(SILENT, 1.5 + until_told_s)
    listener.reached(4.0)
    assert listener.ttfab_ms == []
    assert listener.heard[-2:] == (["forgiven", "paused"] if until_told_s > 0.5 else [False, "paused"])
    assert "forgiven" in listener.heard
