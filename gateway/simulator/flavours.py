"""How the families of Live models differ on the wire.

Owns one row of traits for each family the simulator can play. It must not know sockets or time.
**Invariant: `flavour_for` gives a row for every model that Google serves and None for every other, as Google does.**
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Thinking = Literal["forbidden", "optional", "level_required"]


@dataclass(frozen=True, slots=True)
class Flavour:
    """The traits of one family of models."""

    name: str
    model_prefixes: tuple[str, ...]
    call_id: str  # shape of function call ids; `{}` is a number
    thinking: Thinking = "optional"
    first_chunk_bytes: int = 0  # Gemini 3 begins an answer with a chunk of one sample
    words_beside_audio: bool = True  # transcript and audio in one message; 2.5 sends one part an event
    thoughts: bool = False  # parts marked `thought` before the speech
    empty_contents: bool = True  # `{"serverContent":{}}` now and then
    blocking_tools: bool = False  # calls block unless the declaration says otherwise
    non_blocking_tools: bool = True  # `behavior: NON_BLOCKING` is understood
    content_at_any_time: bool = True  # `clientContent` after the first audio
    text_is_a_turn: bool = True  # `realtimeInput.text` alone makes the model answer
    interaction_status: bool = False
    vertex: bool = False
    audio_mime_type: str = "audio/pcm;rate=24000"


EXTENDED_THINKING = Flavour(
    "extended-thinking",
    ("gemini-3.8-live-extended-thinking",),
    call_id="fc_{}",
    thinking="level_required",
    first_chunk_bytes=2,
    text_is_a_turn=False,
    interaction_status=True,
)
GEMINI_3_8 = Flavour(
    "3.8", ("gemini-3.8-live",), call_id="fc_{}", thinking="forbidden", first_chunk_bytes=2, text_is_a_turn=False
)
GEMINI_3_1 = Flavour(
    "3.1",
    ("gemini-3.1-flash-live",),
    call_id="fc_{}",
    first_chunk_bytes=2,
    blocking_tools=True,
    non_blocking_tools=False,
    content_at_any_time=False,
)
GEMINI_2_5 = Flavour(
    "2.5",
    ("gemini-2.5-flash-native-audio",),
    call_id="function-call-{}",
    words_beside_audio=False,
    thoughts=True,
    empty_contents=False,
    blocking_tools=True,
)
VERTEX = Flavour(
    "vertex",
    ("gemini-live-2.5-flash", "gemini-3.8-live"),
    call_id="1f5d4f0e-0000-4000-8000-{:012d}",
    words_beside_audio=False,
    empty_contents=False,
    blocking_tools=True,
    vertex=True,
    audio_mime_type="audio/pcm",
)

DEVELOPER = (EXTENDED_THINKING, GEMINI_3_8, GEMINI_3_1, GEMINI_2_5)  # the longer prefix first
FLAVOURS = {flavour.name: flavour for flavour in (*DEVELOPER, VERTEX)}


def flavour_for(model: str, *, vertex: bool) -> Flavour | None:
    """The family of `models/…` or of a Vertex publisher path; None when Google would not know the model."""
    model_id = model.rpartition("/")[2]
    for flavour in (VERTEX,) if vertex else DEVELOPER:
        if model_id.startswith(flavour.model_prefixes):
            return flavour
    return None
