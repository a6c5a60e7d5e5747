"""The WebRTC leg: one peer connection with a browser, a camera or a listener.

Owns the negotiation, the joining of port, plane, microphone, camera and voice, and the watch over the connection. It
must not know the model's leg: it speaks to a `PeerSink` in PCM, JPEG and states, and is an `Ear` of the voice.
**Invariant: after `close` nothing of it is left; whatever a browser does, `run` returns normally; the voice is played
only while the browser is heard.**
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from aiortc import InvalidStateError, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import OperationError
from aiortc.rtcconfiguration import RTCBundlePolicy
from aiortc.sdp import SessionDescription, candidate_from_sdp

from gateway.errors import BadOffer, PeerGone, TooManyCandidates, UnsupportedOffer
from gateway.guard.bucket import TokenBucket
from gateway.guard.intake import Intake
from gateway.media.aiortc_internals import IceLeg, ssrc_of, take_over_media
from gateway.media.answer import (
    candidates_of,
    clean_offer,
    finished_answer,
    formats_of,
    usable_candidate,
    video_sources_of,
    with_baseline,
    with_message_limit,
)
from gateway.media.audio_uplink import AudioUplink
from gateway.media.channel import take_channel
from gateway.media.codecs import prefer
from gateway.media.datagrams import Address
from gateway.media.key_frames import KeyFrames
from gateway.media.peer_sink import Direction, PeerSink, PeerState, TrickleCandidate
from gateway.media.pictures import Frame, Pictures
from gateway.media.plane import SENDS_S, Plane
from gateway.media.video_uplink import VideoUplink
from gateway.media.voice import Voice
from gateway.media.voice_stream import VoiceStream
from gateway.media.worker import MediaWorker
from gateway.settings import Settings

__all__ = ["Direction", "Frame", "Peer", "PeerSink", "PeerState", "Picture", "TrickleCandidate"]

logger = logging.getLogger(__name__)

WATCH_S = 0.25  # how often the watchdog looks
SUSPECT_S = 2.0  # without anything from a browser that sent media: a tunnel, or another network
SILENT_SUSPECT_S = 6.0  # from one that sends none: its checks come every 2.5 s and may be lost
DETACHED_S = 5.0  # the browser is away; its connection is kept for a restart as long as the session is
REWIND_LEAST_S = 0.3  # a shorter gap is the network's, and the browser asks for what it lost
MOVED_LEAST_S = 0.1  # unless the browser turns up at another address: then five packets are enough
BUFFERED_S = 0.12  # what a browser has and does not play yet on a shaky network; with its connection that is gone
MOVING_S = 1.0  # so long the voice waits at most until the browser's new address is agreed
VIDEOS_MAX = 2  # a camera and a screen, one of which the model sees
Picture = Literal["camera", "screen"]


class Peer:
    """One peer connection: `answer`, then `run` until it is over, then `close`."""

    def __init__(
        self,
        settings: Settings,
        voice: Voice,
        sink: PeerSink,
        worker: MediaWorker,
        frame_ids: Iterator[int],
        direction: Direction = "sendrecv",
    ) -> None:
        self._settings = settings
        self._voice = voice
        self._sink = sink
        self._worker = worker
        self._frame_ids = frame_ids
        self._direction = direction
        # No STUN or TURN on this side: a gateway has an address, and aiortc's default would ask Google for one.
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._state = PeerState.CONNECTING
        self._leg: IceLeg | None = None
        self._plane: Plane | None = None
        self._candidates = TokenBucket(settings.candidates_max / 60, settings.candidates_max)
        self._intake = Intake(settings.call_max_kbps, settings.call_max_packets_per_s)
        self._video: VideoUplink | None = None
        self._ear: VoiceStream | None = None
        self._valid_s: float | None = None  # when a check of the browser last came
        self._held = False  # the voice waits until the browser is heard again
        self._moving: tuple[Address | None, float] | None = None  # where the browser was, how long that is waited for
        self._stop_beat: Callable[[], None] | None = None
        self._first_mid: str | None = None
        self._remote_ufrag: str | None = None
        self._agreed: tuple[list[str], str] | None = None  # the kinds of the sections, and our answer
        self._screen: frozenset[int] = frozenset()  # the SSRCs of the second video section
        self._changed = asyncio.Event()
        self.video_refused = False  # a camera was offered that is not taken
        self._closed: asyncio.Task[None] | None = None
        self._pc.on("connectionstatechange", self._changed.set)

    @property
    def state(self) -> PeerState:
        """Where the peer is in its life."""
        return self._state

    @property
    def hears(self) -> bool:
        """Whether the model's voice goes there; known once it was answered."""
        return self._ear is not None

    @property
    def tag(self) -> str:
        """What tells this ICE session from any other: our user name fragment."""
        return self._leg.ufrag if self._leg is not None else ""

    @property
    def plane(self) -> Plane | None:
        """Its RTP plane, for figures."""
        return self._plane

    def figures(self) -> dict[str, Any] | None:
        """What is known of the connection, as JSON (docs/protocol.md); None before there is one."""
        return None if self._plane is None else {"state": self._state.value, **self._plane.figures()}

    async def answer(self, offer_sdp: str) -> str:
        """Take an offer and give the answer; raises BadOffer, UnsupportedOffer and TooManyCandidates."""
        self._count_candidates(offer_sdp.count("a=candidate:"))
        async with self._worker.negotiation:
            return await self._negotiate(clean_offer(offer_sdp))

    async def _negotiate(self, offer_sdp: str) -> str:
        try:
            sections = SessionDescription.parse(offer_sdp).media
        except Exception as error:  # the parser asserts, indexes and converts without guard
            raise BadOffer(f"The SDP cannot be read: {error or type(error).__name__}.") from None
        kinds = [section.kind for section in sections if section.port]
        self._offer_transceivers(kinds)
        leg = self._leg = self._join_port()
        take_over_media(self._pc)
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(with_baseline(offer_sdp), "offer"))
            take_channel(self._pc, self._sink.peer_channel, self._sink.peer_data_dropped)
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except OperationError as error:
            raise UnsupportedOffer(f"The offer has no codec in common with the gateway: {error}.") from None
        except (ValueError, InvalidStateError) as error:
            raise BadOffer(f"The offer cannot be used: {error}.") from None
        except Exception as error:  # aiortc takes for granted what a browser does
            logger.warning("an offer that passed the check cannot be used", exc_info=error)
            raise BadOffer("The offer cannot be used: its sections contradict each other.") from None
        self._first_mid = sections[0].rtp.muxId
        self._remote_ufrag = sections[0].ice.usernameFragment if sections[0].ice else None
        answer_sdp = finished_answer(
            offer_sdp,
            self._pc.localDescription.sdp,
            one_way=self._direction != "sendrecv",
            redundant=self._settings.audio_redundancy,
            packet_ms=self._settings.audio_packet_ms,
        )
        answer_sdp = with_message_limit(answer_sdp, self._settings.message_max_bytes)
        self._open_plane(leg, answer_sdp)
        self._agreed = [section.kind for section in sections], answer_sdp
        self._screen = frozenset().union(*video_sources_of(offer_sdp)[1:])
        self.show("camera")
        return answer_sdp

    def show(self, picture: Picture | None) -> None:
        """Which pictures the model is to see: of the first video section, of the second, or none."""
        if self._plane is not None:
            self._plane.is_shown = lambda ssrc: picture is not None and (ssrc in self._screen) == (picture == "screen")

    async def answer_again(self, offer_sdp: str) -> str | None:
        """The answer to the same connection offered again, with more candidates or for an ICE restart; None when this
        connection cannot be what is offered. Raises BadOffer."""
        try:
            sections = SessionDescription.parse(clean_offer(offer_sdp)).media
        except Exception as error:  # as in `answer`
            raise BadOffer(f"The SDP cannot be read: {error or type(error).__name__}.") from None
        same = self._agreed is not None and self._agreed[0] == [section.kind for section in sections]
        if not same or self._state is PeerState.CLOSED or sections[0].ice is None:
            return None
        ice, candidates = sections[0].ice, [TrickleCandidate(one) for one in candidates_of(offer_sdp)]
        if self.is_restart(ice.usernameFragment):
            await self.restart(ice.usernameFragment or "", ice.password or "", candidates)
        else:
            await self.add_candidates(candidates)
        assert self._agreed is not None
        return self._agreed[1]

    async def add_candidates(self, candidates: Sequence[TrickleCandidate]) -> None:
        """Take the browser's ICE candidates; those of no use are ignored. Raises PeerGone and TooManyCandidates.

        The agent is never told that these were all: it would give up at once where none is of use, as with mDNS names,
        and the browser's first check may be lost. `connect_timeout_s` is the end.
        """
        if self._state is PeerState.CLOSED:
            raise PeerGone("The WebRTC connection of this session is closed.")
        self._count_candidates(len(candidates))
        for trickled in candidates:
            if not usable_candidate(trickled.candidate):
                continue
            candidate = candidate_from_sdp(trickled.candidate.removeprefix("candidate:"))
            candidate.sdpMid = self._first_mid  # everything is bundled on the first section (RFC 8843)
            await self._pc.addIceCandidate(candidate)

    def _count_candidates(self, count: int) -> None:
        """Each one is an address to which checks are sent, whoever lives there."""
        if not self._candidates.take(asyncio.get_running_loop().time(), count):
            raise TooManyCandidates(
                "This connection was given more ICE candidates than any device has.",
                min(60.0, self._candidates.wait_s(count)),
            )

    def allow_video(self, fps_max: float | None) -> None:
        """Look at so many frames a second at most; None: at none."""
        if self._video is not None:
            self._video.allow(fps_max)

    def is_restart(self, ufrag: str | None) -> bool:
        """Whether these credentials are new, so that the browser asks for an ICE restart."""
        return ufrag is not None and ufrag != self._remote_ufrag

    async def restart(self, ufrag: str, pwd: str, candidates: Sequence[TrickleCandidate]) -> str:
        """The browser has another network (RFC 8445 §9); our side as an SDP fragment (RFC 8840). Raises PeerGone."""
        leg = self._leg
        if leg is None or self._plane is None or self._state is PeerState.CLOSED:
            raise PeerGone("The WebRTC connection of this session cannot be restarted; send a new offer.")
        self._hold_voice()
        self._remote_ufrag = ufrag
        leg.restart(ufrag, pwd)
        await self.add_candidates(candidates)
        leg.checks_after_restart()
        self._plane.key_frame()
        lines = [f"a=ice-ufrag:{leg.ufrag}", f"a=ice-pwd:{leg.pwd}", "m=audio 9 UDP/TLS/RTP/SAVPF 0"]
        lines += [f"a=mid:{self._first_mid}", *(f"a={line}" for line in leg.candidates), "a=end-of-candidates"]
        return "".join(f"{line}\r\n" for line in lines)

    async def run(self) -> None:
        """Carry media until the connection is lost or `close` is called."""
        tasks = [asyncio.create_task(self._watch())]
        if self._video is not None:
            tasks.append(asyncio.create_task(self._video.run()))
        try:
            await tasks[0]
        finally:
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    logger.error("a part of a peer failed", exc_info=result)
            await self.close()

    async def close(self) -> None:
        """Close the connection; may be called again and at any time."""
        if self._closed is None:
            self._hold_voice(0.0, BUFFERED_S)
            self._leave_voice()
            self._step(PeerState.CLOSED, "The connection is closed.")
            self._closed = asyncio.create_task(self._close())
        await asyncio.shield(self._closed)

    async def _close(self) -> None:
        if self._stop_beat is not None:
            self._stop_beat()
        if self._plane is not None:
            self._plane.goodbye()
        try:
            await self._pc.close()
        except Exception as error:  # of an offer that it could not use; what is ours is let go all the same
            logger.warning("a connection could not be closed in order", exc_info=error)
        finally:
            if self._leg is not None:
                self._leg.close()
                self._worker.udp.leave(self._leg.ufrag)
            self._changed.set()

    # Negotiation

    def _offer_transceivers(self, kinds: list[str]) -> None:
        """Prepare what answers the offer: codecs can be chosen only before the offer is set."""
        if kinds.count("audio") > 1 or kinds.count("video") > VIDEOS_MAX or not {"audio", "video"} & set(kinds):
            raise UnsupportedOffer("The offer must have one audio section, video of one or two, or both.")
        if "audio" in kinds:
            prefer(self._pc.addTransceiver("audio", direction=self._direction), "audio", ("audio/opus",))
        if "video" in kinds:
            # The gateway has no pictures to send: a player that offers to receive some gets none.
            self.video_refused = not self._settings.video and self._direction != "sendonly"
        receives = self._direction != "sendonly" and not self.video_refused
        for _ in range(kinds.count("video")):
            video = self._pc.addTransceiver("video", direction="recvonly" if receives else "inactive")
            prefer(video, "video", ("video/VP8", "video/H264", "video/rtx"))

    def _join_port(self) -> IceLeg:
        leg: IceLeg | None = None

        def valid(address: Address) -> None:
            assert leg is not None
            now_s = asyncio.get_running_loop().time()
            if self._worker.udp.valid(leg.ufrag, address) and self._sends_media:
                self._hold_voice(MOVED_LEAST_S)
                self._moving = leg.remote, now_s + MOVING_S
            self._valid_s = now_s

        def received(data: bytes) -> None:
            if self._plane is not None:
                self._plane.received(data)

        def misses(data: bytes) -> bool:
            return self._plane is not None and self._plane.misses(data)

        udp = self._worker.udp
        leg = IceLeg(self._pc, udp.join, valid, received, misses, udp.offered_too)
        return leg

    def _open_plane(self, leg: IceLeg, answer_sdp: str) -> None:
        sink = self._sink
        directions = {one.kind: one.currentDirection for one in self._pc.getTransceivers()}
        audio: AudioUplink | None = None
        if directions.get("audio") in ("sendrecv", "recvonly"):
            audio = AudioUplink(sink.peer_audio, sink.peer_audio_paused, sink.peer_level)
        if directions.get("video") == "recvonly":
            told = sink.peer_frame, sink.peer_video_wish, sink.peer_picture_refused
            pictures = Pictures(self._settings, self._worker.jpeg, *told, self._frame_ids)
            self._video = VideoUplink(pictures, KeyFrames() if self._settings.video_key_frames else None)
        if directions.get("audio") in ("sendrecv", "sendonly"):
            self._ear = VoiceStream(self._send_voice)
        on_protection = self._ear.protect if self._ear is not None else None
        formats, ssrc = formats_of(answer_sdp), ssrc_of(self._pc, 0)
        told_of = on_protection, sink.peer_unheard
        self._plane = Plane(leg, formats, ssrc, audio, self._video, self._intake, *told_of)

    # The voice

    def _send_voice(self, payload: bytes, rtp_time: int, begins: bool) -> None:
        assert self._plane is not None
        self._plane.send_voice(payload, rtp_time, begins)

    def _beat(self, now_s: float, _missed: int) -> None:
        assert self._plane is not None
        self._plane.tick(now_s)
        if (verdict := self._intake.look(now_s)) is not None:
            self._sink.peer_intake(verdict)

    def _join_voice(self) -> None:
        if self._ear is not None:
            self._voice.join(self._ear, publishes=self._direction != "sendonly")
            self._voice.release(self._ear)

    def _leave_voice(self) -> None:
        if self._ear is not None:
            self._voice.leave(self._ear)

    def _hold_voice(self, least_s: float = REWIND_LEAST_S, buffered_s: float = 0.0) -> None:
        """Nobody hears it: what was sent into the void is played again when somebody does.

        What was on its way when the last packet left over there was lost as well, hence the round trip; and where the
        browser plays nothing more, what it had not played.
        """
        if self._held or self._heard_s is None or self._plane is None:
            return
        now_s = asyncio.get_running_loop().time()
        if now_s - self._heard_s >= least_s:
            self._held = True
            self._plane.forget_voice()
            if self._ear is not None:
                heard_until_s = min(self._heard_s - self._plane.rtt_s, now_s - buffered_s)
                self._voice.hold(self._ear, self._voice.taken_since(heard_until_s))

    def _release_voice(self, now_s: float) -> None:
        """The browser is heard: the voice goes on as soon as it is known where to."""
        if self._moving is not None:
            assert self._leg is not None
            before, until_s = self._moving
            if self._leg.remote == before and now_s < until_s:
                return
            self._moving = None
        if self._held:
            self._held = False
            self._join_voice()

    # The watch

    @property
    def _heard_s(self) -> float | None:
        """When anything authentic last came from the browser."""
        packet_s = self._plane.last_packet_s if self._plane is not None else None
        return max((at_s for at_s in (packet_s, self._valid_s) if at_s is not None), default=None)

    @property
    def _sends_media(self) -> bool:
        """Whether, when it was last heard, the browser sent sound or pictures: silence then means something."""
        rtp_s = self._plane.last_rtp_s if self._plane is not None else None
        return rtp_s is not None and self._heard_s is not None and self._heard_s - rtp_s < SENDS_S

    async def _watch(self) -> None:
        """Follow the state of the connection; returns when it is over."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._settings.connect_timeout_s
        while self._state is not PeerState.CLOSED:
            connection_state = self._pc.connectionState
            if connection_state in ("failed", "closed"):
                self._step(PeerState.CLOSED, "The browser's connection was closed or lost.")
                return
            if connection_state == "connected":
                self._look(loop.time())
            elif loop.time() > deadline_s:
                timeout_s = self._settings.connect_timeout_s
                self._step(PeerState.CLOSED, f"The browser was not reached within {timeout_s:g} seconds.")
                return
            await self._changed_or(WATCH_S)

    def _look(self, now_s: float) -> None:
        """Compare what has come with what should have."""
        if self._state is PeerState.CONNECTING:
            self._stop_beat = self._worker.ticker.start(self._beat)
            self._join_voice()
            self._step(PeerState.CONNECTED, "Media arrives.")
            return
        heard_s = self._heard_s if self._heard_s is not None else now_s
        sends_media = self._sends_media
        silent_s = now_s - heard_s
        if silent_s > max(DETACHED_S, 0.0 if sends_media else SILENT_SUSPECT_S + 1):
            self._hold_voice()
            self._leave_voice()
            self._step(PeerState.DETACHED, "Your connection was lost; your conversation is kept.")
        elif silent_s > (SUSPECT_S if sends_media else SILENT_SUSPECT_S):
            self._hold_voice()
            self._step(PeerState.SUSPECT, "Nothing arrives from your browser at the moment.")
        elif silent_s < REWIND_LEAST_S or not self._held:
            self._release_voice(now_s)
            self._step(PeerState.CONNECTED, "Media arrives.")

    async def _changed_or(self, timeout_s: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _step(self, state: PeerState, reason: str) -> None:
        if state is not self._state and self._state is not PeerState.CLOSED:
            self._state = state
            self._sink.peer_state(state, reason)
