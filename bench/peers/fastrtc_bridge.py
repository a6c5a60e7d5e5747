"""FastRTC between a browser and the Live API, as its examples do it.

`MODEL_URL=ws://… python -m bench.peers.fastrtc_bridge`: a handler of sound and pictures, and google-genai; a picture a
second goes on as JPEG. No tokens, no transcript, no metrics. Two things are done for it, that its own page does: it
waits for a data channel before it works, and looks at pictures only while it sends some.
"""

from __future__ import annotations

import asyncio
import io
import os
import time
from contextlib import suppress

import numpy as np
from aiohttp import web
from fastrtc import AsyncAudioVideoStreamHandler, Stream, wait_for_item
from fastrtc.tracks import VideoStreamHandler_
from fastrtc.webrtc_connection_mixin import WebRTCConnectionMixin
from google import genai
from google.genai import types
from PIL import Image

from bench.peers.door import serve
from bench.peers.plain_genai import lead

MODEL = "gemini-3.8-live"
SPEECH_HZ, VOICE_HZ = 16_000, 24_000
FRAME_EVERY_S = 1.0


class NoChannel:
    """Nothing is said on it."""

    def send(self, message: str) -> None:
        """Nobody listens."""


class Handler(AsyncAudioVideoStreamHandler):
    """One call."""

    def __init__(self, model_url: str) -> None:
        super().__init__("mono", output_sample_rate=VOICE_HZ, input_sample_rate=SPEECH_HZ)
        self._url = model_url
        self._voice: asyncio.Queue[tuple[int, np.ndarray]] = asyncio.Queue()
        self._session: genai.live.AsyncSession | None = None
        self._next_s = 0.0

    def copy(self) -> Handler:
        """FastRTC makes each call's handler of the first one."""
        return Handler(self._url)

    async def start_up(self) -> None:
        """The connection to the model, as long as the call."""
        client = genai.Client(api_key="for-the-bench")
        lead(client, self._url)
        config = types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO])
        async with client.aio.live.connect(model=MODEL, config=config) as session:
            self._session = session
            while True:
                async for message in session.receive():
                    self._hear(message)

    def _hear(self, message: types.LiveServerMessage) -> None:
        if message.server_content is not None and message.server_content.interrupted:
            while not self._voice.empty():
                self._voice.get_nowait()
            self.clear_queue()
        if message.data:
            self._voice.put_nowait((VOICE_HZ, np.frombuffer(message.data, dtype=np.int16).reshape(1, -1)))

    async def receive(self, frame: tuple[int, np.ndarray]) -> None:
        """What the microphone hears."""
        if self._session is not None:
            blob = types.Blob(data=frame[1].tobytes(), mime_type=f"audio/pcm;rate={SPEECH_HZ}")
            await self._session.send_realtime_input(audio=blob)

    async def emit(self) -> tuple[int, np.ndarray] | None:
        """What the model says."""
        return await wait_for_item(self._voice)

    async def video_receive(self, frame: np.ndarray) -> None:
        """What the camera sees."""
        if self._session is not None and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + FRAME_EVERY_S
            jpeg = io.BytesIO()
            Image.fromarray(frame[:, :, ::-1]).save(jpeg, "JPEG")
            await self._session.send_realtime_input(video=types.Blob(data=jpeg.getvalue(), mime_type="image/jpeg"))

    async def video_emit(self) -> np.ndarray:
        """Nothing is shown."""
        raise NotImplementedError


class Bridge:
    """All calls."""

    def __init__(self, model_url: str) -> None:
        self._stream = Stream(Handler(model_url), modality="audio-video", concurrency_limit=1000, verbose=False)

    async def offer(self, request: web.Request) -> web.Response:
        """The one POST."""
        body = await request.json()
        name = body["webrtc_id"]
        answer = await WebRTCConnectionMixin.handle_offer(self._stream, body, self._stream.set_additional_outputs(name))
        for track in self._stream.connections[name]:
            track.set_channel(NoChannel())
            if isinstance(track, VideoStreamHandler_):
                await track.start()
        return web.json_response(answer)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(serve("/webrtc/offer", Bridge(os.environ["MODEL_URL"]).offer))
