"""What one session may still use, watched while it lasts.

Owns the announcements and the ends that follow from its limits: time, silence, the budgets of tokens and frames, and
whether its camera is looked at. It must not know peers, links or the wire: it is given what to say and what to end.
**Invariant: every end is announced in words before it comes, as far as it can be foreseen; a goodbye takes no longer
than `goodbye_s`; the camera is looked at only while nothing speaks against it.**
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

from gateway import events
from gateway.guard.budgets import Budget, Low, Spent
from gateway.guard.deadlines import Deadlines, Kind, Over, Soon
from gateway.guard.intake import Verdict
from gateway.lifecycle import EndReason
from gateway.settings import Settings
from gateway.telemetry import metrics

Against = Literal["token", "load", "traffic"]  # what can speak against looking at the camera

LOOK_S = 0.1  # how often a goodbye looks whether it was said
OVER = {"time": EndReason.TIME_UP, "idle": EndReason.IDLE}
SPENT = {"tokens": EndReason.TOKEN_BUDGET, "frames": EndReason.FRAME_BUDGET}
SOON_WORDS = {
    "time": ("session_ends_soon", "This call ends in {left}: its time is up then."),
    "idle": ("idle_soon", "Are you still there? Without a word this call ends in {left}."),
}
LOW_WORDS = {
    "tokens": "Most of what this call may use of the model is used up: it will end soon.",
    "frames": "Most of the pictures this call may show are used up: it will end soon.",
}
PAUSED_WORDS = {
    "load": "The gateway has much to do: your camera is not looked at for now. The call goes on.",
    "traffic": "Your device sends more than a call may: your camera is not looked at until it sends less.",
}
TOO_LARGE_WORDS = (
    "Your camera sends pictures of {width} by {height} pixels, which are too large to be looked at: set it to {most} "
    "or less."
)
RESUMED_WORDS = "Your camera is looked at again."
# Asides to the model, in brackets like those of `live.seed`; it says them in the language of the conversation.
ASK_SOON = "(This call ends in {left}. Tell me so in one short sentence, then go on.)"
ASK_STILL_THERE = "(I have said nothing for a while. Ask me in one short sentence whether I am still there.)"
ASK_GOODBYE = "(This call ends now: {why} Tell me so and say goodbye, in one short sentence.)"


class Allowance:
    """The watch over one session; `run` is its whole life.

    `say` lets the model say something, `busy` tells whether anyone speaks or a tool is at work, `allow_video` is told
    the most frames a second, or None when the camera is not to be looked at.
    """

    def __init__(
        self,
        settings: Settings,
        budget: Budget,
        *,
        publish: Callable[[events.Message], None],
        say: Callable[[str], None],
        busy: Callable[[], bool],
        allow_video: Callable[[float | None], None],
        end: Callable[[EndReason], None],
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._refused_size: tuple[int, int] | None = None
        self._publish = publish
        self._say = say
        self._busy = busy
        self._allow_video = allow_video
        self._end = end
        self._deadlines = Deadlines(settings.session_max_s, settings.idle_end_s, self._now_s)
        self._ends_at = datetime.now(UTC) + timedelta(seconds=settings.session_max_s)
        self._against: set[Against] = set() if settings.video else {"token"}
        self._sparing = False  # every camera is looked at as if nothing moved
        self._spent: Spent | None = None
        self._wake = asyncio.Event()
        self._turn_over = asyncio.Event()

    @property
    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def video_fps(self) -> float | None:
        """The most frames a second that are looked at; None: the camera is not."""
        if self._against:
            return None
        return self._settings.video_fps_min if self._sparing else self._settings.video_fps_max

    async def run(self) -> None:
        """Announce and end; returns when the session is to end."""
        while self._spent is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._deadlines.next_s):
                    await self._wake.wait()
            if self._busy():
                self.active()
            while (due := self._deadlines.look(self._now_s)) is not None:
                if isinstance(due, Over):
                    self._limit_met(OVER[due.kind])
                    return
                self._announce(due)
        reason = SPENT[self._spent.what]
        await self._goodbye(reason)
        self._limit_met(reason)

    # What happens

    def active(self) -> None:
        """Somebody said or typed something, or a tool is at work."""
        self._deadlines.active(self._now_s)

    def tokens(self, count: int) -> None:
        """The model has counted a turn."""
        self._look_at(self._budget.spend_tokens(count))

    def frame(self) -> None:
        """A frame went to the model."""
        self._look_at(self._budget.spend_frame())

    def turn_complete(self) -> None:
        """The model has said what it had to say."""
        self._turn_over.set()

    def spare(self, sparing: bool, *, no_video: bool) -> None:
        """The machine has more, or less, to do."""
        changed = sparing != self._sparing
        self._sparing = sparing
        self._speaks_against("load", no_video, changed=changed)

    def traffic(self, verdict: Verdict) -> None:
        """The sender keeps to what a call may send, or does not."""
        if verdict is Verdict.END:
            self._limit_met(EndReason.TOO_MUCH_MEDIA)
        else:
            self._speaks_against("traffic", verdict is Verdict.NO_VIDEO)

    def picture_refused(self, width: int, height: int) -> None:
        """The camera's pictures are too large; told once for each size."""
        metrics.LIMITS_REACHED.labels("picture_too_large").inc()
        if self._refused_size != (width, height):
            self._refused_size = width, height
            words = TOO_LARGE_WORDS.format(width=width, height=height, most=self._settings.camera_max_px)
            self._notice("picture_too_large", words, "warning")

    def tell(self) -> None:
        """Say what the limits are at the moment."""
        left_s = max(0.0, self._deadlines.ends_s - self._now_s)
        self._publish(
            events.server_message(
                "limits",
                left_s=round(left_s),
                ends_at=self._ends_at.isoformat(timespec="seconds"),
                idle_end_s=self._settings.idle_end_s,
                video=self.video_fps is not None,
                fps_max=self.video_fps or 0,
                tokens_left=self._budget.left("tokens"),
                frames_left=self._budget.left("frames"),
            )
        )

    # What follows

    def _announce(self, soon: Soon) -> None:
        code, words = SOON_WORDS[soon.kind]
        left = in_words(soon.left_s)
        self._notice(code, words.format(left=left), "warning")
        if soon.kind == "time":
            self.tell()
        if self._settings.spoken_warnings:
            self._say(self._aside(soon.kind, soon.left_s, left))

    def _aside(self, kind: Kind, left_s: float, left: str) -> str:
        if kind == "idle":
            return ASK_STILL_THERE
        if left_s <= self._settings.goodbye_s * 2:
            return ASK_GOODBYE.format(why=EndReason.TIME_UP.words)
        return ASK_SOON.format(left=left)

    def _look_at(self, spending: Low | Spent | None) -> None:
        match spending:
            case Low(what):
                self._notice("budget_low", LOW_WORDS[what], "warning")
                self.tell()
            case Spent() if self._spent is None:
                self._spent = spending
                self._wake.set()

    async def _goodbye(self, reason: EndReason) -> None:
        """Let the model say goodbye, in a time that is bounded."""
        if not self._settings.goodbye_s:
            return
        self._notice("session_ends_soon", reason.words, "warning")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.goodbye_s):
                await self._quiet()
                self._turn_over.clear()
                self._say(ASK_GOODBYE.format(why=reason.words))
                await self._turn_over.wait()
                await self._quiet()

    async def _quiet(self) -> None:
        while self._busy():  # noqa: ASYNC110 - nobody tells when the last sound was played
            await asyncio.sleep(LOOK_S)

    def _limit_met(self, reason: EndReason) -> None:
        metrics.LIMITS_REACHED.labels(reason.value).inc()
        self._end(reason)

    def _speaks_against(self, what: Against, holds: bool, *, changed: bool = False) -> None:
        seen_before = self.video_fps is not None
        if holds and what not in self._against:
            changed = True
            self._against.add(what)
        elif not holds and what in self._against:
            changed = True
            self._against.remove(what)
        if not changed or "token" in self._against:
            return
        self._allow_video(self.video_fps)
        if seen_before and self.video_fps is None:
            metrics.LIMITS_REACHED.labels(f"video_{what}").inc()
            self._notice("video_paused", PAUSED_WORDS[what], "warning")
        elif not seen_before and self.video_fps is not None:
            self._notice("video_resumed", RESUMED_WORDS, "info")
        self.tell()

    def _notice(self, code: str, text: str, level: str) -> None:
        self._publish(events.server_message("notice", code=code, text=text, level=level))


def in_words(left_s: float) -> str:
    """A time as a person says it."""
    if left_s < 55:
        return f"{round(left_s)} seconds"
    minutes = round(left_s / 60)
    return "one minute" if minutes == 1 else f"{minutes} minutes"
