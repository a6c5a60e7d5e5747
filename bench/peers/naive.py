"""A plain bridge between aiortc and the Live API, as one would write it first.

`MODEL_URL=ws://… python -m bench.peers.naive`: tracks are read as frames, sound is resampled and sent as it comes, a
picture a second is saved as JPEG, and the model's voice is a track that aiortc encodes. No tokens, no transcript, no
metrics, nothing for lost packets or lost links.
"""

from __future__ import annotations

import asyncio
import base64
import fractions
import io
import json
import os
from collections.abc import Coroutine

import av
import numpy as np
from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from websockets.asyncio.client import ClientConnection, connect

from bench.peers.door import serve

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
VOICE_HZ, CHUNK_BYTES = 24_000, 960
FRAME_EVERY_S = 1.0
SETUP = {"setup": {"model": "models/gemini-3.8-live", "generationConfig": {"responseModalities": ["AUDIO"]}}}


class Voice(MediaStreamTrack):
    """What the model says."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.waiting = bytearray()
        self._next_s: float | None = None
        self._pts = 0

    async def recv(self) -> av.AudioFrame:
        """20 ms, paced; silence when nothing is said."""
        loop = asyncio.get_running_loop()
        self._next_s = (self._next_s or loop.time()) + 0.02
        await asyncio.sleep(max(0.0, self._next_s - loop.time()))
        pcm = bytes(self.waiting[:CHUNK_BYTES]).ljust(CHUNK_BYTES, b"\0")
        del self.waiting[:CHUNK_BYTES]
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, dtype="<i2").reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = VOICE_HZ, self._pts, fractions.Fraction(1, VOICE_HZ)
        self._pts += frame.samples
        return frame


class Bridge:
    """All calls."""

    def __init__(self, model_url: str) -> None:
        self._url = model_url
        self._pcs: list[RTCPeerConnection] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def offer(self, request: web.Request) -> web.Response:
        """The one POST."""
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pcs.append(pc)
        voice, model = Voice(), await connect(self._url + PATH)
        await model.send(json.dumps(SETUP))
        await model.recv()
        pc.addTrack(voice)
        self._start(self._hear(model, voice))

        @pc.on("track")
        def _(track: MediaStreamTrack) -> None:
            self._start(self._listen(track, model) if track.kind == "audio" else self._look(track, model))

        await pc.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        return web.Response(status=201, text=pc.localDescription.sdp, content_type="application/sdp")

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.add(asyncio.create_task(work))

    async def _hear(self, model: ClientConnection, voice: Voice) -> None:
        async for raw in model:
            content = json.loads(raw).get("serverContent", {})
            if content.get("interrupted"):
                voice.waiting.clear()
            for part in content.get("modelTurn", {}).get("parts", []):
                voice.waiting += base64.b64decode(part.get("inlineData", {}).get("data", ""))

    async def _listen(self, track: MediaStreamTrack, model: ClientConnection) -> None:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
        while True:
            for frame in resampler.resample(await track.recv()):
                await self._send(model, "audio", "audio/pcm;rate=16000", frame.to_ndarray().tobytes())

    async def _look(self, track: MediaStreamTrack, model: ClientConnection) -> None:
        loop, next_s = asyncio.get_running_loop(), 0.0
        while True:
            frame = await track.recv()
            if loop.time() >= next_s:
                next_s = loop.time() + FRAME_EVERY_S
                jpeg = io.BytesIO()
                frame.to_image().save(jpeg, "JPEG")
                await self._send(model, "video", "image/jpeg", jpeg.getvalue())

    async def _send(self, model: ClientConnection, kind: str, mime_type: str, data: bytes) -> None:
        blob = {"mimeType": mime_type, "data": base64.b64encode(data).decode()}
        await model.send(json.dumps({"realtimeInput": {kind: blob}}))


if __name__ == "__main__":
    asyncio.run(serve("/v1/sessions", Bridge(os.environ["MODEL_URL"]).offer))
