"""The Gemini leg: a conversation that runs over one link at a time and outlives links.

Owns the opening and reopening of links, what is sent on them and what is told of them. It must not know sessions,
peers or sound formats beyond "PCM bytes".
**Invariant: at most one link is open; `run` returns when `close` was called and raises UpstreamError when no further
try makes sense; a lost link is always told.**
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.live import messages
from gateway.live.link import Link, LinkEnded, open_link
from gateway.live.messages import (
    GenerationComplete,
    GoAway,
    Interrupted,
    ModelWords,
    SetupOptions,
    Speech,
    ToolCall,
    ToolCalls,
    ToolCallsCancelled,
    TurnComplete,
    UsageReport,
    UserWords,
)
from gateway.live.outbox import Audio, AudioStreamEnd, Control, FrameToSend, Outbox, Outgoing
from gateway.live.recovery import reaction
from gateway.live.upstream import Upstream
from gateway.settings import Settings

__all__ = [
    "Conversation",
    "ConversationEvent",
    "FrameSent",
    "GenerationComplete",
    "GoAway",
    "Interrupted",
    "LinkLost",
    "LinkOpened",
    "LinkOpening",
    "ModelWords",
    "Notice",
    "SetupOptions",
    "Speech",
    "ToolCall",
    "ToolCalls",
    "ToolCallsCancelled",
    "TurnComplete",
    "UsageReport",
    "UserWords",
    "setup_options",
]

logger = logging.getLogger(__name__)

STABLE_S = 10.0  # a link that lived this long was a good one: failures are counted anew
FRAME_RETRY_S = 0.02  # how soon to look again whether the network has taken what is unsent


@dataclass(frozen=True, slots=True)
class LinkOpening:
    """A link is being opened."""


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """The model listens. `generation` counts the links of this conversation from 1."""

    generation: int
    how: Literal["fresh", "resumed"]


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The link ended without our asking; the next try comes in so many seconds."""

    reason: str
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class FrameSent:
    """This frame has been handed to the network."""

    frame_id: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth knowing, in words."""

    code: str
    text: str
    level: Literal["info", "warning", "error"]


ConversationEvent = (
    LinkOpening
    | LinkOpened
    | LinkLost
    | Speech
    | GenerationComplete
    | TurnComplete
    | Interrupted
    | UserWords
    | ModelWords
    | ToolCalls
    | ToolCallsCancelled
    | UsageReport
    | GoAway
    | FrameSent
    | Notice
)


def setup_options(settings: Settings) -> SetupOptions:
    """What these settings choose of a setup."""
    return SetupOptions(settings.system_instruction, settings.voice)


class Conversation:
    """One conversation; `run` is its whole life. The other methods never block and may be called at any time."""

    def __init__(
        self, upstream: Upstream, options: SetupOptions, on_event: Callable[[ConversationEvent], None]
    ) -> None:
        self._upstream = upstream
        self._options = options
        self._on_event = on_event
        self._outbox = Outbox()
        self._outbox_filled = asyncio.Event()
        self._closing = asyncio.Event()
        self._handle: str | None = None
        self._generation = 0
        self._failures = 0

    async def run(self) -> None:
        """Hold the conversation; returns after `close`, raises UpstreamError when it cannot be held any more."""
        holding = asyncio.create_task(self._hold(), name="links")
        closing = asyncio.create_task(self._closing.wait(), name="closing")
        try:
            await asyncio.wait({holding, closing}, return_when=asyncio.FIRST_COMPLETED)
            if holding.done():
                holding.result()
        finally:
            holding.cancel()
            closing.cancel()
            await asyncio.gather(holding, closing, return_exceptions=True)

    def send_audio(self, pcm: bytes) -> None:
        """16 kHz mono s16le, 20 to 100 ms of it."""
        self._outbox.put_audio(pcm, asyncio.get_running_loop().time())
        self._outbox_filled.set()

    def audio_stream_end(self) -> None:
        """The sound pauses; it goes on with the next `send_audio`."""
        self._outbox.put_audio_stream_end(asyncio.get_running_loop().time())
        self._outbox_filled.set()

    def send_frame(self, frame_id: int, jpeg: bytes) -> None:
        """The newest frame; one that still waits is replaced. `FrameSent` tells when it went."""
        self._outbox.put_frame(frame_id, jpeg)
        self._outbox_filled.set()

    def send_text(self, text: str) -> None:
        """A turn of the person in writing."""
        self._outbox.put_control(messages.typed(self._upstream.model, text))
        self._outbox_filled.set()

    def close(self) -> None:
        """End the conversation."""
        self._closing.set()

    async def _hold(self) -> None:
        """One link after the other."""
        loop = asyncio.get_running_loop()
        while True:
            opened_s = loop.time()
            resumed = self._handle is not None
            try:
                await self._hold_link()
            except LinkEnded as ended:
                if loop.time() - opened_s >= STABLE_S:
                    self._failures = 0
                self._failures += 1
                await self._recover(ended, resumed=resumed)

    async def _recover(self, ended: LinkEnded, *, resumed: bool) -> None:
        """Wait for the next try; raises UpstreamError when there is none."""
        react = reaction(ended.ending, self._failures, resumed=resumed, chance=random.random())
        logger.warning("link %d ended: %s", self._generation, ended)
        if react.retry_in_s is None:
            raise react.error
        if not react.keep_handle:
            self._handle = None
        if not react.keep_media:
            self._outbox.forget_media()
        self._on_event(LinkLost(react.error.user_message, react.retry_in_s))
        await asyncio.sleep(react.retry_in_s)

    async def _hold_link(self) -> None:
        """One link from its opening to its end, which is always a LinkEnded or a cancellation."""
        self._on_event(LinkOpening())
        how: Literal["fresh", "resumed"] = "resumed" if self._handle else "fresh"
        setup = messages.setup(self._upstream.model, self._options, self._handle)
        async with open_link(self._upstream, setup) as (link, first_events):
            self._generation += 1
            logger.info("link %d is open (%s)", self._generation, how)
            self._on_event(LinkOpened(self._generation, how))
            for event in first_events:
                self._take(event)
            await self._exchange(link)

    async def _exchange(self, link: Link) -> None:
        """Send and receive until one of them finds the link ended."""
        tasks = {asyncio.create_task(self._send(link)), asyncio.create_task(self._receive(link))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, link: Link) -> None:
        while True:
            for event in await link.receive():
                self._take(event)

    def _take(self, event: messages.ServerEvent) -> None:
        match event:
            case messages.HandleUpdate(handle, resumable):
                if resumable:  # an update that is not keeps the former handle
                    self._handle = handle
            case messages.ServiceError(code, text):
                logger.warning("the service reports an error in the stream: %s %s", code, text)
                self._on_event(Notice("upstream_error", f"The model reports an error: {text}", "warning"))
            case messages.Unplayable(mime_type):
                logger.error("the service sends sound as %s", mime_type)
                self._on_event(Notice("unplayable", f"The model sends sound as {mime_type}.", "error"))
            case messages.SetupComplete():
                logger.warning("the service completes the setup a second time")
            case messages.TurnComplete(reason=str() as reason):
                self._on_event(event)
                self._on_event(Notice("turn_ended", f"The model ended its turn: {reason}.", "warning"))
            case _:
                self._on_event(event)

    async def _send(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        while True:
            outgoing = self._outbox.next(loop.time(), link.unsent_bytes)
            if outgoing is None:
                await self._wait_for_more()
                continue
            await link.send(self._encode(outgoing))
            if isinstance(outgoing, FrameToSend):
                self._on_event(FrameSent(outgoing.frame_id))

    async def _wait_for_more(self) -> None:
        self._outbox_filled.clear()
        # A frame that waits for the network is looked at again: sockets do not tell when their buffer has shrunk.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FRAME_RETRY_S if self._outbox.has_frame else None):
                await self._outbox_filled.wait()

    @staticmethod
    def _encode(outgoing: Outgoing) -> str:
        match outgoing:
            case Control(message):
                return message
            case Audio(pcm):
                return messages.audio(pcm)
            case AudioStreamEnd():
                return messages.audio_stream_end()
            case FrameToSend(_, jpeg):
                return messages.video(jpeg)
