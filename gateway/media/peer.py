"""The WebRTC leg: one peer connection with a browser.

Owns the negotiation, the tracks and the watch over the connection. It must not know the model's leg: it speaks to a
`PeerSink` in PCM, JPEG and states.
**Invariant: after `close` nothing of it is left; whatever a browser does, `run` returns normally.**
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from aiortc import (
    InvalidStateError,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.sdp import SessionDescription, candidate_from_sdp

from gateway.errors import BadOffer, PeerGone, UnsupportedOffer
from gateway.media.answer import clean_offer, transform_answer, usable_candidate
from gateway.media.audio_uplink import AudioUplink
from gateway.media.jpeg import JpegWorker
from gateway.media.playout import Playout
from gateway.media.video_uplink import Frame, VideoUplink
from gateway.media.voice import Voice
from gateway.settings import Settings

__all__ = ["Frame", "Peer", "PeerSink", "PeerState", "TrickleCandidate"]

logger = logging.getLogger(__name__)

WATCH_S = 0.25  # how often the watchdog looks
SUSPECT_S = 2.0  # without a packet: five lost 400 ms comfort packets in a row, or a tunnel
LOST_S = 8.0  # a browser gives its own connection up after about as long; its page then comes back with a new peer


class PeerState(StrEnum):
    """Where a peer is in its life."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    SUSPECT = "suspect"  # connected, but nothing arrives
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class TrickleCandidate:
    """A remote ICE candidate: `candidate:…` and the section it belongs to."""

    candidate: str
    mid: str | None = None
    mline_index: int | None = None


class PeerSink(Protocol):
    """What a peer tells; every call is on the event loop and must not block."""

    def peer_audio(self, pcm: bytes) -> None:
        """40 ms of the person's voice, 16 kHz mono s16le, steady by the clock."""

    def peer_audio_paused(self) -> None:
        """No sound has come for a second."""

    def peer_frame(self, frame: Frame) -> None:
        """A sampled picture."""

    def peer_state(self, state: PeerState, reason: str) -> None:
        """The state changed; the reason is a sentence."""

    def peer_voice(self, speaking: bool) -> None:
        """The model's voice became audible, or fell silent."""


