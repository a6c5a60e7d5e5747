"""Voice activity from a level: when the person began and stopped to speak.

Owns the decision only. It takes one level a call, wherever it comes from (the RFC 6464 header extension or the energy
of the PCM), and must not know packets, samples or clocks.
**Invariant: starts and stops alternate, and a stop is told `HANGOVER_MS` after the last voiced level, never earlier.**
"""

from __future__ import annotations

from typing import Literal

ONSET_MS = 80  # shorter bursts are clicks and keys
HANGOVER_MS = 500  # the model's own detector waits as long (`silenceDurationMs` of our setup)
FLOOR_START_DBOV = -60.0  # a quiet room after the browser's noise suppression
FLOOR_RISE_DB_PER_S = 3.0  # a fan that is switched on stops counting as voice after some seconds
ABOVE_FLOOR_DB = 12.0
NEVER_VOICE_DBOV = -50.0  # below this nothing is speech, however quiet the room
ALWAYS_VOICE_FLOOR_DBOV = -35.0  # the floor never climbs above quiet speech

Change = Literal["started", "stopped"] | None


class VoiceActivity:
    """Follows one voice above a noise floor that it learns."""

    def __init__(self) -> None:
        self.speaking = False
        self._floor_dbov = FLOOR_START_DBOV
        self._voiced_ms = 0.0
        self._silent_ms = 0.0

    def feed(self, level: float, duration_ms: float) -> Change:
        """Take the level of the next `duration_ms` and tell whether speaking changed."""
        voiced = level > max(NEVER_VOICE_DBOV, self._floor_dbov + ABOVE_FLOOR_DB)
        if level < self._floor_dbov:
            self._floor_dbov = level
        else:
            risen = self._floor_dbov + FLOOR_RISE_DB_PER_S * duration_ms / 1000.0
            self._floor_dbov = min(risen, level, ALWAYS_VOICE_FLOOR_DBOV)
        if voiced:
            self._voiced_ms += duration_ms
            self._silent_ms = 0.0
            if not self.speaking and self._voiced_ms >= ONSET_MS:
                self.speaking = True
                return "started"
            return None
        self._voiced_ms = 0.0
        self._silent_ms += duration_ms
        if self.speaking and self._silent_ms >= HANGOVER_MS:
            self.speaking = False
            return "stopped"
        return None
