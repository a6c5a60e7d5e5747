"""Those who hear a session's model and bring nothing themselves: loudspeakers beside a camera, people who listen in.

Owns the peers of one session that only receive the voice, from their offer to their end. It must not know the session's
conversation, its publishing peer or HTTP.
**Invariant: a listener ends alone; no listener, and none of their failures, changes the conversation.**
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from gateway import events
from gateway.errors import ListenerNotFound, TooManyListeners
from gateway.guard.intake import Verdict
from gateway.media.channel import Channel
from gateway.media.peer import Frame, Peer, PeerState
from gateway.media.voice import Voice
from gateway.media.worker import MediaWorker
from gateway.settings import Settings

logger = logging.getLogger(__name__)

ID_BYTES = 9
GONE_S = 30.0  # without an answer to any check: so long consent lasts (RFC 7675 §5.1)

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Listeners:
    """The listeners of one session; `spawn` starts a task that the session awaits, `log` is told how many they are."""

    def __init__(
        self, settings: Settings, voice: Voice, media: MediaWorker, spawn: Spawn, log: events.EventLog
    ) -> None:
        self._settings = settings
        self._voice = voice
        self._media = media
        self._spawn = spawn
        self._log = log
        self._peers: dict[str, Peer] = {}
        self._closed = False

    async def add(self, offer_sdp: str) -> tuple[str, str]:
        """Take an offer: the listener's id and the answer.

        The session must be ready. Raises BadOffer, UnsupportedOffer and TooManyListeners.
        """
        if len(self._peers) >= self._settings.listeners_per_session:
            raise TooManyListeners("This session has as many listeners as it may have; please try again later.")
        listener_id = secrets.token_urlsafe(ID_BYTES)
        sink = _Gone(self._spawn)
        peer = Peer(self._settings, self._voice, sink, self._media, itertools.count(1), "sendonly")
        sink.peer = self._peers[listener_id] = peer
        try:
            answer_sdp = await peer.answer(offer_sdp)
            if self._closed:
                raise ListenerNotFound("This session has ended.")
        except BaseException:
            del self._peers[listener_id]
            await peer.close()
            raise
        self._spawn(self._carry(listener_id, peer))
        return listener_id, answer_sdp

    def get(self, listener_id: str) -> Peer:
        """Find a listener; raises ListenerNotFound."""
        try:
            return self._peers[listener_id]
        except KeyError:
            raise ListenerNotFound("There is no such listener; it may have left.") from None

    async def close(self) -> None:
        """End them all; no more are taken."""
        self._closed = True
        await asyncio.gather(*(peer.close() for peer in tuple(self._peers.values())))

    async def _carry(self, listener_id: str, peer: Peer) -> None:
        self._tell_count()
        try:
            await peer.run()
        finally:
            del self._peers[listener_id]
            self._tell_count()

    def _tell_count(self) -> None:
        self._log.publish(events.server_message("listeners", count=len(self._peers)))


class _Gone:
    """The `PeerSink` of a listener: closes it when it has not been heard for too long. It publishes nothing."""

    def __init__(self, spawn: Spawn) -> None:
        self.peer: Peer | None = None
        self._spawn = spawn
        self._timer: asyncio.TimerHandle | None = None

    def peer_state(self, state: PeerState, reason: str) -> None:
        logger.debug("listener is %s: %s", state.value, reason)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if state is PeerState.DETACHED:
            self._timer = asyncio.get_running_loop().call_later(GONE_S, self._close)

    def _close(self) -> None:
        assert self.peer is not None
        self._spawn(self.peer.close())

    def peer_intake(self, verdict: Verdict) -> None:
        if verdict is Verdict.END:
            self._close()

    def peer_audio(self, pcm: bytes) -> None: ...

    def peer_audio_paused(self) -> None: ...

    def peer_level(self, level_dbov: float, duration_ms: float) -> None: ...

    def peer_frame(self, frame: Frame) -> None: ...

    def peer_video_wish(self, fps: float) -> None: ...

    def peer_picture_refused(self, width: int, height: int) -> None: ...

    def peer_unheard(self, silent_s: float) -> None: ...

    def peer_channel(self, channel: Channel) -> None: ...

    def peer_data_dropped(self, why: str) -> None: ...
