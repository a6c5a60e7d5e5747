"""Pipecat between a browser and the Live API, as its examples do it.

`MODEL_URL=ws://… python -m bench.peers.pipecat_bridge`: SmallWebRTCTransport, a context, GeminiLiveLLMService; the
model tells when somebody speaks, so that no detector of its own runs here, and a picture a second goes on. No tokens,
no metrics, no events; its log is off.
"""

from __future__ import annotations

import asyncio
import os

from aiohttp import web
from loguru import logger
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport

from bench.peers.door import serve
from bench.peers.plain_genai import lead

FRAMES_PER_S = 1


class Bridge:
    """All calls."""

    def __init__(self, model_url: str) -> None:
        self._url = model_url
        self._calls: set[asyncio.Task[None]] = set()

    async def offer(self, request: web.Request) -> web.Response:
        """The one POST."""
        offer = await request.json()
        connection = SmallWebRTCConnection()
        await connection.initialize(sdp=offer["sdp"], type=offer["type"])
        self._calls.add(asyncio.create_task(self._talk(connection)))
        return web.json_response(connection.get_answer())

    async def _talk(self, connection: SmallWebRTCConnection) -> None:
        params = TransportParams(audio_in_enabled=True, audio_out_enabled=True, video_in_enabled=True)
        transport = SmallWebRTCTransport(webrtc_connection=connection, params=params)
        model = GeminiLiveLLMService(api_key="for-the-bench")
        lead(model._client, self._url)
        context = LLMContextAggregatorPair(LLMContext())
        steps = [transport.input(), context.user(), model, transport.output(), context.assistant()]
        task = PipelineTask(Pipeline(steps), cancel_on_idle_timeout=False)

        @transport.event_handler("on_client_connected")
        async def _(transport: SmallWebRTCTransport, client: SmallWebRTCConnection) -> None:
            await transport.capture_participant_video(client.pc_id, FRAMES_PER_S, video_source="camera")
            await task.queue_frames([LLMRunFrame()])

        await PipelineRunner(handle_sigint=False).run(task)


if __name__ == "__main__":
    logger.remove()
    asyncio.run(serve("/api/offer", Bridge(os.environ["MODEL_URL"]).offer))
