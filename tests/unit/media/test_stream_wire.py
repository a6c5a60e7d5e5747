"""The messages of media over a WebSocket, and the line and the pictures that they make."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.stream_wire import (
    GAP_MAX_BLOCKS,
    PART_MAX_BYTES,
    PICTURE_MAX_BYTES,
    SOUND_BYTES,
    Kind,
    Message,
    Outgoing,
    PictureParts,
    SoundLine,
    read,
    write,
)

GOLDEN = json.loads((Path(__file__).parents[2] / "corpus/stream/messages.json").read_text(encoding="utf-8"))


def block(number: int) -> bytes:
    """Sound that tells its number."""
    return number.to_bytes(2, "little") * (SOUND_BYTES // 2)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda one: one["what"])
def test_a_message_is_laid_out_as_documented(golden: dict) -> None:
    """Kind, flags, two zero bytes, the number in network order, and what it carries; the page's module is held against
    the same file."""
    payload = bytes.fromhex(golden["payload"]) * golden["times"]
    expected = bytes.fromhex(golden["header"]) + payload
    assert write(Kind(golden["kind"]), golden["seq"], payload, more=golden["more"]) == expected
    if golden["from"] == "browser":
        assert read(expected) == Message(Kind(golden["kind"]), golden["seq"], payload, golden["more"])


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "at least 8 bytes"),
        (write(Kind.SOUND, 1, bytes(SOUND_BYTES - 1)), "block of sound has 1280 bytes"),
        (write(Kind.PICTURE, 1, b""), "1 to 32768 bytes"),
        (write(Kind.PICTURE, 1, bytes(PART_MAX_BYTES + 1)), "1 to 32768 bytes"),
        (write(Kind.HEARD, 1, b"!"), "a number alone"),
        (write(Kind.VOICE, 1, b""), "this one is of 3"),
        (write(Kind.FLUSH, 1), "this one is of 5"),
    ],
)
def test_what_is_no_message_is_refused_in_words(message: bytes, words: str) -> None:
    """The sentence says what is expected."""
    with pytest.raises(ValueError, match=words):
        read(message)


@given(st.lists(st.integers(0, 60), min_size=1))
def test_the_line_goes_forward_and_keeps_its_length(seqs: list[int]) -> None:
    """Whatever comes again or not at all: blocks rise, and a gap is as long as what is missing, up to a second."""
    line, last = SoundLine(), None
    for seq in seqs:
        blocks = line.take(seq, block(seq))
        if last is not None and seq <= last:
            assert blocks == []
            continue
        gap = 0 if last is None else min(seq - last - 1, GAP_MAX_BLOCKS)
        assert blocks == [bytes(SOUND_BYTES)] * gap + [block(seq)]
        last = seq
    assert line.blocks + line.repeated == len(seqs)


def part(seq: int, payload: bytes, *, more: bool = True) -> Message:
    """A part of a picture."""
    return Message(Kind.PICTURE, seq, payload, more)


def test_a_picture_is_its_parts_in_order() -> None:
    """One part or several; one that was given up is forgotten when the next begins."""
    parts = PictureParts()
    assert parts.take(part(1, b"whole", more=False)) == b"whole"
    assert parts.take(part(2, b"given ")) is None
    assert parts.take(part(3, b"in ")) is None
    assert parts.take(part(3, b"two", more=False)) == b"in two"


def test_a_picture_of_which_a_part_was_not_wanted_is_none() -> None:
    """What is left of it is never shown; the next one is."""
    parts = PictureParts()
    assert parts.take(part(1, b"a")) is None
    assert parts.take(part(1, b"b"), wanted=False) is None
    assert parts.take(part(1, b"c", more=False)) is None
    assert parts.take(part(2, b"d", more=False)) == b"d"


def test_a_picture_is_bounded() -> None:
    """However small its parts are."""
    parts = PictureParts()
    for _ in range(PICTURE_MAX_BYTES // PART_MAX_BYTES):
        assert parts.take(part(1, bytes(PART_MAX_BYTES))) is None
    with pytest.raises(ValueError, match="at most 262144 bytes"):
        parts.take(part(1, b"!"))


def test_what_waits_is_sent_in_order_and_of_what_was_heard_only_the_newest() -> None:
    """Voice that is flushed before it was sent is not sent at all."""
    waiting = Outgoing()
    assert not waiting
    for message in (write(Kind.HEARD, 1), write(Kind.VOICE, 1, b"a"), write(Kind.HEARD, 3), write(Kind.VOICE, 2, b"b")):
        waiting.put(message)
    assert waiting
    assert waiting.take() == [write(Kind.VOICE, 1, b"a"), write(Kind.VOICE, 2, b"b"), write(Kind.HEARD, 3)]
    waiting.put(write(Kind.VOICE, 3, b"c"))
    waiting.put(write(Kind.FLUSH, 4))
    waiting.put(write(Kind.VOICE, 9, b"d"))
    assert waiting.take() == [write(Kind.FLUSH, 4), write(Kind.VOICE, 9, b"d")]
    assert waiting.take() == []
