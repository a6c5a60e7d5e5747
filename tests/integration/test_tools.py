"""Function calls through the whole gateway: a profile, its tools of every kind, and the page at the other end."""

import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.app import open_gateway
from gateway.errors import ConfigError
from gateway.settings import Settings
from gateway.simulator import Fault, Simulator
from tests import wire
from tests.integration.caller import Caller
from tests.integration.conftest import OpenClient
from tests.integration.test_session import condition, until

MODULE = '''
from gateway.tools import ToolContext, tool

@tool(show_arguments=True)
def look(thing: str, context: ToolContext) -> dict[str, object]:
    """Look at a thing."""
    context.send_event("looked", {"thing": thing})
    known = {"session": context.session_id, "caller": context.claims["subject"]}
    return {"seen": thing, "frame": context.newest_frame is not None, **known}
'''
PROFILE = f"""
name = "test"
voice = "Kore"
system_instruction = "Be a parrot."
tools = ["look_of_integration_test"]

[[client_tool]]
name = "show"
description = "Show something."
parameters = {{ type = "object", properties = {{ text = {{ type = "string" }} }} }}

[[mcp]]
name = "wiki"
command = ["{sys.executable}", "{Path(__file__).with_name("mcp_server.py")}"]
only = ["search"]
"""
WIKI_SECRET = 'secret_header = "X-Key"\nsecret_env = "WIKI_KEY"'
SECRET = "s3cr3t-of-the-desk"
HTTP_TOOL = """
[[http_tool]]
name = "open_ticket"
description = "Open a ticket."
url = "{url}"
secret_header = "Authorization"
secret_env = "DESK_KEY"
parameters = {{ type = "object", properties = {{ title = {{ type = "string" }} }} }}
"""
OPERATOR = "of-these-tests-only-" * 2
Talking = Callable[..., Awaitable[tuple[Simulator, TestClient]]]


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A profile with a tool in Python, one of the page and one of an MCP server."""
    (tmp_path / "look_of_integration_test.py").write_text(MODULE)
    path = tmp_path / "profile.toml"
    path.write_text(PROFILE)
    return path


@pytest.fixture
async def desk() -> AsyncIterator[TestServer]:
    """A help desk that knows its key; one of its resources hangs up in the middle."""

    async def tickets(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != SECRET:
            return web.Response(status=401)
        return web.json_response({"ticket": 7, **await request.json()})

    async def cut_off(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    application = web.Application()
    application.router.add_post("/tickets", tickets)
    application.router.add_post("/cut-off", cut_off)
    server = TestServer(application)
    await server.start_server()
    yield server
    await server.close()


@pytest.fixture
async def talking(open_client: OpenClient, profile: Path) -> AsyncIterator[Talking]:
    """`await talking(*faults)`: a simulator to which this happens and a gateway with the profile."""
    started = []

    async def start(*faults: Fault) -> tuple[Simulator, TestClient]:
        simulator = Simulator(script=faults)
        await simulator.start()
        started.append(simulator)
        here = ("127.0.0.1",)
        settings = {
            "upstream_url": simulator.url,
            "profile": profile,
            "http_tool_hosts": here,
            "operator_key": OPERATOR,
        }
        return simulator, await open_client(private_networks=here, **settings)

    yield start
    for simulator in started:
        await simulator.stop()


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Change a file."""
    path.write_text(change(path.read_text()))


def called(name: str, **args: Any) -> Fault:
    """The model calls this after its first answer."""
    return Fault(at="turn", do="tool_call", name=name, args=args)


async def response(simulator: Simulator) -> dict[str, Any]:
    """The first response, read by Google's own types."""
    heard = simulator.connections[0]
    await condition(lambda: any("toolResponse" in message for message in heard.messages))
    for sender, raw in heard.raw:
        if sender == "client":
            wire.check_client(raw)
    (message,) = [message for message in heard.messages if "toolResponse" in message]
    (one,) = message["toolResponse"]["functionResponses"]
    return dict(one["response"])


async def test_a_profile_tells_the_model_who_it_is_and_what_it_may_call(talking: Talking) -> None:
    """Voice, instruction and all tools are in the setup, in the form the service takes."""
    simulator, client = await talking()
    async with Caller(client, silent=True) as caller, caller.events() as socket:
        await until(socket, "bot-ready")
        setup = simulator.connections[0].setup
        voice = setup["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"]
        assert (voice, setup["systemInstruction"]["parts"][0]["text"]) == ("Kore", "Be a parrot.")
        declared = {one["name"]: one for one in setup["tools"][0]["functionDeclarations"]}
        assert set(declared) == {"look", "show", "search"}
        assert declared["search"]["parameters"]["required"] == ["words"]


