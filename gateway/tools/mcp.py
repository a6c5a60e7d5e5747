"""Tools of Model Context Protocol servers.

Owns the connections to the servers and the translation of their tools. It must not know sessions or calls, nor which
addresses a server may have: `resolve` decides.
**Invariant: a server that cannot be reached at the start stops the start with a sentence; one that is lost later fails
its calls, is connected to again, and harms nothing else; when `close` returns no connection and no process of a server
is left.**
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from gateway.errors import ConfigError
from gateway.tools.profile import McpServer
from gateway.tools.schema import openapi
from gateway.tools.secret import secret
from gateway.tools.tool import Json, Tool, ToolContext, check_name

logger = logging.getLogger(__name__)

Resolve = Callable[[str, int], Awaitable[str]]  # host and port to an address that may be asked; raises OSError

START_TIMEOUT_S = 20.0  # a server may be a program that is downloaded and compiled at its first start
CLOSE_TIMEOUT_S = 5.0
HTTP_TIMEOUT_S = 30.0  # of one exchange; a call has its own time-out
RETRY_S = (1.0, 5.0, 30.0)  # between tries to get a lost server back; the last one again and again
LISTED_MAX = 1000  # tools of a server; a list without an end is a mistake
OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9_]")  # a server may use more in its names than a model can call
CONNECTION_CLOSED = -32000  # error code of the package for calls on a connection that is gone


class McpServers:
    """The servers of a process."""

    def __init__(self, declared: tuple[McpServer, ...], resolve: Resolve) -> None:
        self._servers = [_Server(one, resolve) for one in declared]
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> list[Tool]:
        """Connect to all servers and return their tools; raises ConfigError."""
        found: list[Tool] = []
        for server in self._servers:
            ready: asyncio.Future[list[Tool]] = asyncio.get_running_loop().create_future()
            self._tasks.append(asyncio.create_task(server.hold(ready), name=f"mcp {server.declared.name}"))
            try:
                async with asyncio.timeout(START_TIMEOUT_S):
                    found += await ready
            except TimeoutError:
                name = server.declared.name
                raise ConfigError(f"The MCP server {name} did not start within {START_TIMEOUT_S:g} s.") from None
        return found

    async def close(self) -> None:
        """End every connection; a server that is our own process ends too."""
        for server in self._servers:
            server.stop.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


class _Server:
    """One server. A connection lives in one task from its beginning to its end, as the package wants it."""

    def __init__(self, declared: McpServer, resolve: Resolve) -> None:
        self.declared = declared
        self._resolve = resolve
        self.stop = asyncio.Event()
        self._lost = asyncio.Event()
        self._session: Any = None

    async def hold(self, ready: asyncio.Future[list[Tool]]) -> None:
        """Connect, and again when the connection is lost, until `stop`; `ready` gets the tools, or why there are
        none."""
        failures = 0
        while not self.stop.is_set():
            try:
                async with AsyncExitStack() as stack:
                    self._session = await _connect(self.declared, self._resolve, stack)
                    if not ready.done():
                        ready.set_result(await self._tools())
                    failures = 0
                    await _first(self.stop, self._lost)
            except Exception as error:
                told = error if isinstance(error, ConfigError) else _cannot_use(self.declared, error)
                if not ready.done():
                    ready.set_exception(told)
                    return
                logger.warning("%s", told)
            finally:
                self._session = None
            self._lost.clear()
            if not self.stop.is_set():
                wait_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
                logger.warning("the MCP server %s was lost; trying again in %g s", self.declared.name, wait_s)
                failures += 1
                await _first(self.stop, timeout_s=wait_s)

    async def _tools(self) -> list[Tool]:
        listed = await self._listed()
        only = set(self.declared.only)
        if missing := only - {one.name for one in listed}:
            raise ConfigError(f"The MCP server {self.declared.name} has no tool {', '.join(sorted(missing))}.")
        return [self._tool(one) for one in listed if not only or one.name in only]

    async def _listed(self) -> list[Any]:
        """What the server has, on however many pages."""
        from mcp.types import PaginatedRequestParams

        listed: list[Any] = []
        cursor: str | None = None
        while len(listed) < LISTED_MAX:
            page = await self._session.list_tools(params=PaginatedRequestParams(cursor=cursor))
            listed += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        return listed

    def _tool(self, listed: Any) -> Tool:
        name = check_name(OTHER_CHARACTERS.sub("_", str(listed.name)))

        async def call(args: Json, _: ToolContext) -> Any:
            return await self._call(listed.name, args)

        description = listed.description or listed.title or f"{listed.name} of {self.declared.name}"
        return Tool(name, description, openapi(listed.input_schema, name), call)

    async def _call(self, name: str, args: Json) -> Json:
        from mcp import MCPError

        away = {"error": f"The server {self.declared.name} is away at the moment."}
        if self._session is None:
            return away
        try:
            return _response(await self._session.call_tool(name, args))
        except MCPError as error:
            if error.error.code != CONNECTION_CLOSED:
                return {"error": error.error.message}
            self._lost.set()
            return away


async def _first(*events: asyncio.Event, timeout_s: float | None = None) -> None:
    """Until one of these is set, or the time is over."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _cannot_use(server: McpServer, error: BaseException) -> ConfigError:
    while isinstance(error, BaseExceptionGroup):  # anyio wraps what happens in its tasks
        error = error.exceptions[0]
    return ConfigError(f"The MCP server {server.name} cannot be used: {type(error).__name__}: {error}.")


async def _connect(server: McpServer, resolve: Resolve, stack: AsyncExitStack) -> Any:
    try:
        import httpx2
        from mcp import ClientSession, StdioServerParameters
        from mcp.client.stdio import stdio_client
        from mcp.client.streamable_http import streamable_http_client
    except ImportError:
        raise ConfigError("MCP servers need the mcp package: pip install 'gemini-live-gateway[mcp]'.") from None
    if server.url:
        client = await stack.enter_async_context(
            httpx2.AsyncClient(
                headers=_headers(server, os.environ),
                timeout=HTTP_TIMEOUT_S,
                follow_redirects=False,
                trust_env=False,
                event_hooks={"request": [_pinned(resolve)]},
            )
        )
        streams = await stack.enter_async_context(streamable_http_client(server.url, http_client=client))
    else:
        program, *arguments = server.command
        parameters = StdioServerParameters(command=program, args=arguments, env=server.env or None)
        streams = await stack.enter_async_context(stdio_client(parameters))
    session = await stack.enter_async_context(ClientSession(streams[0], streams[1]))
    await session.initialize()
    return session


def _pinned(resolve: Resolve) -> Callable[[Any], Awaitable[None]]:
    """A hook that sends a request to the very address that was looked at; TLS still asks for the name."""

    async def hook(request: Any) -> None:
        url = request.url
        address = await resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        request.url = url.copy_with(host=address)

    return hook


def _headers(server: McpServer, env: Mapping[str, str]) -> dict[str, str]:
    if server.secret_header is None or server.secret_env is None:
        return {}
    return {server.secret_header: secret(server.secret_env, f"The MCP server {server.name}", env)}


def _response(result: Any) -> Json:
    """What a server answered: structured content where there is some, else its text."""
    text = "\n".join(part.text for part in result.content if getattr(part, "type", "") == "text")
    if result.is_error:
        return {"error": text or "The server reports an error."}
    return dict(result.structured_content) if result.structured_content else {"output": text}
