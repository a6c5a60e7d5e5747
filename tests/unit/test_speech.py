"""When the person speaks, and what follows from it."""

from typing import Any

from gateway.latency import Latency
from gateway.speech import SILENCE_DBOV, Speech

LOUD_DBOV = -20.0


class Listener:
    """A conversation's side of it."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.told: list[str] = []
        self.speech = Speech(
            self,  # type: ignore[arg-type]
            Latency(lambda _: None),
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
