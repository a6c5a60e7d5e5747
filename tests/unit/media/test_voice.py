"""The model's voice as a track."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from gateway.media.playout import CHUNK_MS, RATE_HZ, Playout
from gateway.media.voice import TICK_RTP, Voice

SECOND = (8000 * np.sin(2 * np.pi * 300 * np.arange(RATE_HZ) / RATE_HZ)).astype("<i2").tobytes()
INTERRUPTION_MAX_MS = 60


class CountingPlayout(Playout):
    """Counts the beats, so that a test waits for beats and not for seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.beats = 0

    def take(self) -> bytes | None:
        """One beat."""
        self.beats += 1
        return super().take()

    async def wait(self, beats: int) -> None:
        """Until so many more beats are over."""
        until = self.beats + beats
        while self.beats < until:
            await asyncio.sleep(0.005)


@asynccontextmanager
async def playing(playout: Playout) -> AsyncIterator[tuple[Voice, list[bool]]]:
    """A voice at work, and what it told of speaking."""
    told: list[bool] = []
    voice = Voice(playout, told.append)
    task = asyncio.create_task(voice.play())
    try:
        yield voice, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_speech_leaves_as_opus_in_step_with_rtp_time() -> None:
    """One packet of 20 ms a beat, and nothing before speech."""
    playout = CountingPlayout()
    async with playing(playout) as (voice, told):
        await playout.wait(5)
        playout.push(SECOND)
        packets = [await voice.track.recv() for _ in range(10)]
        steps = {(after.pts or 0) - (before.pts or 0) for before, after in itertools.pairwise(packets)}
        assert all(step % TICK_RTP == 0 for step in steps)
        assert (packets[0].pts or 0) >= 5 * TICK_RTP
        assert told == [True]


async def test_an_interruption_is_silent_within_60_ms() -> None:
    """What is sent after it, counted in packets, is a fade and nothing more."""
    playout = CountingPlayout()
    async with playing(playout) as (voice, told):
        playout.push(SECOND * 3)
        for _ in range(10):
            await voice.track.recv()
        queued = voice.track._packets.qsize()
        playout.flush()
        await playout.wait(10)
        assert (voice.track._packets.qsize() - queued) * CHUNK_MS <= INTERRUPTION_MAX_MS
        assert told == [True, False]


async def test_silence_is_not_sent() -> None:
    """When the answer is over no packet follows, and the end of speaking is told once."""
    playout = CountingPlayout()
    async with playing(playout) as (voice, told):
        playout.push(SECOND[: len(SECOND) // 10])
        playout.end_of_speech()
        for _ in range(5):
            await voice.track.recv()
        await playout.wait(10)
        assert voice.track._packets.empty()
        assert told == [True, False]
