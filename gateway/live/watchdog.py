"""Silence that should not be: when the model owes an answer and none comes.

Owns the waiting and the order of remedies. It must not know links or clocks: time is an argument.
**Invariant: each alarm comes with the next remedy of the ladder nudge, resume, rehydrate, give up; any sound of the
model puts the ladder back to its beginning.**
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

ANSWER_S = 8.0  # after the end of speech; field reports put a healthy answer below 4 s
EMPTY_S = 2.0  # the end of a turn that was interrupted may come after the person's next words
MORE_S = 15.0  # after a turn that announced more (`IN_PROGRESS`): background thinking may take longer


class Trouble(StrEnum):
    """What is wrong."""

    NO_ANSWER = "no_answer"
    EMPTY_TURN = "empty_turn"  # `turnComplete` without a sound
    NO_MORE = "no_more"  # `IN_PROGRESS` and then nothing
    PHANTOM_INTERRUPTION = "phantom_interruption"  # `interrupted` although nobody spoke, and then nothing


class Remedy(Enum):
    """What to do about it, mildest first."""

    NUDGE = 0
    RESUME = 1
    REHYDRATE = 2
    GIVE_UP = 3  # nothing more can be done: tell it, and wait for the person


@dataclass(frozen=True, slots=True)
class Alarm:
    """Trouble, and its remedy."""

    trouble: Trouble
    remedy: Remedy


class Watchdog:
    """Watches one conversation, across its links."""

    def __init__(self, answer_s: float = ANSWER_S, more_s: float = MORE_S) -> None:
        self._limits_s = {
            Trouble.NO_ANSWER: answer_s,
            Trouble.EMPTY_TURN: min(EMPTY_S, answer_s),
            Trouble.NO_MORE: more_s,
            Trouble.PHANTOM_INTERRUPTION: answer_s,
        }
        self._trouble: Trouble | None = None
        self._since_s = 0.0
        self._tried = 0
        self._owed = False  # the person said something that has not been answered with a sound

    @property
    def is_waiting(self) -> bool:
        """True while the model owes something."""
        return self._trouble is not None

    def waited_s(self, now_s: float) -> float:
        """For how long the model has owed something; 0 when it does not."""
        return 0.0 if self._trouble is None else now_s - self._since_s

    def user_started(self) -> None:
        """The person speaks: nobody owes anything until that is over."""
        self._trouble = None

    def user_ended(self, now_s: float) -> None:
        """The person has spoken or written, and may expect an answer."""
        self._owed = True
        self._wait(Trouble.NO_ANSWER, now_s)

    def sound(self) -> None:
        """The model is heard."""
        self._trouble = None
        self._owed = False
        self._tried = 0

    def tool_call(self) -> None:
        """The model waits for us."""
        self._trouble = None
        self._owed = False

    def turn_complete(self, now_s: float, *, expects_more: bool) -> None:
        """The model's turn is over."""
        if expects_more:
            self._wait(Trouble.NO_MORE, now_s)
        elif self._owed:
            self._wait(Trouble.EMPTY_TURN, now_s)

    def interrupted(self, now_s: float, *, user_speaks: bool) -> None:
        """The model let itself be interrupted."""
        if not user_speaks:
            self._wait(Trouble.PHANTOM_INTERRUPTION, now_s)

    def forgive(self) -> None:
        """The service waits deliberately, or the person has gone: nothing is owed."""
        self._trouble = None
        self._owed = False
        self._tried = 0

    def due(self, now_s: float) -> Alarm | None:
        """The alarm of this moment; the waiting then begins anew, until the remedies are used up."""
        if self._trouble is None or now_s - self._since_s < self._limits_s[self._trouble]:
            return None
        alarm = Alarm(self._trouble, Remedy(min(self._tried, Remedy.GIVE_UP.value)))
        self._tried += 1
        if alarm.remedy is Remedy.GIVE_UP:
            self.forgive()
        else:
            self._wait(Trouble.NO_ANSWER, now_s)
        return alarm

    def _wait(self, trouble: Trouble, now_s: float) -> None:
        self._trouble, self._since_s = trouble, now_s
