"""Tools of real servers of the Model Context Protocol."""

import asyncio
import sys
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.guard.outgoing import Outgoing
from gateway.tools.mcp import McpServers
from gateway.tools.profile import McpServer
from gateway.tools.registry import Tools
from gateway.tools.runner import Run, Runner
from gateway.tools.tool import ToolContext

pytest.importorskip("mcp")
SERVER = str(Path(__file__).with_name("mcp_server.py"))
HERE = Outgoing(["127.0.0.1"])
CONTEXT = ToolContext("session", None, lambda kind, facts: None)
WIKI = McpServer(name="wiki", command=(sys.executable, SERVER))
ODD = McpServer(name="wiki", command=(sys.executable, SERVER, "odd"))


async def run(tools: Tools, name: str, timeout_s: float = 20.0, **args: object) -> dict[str, object]:
    """The response of a call."""
    tool = tools.get(name)
    assert tool is not None
    return await Runner(timeout_s, 4, 16_384).respond(Run(tool, args, CONTEXT), asyncio.Semaphore(4))


async def test_a_server_is_a_process_whose_tools_can_be_called() -> None:
    """Declared as the model can call them, of all pages, without those that are not wanted; what they answer and how
    they fail is told; it ends with the gateway."""
    servers = McpServers((ODD.model_copy(update={"only": ("search", "page-of", "slow", "die")}),), HERE.resolve)
    tools = Tools(await servers.open())
    try:
        assert {one.name for one in tools} == {"search", "page_of", "slow", "die"}
        search = tools.get("search")
        assert search is not None
        assert search.description == "Search the wiki."
        assert search.parameters["properties"]["words"] == {"type": "STRING"}
        assert search.parameters["required"] == ["words"]
        assert await run(tools, "search", words="fan", most=2) == {"pages": ["fan 0", "fan 1"]}
        assert "All about fans." in str(await run(tools, "page_of", title="fans"))
        assert "There is no such page." in str((await run(tools, "page_of", title="nothing"))["error"])
        assert (await run(tools, "slow", 0.5))["error"] == "slow took longer than 0.5 s."
        assert await run(tools, "search", words="again", most=1) == {"pages": ["again 0"]}
    finally:
        await asyncio.wait_for(servers.close(), 20)
    assert "away" in str((await run(tools, "search", words="late"))["error"])


async def test_a_server_can_be_asked_over_http(mcp_over_http: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tools by a URL; with its key; only those that are wanted."""
    wiki = McpServer(name="wiki", url=mcp_over_http, only=("search",), secret_header="X-Key", secret_env="WIKI_KEY")
    monkeypatch.delenv("WIKI_KEY", raising=False)
    with pytest.raises(ConfigError, match="The MCP server wiki needs the secret WIKI_KEY"):
        await McpServers((wiki,), HERE.resolve).open()
    monkeypatch.setenv("WIKI_KEY", "k1")
    servers = McpServers((wiki,), HERE.resolve)
    tools = Tools(await servers.open())
    try:
        assert [one.name for one in tools] == ["search"]
        assert await run(tools, "search", words="fan", most=1) == {"pages": ["fan 0"]}
    finally:
        await asyncio.wait_for(servers.close(), 20)


async def test_a_server_that_dies_fails_its_calls_and_comes_back() -> None:
    """The calls are answered with an error, and after a while with results again."""
    servers = McpServers((WIKI,), HERE.resolve)
    tools = Tools(await servers.open())
    away = {"error": "The server wiki is away at the moment."}
    try:
        assert await run(tools, "die") == away
        while (answer := await run(tools, "search", words="fan", most=1)) == away:
            await asyncio.sleep(0.1)
        assert answer == {"pages": ["fan 0"]}
    finally:
        await asyncio.wait_for(servers.close(), 20)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (McpServer(name="wiki", command=("no-such-program",)), "The MCP server wiki cannot be used: FileNotFoundError"),
        (McpServer(name="wiki", command=(sys.executable, "-c", "1")), "The MCP server wiki cannot be used"),
        (McpServer(name="wiki", url="http://127.0.0.1:9/mcp"), "The MCP server wiki cannot be used"),
        (WIKI.model_copy(update={"only": ("searhc",)}), "The MCP server wiki has no tool searhc"),
        (ODD, "either may be of several types"),
    ],
    ids=["no-program", "ends-at-once", "no-listener", "no-tool", "odd-tool"],
)
async def test_a_server_that_cannot_be_used_stops_the_start(server: McpServer, said: str) -> None:
    """With a sentence that names it, and without leaving a process."""
    servers = McpServers((server,), HERE.resolve)
    with pytest.raises(ConfigError, match=said):
        await servers.open()
    await asyncio.wait_for(servers.close(), 20)
