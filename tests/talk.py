"""A conversation with a simulated model on a virtual clock, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gateway.declarations import declarations
from gateway.live import events as live
from gateway.live import messages
from gateway.live.breaker import Breaker
from gateway.live.conversation import Conversation
from gateway.live.link import Link, LinkEnded
from gateway.live.memory import Summarise
from gateway.live.messages import SetupOptions
from gateway.live.policy import Policy
from gateway.live.recovery import Ending
from gateway.live.upstream import Upstream
from gateway.simulator import Fault, Simulator
from gateway.simulator.pipe import pipe
from gateway.tools.calls import Asked, Calls
from gateway.tools.registry import Tools
from gateway.tools.runner import Runner
from gateway.tools.tool import Tool, ToolContext

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
TONE = (6000 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)).astype("<i2").tobytes()
MESSAGE_BYTES = 1280  # 40 ms
MODEL = "models/gemini-3.8-live"


@dataclass
class Talk:
    """The conversation, its model, and everything it told with its second."""

    conversation: Conversation
    simulator: Simulator
    running: asyncio.Task[None]
    happened: list[tuple[float, live.ConversationEvent]] = field(default_factory=list)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # to the browser, of function calls
    calls: Calls | None = None

    def all(self, kind: type) -> list[Any]:
        """The events of a kind."""
        return [event for _, event in self.happened if isinstance(event, kind)]

    def at(self, kind: type, index: int = 0) -> float:
        """When an event of a kind happened."""
        return [at_s for at_s, event in self.happened if isinstance(event, kind)][index]

    @property
    def ways(self) -> list[str]:
        """How each link was opened."""
        return [event.how for event in self.all(live.LinkOpened)]

    @property
    def notices(self) -> list[str]:
        """The codes of what was told in words."""
        return [event.code for event in self.all(live.Notice)]

    async def until(self, met: Callable[[], Any], patience_s: float = 120.0) -> None:
        """Virtual time passes until this holds."""
        async with asyncio.timeout(patience_s):
            while not met():
                await asyncio.sleep(0.01)

    async def opened(self, count: int = 1) -> None:
        """Until so many links were opened."""
        await self.until(lambda: len(self.all(live.LinkOpened)) >= count)

    async def answered(self, count: int = 1) -> None:
        """Until so many turns are complete."""
        await self.until(lambda: len(self.all(live.TurnComplete)) >= count)

    async def speak(self, seconds: float = 1.0) -> None:
        """Speak, as a browser sends it: 40 ms every 40 ms; then be silent for a second."""
        self.conversation.user_started()
        for index in range(int((seconds + 1.0) * 25)):
            spoken = index < seconds * 25
            self.conversation.send_audio(TONE[:MESSAGE_BYTES] if spoken else bytes(MESSAGE_BYTES))
            if index == int(seconds * 25) + 12:
                self.conversation.user_ended(expects_answer=True)
            await asyncio.sleep(0.04)

    async def ask(self, text: str) -> None:
        """Write, and wait for the answer."""
        count = len(self.all(live.TurnComplete))
        self.conversation.send_text(text)
        await self.answered(count + 1)

    def seed(self, number: int) -> str:
        """The system instruction of a connection, counted from 1."""
        setup = self.simulator.connections[number - 1].setup
        return "".join(part["text"] for part in setup.get("systemInstruction", {"parts": []})["parts"])


@asynccontextmanager
async def talk(
    *faults: Fault,
    model: str = MODEL,
    policy: Policy | None = None,
    summarise: Summarise | None = None,
    breaker: Breaker | None = None,
    is_quiet: Callable[[], bool] = lambda: True,
    flavour: str | None = None,
    tools: Sequence[Tool] = (),
) -> AsyncIterator[Talk]:
    """A conversation with a model to which these things happen; on whichever clock the loop has."""
    simulator = Simulator(flavour, faults)
    serving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def connect(upstream: Upstream, setup: str) -> AsyncIterator[tuple[Link, Sequence[messages.ServerEvent]]]:
        number, refused = simulator.accept()
        if refused is not None:
            raise LinkEnded(
                Ending("connect", http_status=refused.status, reason="refused", retry_after_s=refused.retry_after_s)
            )
        client, server = pipe()
        task = asyncio.create_task(simulator.serve(server, number, PATH, {}))
        serving.add(task)
        try:
            link = Link(client)  # type: ignore[arg-type]
            yield link, await link.set_up(setup, upstream.setup_timeout_s)
        finally:
            await client.close()
            await asyncio.wait([task], timeout=0.25)

    happened: list[tuple[float, live.ConversationEvent]] = []
    loop = asyncio.get_running_loop()
    more = {"summarise": summarise} if summarise else {}

    def take(event: live.ConversationEvent) -> None:
        happened.append((loop.time(), event))
        match event:
            case live.LinkOpened(generation):
                calls.link_opened(generation)
            case live.ToolCalls(wanted):
                for call in wanted:
                    calls.start(Asked(call.id or "unnamed-1", call.name, call.args))
            case live.ToolCallsCancelled(ids):
                calls.cancel(ids)

    conversation = Conversation(
        Upstream("ws://nowhere", model, 20.0),
        SetupOptions("Be brief.", functions=declarations(Tools(tools))),
        take,
        policy=policy,
        is_quiet=is_quiet,
        breaker=breaker,
        connect=connect,  # type: ignore[arg-type]
        **more,
    )
    told: list[tuple[str, dict[str, Any]]] = []
    calls = Calls(
        Tools(tools),
        Runner(timeout_s=8.0, concurrent_max=8, result_max_bytes=16_384),
        4,
        conversation,
        lambda: ToolContext("session", b"jpeg", lambda kind, facts: told.append((kind, facts))),
        lambda kind, data: told.append((kind, data)),
    )
    running = asyncio.create_task(conversation.run())
    try:
        yield Talk(conversation, simulator, running, happened, told, calls)
    finally:
        conversation.close()
        await calls.close()
        await asyncio.gather(running, return_exceptions=True)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
