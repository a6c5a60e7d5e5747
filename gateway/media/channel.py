"""A data channel that the browser has opened (W3C WebRTC §6, RFC 8831).

Owns its sending within bounds. It must not know what the messages say, nor SCTP's inside.
**Invariant: no more than `UNSENT_MAX_BYTES` and a message wait to be sent; nothing a browser sends raises out of it.**
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Protocol

from aiortc import RTCDataChannel, RTCPeerConnection
from aiortc.exceptions import InvalidStateError

from gateway.media.aiortc_internals import SctpGuard

logger = logging.getLogger(__name__)

UNSENT_MAX_BYTES = 64 * 1024  # a second of a bad network; more is better kept where it can still be left out


class Sctp(Protocol):
    """What is known of the association below."""

    @property
    def unacknowledged(self) -> int:
        """Messages that were sent and may not have arrived; known also after the channel was closed."""

    @property
    def reset(self) -> Collection[int]:
        """The ids of channels that the browser has closed."""


class Channel:
    """One channel."""

    def __init__(self, channel: RTCDataChannel, sctp: Sctp) -> None:
        self._channel = channel
        self._sctp = sctp
        self._changed = asyncio.Event()
        channel.bufferedAmountLowThreshold = UNSENT_MAX_BYTES // 2
        channel.on("bufferedamountlow", self._changed.set)
        channel.on("close", self._changed.set)

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return bool(self._channel.readyState == "open")

    @property
    def has_room(self) -> bool:
        """Whether a message can be sent now."""
        return self.is_open and self._channel.bufferedAmount < UNSENT_MAX_BYTES

    @property
    def unacknowledged(self) -> int:
        """Messages that were sent and may not have arrived; known also after the channel was closed."""
        return self._sctp.unacknowledged

    @property
    def was_hung_up(self) -> bool:
        """Whether the browser closed the channel itself: it does so when a person ends the call, and not when it loses
        the network or its page."""
        return not self.is_open and self._channel.id in self._sctp.reset

    def listen(self, on_message: Callable[[str | bytes], None]) -> None:
        """Hand on every message that comes."""

        def received(data: str | bytes) -> None:
            try:
                on_message(data)
            except Exception:
                logger.exception("a message over the data channel failed")

        self._channel.on("message", received)

    def send(self, text: str) -> bool:
        """Send, or False when it is closed or has no room."""
        if not self.has_room:
            return False
        try:
            self._channel.send(text)
        except (InvalidStateError, ValueError):  # closed just now; longer than the browser takes
            return False
        return True

    async def room(self) -> bool:
        """Wait until there is room; False when the channel has closed."""
        while self.is_open and not self.has_room:
            self._changed.clear()
            await self._changed.wait()
        return self.is_open


def take_channel(
    pc: RTCPeerConnection, on_channel: Callable[[Channel], None], on_dropped: Callable[[str], None]
) -> None:
    """Hand on the data channel that the browser opens, where its offer has a section for one. Between offer and answer;
    `on_dropped` as in `SctpGuard`."""
    if pc.sctp is None:
        return
    guard = SctpGuard(pc.sctp, on_dropped)
    taken: list[Channel] = []

    def opened(channel: RTCDataChannel) -> None:
        if any(one.is_open for one in taken):
            channel.close()  # there is one conversation, and one channel for it
            return
        taken[:] = [Channel(channel, guard)]
        on_channel(taken[0])

    pc.on("datachannel", opened)
