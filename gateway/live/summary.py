"""A summary of the conversation by a model, or without one.

Owns the `generateContent` call and its fallback. It must not know links or when a summary is wanted.
**Invariant: a summary always comes, within its time: by the model, or by `seed.extract` when that fails or is late.**
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import aiohttp

from gateway.errors import UpstreamError
from gateway.live.seed import SUMMARY_MAX_CHARS, extract
from gateway.live.transcript import Turn
from gateway.live.upstream import Upstream
from gateway.telemetry import metrics

logger = logging.getLogger(__name__)

PROMPT = (
    "Summarise this conversation between a user and a voice assistant in at most 150 words, for the assistant to go on "
    "from. Keep names, numbers, decisions, open questions and what was seen by the camera. Plain text."
)


class Summariser:
    """Summarises by one model of one upstream."""

    def __init__(self, upstream: Upstream, model: str | None, timeout_s: float) -> None:
        self._upstream = upstream
        self._model = model
        self._timeout_s = timeout_s

    async def summarise(self, turns: Sequence[Turn], before: str) -> str:
        """What was said in these turns and, by an earlier summary, before them."""
        url = self._upstream.generate_content_url(self._model) if self._model else None
        if url is not None:
            try:
                async with asyncio.timeout(self._timeout_s):
                    text = await self._ask(url, turns, before)
                metrics.SUMMARIES.labels("model").inc()
                return text[:SUMMARY_MAX_CHARS]
            except (aiohttp.ClientError, TimeoutError, UpstreamError, LookupError, TypeError, ValueError) as error:
                logger.warning("no summary by %s: %s", self._model, str(error) or type(error).__name__)
        metrics.SUMMARIES.labels("extract").inc()
        return extract(turns, before)

    async def _ask(self, url: str, turns: Sequence[Turn], before: str) -> str:
        parts = [PROMPT, f"Before: {before}" if before else "", *("\n".join(turn.lines()) for turn in turns)]
        text = "\n\n".join(part for part in parts if part)
        body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        headers = await self._upstream.headers()
        async with aiohttp.ClientSession() as client, client.post(url, json=body, headers=headers) as response:
            response.raise_for_status()
            answer = await response.json()
        words = "".join(part.get("text", "") for part in answer["candidates"][0]["content"]["parts"])
        if not words.strip():
            raise ValueError("the summary is empty")
        return words.strip()
