"""A server of the Model Context Protocol, by the protocol's own package: `python mcp_server.py [stdio|http PORT|odd]`.

It tells of its tools two a page. `odd` has one more, whose arguments cannot be told to a model.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

PAGE = 2


class Paging(MCPServer):
    """Lists its tools page by page."""

    async def _handle_list_tools(self, context: Any, params: Any) -> Any:
        whole = await super()._handle_list_tools(context, params)
        begin = int(params.cursor or 0) if params else 0
        whole.next_cursor = str(begin + PAGE) if begin + PAGE < len(whole.tools) else None
        whole.tools = whole.tools[begin : begin + PAGE]
        return whole


server = Paging("wiki")


@server.tool()
async def search(words: str, most: int = 3) -> dict[str, Any]:
    """Search the wiki."""
    return {"pages": [f"{words} {number}" for number in range(most)]}


@server.tool(name="page-of")
async def page_of(title: str) -> str:
    """Tell what is on a page."""
    if title == "nothing":
        raise ToolError("There is no such page.")
    return f"All about {title}."


@server.tool()
async def slow() -> str:
    """Take a minute."""
    await asyncio.sleep(60)
    return "late"


@server.tool()
async def die() -> str:
    """End the server."""
    os._exit(3)


async def either(place: int | str) -> str:
    """Look at a place, by number or name."""
    return f"{place}"


inner = server.streamable_http_app()


async def guarded(scope: Any, receive: Any, send: Any) -> None:
    """Let only those in who know the key."""
    if scope["type"] == "http" and (b"x-key", b"k1") not in scope["headers"]:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    await inner(scope, receive, send)


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        uvicorn.run(guarded, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
    else:
        if sys.argv[1:2] == ["odd"]:
            server.tool()(either)
        server.run("stdio")
