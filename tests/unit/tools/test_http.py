"""Tools that are HTTP requests, against a real HTTP server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.errors import ConfigError
from gateway.guard.outgoing import Outgoing
from gateway.tools.http import BODY_MAX_BYTES, http_tool
from gateway.tools.profile import HttpTool
from gateway.tools.runner import Run, Runner
from gateway.tools.tool import ToolContext

CONTEXT = ToolContext("session", None, lambda kind, facts: None)
HOST = "127.0.0.1"
DESKS = Outgoing([HOST])
ASKED = web.AppKey("ASKED", list[str])


@pytest.fixture
async def desk() -> AsyncIterator[TestServer]:
    """A help desk that says what it was asked, and has some bad days."""
    asked: list[str] = []

    async def echo(request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        return web.json_response(
            {"method": request.method, "query": dict(request.query), "body": body, "key": request.headers.get("X-Key")}
        )

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound("/secret")

    async def secret(_: web.Request) -> web.Response:
        asked.append("secret")
        return web.Response(text="secret")

    application = web.Application()
    application.router.add_route("*", "/echo", echo)
    application.router.add_get("/elsewhere", elsewhere)
    application.router.add_get("/secret", secret)
    application.router.add_get("/huge", saying("x" * (BODY_MAX_BYTES + 1)))
    application.router.add_get("/text", saying("three open tickets"))
    application.router.add_get("/broken", saying("oh", 503))
    application[ASKED] = asked
    server = TestServer(application)
    await server.start_server()
    yield server
    await server.close()


def saying(text: str, status: int = 200) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A page."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=text, status=status)

    return page


def declared(server: TestServer, path: str, **more: Any) -> HttpTool:
    """A tool that asks this."""
    return HttpTool(name="ask", description="Ask the desk.", url=str(server.make_url(path)), **more)


async def asked(tool: HttpTool, args: dict[str, Any] | None = None, **env: str) -> Any:
    """What the model is answered."""
    runner = Runner(timeout_s=8.0, concurrent_max=4, result_max_bytes=BODY_MAX_BYTES * 2)
    run = Run(http_tool(tool, [HOST], env, DESKS.open_socket), args or {}, CONTEXT)
    return await runner.respond(run, asyncio.Semaphore(4))


async def test_arguments_are_a_body_or_a_query(desk: TestServer) -> None:
    """JSON with POST, parameters with GET; the secret is a header."""
    posted = await asked(
        declared(desk, "/echo", secret_header="X-Key", secret_env="DESK_KEY"), {"title": "fault"}, DESK_KEY="k1"
    )
    assert posted == {"method": "POST", "query": {}, "body": {"title": "fault"}, "key": "k1"}
    got = await asked(declared(desk, "/echo", method="GET"), {"title": "fault", "port": 14, "open": True})
    assert got["query"] == {"title": "fault", "port": "14", "open": "true"}


async def test_answers_are_json_or_text(desk: TestServer) -> None:
    """What is not JSON is told as it is."""
    assert await asked(declared(desk, "/text", method="GET")) == {"output": "three open tickets"}


async def test_redirects_are_not_followed(desk: TestServer) -> None:
    """They could lead anywhere."""
    assert await asked(declared(desk, "/elsewhere", method="GET")) == {"error": "ask was answered with HTTP 302."}
    assert desk.app[ASKED] == []


@pytest.mark.parametrize(("path", "said"), [("/huge", "has more than 65536 bytes"), ("/broken", "HTTP 503")])
async def test_what_cannot_be_told_is_an_error(desk: TestServer, path: str, said: str) -> None:
    """Too large, or refused."""
    assert said in (await asked(declared(desk, path, method="GET")))["error"]


async def test_a_desk_that_is_away_is_an_error() -> None:
    """The kind of the failure is told."""
    tool = HttpTool(name="ask", description="Ask.", url=f"http://{HOST}:9/")
    assert (await asked(tool))["error"].startswith("ask failed: ClientConnector")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://evil.example/x", "asks evil.example, which is not listed: add it to GATEWAY_HTTP_TOOL_HOSTS"),
        ("file:///etc/passwd", "is not one"),
        ("127.0.0.1/x", "is not one"),
    ],
)
def test_only_listed_hosts_are_asked(url: str, said: str) -> None:
    """Checked at the start, with a sentence."""
    with pytest.raises(ConfigError, match=said):
        http_tool(HttpTool(name="ask", description="Ask.", url=url), [HOST], {}, DESKS.open_socket)


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """One that is missing stops the start."""
    tool = HttpTool(name="ask", description="Ask.", url=f"http://{HOST}/", secret_header="X-Key", secret_env="KEY")
    path = tmp_path / "key"
    path.write_text("k1\n")
    assert http_tool(tool, [HOST], {"KEY_FILE": str(path)}, DESKS.open_socket).name == "ask"
    with pytest.raises(ConfigError, match=r"needs the secret KEY \(or KEY_FILE\)"):
        http_tool(tool, [HOST], {}, DESKS.open_socket)
    with pytest.raises(ConfigError, match="cannot be read"):
        http_tool(tool, [HOST], {"KEY_FILE": str(tmp_path / "none")}, DESKS.open_socket)
