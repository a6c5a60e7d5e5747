"""The traffic of one link: what is sent, what is received, and the regular look at how it goes.

Owns the three loops of an open link. It must not know what events mean or why a link is changed.
**Invariant: `exchange` ends only by an exception: LinkEnded when the link is over, LinkLeft when the look says so, or a
cancellation; all loops are over then.**
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from gateway.live import messages
from gateway.live.link import Link, LinkEnded
from gateway.live.outbox import Audio, AudioStreamEnd, Control, FrameToSend, Outbox, Outgoing
from gateway.live.recovery import Ending
from gateway.telemetry import metrics

LOOK_S = 0.1  # how often the state of the link is looked at
FRAME_RETRY_S = 0.02  # how soon to look again whether the network has taken what is unsent
STALL_S = 30.0  # a service was seen to stop reading for 20 s and go on; a link that takes nothing for longer is dead


class LinkLeft(Exception):
    """We leave the link on purpose."""

    def __init__(self, why: str, *, keep_handle: bool = True) -> None:
        super().__init__(why)
        self.why = why
        self.keep_handle = keep_handle


class Exchange:
    """One link at work."""

    def __init__(
        self,
        link: Link,
        outbox: Outbox,
        take: Callable[[messages.ServerEvent], None],
        sent: Callable[[Outgoing], None],
        look: Callable[[float], None],
    ) -> None:
        self._link = link
        self._outbox = outbox
        self._filled = asyncio.Event()
        self._take = take
        self._sent = sent
        self._look = look
        self._sending_since_s: float | None = None

    def go_on(self) -> None:
        """Something was put into the outbox: what the network takes at once goes at once, without another task."""
        loop = asyncio.get_running_loop()
        while self._sending_since_s is None and self._link.is_free:
            outgoing = self._outbox.next(loop.time(), 0)
            if outgoing is None:
                return
            self._link.write(encode(outgoing))
            self._sent(outgoing)
        self._filled.set()

    async def run(self) -> None:
        """Until one of the loops finds the link ended or to be left."""
        tasks = {asyncio.create_task(work) for work in (self._send(), self._receive(), self._look_regularly())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self) -> None:
        while True:
            for event in await self._link.receive():
                self._take(event)

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            outgoing = self._outbox.next(loop.time(), self._link.unsent_bytes)
            if outgoing is None:
                await self._wait_for_more()
                continue
            self._sending_since_s = loop.time()
            await self._link.send(encode(outgoing))
            self._sending_since_s = None
            self._sent(outgoing)

    async def _wait_for_more(self) -> None:
        self._filled.clear()
        # A frame that waits for the network is looked at again: sockets do not tell when their buffer has shrunk.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FRAME_RETRY_S if self._outbox.has_frame else None):
                await self._filled.wait()

    async def _look_regularly(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = loop.time()
            if self._sending_since_s is not None and now_s - self._sending_since_s > STALL_S:
                raise LinkEnded(Ending("open", reason=f"it has taken nothing for {STALL_S:g} s"))
            self._look(now_s)


def encode(outgoing: Outgoing) -> str:
    """An item of the outbox as the wire has it."""
    match outgoing:
        case Control(message):
            return message
        case Audio(pcm, waited_s):
            metrics.AUDIO_WAIT_S.observe(waited_s)
            return messages.audio(pcm)
        case AudioStreamEnd():
            return messages.audio_stream_end()
        case FrameToSend(_, jpeg):
            metrics.FRAMES.labels("sent").inc()
            return messages.video(jpeg)
