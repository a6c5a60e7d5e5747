"""The calls of one session, as far as no model is needed; with one they are in tests/unit/live/test_tool_calls.py."""

import asyncio
import threading
from typing import Any

import pytest

from gateway.tools.calls import EVENT_MAX_BYTES, Asked, Calls
from gateway.tools.registry import Tools
from gateway.tools.runner import Runner
from gateway.tools.tool import Json, ToolContext, from_function


class Desk:
    """Who gets the results, and what the page is told; one function, `tell`."""

    def __init__(self, facts: Any) -> None:
        self.responses: asyncio.Queue[Json] = asyncio.Queue()
        self.told: list[tuple[str, Json, threading.Thread]] = []

        def tell(context: ToolContext) -> str:
            """Tell the page."""
            context.send_event("note", facts)
            return "told"

        self.calls = Calls(
            Tools([from_function(tell)]),
            Runner(timeout_s=8.0, concurrent_max=2, result_max_bytes=1000),
            2,
            self,
            lambda: ToolContext("session", None, self.tell_page),
            lambda kind, data: None,
        )

    def answer_tool(self, call_id: str, name: str, response: Json, scheduling: str) -> None:
        """The response to a call."""
        self.responses.put_nowait(response)

    def tell_tool(self, name: str, response: Json) -> None:
        """No link changes here."""
        raise NotImplementedError

    def tell_page(self, kind: str, facts: Json) -> None:
        """An event."""
        self.told.append((kind, facts, threading.current_thread()))

    async def ask(self) -> Json:
        """Call `tell`; the response."""
        self.calls.start(Asked("1", "tell", {}))
        return await self.responses.get()


async def test_an_event_of_a_function_in_a_thread_is_told_by_the_loop() -> None:
    """Nothing of a session may be touched from elsewhere; what pydantic can write down is told as JSON."""
    desk = Desk({"ports": (13, 14)})
    assert await desk.ask() == {"output": "told"}
    assert desk.told == [("note", {"ports": [13, 14]}, threading.main_thread())]


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"x": object()}, "PydanticSerializationError"),
        ({"x": float("nan")}, "ValueError"),
        ({"x": "y" * EVENT_MAX_BYTES}, "ValueError"),
    ],
)
async def test_an_event_that_cannot_be_told_is_an_error_of_the_function(facts: Json, error: str) -> None:
    """And not of the sockets that would carry it."""
    desk = Desk(facts)
    assert await desk.ask() == {"error": f"tell failed: {error}."}
    assert desk.told == []
