"""The Gemini leg on real sockets: what a network does to it. The matrix of faults is in tests/unit/live."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from gateway.live import events as live
from gateway.live.conversation import Conversation
from gateway.live.policy import setup_options
from gateway.live.upstream import upstream_from
from gateway.settings import Settings
from gateway.simulator import Fault, Simulator
from tests.integration.test_session import condition

TONE = (6000 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)).astype("<i2").tobytes()


@dataclass
class Talk:
    """A conversation that runs, and what it told."""

    conversation: Conversation
    simulator: Simulator
    running: asyncio.Task[None]
    happened: list[live.ConversationEvent] = field(default_factory=list)

    def count(self, kind: type) -> int:
        """How many events of this kind there were."""
        return sum(isinstance(event, kind) for event in self.happened)

    async def say(self, seconds: int = 1) -> None:
        """Speak, then pause."""
        for at in range(0, len(TONE) * seconds, 1280):
            self.conversation.send_audio(TONE[at % len(TONE) :][:1280])
        self.conversation.audio_stream_end()


@asynccontextmanager
async def talk(*faults: Fault, **overrides: object) -> AsyncIterator[Talk]:
    """A conversation with a simulator to which these things happen."""
    simulator = Simulator(script=faults)
    await simulator.start()
    settings = Settings(**{"upstream": "simulator", "upstream_url": simulator.url, **overrides})
    happened: list[live.ConversationEvent] = []
    conversation = Conversation(upstream_from(settings, None), setup_options(settings), happened.append)
    talking = Talk(conversation, simulator, asyncio.create_task(conversation.run()), happened)
    try:
        yield talking
    finally:
        conversation.close()
        await asyncio.gather(talking.running, return_exceptions=True)
        await simulator.stop()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(at="turn", do="close", connection=1, reason="Deadline expired before operation could complete."),
        Fault(at="turn", do="close", connection=1, code=1008, reason="Operation is not implemented, or supported."),
        Fault(at="turn", do="abort", connection=1),
    ],
    ids=["1011", "1008", "abort"],
)
async def test_a_lost_link_is_told_and_resumed(fault: Fault) -> None:
    """The next link uses the handle of the last, and the conversation goes on."""
    async with talk(fault) as talking:
        talking.conversation.send_text("hello")
        await condition(lambda: talking.count(live.LinkOpened) == 2)
        lost = next(event for event in talking.happened if isinstance(event, live.LinkLost))
        assert lost.reason.startswith(("Gemini closed the connection", "The connection to Gemini was lost"))
        assert talking.happened[-1] == live.LinkOpened(2, "resumed")
        assert talking.simulator.connections[1].setup["sessionResumption"]["handle"]
        talking.conversation.send_text("still there?")
        await condition(lambda: talking.count(live.TurnComplete) == 2)


async def test_go_away_is_followed_without_a_loss() -> None:
    """The old socket is closed, the handle opens a new one, and nobody is told of a loss."""
    async with talk(Fault(at="turn", do="go_away", connection=1, time_left_s=50)) as talking:
        talking.conversation.send_text("hello")
        await condition(lambda: talking.count(live.LinkOpened) == 2)
        assert talking.happened[-1] == live.LinkOpened(2, "resumed")
        assert talking.count(live.LinkLost) == 0
        assert talking.simulator.connections[0].closed


async def test_a_busy_service_is_asked_again_when_it_says() -> None:
    """Retry-After of a refused handshake is kept to, and told."""
    async with talk(Fault(at="handshake", do="refuse", connection=1, status=503, retry_after_s=0)) as talking:
        await condition(lambda: talking.count(live.LinkOpened) == 1)
        assert talking.count(live.LinkLost) == 1


async def test_a_service_that_never_answers_the_setup_is_given_up() -> None:
    """The wait for setupComplete is bounded; the next try may do better."""
    async with talk(Fault(at="setup", do="stall", connection=1), setup_timeout_s=0.2) as talking:
        await condition(lambda: talking.count(live.LinkOpened) == 1)
        lost = next(event for event in talking.happened if isinstance(event, live.LinkLost))
        assert "no setupComplete within 0.2 s" in lost.reason


async def test_nobody_at_the_address_is_told() -> None:
    """A refused connection is a sentence and another try."""
    async with talk() as talking:
        await condition(lambda: talking.count(live.LinkOpened) == 1)
        await talking.simulator.stop()
        await condition(lambda: talking.count(live.LinkLost) >= 2)
        reasons = [event.reason for event in talking.happened if isinstance(event, live.LinkLost)]
        assert reasons[-1].startswith("Gemini cannot be reached")


async def test_sound_before_the_link_is_open_is_not_lost() -> None:
    """What is said while the socket is being opened is heard."""
    async with talk() as talking:
        await talking.say()
        await condition(lambda: talking.count(live.TurnComplete) == 1)
        assert bytes(talking.simulator.connections[0].audio) == TONE
