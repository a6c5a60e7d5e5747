"""The calls of one session: from what the model asks to what it is answered.

Owns the tasks that run, the calls that wait for the browser, and the events about both. It must not know links: it
tells results to an `Answering`.
**Invariant: nothing that a tool does or raises harms the session; when `close` returns no call is left.**
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic_core import to_jsonable_python

from gateway.telemetry import metrics
from gateway.tools.ledger import Delivery, Ledger, Verdict
from gateway.tools.registry import Tools
from gateway.tools.runner import Run, Runner
from gateway.tools.tool import Json, Scheduling, Tool, ToolContext

EVENT_MAX_BYTES = 32 * 1024  # of the facts of one event, which are kept for browsers that come back


class Answering(Protocol):
    """Who gets the results."""

    def answer_tool(self, call_id: str, name: str, response: Json, scheduling: Scheduling) -> None:
        """The response to a call of the present link."""

    def tell_tool(self, name: str, response: Json) -> None:
        """A result as text: the link that asked for it is gone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of the model."""

    call_id: str
    name: str
    args: Json


class Calls:
    """The calls of one session; `on_event` is told (type, data) of RTVI messages."""

    def __init__(
        self,
        tools: Tools,
        runner: Runner,
        concurrent_max: int,
        answering: Answering,
        context: Callable[[], ToolContext],
        on_event: Callable[[str, Json], None],
    ) -> None:
        self._tools = tools
        self._runner = runner
        self._places = asyncio.Semaphore(concurrent_max)
        self._answering = answering
        self._context = context
        self._on_event = on_event
        self._ledger = Ledger()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._client_results: dict[str, asyncio.Future[Json]] = {}

    @property
    def running(self) -> bool:
        """True while a tool is at work."""
        return bool(self._tasks)

    def link_opened(self, generation: int) -> None:
        """Calls come from another link now; results of the former one are told as text."""
        self._ledger.link(generation)

    def start(self, asked: Asked) -> None:
        """The model calls."""
        now_s = asyncio.get_running_loop().time()
        verdict, entry = self._ledger.begin(asked.call_id, asked.name, asked.args, now_s)
        if verdict is Verdict.REPEAT and entry.response is not None:
            self._answering.answer_tool(asked.call_id, asked.name, entry.response, self._scheduling(asked.name))
        if verdict is not Verdict.RUN:
            return
        task = asyncio.create_task(self._hold(asked), name=f"tool {asked.name}")
        self._tasks[asked.call_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(asked.call_id, None))

    def cancel(self, call_ids: tuple[str, ...]) -> None:
        """The model does not want these any more."""
        for call_id in call_ids:
            started_id = self._ledger.cancel(call_id)
            if started_id is not None and (task := self._tasks.get(started_id)) is not None:
                task.cancel()

    def client_result(self, call_id: str, result: Any) -> bool:
        """The browser's answer to a client tool; False when nobody waits for it."""
        waiting = self._client_results.get(call_id)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(self._runner.bounded(result))
        return True

    async def close(self) -> None:
        """End every call."""
        tasks = [*self._tasks.values(), *self._chores]
        for call_id in self._ledger.running:
            self._ledger.cancel(call_id)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._chores, return_exceptions=True)

    async def _hold(self, asked: Asked) -> None:
        """One call from its beginning to its answer."""
        loop = asyncio.get_running_loop()
        tool = self._tools.get(asked.name)
        shown = asked.args if tool is not None and tool.show_arguments else None
        self._tell_browser("started", asked, arguments=shown)
        begun_s = loop.time()
        run = Run(tool, asked.args, _guarded(self._context())) if tool is not None else None
        try:
            response = await self._respond(run, asked)
        except asyncio.CancelledError:
            self._tell_browser("stopped", asked, cancelled=True)
            if run is not None:
                self._chore(self._runner.undo(run))
            raise
        metrics.TOOL_S.observe(loop.time() - begun_s)
        delivery, call_id = self._ledger.finish(asked.call_id, response, loop.time())
        if delivery is Delivery.ANSWER:
            self._answering.answer_tool(call_id, asked.name, response, self._scheduling(asked.name))
        elif delivery is Delivery.TELL:
            self._answering.tell_tool(asked.name, response)
        self._tell_browser("stopped", asked, cancelled=False, failed="error" in response)

    async def _respond(self, run: Run | None, asked: Asked) -> Json:
        if run is None:
            return {"error": f"There is no function {asked.name}."}
        if run.tool.call is not None:
            return await self._runner.respond(run, self._places)
        return await self._ask_page(run.tool, asked)

    async def _ask_page(self, tool: Tool, asked: Asked) -> Json:
        """The response of a client tool."""
        waiting: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._client_results[asked.call_id] = waiting
        self._on_event(
            "llm-function-call",
            {"function_name": asked.name, "tool_call_id": asked.call_id, "args": asked.args},
        )
        try:
            async with asyncio.timeout(tool.timeout_s or self._tools.timeout_s):
                return await waiting
        except TimeoutError:
            return {"error": f"The page did not answer {asked.name} in time."}
        finally:
            del self._client_results[asked.call_id]

    def _scheduling(self, name: str) -> Scheduling:
        tool = self._tools.get(name)
        return tool.scheduling if tool is not None else "WHEN_IDLE"

    def _tell_browser(self, what: str, asked: Asked, **facts: Any) -> None:
        data = {"function_name": asked.name, "tool_call_id": asked.call_id, **facts}
        self._on_event(f"llm-function-call-{what}", {key: value for key, value in data.items() if value is not None})

    def _chore(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


def _guarded(context: ToolContext) -> ToolContext:
    """The context for a function: its events may come from any thread, and one that cannot be told is its own error."""
    loop, tell = asyncio.get_running_loop(), context.send_event

    def send_event(kind: str, facts: Json) -> None:
        plain: Json = to_jsonable_python(facts)
        if len(json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()) > EVENT_MAX_BYTES:
            raise ValueError(f"an event may have up to {EVENT_MAX_BYTES} bytes of facts")
        loop.call_soon_threadsafe(tell, kind, plain)

    return replace(context, send_event=send_event)
