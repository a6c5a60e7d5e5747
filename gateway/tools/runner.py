"""Runs calls: time-outs, bounds, and results that a model can speak about.

Owns one run of one tool. It must not know ids, links or who asked.
**Invariant: `respond` always returns an object to answer with, in time whatever the function does, and raises only when
it is cancelled; no more functions than `concurrent_max` run, those included for which nobody waits any more.**
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from gateway.telemetry import metrics
from gateway.tools.tool import Json, Tool, ToolContext, WrongArguments

logger = logging.getLogger(__name__)

NO_RESULTS = {"status": "no_results", "retryable": False, "message": "Nothing was found."}


@dataclass(slots=True, eq=False)
class Run:
    """One run of a tool."""

    tool: Tool
    args: Json
    context: ToolContext
    work: asyncio.Task[Any] | None = None  # its function, once it has begun; it may outlive the call


class Runner:
    """The runs of one process."""

    def __init__(self, timeout_s: float, concurrent_max: int, result_max_bytes: int) -> None:
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(concurrent_max)
        self._working: set[asyncio.Task[Any]] = set()
        self._result_max_bytes = result_max_bytes

    async def respond(self, run: Run, places: asyncio.Semaphore) -> Json:
        """The response of a call: `{"output": …}`, `{"error": …}`, or the object that the tool returned. `places` are
        those of the session; waiting for one counts to the time of the call."""
        timeout_s = run.tool.timeout_s or self._timeout_s
        outcome = "cancelled"
        try:
            async with asyncio.timeout(timeout_s), places:
                work = await self._begin(run)
                await asyncio.wait({work})  # a function that does not let itself be ended is not waited for
            response = self._response(run.tool.name, work)
            outcome = "error" if "error" in response else "result"
            return response
        except TimeoutError:
            outcome = "timeout"
            return {"error": f"{run.tool.name} took longer than {timeout_s:g} s."}
        finally:
            if run.work is not None:
                run.work.cancel()
            metrics.TOOL_CALLS.labels(outcome).inc()

    async def undo(self, run: Run) -> None:
        """Undo a call that was cancelled, when the tool can and has begun: after its function is over, or has had its
        time."""
        tool, timeout_s = run.tool, run.tool.timeout_s or self._timeout_s
        if tool.compensate is None or run.work is None:
            return
        await asyncio.wait({run.work}, timeout=timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                await tool.compensate(run.args, run.context)
        except Exception:
            logger.exception("what the cancelled call of %s did could not be undone", tool.name)

    async def _begin(self, run: Run) -> asyncio.Task[Any]:
        assert run.tool.call is not None, "a client tool is not run here"
        await self._places.acquire()
        run.work = asyncio.create_task(run.tool.call(run.args, run.context), name=f"work of {run.tool.name}")
        self._working.add(run.work)
        run.work.add_done_callback(self._over)
        return run.work

    def _over(self, work: asyncio.Task[Any]) -> None:
        self._working.discard(work)
        self._places.release()
        if not work.cancelled():
            work.exception()  # what comes of it after nobody waits any more is nobody's

    def _response(self, name: str, work: asyncio.Task[Any]) -> Json:
        """What came of a function."""
        try:
            result = work.result()
        except WrongArguments as error:
            return {"error": f"The arguments are wrong: {error}"}
        except (Exception, asyncio.CancelledError) as error:  # also its own cancellation is not ours
            logger.exception("the tool %s failed", name)
            return {"error": f"{name} failed: {type(error).__name__}."}
        return self.bounded(result)

    def bounded(self, result: Any) -> Json:
        """What a tool returned as a response, or what is wrong with it."""
        try:
            response = as_response(to_jsonable_python(result))
            # Not even NaN or half a surrogate pair: the service closes the link for what its parser does not take.
            size_bytes = len(json.dumps(response, ensure_ascii=False, allow_nan=False).encode())
        except (TypeError, ValueError, RecursionError):
            return {"error": "The result cannot be told: it is not JSON."}
        if size_bytes > self._result_max_bytes:
            return {
                "error": f"The result has {size_bytes} bytes, and {self._result_max_bytes} can be told. Ask for less."
            }
        return response


def as_response(result: Any) -> Json:
    """What a tool returned, as the object the API wants. An empty result says so: models search again and again
    otherwise."""
    if result is None:
        return {"output": "done"}
    if isinstance(result, (list, dict, str)) and not result:
        return dict(NO_RESULTS)
    return result if isinstance(result, dict) else {"output": result}
