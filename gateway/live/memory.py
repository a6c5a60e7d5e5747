"""What a conversation remembers, and what of it a new link is told.

Owns the transcript, its summary, the count of the context, and the rungs of telling less. It must not know links.
**Invariant: what was said is in the transcript, and what a fresh link is not told in full it is told in short.**
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from gateway.live import messages
from gateway.live.context import ContextMeter
from gateway.live.messages import SetupOptions
from gateway.live.past import NO_PAST, Past
from gateway.live.seed import extract, instruction
from gateway.live.transcript import Transcript, Turn, Used, heard

KEPT_TURNS = 6  # told in full to a link whose context was renewed; what is older is told in short
TOOL_TEXT_MAX_CHARS = 600  # of a call in the transcript and in what is told in words

Summarise = Callable[[Sequence[Turn], str], Awaitable[str]]


async def extract_only(turns: Sequence[Turn], before: str) -> str:
    """A `Summarise` without a model."""
    return extract(turns, before)


class Memory:
    """The memory of one conversation."""

    def __init__(
        self,
        budget_tokens: int,
        summarise: Summarise,
        tell_as: Literal["instruction", "content"],
        transcript_max_chars: int,
        past: Past = NO_PAST,
    ) -> None:
        self.transcript = Transcript(past.turns, past.dropped_turns, transcript_max_chars)
        self.meter = ContextMeter(budget_tokens)
        self.tells_less = False  # a fuller seed was refused
        self._summarise = summarise
        self._tell_as = tell_as
        self._summary = past.summary
        self._summarised_turns = past.summarised_turns  # turns up to this number are in the summary

    def past(self, handle: str | None, generation: int, heard_share: float | None) -> Past:
        """All of it, for another process to go on with. Of the last answer only a share was heard so far, where one is
        given: there it was cut off, if the process ends now."""
        turns = self.transcript.turns()
        if heard_share is not None and turns and turns[-1].model:
            turns[-1] = replace(turns[-1], model=heard(turns[-1].model, heard_share), cut=True)
        return Past(
            tuple(turns), self.transcript.dropped_turns, self._summary, self._summarised_turns, handle, generation
        )

    @property
    def is_full(self) -> bool:
        """True when not everything that was said is kept."""
        return bool(self.transcript.dropped_turns or self.transcript.dropped_chars)

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to tell."""
        return not (self._summary or self.transcript.turns())

    def tool(self, name: str, response: dict[str, Any]) -> str:
        """Remember the result of a function; how the model is told of it without the id of its call."""
        used = Used(name, json.dumps(response, ensure_ascii=False)[:TOOL_TEXT_MAX_CHARS])
        self.transcript.tool(used)
        return f"(The result of the function you called before the break: {used})"

    def setup(self, model: str, options: SetupOptions) -> tuple[str, str | None]:
        """The setup of a link that has to know the conversation, and what is to be sent right after it."""
        turns = [turn for turn in self.transcript.turns() if turn.number > self._summarised_turns]
        told, summary = turns, self._summary
        if self.tells_less:
            told, summary = turns[-1:], extract(turns[:-1], summary)
        if self._tell_as == "content" and not summary:
            history = messages.history(model, _as_content(told))
            if history is not None:
                self.meter.restart(history)
                return messages.setup(model, options, history=True), history
        seeded = instruction(options.system_instruction, summary, told)
        self.meter.restart(seeded)
        return messages.setup(model, replace(options, system_instruction=seeded)), None

    async def condense(self) -> None:
        """Put everything but the last turns into the summary."""
        turns = [turn for turn in self.transcript.turns() if turn is not self.transcript.open]
        new = [turn for turn in turns if turn.number > self._summarised_turns]
        older = new[:-KEPT_TURNS]
        if older:
            self._summary = await self._summarise(older, self._summary)
            self._summarised_turns = older[-1].number


def _as_content(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """Turns as (role, text)."""
    said = []
    for turn in turns:
        said += [("user", turn.user.strip()), ("model", turn.model.strip())]
    return [(role, text) for role, text in said if text]
