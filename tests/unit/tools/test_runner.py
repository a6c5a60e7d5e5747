"""One run of one tool."""

import asyncio
import logging
from typing import Any

import pytest

from gateway.tools.runner import NO_RESULTS, Runner, as_response
from gateway.tools.tool import Tool, ToolContext, from_function
from tests.clock import virtually

CONTEXT = ToolContext("session", None, lambda kind, facts: None)


def runner(concurrent_max: int = 4) -> Runner:
    """A runner with small bounds."""
    return Runner(timeout_s=2.0, concurrent_max=concurrent_max, result_max_bytes=300)


def returning(value: Any) -> Tool:
    """A tool that returns this."""

    async def say() -> Any:
        """Say it."""
        return value

    return from_function(say)


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


@virtually
async def test_a_result_that_cannot_be_told_is_an_error() -> None:
    """Too large, or not JSON."""
    large = await runner().run(returning("x" * 400), {}, CONTEXT)
    assert large["error"].startswith("The result has 414 bytes")
    assert (await runner().run(returning(object()), {}, CONTEXT))["error"].endswith("it is not JSON.")


@virtually
async def test_no_more_run_at_once_than_are_allowed() -> None:
    """The others wait, and their waiting counts to their time."""
    at_once = most = 0

    async def work() -> str:
        """Work."""
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.9)
        at_once -= 1
        return "done"

    bounded = runner(concurrent_max=2)
    results = await asyncio.gather(*(bounded.run(from_function(work), {}, CONTEXT) for _ in range(6)))
    assert most == 2
    assert [result.get("output") for result in results[:4]] == ["done"] * 4
    assert results[5] == {"error": "work took longer than 2 s."}


@virtually
async def test_the_text_of_an_exception_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The model is told the kind of it only."""

    async def fail() -> None:
        """Fail."""
        raise ValueError("password 1234")

    with caplog.at_level(logging.ERROR):
        assert await runner().run(from_function(fail), {}, CONTEXT) == {"error": "fail failed: ValueError."}
    assert "password 1234" in caplog.text


@virtually
async def test_a_compensation_that_fails_is_logged() -> None:
    """And harms no one."""

    async def work() -> None:
        """Work."""

    async def undo() -> None:
        raise ValueError("cannot")

    await runner().compensate(from_function(work, compensate=undo), {}, CONTEXT)
    await runner().compensate(from_function(work), {}, CONTEXT)