async def test_a_python_function_is_called(talking: Talking) -> None:
    """It gets its arguments and the context; the page is told of the call and what the function wants to tell, and
    never what it returned, which only the operator is."""
    simulator, client = await talking(called("look", thing="lamp"))
    async with Caller(client, silent=True, video=True) as caller, caller.events() as socket:
        await until(socket, "server-message", type="frame")
        await socket.send_json({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": "look"}})
        started = await until(socket, "llm-function-call-started", function_name="look")
        assert started["data"]["arguments"] == {"thing": "lamp"}
        assert (await until(socket, "server-message", type="looked"))["data"]["thing"] == "lamp"
        stopped = await until(socket, "llm-function-call-stopped", function_name="look")
        assert (stopped["data"]["cancelled"], stopped["data"]["failed"]) == (False, False)
        answered = await response(simulator)
        known = {"session": caller.location.rpartition("/")[2], "caller": "anyone"}
        assert answered == {"seen": "lamp", "frame": True, **known}
        await until(socket, "server-message", type="ttfab", trigger="tool", to="payload")
        path = f"{caller.location}/transcript"
        assert [{"name": "look"}] in [turn["tools"] for turn in (await (await client.get(path)).json())["turns"]]
        assert "Tool: look\n" in await (await client.get(path, headers={"Accept": "text/plain"})).text()
        record = await (await client.get(path, headers={"Authorization": f"Bearer {OPERATOR}"})).json()
        assert '"seen": "lamp"' in str(record["turns"])


async def test_a_function_of_the_page_is_called(talking: Talking) -> None:
    """The page gets the arguments, and what it answers goes to the model; an answer to nothing is refused."""
    simulator, client = await talking(called("show", text="port 14"))
    async with Caller(client, silent=True) as caller, caller.events() as socket:
        await until(socket, "bot-ready")
        await socket.send_json({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": "show"}})
        asked = (await until(socket, "llm-function-call"))["data"]
        assert (asked["function_name"], asked["args"]) == ("show", {"text": "port 14"})
        answer = {"function_name": "show", "tool_call_id": asked["tool_call_id"], "result": {"shown": 14}}
        reply = {"label": "rtvi-ai", "type": "llm-function-call-result", "id": "2", "data": answer}
        await socket.send_json(reply)
        assert await response(simulator) == {"shown": 14}
        await socket.send_json({**reply, "id": "3"})
        refused = await until(socket, "error-response")
        assert (refused["id"], refused["data"]["error"]) == ("3", "No function call waits for this result.")


@pytest.mark.parametrize("carrier", ["stdio", "streamable HTTP"])
async def test_a_tool_of_an_mcp_server_is_called(
    talking: Talking, profile: Path, carrier: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the model's call to the server's process and back."""
    if carrier != "stdio":
        monkeypatch.setenv("WIKI_KEY", "k1")
        over_http = f'url = "{request.getfixturevalue("mcp_over_http")}"\n' + WIKI_SECRET
        rewrite(profile, lambda text: re.sub(r"(?m)^command = .*$", over_http, text))
    simulator, client = await talking(called("search", words="fan", most=1))
    async with Caller(client, silent=True) as caller, caller.events() as socket:
        await until(socket, "bot-ready")
        await socket.send_json({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": "search"}})
        assert await response(simulator) == {"pages": ["fan 0"]}


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("tickets", {"ticket": 7, "title": "port 14"}),
        ("nowhere", {"error": "open_ticket was answered with HTTP 404."}),
        ("cut-off", {"error": "open_ticket failed: ServerDisconnectedError."}),
    ],
)
async def test_a_secret_of_an_http_tool_reaches_its_host_and_nobody_else(
    talking: Talking,
    profile: Path,
    desk: TestServer,
    path: str,
    answer: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whether the request works or fails: not the page, not the model, not the log."""
    monkeypatch.setenv("DESK_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    rewrite(profile, lambda text: text.partition("[[mcp]]")[0] + HTTP_TOOL.format(url=desk.make_url(f"/{path}")))
    simulator, client = await talking(called("open_ticket", title="port 14"))
    async with Caller(client, silent=True) as caller, caller.events() as socket:
        await until(socket, "bot-ready")
        await socket.send_json({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": "report"}})
        assert await response(simulator) == answer
        stopped = await until(socket, "llm-function-call-stopped", function_name="open_ticket")
        told = [await (await client.get(f"{caller.location}/transcript")).text()]
        async with caller.events() as replayed:
            async for message in replayed:
                told.append(message.data)
                if json.loads(message.data)["seq"] >= stopped["seq"]:
                    break
    told += [caplog.text, *map(str, simulator.connections[0].raw)]
    assert len(told) > 6
    assert not [text for text in told if SECRET in text]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tools": "no_such_module_here"}, "The tools of no_such_module_here cannot be loaded"),
        ({"profile": "none.toml"}, "none.toml cannot be read"),
        ({"mcp_servers": ({"name": "x"},)}, "GATEWAY_MCP_SERVERS has a mistake"),
        ({"mcp_servers": ({"name": "x", "command": ("no-such-program",)},)}, "The MCP server x cannot be used"),
    ],
)
async def test_tools_that_cannot_be_used_stop_the_start(settings: dict[str, Any], said: str) -> None:
    """With one sentence, and nothing stays open."""
    with pytest.raises(ConfigError, match=said):
        async with open_gateway(Settings(upstream="simulator", **settings)):
            pass
