"""Tools of Model Context Protocol servers.

Owns the connections to the servers and the translation of their tools. It must not know sessions or calls.
**Invariant: a server that cannot be reached at the start stops the start with a sentence; one that fails later fails
its calls and nothing else; when `close` returns no connection and no process of a server is left.**
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any

from gateway.errors import ConfigError
from gateway.tools.profile import McpServer
from gateway.tools.schema import openapi
from gateway.tools.tool import Json, Tool, ToolContext

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 20.0  # a server may be a program that is downloaded and compiled at its first start


class McpServers:
    """The servers of a process."""

    def __init__(self, declared: tuple[McpServer, ...]) -> None:
        self._declared = declared
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    async def open(self) -> list[Tool]:
        """Connect to all servers and return their tools; raises ConfigError."""
        found: list[Tool] = []
        for server in self._declared:
            ready: asyncio.Future[list[Tool]] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._hold(server, ready), name=f"mcp {server.name}")
            self._tasks.append(task)
            try:
                async with asyncio.timeout(START_TIMEOUT_S):
                    found += await ready
            except TimeoutError:
                raise ConfigError(f"The MCP server {server.name} did not start within {START_TIMEOUT_S:g} s.") from None
        return found

    async def close(self) -> None:
        """End every connection; a server that is our own process ends too."""
        self._stop.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=5.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hold(self, server: McpServer, ready: asyncio.Future[list[Tool]]) -> None:
        """One connection, in one task from its beginning to its end, as the package wants it."""
        try:
            async with AsyncExitStack() as stack:
                session = await _connect(server, stack)
                listed = await session.list_tools()
                tools = [_tool(server, session, one) for one in listed.tools]
                wanted = [one for one in tools if not server.only or one.name in server.only]
                if missing := set(server.only) - {one.name for one in wanted}:
                    raise ConfigError(f"The MCP server {server.name} has no tool {', '.join(sorted(missing))}.")
                ready.set_result(wanted)
                await self._stop.wait()
        except Exception as error:
            if ready.done():
                logger.exception("the MCP server %s was lost", server.name)
                return
            told = error if isinstance(error, ConfigError) else _cannot_start(server, error)
            ready.set_exception(told)


def _cannot_start(server: McpServer, error: BaseException) -> ConfigError:
    while isinstance(error, BaseExceptionGroup):  # anyio wraps what happens in its tasks
        error = error.exceptions[0]
    return ConfigError(f"The MCP server {server.name} cannot be used: {type(error).__name__}: {error}.")


async def _connect(server: McpServer, stack: AsyncExitStack) -> Any:
    try:
        from mcp import ClientSession, StdioServerParameters
        from mcp.client.stdio import stdio_client
        from mcp.client.streamable_http import streamable_http_client
    except ImportError:
        raise ConfigError("MCP servers need the mcp package: pip install 'gemini-live-gateway[mcp]'.") from None
    if server.url:
        streams = await stack.enter_async_context(streamable_http_client(server.url))
    else:
        program, *arguments = server.command
        parameters = StdioServerParameters(command=program, args=arguments, env=server.env or None)
        streams = await stack.enter_async_context(stdio_client(parameters))
    session = await stack.enter_async_context(ClientSession(streams[0], streams[1]))
    await session.initialize()
    return session


def _tool(server: McpServer, session: Any, listed: Any) -> Tool:
    name = str(listed.name).replace("-", "_").replace(".", "_")

    async def call(args: Json, _: ToolContext) -> Any:
        return _response(await session.call_tool(listed.name, args))

    description = listed.description or listed.title or f"{listed.name} of {server.name}"
    return Tool(name, description, openapi(listed.input_schema, name), call)


def _response(result: Any) -> Json:
    """What a server answered: structured content where there is some, else its text."""
    text = "\n".join(part.text for part in result.content if getattr(part, "type", "") == "text")
    if result.is_error:
        return {"error": text or "The server reports an error."}
    return dict(result.structured_content) if result.structured_content else {"output": text}
