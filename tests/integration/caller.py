"""A caller for tests: an aiortc peer that offers microphone and camera to a running gateway over HTTP."""

from __future__ import annotations

import asyncio
import fractions
import json
import re
from types import TracebackType
from typing import Any

import aiohttp
import av
import numpy as np
from aiohttp.test_utils import TestClient
from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

from gateway.impair import Relay, host_candidate, without_candidates
from tests.message_schema import check

RATE_HZ = 48_000
TONE_HZ = 440.0


class Tone(AudioStreamTrack):
    """A steady tone, paced by aiortc's own clock."""

    async def recv(self) -> av.AudioFrame:
        """20 ms of the tone."""
        silence = await super().recv()
        rate = silence.sample_rate
        phase = (silence.pts + np.arange(silence.samples)) * (2 * np.pi * TONE_HZ / rate)
        samples = (np.sin(phase) * 8000).astype("<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, silence.pts, fractions.Fraction(1, rate)
        return frame


class Caller:
    """One call: `async with Caller(client) as caller`, which has then an answer and, soon, media.

    `join` is the location of a session to give a new peer instead of starting one; `door` is where the offer goes
    otherwise; `direction` is that of its sound; `relay` is the only way to the gateway, when there is one; `token` goes
    with every request; `query` is what is asked for of a session for tests;
    `channel` opens a data channel.
    """

    def __init__(
        self,
        client: TestClient | aiohttp.ClientSession,
        *,
        video: bool = False,
        silent: bool = False,
        direction: str = "sendrecv",
        door: str = "/v1/sessions",
        join: str | None = None,
        relay: Relay | None = None,
        token: str | None = None,
        query: str = "",
        channel: bool = False,
    ) -> None:
        self._client = client
        self._door = f"{join}/peer" if join else f"{door}{query}"
        self._join = join
        self._relay = relay
        self._token = token
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if direction == "recvonly":
            self.pc.addTransceiver("audio", direction=direction)
        elif direction != "none":
            self.pc.addTransceiver(AudioStreamTrack() if silent else Tone(), direction=direction)
        if video:
            self.pc.addTransceiver(VideoStreamTrack(), direction="sendonly")
        self.channel = self.pc.createDataChannel("chat") if channel else None
        self.told: list[dict[str, Any]] = []  # over the data channel
        self.location = ""
        self.etag: str | None = None
        self.connected = asyncio.Event()
        self.heard = 0
        self._listening: list[asyncio.Task[None]] = []

        @self.pc.on("connectionstatechange")
        def _() -> None:
            if self.pc.connectionState == "connected":
                self.connected.set()

        if self.channel is not None:
            self.channel.on("message", lambda text: self.told.append(json.loads(text)))

        @self.pc.on("track")
        def _(track: AudioStreamTrack) -> None:
            self._listening.append(asyncio.ensure_future(self._listen(track)))

    async def __aenter__(self) -> Caller:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        answer = await self._exchange(self.pc.localDescription.sdp)
        if self._relay is not None:
            gateway = host_candidate(answer)
            assert gateway is not None
            await self._relay.open(gateway)
            answer = self._relay.rewrite(answer)
        await self.pc.setRemoteDescription(RTCSessionDescription(self._understood(answer), "answer"))
        return self

    async def _exchange(self, offer: str) -> str:
        """Bring the offer to the gateway; its answer."""
        response = await self._client.post(
            self._door,
            data=without_candidates(offer) if self._relay else offer,
            headers={"Content-Type": "application/sdp", **self._headers},
        )
        answer = await response.text()
        assert response.status == 201, answer
        self.location = self._join or response.headers["Location"]
        self.etag = response.headers.get("ETag")
        return answer

    def _understood(self, answer: str) -> str:
        """What is made of the answer."""
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.pc.close()
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        if error is None:
            for message in self.told:
                check(message)

    @property
    def session(self) -> str:
        """The path of the session, also where its location is that of one connection."""
        return "/".join(self.location.split("/")[:4])

    @property
    def ufrag(self) -> str:
        """The ICE user name fragment of its offer."""
        found = re.search(r"a=ice-ufrag:(\S+)", self.pc.localDescription.sdp)
        assert found is not None
        return found[1]

    async def end(self) -> int:
        """DELETE the session; the status."""
        return (await self._client.delete(self.location, headers=self._headers)).status

    def events(self) -> aiohttp.client._WSRequestContextManager:
        """The event WebSocket, with the token where a browser can put it."""
        protocols = ("gateway.v1", f"token.{self._token}") if self._token else ()
        return self._client.ws_connect(self.session + "/events", protocols=protocols)

    async def _listen(self, track: AudioStreamTrack) -> None:
        while True:
            frame = await track.recv()
            if np.abs(frame.to_ndarray()).max() > 500:
                self.heard += 1
