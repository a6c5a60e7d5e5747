"""One answer as the messages that carry it.

Owns the cutting of voice and words into server messages, in the shape of each family. It must not know sockets or time:
each message comes with the length of the sound in it.
**Invariant: the audio of all parts, put together, is the voice; the words of all transcripts, put together, are the
words.**
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from gateway.simulator.flavours import Flavour
from gateway.simulator.voice import OUTPUT_HZ

Json = dict[str, Any]

CHUNK_BYTES = (11_520, 7_680, 9_600, 2_400, 15_360)  # sizes seen from the service, 50 to 320 ms
BYTES_PER_S = OUTPUT_HZ * 2


def content(**fields: Any) -> Json:
    """A `serverContent` message."""
    return {"serverContent": fields}


def speech(pcm: bytes, flavour: Flavour, **beside: Any) -> Json:
    """A message with this sound, 24 kHz mono s16le, and whatever else comes in it."""
    turn: Json = {"parts": [{"inlineData": _audio(pcm, flavour)}]}
    if flavour.vertex:
        turn["role"] = "model"
    return content(modelTurn=turn, **beside)


def messages(voice: bytes, words: str, flavour: Flavour, *, transcribed: bool) -> Iterator[tuple[float, Json]]:
    """(seconds of sound, message) for each message of an answer, up to and without `generationComplete`."""
    if flavour.thoughts:
        yield 0.0, content(modelTurn={"parts": [{"text": "Repeating what was heard.", "thought": True}]})
    if flavour.empty_contents:
        yield 0.0, content()
    if flavour.vertex and transcribed:
        yield 0.0, content(outputTranscription={})
    chunks = list(_chunks(voice, flavour.first_chunk_bytes))
    transcripts = _spread(words, len(chunks)) if transcribed else [""] * len(chunks)
    for chunk, text in zip(chunks, transcripts, strict=True):
        duration_s = len(chunk) / BYTES_PER_S
        if text and flavour.words_beside_audio:
            yield duration_s, speech(chunk, flavour, outputTranscription={"text": text})
            continue
        if text:  # as Vertex does: the words a little ahead of their sound
            yield 0.0, content(outputTranscription={"text": text})
        yield duration_s, speech(chunk, flavour)
    if flavour.vertex and transcribed:
        yield 0.0, content(outputTranscription={"finished": True})


def _audio(chunk: bytes, flavour: Flavour) -> Json:
    return {"mimeType": flavour.audio_mime_type, "data": base64.b64encode(chunk).decode()}


def _chunks(voice: bytes, first_bytes: int) -> Iterator[bytes]:
    if first_bytes:
        yield voice[:first_bytes]
    at = first_bytes
    index = 0
    while at < len(voice):
        size = CHUNK_BYTES[index % len(CHUNK_BYTES)]
        yield voice[at : at + size]
        at += size
        index += 1


def _spread(words: str, parts: int) -> list[str]:
    """The words as deltas with leading spaces, spread evenly over so many parts."""
    deltas = [word if index == 0 else f" {word}" for index, word in enumerate(words.split())]
    spread = [""] * parts
    for index, delta in enumerate(deltas):
        spread[index * parts // len(deltas)] += delta
    return spread
