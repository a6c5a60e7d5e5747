"""What is said, as the browser is told it, turn by turn.

Owns the number of the turn and the person's words in it. It must not know where words come from.
**Invariant: the words of a turn are told as final once, when it is complete, and before the next turn begins; of a very
long speech piece by piece, so that no message has more than `WORDS_MAX_CHARS` and a word.**
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from gateway import events

WORDS_MAX_CHARS = 4000  # five minutes of speech: each message repeats what was said before


class Captions:
    """The captions of one session."""

    def __init__(self, publish: Callable[[events.Message], None], turn: int = 1) -> None:
        self.turn = turn  # the present one
        self._publish = publish
        self._user_words = ""

    def model_words(self, text: str) -> None:
        """The model says this."""
        self._publish(events.bot_output(text, self.turn))

    def user_words(self, text: str) -> None:
        """The person said this."""
        self._user_words += text
        self._tell(final=False)
        if len(self._user_words) > WORDS_MAX_CHARS:
            self._tell(final=True)
            self._user_words = ""

    def turn_complete(self) -> None:
        """The model's turn is over."""
        if self._user_words:
            self._tell(final=True)
            self._user_words = ""
        self._publish(events.server_message("turn", number=self.turn))
        self.turn += 1

    def _tell(self, *, final: bool) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._publish(events.user_transcription(self._user_words.strip(), final=final, timestamp=now))
