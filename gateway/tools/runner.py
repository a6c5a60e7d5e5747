"""Runs calls: time-outs, bounds, and results that a model can speak about.

Owns one run of one tool. It must not know ids, links or who asked.
**Invariant: `run` always returns an object to answer with, and raises only when it is cancelled.**
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from gateway.telemetry import metrics
from gateway.tools.tool import Tool, ToolContext, WrongArguments

logger = logging.getLogger(__name__)

Json = dict[str, Any]

NO_RESULTS = {"status": "no_results", "retryable": False, "message": "Nothing was found."}


class Runner:
    """The runs of one process."""

    def __init__(self, timeout_s: float, concurrent_max: int, result_max_bytes: int) -> None:
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(concurrent_max)
        self._result_max_bytes = result_max_bytes

    async def run(self, tool: Tool, args: Json, context: ToolContext) -> Json:
        """The response of a call: `{"output": …}`, `{"error": …}`, or the object that the tool returned."""
        assert tool.call is not None, "a client tool is not run here"
        timeout_s = tool.timeout_s or self._timeout_s
        outcome = "error"
        try:
            async with asyncio.timeout(timeout_s), self._places:
                result = await tool.call(args, context)
            outcome = "result"
            return self._bounded(result)
        except WrongArguments as error:
            return {"error": f"The arguments are wrong: {error}"}
        except TimeoutError:
            outcome = "timeout"
            return {"error": f"{tool.name} took longer than {timeout_s:g} s."}
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except Exception as error:
            logger.exception("the tool %s failed", tool.name)
            return {"error": f"{tool.name} failed: {type(error).__name__}."}
        finally:
            metrics.TOOL_CALLS.labels(outcome).inc()

    async def compensate(self, tool: Tool, args: Json, context: ToolContext) -> None:
        """Undo a call that was cancelled, when the tool can."""
        if tool.compensate is None:
            return
        try:
            async with asyncio.timeout(tool.timeout_s or self._timeout_s):
                await tool.compensate(args, context)
        except Exception:
            logger.exception("what the cancelled call of %s did could not be undone", tool.name)

    def _bounded(self, result: Any) -> Json:
        response = as_response(result)
        try:
            size_bytes = len(json.dumps(response).encode())
        except (TypeError, ValueError):
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
    if result in ([], {}, "", ()):
        return dict(NO_RESULTS)
    return result if isinstance(result, dict) else {"output": result}
