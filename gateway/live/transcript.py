"""The shadow log: what both sides said, so that a new link can know it.

Owns the words of one conversation, turn by turn; for the model those that were heard. It must not know links, playout
or time.
**Invariant: a turn that is over never changes; the log holds no more than its characters: the oldest turns are dropped,
and what goes beyond a turn's share of it, and both are counted.**
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

CHARS_MAX = 200_000  # some hours of talk; more than any seed can carry
TURN_SHARE = 5  # of the log, for one turn: half an hour of talk without an answer
CUT_MARK = " —"  # where the person spoke over the model


@dataclass(frozen=True, slots=True)
class Used:
    """One call of a tool that came to a result."""

    name: str
    result: str

    def __str__(self) -> str:
        return f"{self.name} = {self.result}"


@dataclass(slots=True)
class Turn:
    """What was said from one end of the model's turn to the next."""

    number: int
    user: str = ""
    model: str = ""
    tools: list[Used] = field(default_factory=list)
    cut: bool = False  # the model was interrupted, or its link was lost, before all of it was heard

    @property
    def chars(self) -> int:
        """Its share of the log."""
        return len(self.user) + len(self.model) + sum(len(str(used)) for used in self.tools)

    @property
    def is_empty(self) -> bool:
        """True when nothing was said in it."""
        return not self.chars

    @property
    def is_unanswered(self) -> bool:
        """True when the person said something that got no answer, or only a part of one."""
        return bool(self.user.strip()) and (not self.model.strip() or self.cut)

    def as_json(self) -> dict[str, Any]:
        """For export and store."""
        return {
            "number": self.number,
            "user": self.user.strip(),
            "model": self.model.strip(),
            "tools": [{"name": used.name, "result": used.result} for used in self.tools],
            "cut": self.cut,
        }

    def lines(self) -> Iterator[str]:
        """As a person would write it down."""
        if self.user.strip():
            yield f"User: {self.user.strip()}"
        yield from (f"(Tool: {used})" for used in self.tools)
        if self.model.strip():
            yield f"You: {self.model.strip()}{CUT_MARK if self.cut else ''}"


class Transcript:
    """The turns of one conversation, perhaps after those of an earlier process; the last one is open."""

    def __init__(self, turns: Iterable[Turn] = (), dropped_turns: int = 0, chars_max: int = CHARS_MAX) -> None:
        self.dropped_turns = dropped_turns
        self.dropped_chars = 0  # of turns that had more than their share
        self._chars_max = chars_max
        self._turns: deque[Turn] = deque(turns)
        self._chars = sum(turn.chars for turn in self._turns)
        self._turns.append(Turn(self._turns[-1].number + 1 if self._turns else 1))

    @property
    def open(self) -> Turn:
        """The turn in which words are added."""
        return self._turns[-1]

    @property
    def last_said(self) -> Turn | None:
        """The newest turn in which something was said."""
        return next((turn for turn in reversed(self._turns) if not turn.is_empty), None)

    def as_json(self) -> dict[str, Any]:
        """As it is kept and exported."""
        return {"turns": [turn.as_json() for turn in self.turns()], "dropped_turns": self.dropped_turns}

    def turns(self) -> list[Turn]:
        """All turns in which something was said, the oldest first."""
        return [turn for turn in self._turns if not turn.is_empty]

    def user_words(self, text: str) -> None:
        """The person said this. Gemini 3 tells it after its own answer: it belongs to the same turn all the same."""
        if self.open.user and self.open.model:
            self.end_turn()
        self.open.user += self._fitting(text)

    def typed(self, text: str) -> None:
        """The person wrote this: always the beginning of a turn."""
        if self.open.model:
            self.end_turn()
        self.open.user += self._fitting(f" {text}" if self.open.user else text)

    def model_words(self, text: str) -> None:
        """The model says this."""
        self.open.model += self._fitting(text)

    def tool(self, used: Used) -> None:
        """A tool was called."""
        if self._fitting(str(used)) == str(used):
            self.open.tools.append(used)

    def cut(self, heard_share: float) -> None:
        """Of the model's words in this turn only this share (0 to 1) was heard."""
        self.open.model = heard(self.open.model, heard_share)
        self.open.cut = True

    def end_turn(self) -> None:
        """The turn is over; empty ones leave no trace."""
        if self.open.is_empty:
            self.open.cut = False
            return
        self._chars += self.open.chars
        self._turns.append(Turn(self.open.number + 1))
        while self._chars > self._chars_max and len(self._turns) > 1:
            self._chars -= self._turns.popleft().chars
            self.dropped_turns += 1

    def _fitting(self, text: str) -> str:
        """As much of it as the open turn still takes."""
        room = max(0, self._chars_max // TURN_SHARE - self.open.chars)
        self.dropped_chars += max(0, len(text) - room)
        return text[:room]


def heard(text: str, share: float) -> str:
    """Of these words the first share (0 to 1)."""
    words = text.split(" ")
    return " ".join(words[: round(len(words) * min(1.0, max(0.0, share)))])


def without_results(transcript: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a transcript for those who are not to know what tools returned."""
    turns = [{**turn, "tools": [{"name": used["name"]} for used in turn["tools"]]} for turn in transcript["turns"]]
    return {**transcript, "turns": turns}
