"""An answer as messages."""

import base64
import json

import pytest

from gateway.simulator.answer import messages
from gateway.simulator.flavours import FLAVOURS, Flavour
from tests.wire import check_server

VOICE = bytes(range(256)) * 600
WORDS = "I heard you and I saw one frame."


@pytest.mark.parametrize("flavour", FLAVOURS.values(), ids=FLAVOURS)
def test_voice_and_words_are_whole_in_each_shape(flavour: Flavour) -> None:
    """Nothing is lost or doubled, the lengths add up, and the chunks are as large as the service's."""
    sent = list(messages(VOICE, WORDS, flavour, transcribed=True))
    contents = [message["serverContent"] for _, message in sent]
    parts = [part for content in contents for part in content.get("modelTurn", {}).get("parts", [])]
    chunks = [base64.b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part]
    assert b"".join(chunks) == VOICE
    assert "".join(content.get("outputTranscription", {}).get("text", "") for content in contents) == WORDS
    assert sum(duration_s for duration_s, _ in sent) == pytest.approx(len(VOICE) / 48_000)
    assert all(2 <= len(chunk) <= 15_360 for chunk in chunks)


def test_the_families_differ_as_recorded() -> None:
    """Gemini 3 begins with one sample and combines audio and words, 2.5 thinks aloud, Vertex sends sentinels."""
    gemini_3, gemini_2_5, vertex = (
        [message["serverContent"] for _, message in messages(VOICE, WORDS, FLAVOURS[name], transcribed=True)]
        for name in ("3.8", "2.5", "vertex")
    )
    assert gemini_3[0] == {}
    assert gemini_3[1]["modelTurn"]["parts"][0]["inlineData"]["data"] == "AAE="
    assert "outputTranscription" in gemini_3[1]
    assert gemini_2_5[0]["modelTurn"]["parts"][0]["thought"]
    assert all(len(content) == 1 for content in gemini_2_5)
    assert vertex[0] == {"outputTranscription": {}}
    assert vertex[-1] == {"outputTranscription": {"finished": True}}
    assert vertex[2]["modelTurn"]["role"] == "model"


def test_without_transcription_there_are_no_words() -> None:
    """As the setup asked."""
    sent = messages(VOICE, WORDS, FLAVOURS["3.8"], transcribed=False)
    assert not any("outputTranscription" in message["serverContent"] for _, message in sent)


def test_the_sdk_reads_every_message() -> None:
    """Each shape is one that Google's types know."""
    for name, flavour in FLAVOURS.items():
        for _, message in messages(VOICE, WORDS, flavour, transcribed=True):
            check_server(json.dumps(message).encode(), vertex=name == "vertex")
