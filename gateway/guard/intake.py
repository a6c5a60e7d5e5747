"""How much media one call may send.

Owns the count of what comes in a second, and what is let through. It must not know packets beyond their size and
whether they are video, nor clocks: `look` is told the time.
**Invariant: sound within its own bound is never dropped because of video; a packet costs a few additions, and nothing
is allocated for it.**

Over the limit, video is not looked at until the sender has kept to it for `CALM_S`. A call ends when it has sent, for
`ABUSE_S` on end, more than `ABUSE_TIMES` its limit, or more sound than any call has: dropping has a cost too.
"""

from __future__ import annotations

from enum import Enum

WINDOW_S = 1.0
SOUND_PACKETS_MAX = 500  # a second: 10 ms packets, each repeated twice, and their reports, twice over
SOUND_BYTES_MAX = 125_000  # 1 Mbit/s; Opus has at most 510 kbit/s (RFC 6716 §2.1.1)
CALM_S = 5.0
ABUSE_S = 10.0
ABUSE_TIMES = 4


class Verdict(Enum):
    """What is to be done about a sender."""

    FINE = "fine"
    NO_VIDEO = "no_video"
    END = "end"


class Intake:
    """The count of one call."""

    __slots__ = (
        "_abuse_s",
        "_bytes",
        "_bytes_max",
        "_calm_s",
        "_packets",
        "_packets_max",
        "_sound_bytes",
        "_sound_packets",
        "_window_s",
        "dropped",
        "verdict",
    )

    def __init__(self, max_kbps: int, max_packets_per_s: int) -> None:
        self.verdict = Verdict.FINE
        self.dropped = 0
        self._bytes_max = max_kbps * 125  # a second
        self._packets_max = max_packets_per_s
        self._bytes = self._packets = self._sound_bytes = self._sound_packets = 0
        self._window_s: float | None = None  # when the present one began
        self._calm_s = self._abuse_s = 0.0  # for how long

    def take(self, size_bytes: int, is_video: bool) -> bool:
        """Count a packet; False when it is not to be looked at."""
        self._packets += 1
        self._bytes += size_bytes
        if is_video:
            if self.verdict is Verdict.FINE and self._packets <= self._packets_max and self._bytes <= self._bytes_max:
                return True
        else:
            self._sound_packets += 1
            self._sound_bytes += size_bytes
            if self._sound_packets <= SOUND_PACKETS_MAX and self._sound_bytes <= SOUND_BYTES_MAX:
                return True
        self.dropped += 1
        return False

    def look(self, now_s: float) -> Verdict | None:
        """To be called several times a second: the verdict when it has changed."""
        if self._window_s is None:
            self._window_s = now_s
        lasted_s = now_s - self._window_s
        if lasted_s < WINDOW_S:
            return None
        return self._judge(lasted_s, now_s)

    def _judge(self, lasted_s: float, now_s: float) -> Verdict | None:
        times = max(self._bytes / self._bytes_max, self._packets / self._packets_max) / lasted_s
        too_much_sound = (
            self._sound_packets > SOUND_PACKETS_MAX * lasted_s or self._sound_bytes > SOUND_BYTES_MAX * lasted_s
        )
        self._abuse_s = self._abuse_s + lasted_s if too_much_sound or times > ABUSE_TIMES else 0.0
        self._calm_s = 0.0 if times > 1 else self._calm_s + lasted_s
        self._bytes = self._packets = self._sound_bytes = self._sound_packets = 0
        self._window_s = now_s
        before = self.verdict
        if self._abuse_s >= ABUSE_S:
            self.verdict = Verdict.END
        elif times > 1:
            self.verdict = Verdict.NO_VIDEO
        elif self._calm_s >= CALM_S:
            self.verdict = Verdict.FINE
        return self.verdict if self.verdict is not before else None