class Peer:
    """One peer connection: `answer`, then `run` until it is over, then `close`."""

    def __init__(
        self, settings: Settings, playout: Playout, sink: PeerSink, jpeg: JpegWorker, frame_ids: Iterator[int]
    ) -> None:
        self._settings = settings
        self._sink = sink
        self._jpeg = jpeg
        self._frame_ids = frame_ids
        self._voice = Voice(playout, sink.peer_voice)
        # No STUN or TURN on this side: a gateway has an address, and aiortc's default would ask Google for one.
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._state = PeerState.CONNECTING
        self._audio: AudioUplink | None = None
        self._video: VideoUplink | None = None
        self._first_mid: str | None = None
        self._changed = asyncio.Event()
        self._connected = asyncio.Event()
        self._closed: asyncio.Task[None] | None = None
        self._pc.on("track", self._on_track)
        self._pc.on("connectionstatechange", self._on_connection_state)

    @property
    def state(self) -> PeerState:
        """Where the peer is in its life."""
        return self._state

    async def answer(self, offer_sdp: str) -> str:
        """Take an offer and give the answer; raises BadOffer and UnsupportedOffer."""
        offer_sdp = clean_offer(offer_sdp)
        try:
            sections = SessionDescription.parse(offer_sdp).media
        except Exception as error:  # the parser asserts, indexes and converts without guard
            raise BadOffer(f"The SDP cannot be read: {error or type(error).__name__}.") from None
        self._offer_transceivers([section.kind for section in sections if section.port])
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(offer_sdp, "offer"))
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except OperationError as error:
            raise UnsupportedOffer(f"The offer has no codec in common with the gateway: {error}.") from None
        except (ValueError, InvalidStateError) as error:
            raise BadOffer(f"The offer cannot be used: {error}.") from None
        self._first_mid = sections[0].rtp.muxId
        return transform_answer(self._pc.localDescription.sdp)

    async def add_candidates(self, candidates: Sequence[TrickleCandidate], end_of_candidates: bool) -> None:
        """Take the browser's ICE candidates; those of no use are ignored. Raises PeerGone."""
        if self._state is PeerState.CLOSED:
            raise PeerGone("The WebRTC connection of this session is closed.")
        for trickled in candidates:
            if not usable_candidate(trickled.candidate):
                continue
            candidate = candidate_from_sdp(trickled.candidate.removeprefix("candidate:"))
            candidate.sdpMid = self._first_mid  # everything is bundled on the first section (RFC 8843)
            await self._pc.addIceCandidate(candidate)
        if end_of_candidates:
            await self._pc.addIceCandidate(None)

    async def run(self) -> None:
        """Carry media until the connection is lost or `close` is called."""
        tasks = [asyncio.create_task(work) for work in self._work()]
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait([watching, *tasks], return_when=asyncio.FIRST_COMPLETED)
            while not watching.done():  # a track that has ended does not end the connection
                running = [task for task in tasks if not task.done()]
                await asyncio.wait([watching, *running], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watching, *tasks):
                task.cancel()
            for result in await asyncio.gather(watching, *tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    logger.error("a part of a peer failed", exc_info=result)
            await self.close()

    async def close(self) -> None:
        """Close the connection; may be called again and at any time."""
        if self._closed is None:
            self._step(PeerState.CLOSED, "The connection is closed.")
            self._closed = asyncio.create_task(self._close())
        await asyncio.shield(self._closed)

    async def _close(self) -> None:
        self._voice.track.stop()
        await self._pc.close()
        self._changed.set()

    def _work(self) -> list[Coroutine[Any, Any, None]]:
        work = [self._voice_when_connected()]
        if self._audio is not None:
            work += [self._audio.read(), self._audio.pace()]
        if self._video is not None:
            work += [self._video.read(), self._video.sample()]
        return work

    async def _voice_when_connected(self) -> None:
        """Speech that arrives while ICE still runs waits in the playout instead of being sent to no one."""
        await self._connected.wait()
        await self._voice.play()

    def _offer_transceivers(self, kinds: list[str]) -> None:
        """Prepare what answers the offer: codecs can be chosen only before the offer is set."""
        if kinds.count("audio") != 1:
            raise UnsupportedOffer("The offer must have exactly one audio section.")
        if kinds.count("video") > 1:
            raise UnsupportedOffer("The offer must not have more than one video section.")
        audio = self._pc.addTransceiver(self._voice.track, direction="sendrecv")
        _prefer(audio, "audio", ("audio/opus",))
        if "video" in kinds:
            video = self._pc.addTransceiver("video", direction="recvonly")
            _prefer(video, "video", ("video/VP8", "video/H264", "video/rtx"))

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._audio is None:
            self._audio = AudioUplink(track, self._sink.peer_audio, self._sink.peer_audio_paused)
        elif track.kind == "video" and self._video is None:
            self._video = VideoUplink(track, self._settings, self._jpeg, self._sink.peer_frame, self._frame_ids)
        else:
            track.stop()  # an unread track would fill the memory

    def _on_connection_state(self) -> None:
        if self._pc.connectionState == "connected":
            self._connected.set()
        self._changed.set()

    async def _watch(self) -> None:
        """Follow the state of the connection; returns when it is over."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._settings.connect_timeout_s
        packet_count, packet_s = 0, loop.time()
        while self._state is not PeerState.CLOSED:
            connection_state = self._pc.connectionState
            if connection_state in ("failed", "closed"):
                self._step(PeerState.CLOSED, "The browser's connection was closed or lost.")
                return
            if connection_state == "connected":
                received = await self._packets_received()
                if received != packet_count or self._state is PeerState.CONNECTING:
                    packet_count, packet_s = received, loop.time()
                    self._step(PeerState.CONNECTED, "Media arrives.")
                elif loop.time() - packet_s > LOST_S:
                    self._step(PeerState.CLOSED, f"Nothing has arrived for {LOST_S:g} seconds.")
                    return
                elif loop.time() - packet_s > SUSPECT_S:
                    self._step(PeerState.SUSPECT, "Nothing arrives from your browser at the moment.")
            elif loop.time() > deadline_s:
                timeout_s = self._settings.connect_timeout_s
                self._step(PeerState.CLOSED, f"The browser was not reached within {timeout_s:g} seconds.")
                return
            await self._changed_or(WATCH_S)

    async def _changed_or(self, timeout_s: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _packets_received(self) -> int:
        stats = await self._pc.getStats()
        return sum(report.packetsReceived for report in stats.values() if report.type == "transport")

    def _step(self, state: PeerState, reason: str) -> None:
        if state is not self._state and self._state is not PeerState.CLOSED:
            self._state = state
            self._sink.peer_state(state, reason)


def _prefer(transceiver: RTCRtpTransceiver, kind: str, mime_types: tuple[str, ...]) -> None:
    """Answer with these codecs only, in this order."""
    capabilities = (RTCRtpSender if kind == "audio" else RTCRtpReceiver).getCapabilities(kind)
    assert capabilities is not None
    transceiver.setCodecPreferences(
        [codec for mime_type in mime_types for codec in capabilities.codecs if codec.mimeType == mime_type]
    )
