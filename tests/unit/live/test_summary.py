"""Summaries by a model, against a real HTTP server that answers as `generateContent` does."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.live.summary import Summariser
from gateway.live.transcript import Turn
from gateway.live.upstream import Upstream

TURNS = [Turn(1, "My name is Ada. I live in London.", "Nice to meet you.")]
EXTRACT = "Earlier. The user said: My name is Ada. You said: Nice to meet you."


async def summarised(answer: Any, *, status: int = 200, delay_s: float = 0.0) -> tuple[str, list[dict[str, Any]]]:
    """(summary, what the server was asked)."""
    asked: list[dict[str, Any]] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append({"path": request.path, "key": request.headers["x-goog-api-key"], "body": await request.json()})
        await asyncio.sleep(delay_s)
        return web.json_response(answer, status=status)

    application = web.Application()
    application.router.add_post("/{path:.*}", handle)
    async with TestServer(application) as server:
        upstream = Upstream(
            "ws://x", "models/m", 1.0, rest_url=f"http://127.0.0.1:{server.port}/v1beta/models/", api_key="k"
        )
        summary = await Summariser(upstream, "gemini-2.5-flash", 0.5).summarise(TURNS, "Earlier.")
    return summary, asked


async def test_the_model_summarises() -> None:
    """It is asked with the turns and with what was known before, and its words are the summary."""
    answer = {"candidates": [{"content": {"parts": [{"text": "Ada, "}, {"text": "London."}]}}]}
    summary, (asked,) = await summarised(answer)
    assert summary == "Ada, London."
    assert asked["path"] == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert asked["key"] == "k"
    text = asked["body"]["contents"][0]["parts"][0]["text"]
    assert "Before: Earlier." in text
    assert "User: My name is Ada. I live in London." in text


@pytest.mark.parametrize(
    ("answer", "status", "delay_s"),
    [
        ({"error": {"message": "quota"}}, 429, 0.0),
        ({"candidates": []}, 200, 0.0),
        ({"candidates": [{"content": {"parts": [{"text": " "}]}}]}, 200, 0.0),
        ([], 200, 0.0),
        ({}, 200, 30.0),
    ],
    ids=["refused", "blocked", "empty", "nonsense", "late"],
)
async def test_without_the_model_the_first_sentences_are_kept(answer: Any, status: int, delay_s: float) -> None:
    """A refusal, an empty or odd answer, and one that takes too long."""
    assert (await summarised(answer, status=status, delay_s=delay_s))[0] == EXTRACT


async def test_without_a_rest_api_nobody_is_asked() -> None:
    """As with the simulator."""
    upstream = Upstream("ws://x", "models/m", 1.0)
    assert await Summariser(upstream, "gemini-2.5-flash", 1.0).summarise(TURNS, "Earlier.") == EXTRACT
