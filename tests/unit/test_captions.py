"""What is said, as the browser is told it."""

from typing import Any

from gateway.captions import WORDS_MAX_CHARS, Captions


def test_words_are_told_as_they_come_and_once_as_final() -> None:
    """The person's with all that came before in the turn, the model's with their turn; then the next turn begins."""
    told: list[dict[str, Any]] = []
    captions = Captions(told.append)
    captions.user_words(" what")
    captions.user_words(" is it")
    captions.model_words("A leaf.")
    captions.turn_complete()
    captions.model_words("Yes?")
    captions.turn_complete()
    spoken = [(one["data"]["text"], one["data"]["final"]) for one in told if one["type"] == "user-transcription"]
    assert spoken == [("what", False), ("what is it", False), ("what is it", True)]
    assert [one["data"]["segment_id"] for one in told if one["type"] == "bot-output"] == ["turn-1", "turn-2"]
    assert [one["data"]["number"] for one in told if one["type"] == "server-message"] == [1, 2]


def test_a_long_speech_is_told_in_pieces() -> None:
    """Each message repeats what was said before, so that has to end somewhere; nothing is lost."""
    told: list[dict[str, Any]] = []
    captions = Captions(told.append)
    for index in range(3000):
        captions.user_words(f" {index}")
    captions.turn_complete()
    words = [one["data"] for one in told if one["type"] == "user-transcription"]
    assert max(len(one["text"]) for one in words) <= WORDS_MAX_CHARS + 5
    assert " ".join(one["text"] for one in words if one["final"]).split() == [str(index) for index in range(3000)]
