"""When the person speaks, and what follows from it.

Owns the voice detector of one session, and the telling of its changes: to the model's leg, to the clock of answers, to
the browser; and what the client says of its microphone. It must not know packets or links.
**Invariant: a start is followed by a stop, also when the sound ceases in the middle of a word; whoever is heard is
heard: that a microphone is said to be off explains silence and hides no sound.**
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from gateway import events
from gateway.latency import Latency
from gateway.live.conversation import Conversation
from gateway.media.activity import HANGOVER_MS, VoiceActivity

Microphone = Literal["on", "off", "taken"]  # off: by the person; taken: by the system, as for a phone call

LEAST_S = 0.7  # a cough or a door is shorter, and expects no answer
SILENCE_DBOV = -127.0  # RFC 6464 §3
SILENCE_PEAK = 8  # of 32768: what Opus makes of digital silence is smaller, the quietest room is louder


class Speech:
    """The person of one session."""

    def __init__(self, conversation: Conversation, latency: Latency, publish: Callable[[events.Message], None]) -> None:
        self._conversation = conversation
        self._latency = latency
        self._publish = publish
        self._activity = VoiceActivity()
        self._began_s = 0.0
        self._rests = False  # the model has been told that no sound comes
        self.microphone: Microphone = "on"  # as the client says

    @property
    def going_on(self) -> bool:
        """True while the person speaks."""
        return self._activity.speaking

    def microphone_is(self, state: Microphone) -> None:
        """The client has switched it off or on, or the system has taken it away: then nobody waits for an answer."""
        self.microphone = state
        if state == "taken":
            self._latency.cancel()
            self._conversation.user_left()

    def level(self, level_dbov: float, duration_ms: float, now_s: float) -> bool:
        """How loud the person was; True when they began or stopped to speak."""
        change = self._activity.feed(level_dbov, duration_ms)
        if change == "started":
            self._began_s = now_s
            self._latency.cancel()
            self._conversation.user_started()
            self._publish(events.message("user-started-speaking"))
        elif change == "stopped":
            self._stopped(now_s - HANGOVER_MS / 1000)
        return change is not None

    def passes(self, pcm: bytes, now_s: float) -> bool:
        """Whether this sound (s16le) is for the model: the silence of a microphone that is off is not."""
        if self.microphone == "on" or _peak(pcm) > SILENCE_PEAK:
            self._rests = False
            return True
        self._rest(now_s)  # the sound before it has come until now, so the person spoke until now
        return False

    def paused(self, now_s: float) -> None:
        """No sound comes any more, for longer than a silence has to last to end what is said."""
        self._rest(now_s - HANGOVER_MS / 1000)

    def _rest(self, until_s: float) -> None:
        if self._rests:
            return
        self._rests = True
        if self.going_on:
            self._activity.feed(SILENCE_DBOV, HANGOVER_MS)
            self._stopped(until_s)
        self._conversation.audio_stream_end()

    def _stopped(self, until_s: float) -> None:
        expects_answer = until_s - self._began_s >= LEAST_S and self.microphone != "taken"
        if expects_answer:
            self._latency.begin("speech", until_s)
        self._conversation.user_ended(expects_answer=expects_answer)
        self._publish(events.message("user-stopped-speaking"))


def _peak(pcm: bytes) -> int:
    return int(np.abs(np.frombuffer(pcm, dtype="<i2").astype(np.int32)).max(initial=0))
