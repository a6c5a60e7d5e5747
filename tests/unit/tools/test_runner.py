"""One run of one tool."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from gateway.tools.runner import NO_RESULTS, Run, Runner, as_response
from gateway.tools.tool import ToolContext, from_function
from tests.clock import virtually

CONTEXT = ToolContext("session", None, lambda kind, facts: None)


def runner(concurrent_max: int = 4) -> Runner:
    """A runner with small bounds."""
    return Runner(timeout_s=2.0, concurrent_max=concurrent_max, result_max_bytes=300)


async def respond(
    running: Runner, function: Callable[..., Any], places: asyncio.Semaphore | None = None, **more: Any
) -> dict[str, Any]:
    """What the model is answered about a call without arguments."""
    return await running.respond(Run(from_function(function, **more), {}, CONTEXT), places or asyncio.Semaphore(9))


def returning(value: Any) -> Callable[..., Any]:
    """A tool that returns this."""

    async def say() -> Any:
        """Say it."""
        return value

    return say


@pytest.mark.parametrize(
    ("value", "response"),
    [
        ("blue", {"output": "blue"}),
        (7, {"output": 7}),
        ({"port": 14}, {"port": 14}),
        (None, {"output": "done"}),
        ([], NO_RESULTS),
        ({}, NO_RESULTS),
        ([1], {"output": [1]}),
        (0, {"output": 0}),
        (False, {"output": False}),
    ],
)
def test_whatever_a_tool_returns_becomes_an_object(value: Any, response: dict[str, Any]) -> None:
    """Nothing found is said as such: a model searches again and again otherwise."""
    assert as_response(value) == response


@dataclass
class Port:
    """What an inventory may return."""

    number: int
    since: date


@virtually
async def test_typed_results_are_told_as_json() -> None:
    """Dataclasses, models, dates: what pydantic can write down."""
    port = {"number": 14, "since": "2026-11-25"}
    assert await respond(runner(), returning(Port(14, date(2026, 11, 25)))) == port
    assert await respond(runner(), returning([Port(14, date(2026, 11, 25))])) == {"output": [port]}


@pytest.mark.parametrize("value", [object(), float("nan"), {"x": [float("inf")]}, "\ud83d", b"\xff"])
@virtually
async def test_a_result_that_no_parser_takes_is_an_error(value: Any) -> None:
    """The service would close the link for it."""
    assert (await respond(runner(), returning(value)))["error"].endswith("it is not JSON.")


@virtually
async def test_a_result_that_is_too_large_is_an_error() -> None:
    """By its bytes on the wire."""
    assert (await respond(runner(), returning("x" * 400)))["error"].startswith("The result has 414 bytes")


@pytest.mark.parametrize(("of_process", "of_session"), [(2, 9), (9, 2)])
@virtually
async def test_no_more_run_at_once_than_are_allowed(of_process: int, of_session: int) -> None:
    """Of a process, and of a session; the others wait, and their waiting counts to their time."""
    at_once = most = 0

    async def work() -> str:
        """Work."""
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.9)
        at_once -= 1
        return "done"

    running, places = runner(concurrent_max=of_process), asyncio.Semaphore(of_session)
    results = await asyncio.gather(*(respond(running, work, places) for _ in range(6)))
    assert most == 2
    assert [result.get("output") for result in results[:4]] == ["done"] * 4
    assert results[5] == {"error": "work took longer than 2 s."}


@virtually
async def test_a_function_that_does_not_let_itself_be_ended_is_answered_for_in_time() -> None:
    """It keeps its place until it is over, so that such functions cannot pile up."""
    over = asyncio.Event()

    async def stubborn() -> None:
        """Never stop."""
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    bounded = runner(concurrent_max=1)
    late = {"error": "stubborn took longer than 2 s."}
    assert await respond(bounded, stubborn) == late
    assert await respond(bounded, returning("x")) == {"error": "say took longer than 2 s."}
    over.set()
    assert await respond(bounded, returning("x")) == {"output": "x"}


@pytest.mark.parametrize("error", [ValueError("password 1234"), TimeoutError(), asyncio.CancelledError()])
@virtually
async def test_the_text_of_an_exception_stays_in_the_log(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """The model is told the kind of it only; the function's own time-out is not taken for ours."""

    async def fail() -> None:
        """Fail."""
        raise error

    with caplog.at_level(logging.ERROR):
        assert await respond(runner(), fail) == {"error": f"fail failed: {type(error).__name__}."}
    assert str(error) in caplog.text


@virtually
async def test_a_compensation_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """And harms no one."""

    async def undo() -> None:
        raise ValueError("cannot")

    run = Run(from_function(returning("x"), compensate=undo), {}, CONTEXT)
    await runner().respond(run, asyncio.Semaphore(1))
    await runner().undo(run)
    assert "what the cancelled call of say did could not be undone" in caplog.text


@virtually
async def test_a_call_that_never_began_is_not_undone() -> None:
    """It was cancelled while it waited for its turn: there is nothing to undo."""
    undone = []

    async def undo() -> None:
        undone.append(1)

    run = Run(from_function(returning("x"), compensate=undo), {}, CONTEXT)
    waiting = asyncio.create_task(runner().respond(run, asyncio.Semaphore(0)))
    await asyncio.sleep(0.1)
    waiting.cancel()
    await asyncio.wait({waiting})
    await runner().undo(run)
    assert (waiting.cancelled(), undone) == (True, [])


async def test_what_a_thread_does_is_undone_after_it_was_done() -> None:
    """A plain function goes on when its call is cancelled."""
    happened, may_end = [], threading.Event()

    def act() -> None:
        """Act."""
        may_end.wait(20)
        happened.append("done")

    def undo() -> None:
        happened.append("undone")

    run, running = Run(from_function(act, compensate=undo), {}, CONTEXT), Runner(20.0, 4, 300)
    call = asyncio.create_task(running.respond(run, asyncio.Semaphore(1)))
    while run.work is None:
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait({call})
    undoing = asyncio.create_task(running.undo(run))
    await asyncio.sleep(0)
    may_end.set()
    await undoing
    assert happened == ["done", "undone"]
