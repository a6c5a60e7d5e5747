"""When the person speaks, and what follows from it.

Owns the voice detector of one session, and the telling of its changes: to the model's leg, to the clock of answers, to
the browser. It must not know packets or links.
**Invariant: a start is followed by a stop, also when the sound ceases in the middle of a word.**
"""

from __future__ import annotations

from collections.abc import Callable

from gateway import events
from gateway.latency import Latency
from gateway.live.conversation import Conversation
from gateway.media.activity import HANGOVER_MS, VoiceActivity

LEAST_S = 0.7  # a cough or a door is shorter, and expects no answer
SILENCE_DBOV = -127.0  # RFC 6464 §3


class Speech:
    """The person of one session."""

    def __init__(self, conversation: Conversation, latency: Latency, publish: Callable[[events.Message], None]) -> None:
        self._conversation = conversation
        self._latency = latency
        self._publish = publish
        self._activity = VoiceActivity()
        self._began_s = 0.0

    @property
    def going_on(self) -> bool:
        """True while the person speaks."""
        return self._activity.speaking

    def level(self, level_dbov: float, duration_ms: float, now_s: float) -> bool:
        """How loud the person was; True when they began or stopped to speak."""
        change = self._activity.feed(level_dbov, duration_ms)
        if change == "started":
            self._began_s = now_s
            self._latency.cancel()
            self._conversation.user_started()
        elif change == "stopped":
            until_s = now_s - HANGOVER_MS / 1000
            expects_answer = until_s - self._began_s >= LEAST_S
            if expects_answer:
                self._latency.begin("speech", until_s)
            self._conversation.user_ended(expects_answer=expects_answer)
        if change is not None:
            self._publish(events.message(f"user-{change}-speaking"))
        return change is not None

    def paused(self, now_s: float) -> None:
        """No sound comes any more."""
        if self.going_on:
            self.level(SILENCE_DBOV, HANGOVER_MS, now_s)
        self._conversation.audio_stream_end()
