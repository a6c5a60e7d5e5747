"""What was said, while it is being said: server-sent events at the session."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from tests.integration.caller import Caller
from tests.integration.test_session import PATIENCE_S, until

STREAM = {"Accept": "text/event-stream"}


async def read_events(response: ClientResponse) -> AsyncIterator[tuple[int, str, dict[str, Any]]]:
    """(id, name, data) of each event, as HTML §9.2.6 reads them."""
    fields: dict[str, str] = {}
    async for line in response.content:
        name, colon, value = line.decode().rstrip("\n").partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
        elif not colon and "data" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}


async def ask(client: TestClient, caller: Caller, text: str) -> None:
    """Write something and wait for the answer's end."""
    async with caller.events() as socket:
        await until(socket, "bot-ready")
        await socket.send_json({"type": "send-text", "data": {"content": text}})
        await until(socket, "server-message", type="turn")


async def test_words_are_streamed_and_the_stream_ends_with_the_session(client: TestClient) -> None:
    """The words of the model, the end of its turn, and the end of the session with its reason; then 204 for good."""
    async with Caller(client, silent=True) as caller:
        path = f"{caller.location}/transcript"
        async with client.get(path, headers=STREAM) as response:
            assert (response.status, response.content_type) == (200, "text/event-stream")
            await ask(client, caller, "hello")
            assert await caller.end() == 204
            async with asyncio.timeout(PATIENCE_S):
                told = [event async for event in read_events(response)]
    names = [name for _, name, _ in told]
    assert set(names) == {"state", "bot-output", "turn"}
    assert [number for number, _, _ in told] == sorted(number for number, _, _ in told)
    words = "".join(data["data"]["text"] for _, name, data in told if name == "bot-output")
    assert words.startswith("You wrote: hello")
    assert (names[-1], told[-1][2]["data"]["code"]) == ("state", "user")
    assert (await client.get(path, headers=STREAM)).status == 204
    assert (await client.get(path)).status == 200, "the record is kept for a while"


async def test_a_reader_that_comes_back_misses_nothing(client: TestClient) -> None:
    """It names the last event it saw, and gets all that came after it."""
    async with Caller(client, silent=True) as caller:
        path = f"{caller.location}/transcript"
        await ask(client, caller, "hello")
        async with client.get(path, headers=STREAM) as response:
            events = read_events(response)
            seen = [await anext(events) for _ in range(3)]
        async with client.get(path, headers={**STREAM, "Last-Event-ID": str(seen[1][0])}) as response:
            assert await anext(read_events(response)) == seen[2]
        refused = await client.get(path, headers={**STREAM, "Last-Event-ID": "x"})
        assert (refused.status, refused.content_type) == (400, "application/problem+json")
        assert await caller.end() == 204
    assert (await client.get("/v1/sessions/nobody/transcript", headers=STREAM)).status == 404


async def test_a_page_of_another_site_may_read_the_stream(open_client: Any) -> None:
    """The headers that allow it are there although the response begins before its end."""
    client = await open_client(cors_origins=("https://app.example",))
    async with Caller(client, silent=True) as caller:
        headers = {**STREAM, "Origin": "https://app.example"}
        async with client.get(f"{caller.location}/transcript", headers=headers) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert await caller.end() == 204
