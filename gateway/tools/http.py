"""Tools that are HTTP requests, for people who do not write Python.

Owns the request: allowed hosts, bounds, and the secret header. It must not know profiles' files or calls, nor which
addresses a host may have: `connect` decides.
**Invariant: no host is asked that was not listed, no redirect is followed, and no more than `BODY_MAX_BYTES` is read.**
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from gateway.errors import ConfigError
from gateway.tools.profile import HttpTool
from gateway.tools.schema import openapi
from gateway.tools.secret import secret
from gateway.tools.tool import Json, Tool, ToolContext, check_name

Connect = Callable[[tuple[Any, ...]], socket.socket]  # of an entry of getaddrinfo; raises OSError

BODY_MAX_BYTES = 64 * 1024  # what can be told is bounded far below


def http_tool(declared: HttpTool, hosts: Collection[str], env: Mapping[str, str], connect: Connect) -> Tool:
    """The tool of a declaration; `connect` makes its sockets, to addresses that may be asked. Raises ConfigError."""
    parts = urlsplit(declared.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"The URL of the tool {declared.name} is not one: {declared.url!r}.")
    if parts.hostname not in hosts:
        raise ConfigError(
            f"The tool {declared.name} asks {parts.hostname}, which is not listed: add it to GATEWAY_HTTP_TOOL_HOSTS."
        )
    headers = {"Accept": "application/json"}
    if declared.secret_header and declared.secret_env:
        headers[declared.secret_header] = secret(declared.secret_env, f"The tool {declared.name}", env)

    async def call(args: Json, _: ToolContext) -> Any:
        return await _request(declared, headers, connect, args)

    return Tool(
        check_name(declared.name),
        declared.description,
        openapi(declared.parameters, declared.name),
        call,
        declared.timeout_s,
        declared.blocking,
        declared.scheduling,
        declared.show_arguments,
    )


async def _request(declared: HttpTool, headers: Mapping[str, str], connect: Connect, args: Json) -> Any:
    in_query = declared.method in ("GET", "DELETE")
    arguments: dict[str, Any] = (
        {"params": {name: _plain(value) for name, value in args.items()}} if in_query else {"json": args}
    )
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=connect), auto_decompress=False, trust_env=False
        ) as client,
        client.request(declared.method, declared.url, headers=headers, allow_redirects=False, **arguments) as response,
    ):
        if response.status >= 300:
            return {"error": f"{declared.name} was answered with HTTP {response.status}."}
        body = b""
        async for part in response.content.iter_any():
            body += part
            if len(body) > BODY_MAX_BYTES:
                return {"error": f"The answer of {declared.name} has more than {BODY_MAX_BYTES} bytes."}
    text = body.decode(errors="replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
