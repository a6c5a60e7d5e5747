"""The leg of a session that carries a person's voice and pictures: one peer at a time.

Owns which peer is the present one, how often another may come, and the exchange of the two. It must not know the
conversation, nor what the loss of a peer means for the session.
**Invariant: at most one peer is open once an exchange is over; the former is closed, and the voice that it did not play
is kept, before the next one hears any.**
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from gateway import events
from gateway.data_carrier import DataCarrier
from gateway.errors import PeerGone, TooManyPeers
from gateway.guard.bucket import TokenBucket
from gateway.media.peer import Direction, Peer
from gateway.media.stream import StreamPeer
from gateway.media.voice import Voice
from gateway.media.worker import MediaWorker
from gateway.settings import Settings
from gateway.uplink import Uplink

PEERS_PER_S, PEERS_BURST = 0.5, 6  # a page whose network flaps tries again every few seconds

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class PeerLeg:
    """The peers of one session. `new_uplink` makes what the next one speaks to, `ready` waits until the session takes
    legs and raises when it does not, `spawn` starts a task that the session awaits, `on_over` is told when the present
    peer has ended by itself, and whether its client had hung up."""

    def __init__(
        self,
        settings: Settings,
        voice: Voice,
        media: MediaWorker,
        data: DataCarrier,
        *,
        new_uplink: Callable[[], Uplink],
        publish: Callable[[events.Message], None],
        ready: Callable[[], Awaitable[None]],
        spawn: Spawn,
        on_over: Callable[[bool], None],
    ) -> None:
        self.present: Peer | StreamPeer | None = None
        self.tag = ""  # of the peer that came last (`Peer.tag`)
        self._settings = settings
        self._voice = voice
        self._media = media
        self._data = data
        self._new_uplink = new_uplink
        self._publish = publish
        self._ready = ready
        self._spawn = spawn
        self._on_over = on_over
        self._fps_max: float | None = settings.video_fps_max if settings.video else None
        self._frame_ids = itertools.count(1)
        self._peers = TokenBucket(PEERS_PER_S, PEERS_BURST)

    @property
    def peer(self) -> Peer:
        """The WebRTC peer; raises PeerGone while there is none."""
        if not isinstance(self.present, Peer):
            raise PeerGone("This session has no WebRTC connection at the moment; send a new offer.")
        return self.present

    def figures(self) -> dict[str, Any] | None:
        """What is known of the connection, as JSON (docs/protocol.md); None while there is none."""
        return self.present.figures() if self.present is not None else None

    async def attach(self, offer_sdp: str, direction: Direction, *, same_client: bool) -> str:
        """A WebRTC peer, and the answer to its offer; raises BadOffer, UnsupportedOffer, TooManyPeers and what `ready`
        does, and the leg is then as it was."""
        await self._admit()
        uplink = self._new_uplink()
        peer = Peer(self._settings, self._voice, uplink, self._media, self._frame_ids, direction)
        uplink.is_present = lambda: self.present is peer
        try:
            answer_sdp = await peer.answer(offer_sdp)
            await self._ready()
        except BaseException:
            await peer.close()
            raise
        if peer.video_refused:
            self._publish(events.VIDEO_NOT_ALLOWED)
        self._data.expect(peer.show, same_client=same_client)
        self.tag = peer.tag
        await self._exchange(peer)
        return answer_sdp

    async def attach_stream(self, key: str | None) -> StreamPeer:
        """The present stream when this is its key, for another socket of its browser; else a new one. Raises
        TooManyPeers and what `ready` does."""
        await self._admit()
        if isinstance(self.present, StreamPeer) and self.present.key == key:
            return self.present
        uplink = self._new_uplink()
        peer = StreamPeer(self._settings, self._voice, uplink, self._media, self._frame_ids)
        uplink.is_present = lambda: self.present is peer
        await self._exchange(peer)
        return peer

    def allow_video(self, fps_max: float | None) -> None:
        """Look at so many frames a second at most; None: at none."""
        self._fps_max = fps_max
        if self.present is not None:
            self.present.allow_video(fps_max)

    async def close(self) -> None:
        """Close the present peer."""
        if self.present is not None:
            await self.present.close()

    async def _admit(self) -> None:
        await self._ready()
        if not self._peers.take(asyncio.get_running_loop().time()):
            raise TooManyPeers("This session gets new connections too fast.", self._peers.wait_s())

    async def _exchange(self, peer: Peer | StreamPeer) -> None:
        peer.allow_video(self._fps_max)
        previous, self.present = self.present, peer
        self._voice.waits = peer.hears
        self._spawn(self._carry(peer))
        if previous is not None:
            await previous.close()

    async def _carry(self, peer: Peer | StreamPeer) -> None:
        await peer.run()
        if self.present is peer:
            self.present = None
            self._on_over(isinstance(peer, Peer) and self._data.was_hung_up)
