"""What one session may still use: what is announced, said aloud, paused and ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.allowance import Allowance
from gateway.guard.budgets import Budget, Purse
from gateway.guard.intake import Verdict
from gateway.lifecycle import EndReason
from gateway.settings import Settings
from tests.clock import virtually


class Watched:
    """A session as its allowance sees it: what it is told, with the second."""

    def __init__(self, *, speaks_s: float = 2.0, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.told: list[tuple[float, dict[str, Any]]] = []
        self.said: list[tuple[float, str]] = []
        self.allowed: list[float | None] = []
        self.ended: list[tuple[float, EndReason]] = []
        self.busy = False
        self._speaks_s = speaks_s
        budget = Budget(self.settings.token_budget, self.settings.frame_budget, Purse())
        self.allowance = Allowance(
            self.settings,
            budget,
            publish=lambda message: self.told.append((self.now_s, message["data"])),
            say=self._say,
            busy=lambda: self.busy,
            allow_video=self.allowed.append,
            end=lambda reason: self.ended.append((self.now_s, reason)),
        )

    @property
    def now_s(self) -> float:
        """Virtual seconds, whole."""
        return round(asyncio.get_running_loop().time())

    def notices(self) -> list[tuple[float, str]]:
        """(second, code) of what was told in words."""
        return [(at_s, data["code"]) for at_s, data in self.told if data["type"] == "notice"]

    def limits(self) -> dict[str, Any]:
        """The newest."""
        return [data for _, data in self.told if data["type"] == "limits"][-1]

    def _say(self, text: str) -> None:
        """The model speaks, for a while, and its turn is over."""
        self.said.append((self.now_s, text))
        self.busy = True

        def over() -> None:
            self.busy = False
            self.allowance.turn_complete()

        asyncio.get_running_loop().call_later(self._speaks_s, over)


@asynccontextmanager
async def watched(**settings: Any) -> AsyncIterator[Watched]:
    """A session that is being watched."""
    one = Watched(**settings)
    running = asyncio.create_task(one.allowance.run())
    try:
        yield one
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@virtually
async def test_the_end_of_time_is_told_and_comes() -> None:
    """A minute and ten seconds ahead, with what is left; nothing is said aloud unless that is wished."""
    async with watched(session_max_s=300, idle_end_s=10_000) as session:
        await asyncio.sleep(400)
    assert session.notices() == [(240, "session_ends_soon"), (290, "session_ends_soon")]
    assert [data["left_s"] for _, data in session.told if data["type"] == "limits"] == [60, 10]
    assert session.ended == [(300, EndReason.TIME_UP)]
    assert session.said == []


@virtually
async def test_the_end_of_time_can_be_said_aloud() -> None:
    """First that it is near, then goodbye."""
    async with watched(session_max_s=300, idle_end_s=10_000, spoken_warnings=True) as session:
        await asyncio.sleep(400)
    assert [at_s for at_s, _ in session.said] == [240, 290]
    assert "one minute" in session.said[0][1]
    assert "goodbye" in session.said[1][1]


@virtually
async def test_silence_is_asked_about_and_ends_the_call() -> None:
    """Whoever answers stays; a tool at work, or a voice, counts as much."""
    async with watched(idle_end_s=100, spoken_warnings=True) as session:
        await asyncio.sleep(75)
        assert session.notices() == [(70, "idle_soon")]
        assert "still there" in session.said[0][1]
        session.allowance.active()
        session.busy = True
        await asyncio.sleep(1000)
        assert session.ended == []
        session.busy = False
        await asyncio.sleep(200)
    assert [reason for _, reason in session.ended] == [EndReason.IDLE]


@virtually
async def test_a_budget_that_is_used_up_ends_with_a_goodbye() -> None:
    """What is being said is said to its end, then goodbye, then the call ends."""
    async with watched(token_budget=1000) as session:
        session.allowance.tokens(920)
        assert session.notices() == [(0, "budget_low")]
        assert session.limits()["tokens_left"] == 80
        session.busy = True
        session.allowance.tokens(100)
        await asyncio.sleep(3)
        assert session.said == []
        session.busy = False
        await asyncio.sleep(1)
        assert "goodbye" in session.said[0][1]
        assert session.ended == []
        await asyncio.sleep(2)
    assert [reason for _, reason in session.ended] == [EndReason.TOKEN_BUDGET]
    assert session.notices()[-1][1] == "session_ends_soon"


@virtually
async def test_a_goodbye_that_does_not_come_is_not_waited_for() -> None:
    """The time for it is bounded; with none at all the end comes at once, and silently."""
    async with watched(frame_budget=3, goodbye_s=8, speaks_s=1e6) as session:
        for _ in range(3):
            session.allowance.frame()
        await asyncio.sleep(60)
    assert session.ended == [(8, EndReason.FRAME_BUDGET)]
    async with watched(frame_budget=1, goodbye_s=0) as silent:
        silent.allowance.frame()
        await asyncio.sleep(1)
    assert [reason for _, reason in silent.ended] == [EndReason.FRAME_BUDGET]
    assert silent.said == []


@virtually
async def test_video_is_spared_paused_and_resumed_with_words() -> None:
    """Less first, without a word beyond the limits; none, with one; and back."""
    async with watched(video_fps_min=1, video_fps_max=3) as session:
        session.allowance.spare(False, no_video=False)
        assert session.allowed == [], "nothing has changed"
        session.allowance.spare(True, no_video=False)
        assert (session.allowed, session.notices(), session.limits()["fps_max"]) == ([1], [], 1)
        session.allowance.spare(True, no_video=True)
        assert (session.allowed[-1], session.limits()["video"]) == (None, False)
        session.allowance.spare(True, no_video=False)
        session.allowance.spare(False, no_video=False)
    assert session.allowed == [1, None, 1, 3]
    assert [code for _, code in session.notices()] == ["video_paused", "video_resumed"]


@virtually
async def test_the_camera_is_looked_at_when_nothing_speaks_against_it_any_more() -> None:
    """Two reasons to pause it: it resumes when both are gone."""
    async with watched() as session:
        session.allowance.traffic(Verdict.NO_VIDEO)
        session.allowance.spare(True, no_video=True)
        session.allowance.traffic(Verdict.FINE)
        assert session.allowed[-1] is None
        session.allowance.spare(False, no_video=False)
        assert session.allowed[-1] == 3
    assert [code for _, code in session.notices()] == ["video_paused", "video_resumed"]


@virtually
async def test_a_token_without_video_stays_without() -> None:
    """Whatever the load is, nothing is promised."""
    async with watched(video=False) as session:
        assert session.allowance.video_fps is None
        session.allowance.spare(True, no_video=True)
        session.allowance.spare(False, no_video=False)
        session.allowance.tell()
    assert session.allowed == []
    assert session.notices() == []
    assert session.limits()["video"] is False


@virtually
async def test_a_picture_that_is_too_large_is_told_once_for_each_size() -> None:
    """With its size and the one to choose."""
    async with watched(camera_max_px=1280) as session:
        for size in ((3840, 2160), (3840, 2160), (16_383, 16_383)):
            session.allowance.picture_refused(*size)
    texts = [data["text"] for _, data in session.told]
    assert len(texts) == 2
    assert "3840 by 2160" in texts[0]
    assert "1280" in texts[0]
