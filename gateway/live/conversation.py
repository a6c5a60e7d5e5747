"""The Gemini leg: a conversation that runs over one link at a time and outlives links.

Owns the ladder (resume with the handle, else rehydrate from the transcript, else from a summary), the changes of link
on purpose, and what is told of it all. It must not know sessions, peers or sound formats beyond "PCM bytes".
**Invariant: at most one link is open, and the one before is closed first; `run` returns when `close` was called and
raises UpstreamError when no further try makes sense; a lost link and an answer that does not come are always told.**
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Literal

from gateway.errors import UpstreamQuota
from gateway.live import messages
from gateway.live.answer import Answer
from gateway.live.breaker import Breaker
from gateway.live.events import ConversationEvent, FrameSent, LinkLost, LinkOpened, LinkOpening, Notice
from gateway.live.exchange import Exchange, LinkLeft
from gateway.live.ladder import Ladder
from gateway.live.link import Link, LinkEnded, open_link
from gateway.live.memory import Memory, Summarise, extract_only
from gateway.live.messages import SetupOptions
from gateway.live.outbox import Audio, FrameToSend, Outbox, Outgoing
from gateway.live.past import NO_PAST, Past
from gateway.live.policy import Policy
from gateway.live.recovery import GRPC_STATUS, Ending
from gateway.live.rotation import Rotation
from gateway.live.seed import ASK_AGAIN, unanswered
from gateway.live.toolgate import ToolGate
from gateway.live.transcript import Transcript
from gateway.live.upstream import Upstream
from gateway.live.watchdog import Alarm, Remedy, Watchdog
from gateway.telemetry import metrics

logger = logging.getLogger(__name__)

REOPEN_SETUP_S = 5.0  # a healthy setup takes less than one second; in a call nobody waits for twenty
LAST_WORDS_S = 2.0  # after `goAway` an answer may still come, but the service was also seen to fall silent

Connect = Callable[[Upstream, str], AbstractAsyncContextManager[tuple[Link, list[messages.ServerEvent]]]]
Json = dict[str, Any]
Scheduling = Literal["WHEN_IDLE", "INTERRUPT", "SILENT"]


class Conversation:
    """One conversation; `run` is its whole life. The other methods never block and may be called at any time.

    `is_quiet` tells whether the person would notice a change of link: nothing is being played, nobody speaks.
    """

    def __init__(
        self,
        upstream: Upstream,
        options: SetupOptions,
        on_event: Callable[[ConversationEvent], None],
        *,
        policy: Policy | None = None,
        is_quiet: Callable[[], bool] = lambda: True,
        summarise: Summarise = extract_only,
        breaker: Breaker | None = None,
        past: Past = NO_PAST,
        connect: Connect = open_link,
    ) -> None:
        self._policy = policy = policy or Policy()
        self._upstream = upstream
        self._options = options
        self._on_event = on_event
        self._is_quiet = is_quiet
        self._memory = Memory(
            policy.context_budget_tokens, summarise, policy.rehydrate_with, policy.transcript_max_chars, past
        )
        self._told_full = False
        self._breaker = breaker or Breaker()
        self._connect = connect
        self._outbox = Outbox()
        self._exchange: Exchange | None = None  # of the open link
        self._closing = asyncio.Event()
        self._watchdog = Watchdog(policy.answer_s, policy.more_s)
        self._rotation = Rotation()
        self._summarising: asyncio.Task[None] | None = None
        self._renewing = False  # the summary is there: the next link is a fresh one that knows it
        self._history: str | None = None  # what the next link is told as content
        self._ladder = Ladder(past.handle, past.generation)
        self._answer = Answer()
        self._sounded = False  # the model was heard on the present link
        self._message_s = 0.0  # when the service last said anything at all
        self._user_speaks = False
        self._tools = ToolGate(upstream.model, options)
        self._newest_frame: FrameToSend | None = None

    @property
    def transcript(self) -> Transcript:
        """What was said."""
        return self._memory.transcript

    def past(self, unheard_ms: float) -> Past:
        """What another process has to know to go on, while so much of the last answer was not played yet.

        A handle is told only where it knows all that was said and heard: a link that is resumed with an older one
        would take the rest as said.
        """
        cut = self._answer.is_on or unheard_ms > 0
        handle = None if cut or self._watchdog.is_waiting else self._ladder.fresh_handle
        heard_share = self._answer.heard_share(unheard_ms) if cut else None
        return self._memory.past(handle, self._ladder.generation, heard_share)

    def figures(self) -> Json:
        """What is known of the link and of what waits for it, as JSON (docs/protocol.md)."""
        return {**self._ladder.figures(), **self._outbox.figures()}

    async def run(self) -> None:
        """Hold the conversation; returns after `close`, raises UpstreamError when it cannot be held any more."""
        holding = asyncio.create_task(self._hold(), name="links")
        closing = asyncio.create_task(self._closing.wait(), name="closing")
        try:
            await asyncio.wait({holding, closing}, return_when=asyncio.FIRST_COMPLETED)
            if holding.done():
                holding.result()
        finally:
            tasks = [holding, closing, *([self._summarising] if self._summarising else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def send_audio(self, pcm: bytes) -> None:
        """16 kHz mono s16le, 20 to 100 ms of it."""
        if self._tools.is_closed(self._now_s):
            return
        dropped_ms = self._outbox.dropped_audio_ms
        self._outbox.put_audio(pcm, self._now_s)
        if self._outbox.dropped_audio_ms > dropped_ms:
            metrics.AUDIO_DROPPED_MS.inc(self._outbox.dropped_audio_ms - dropped_ms)
        self._go_on()

    def audio_stream_end(self) -> None:
        """The sound pauses; it goes on with the next `send_audio`."""
        self._user_speaks = False
        self._outbox.put_audio_stream_end(self._now_s)
        self._go_on()

    def send_frame(self, frame_id: int, jpeg: bytes) -> None:
        """The newest frame; one that still waits is replaced. `FrameSent` tells when it went."""
        self._newest_frame = FrameToSend(frame_id, jpeg)
        if self._tools.is_closed(self._now_s):
            return
        metrics.FRAMES_REPLACED.inc(self._outbox.has_frame)
        self._outbox.put_frame(frame_id, jpeg)
        self._go_on()

    def send_text(self, text: str) -> None:
        """A turn of the person in writing."""
        self.transcript.typed(text)
        self._say(text)

    def aside(self, text: str) -> None:
        """Let the model say something that nobody asked for; it is no part of what was said."""
        self._say(text)

    def answer_tool(self, call_id: str, name: str, response: Json, scheduling: Scheduling) -> None:
        """The response to a call of the present link."""
        waits = self._tools.waits_for(name)
        answer = messages.tool_response(call_id, name, response, None if waits else scheduling)
        # Its link may be gone, or die before it went: to the next one the id means nothing.
        told = messages.typed(self._upstream.model, self._memory.tool(name, response))
        self._outbox.put_control(answer, elsewhere=told)
        self._go_on()
        self._tools.over([call_id])
        if waits or scheduling != "SILENT":
            self._watchdog.user_ended(self._now_s)

    def tell_tool(self, name: str, response: Json) -> None:
        """A result whose link is gone: the model is told in words."""
        self._say(self._memory.tool(name, response))

    def user_started(self) -> None:
        """The person began to speak."""
        self._user_speaks = True
        self._watchdog.user_started()

    def user_ended(self, *, expects_answer: bool) -> None:
        """The person stopped to speak; a cough expects no answer."""
        self._user_speaks = False
        if expects_answer:
            self._watchdog.user_ended(self._now_s)

    def user_left(self) -> None:
        """Nobody listens at the moment: nothing is owed."""
        self._user_speaks = False
        self._watchdog.forgive()

    def cut_answer(self, unheard_ms: float) -> None:
        """Of the present answer so much was not played: what was not heard was not said."""
        share = self._answer.heard_share(unheard_ms)
        if share is not None and self._answer.is_on:
            self.transcript.cut(share)

    def close(self) -> None:
        """End the conversation."""
        self._closing.set()

    @property
    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _say(self, text: str) -> None:
        """Let the model answer this."""
        self._watchdog.user_ended(self._now_s)
        self._outbox.put_control(messages.typed(self._upstream.model, text))
        self._go_on()

    # The ladder

    async def _hold(self) -> None:
        """One link after the other."""
        while True:
            await asyncio.sleep(self._breaker.wait_s(self._now_s))
            self._ladder.next(nothing_said=self._memory.is_empty)
            try:
                await self._hold_link()
            except LinkLeft as left:
                logger.info("link %d is left: %s", self._ladder.generation, left.why)
                metrics.LINKS_CHANGED.labels(left.why).inc()
                self._ladder.left(keep_handle=left.keep_handle)
                self._answer_lost()
            except LinkEnded as ended:
                self._answer_lost()
                await self._recover(ended)

    async def _hold_link(self) -> None:
        """One link from its opening to its end, which is always an exception."""
        self._on_event(LinkOpening())
        upstream = self._upstream
        if self._ladder.generation:
            upstream = replace(upstream, setup_timeout_s=min(upstream.setup_timeout_s, REOPEN_SETUP_S))
        async with self._connect(upstream, self._setup()) as (link, first_events):
            self._link_opened()
            for event in first_events:
                self._take(event)
            self._exchange = Exchange(link, self._outbox, self._take, self._sent, self._look)
            try:
                await self._exchange.run()
            finally:
                self._exchange = None

    def _setup(self) -> str:
        """The setup of the next link."""
        if self._ladder.how != "rehydrated":
            return messages.setup(self._upstream.model, self._options, self._ladder.handle)
        setup, self._history = self._memory.setup(self._upstream.model, self._options)
        return setup

    def _link_opened(self) -> None:
        self._ladder.opened(self._now_s)
        self._rotation = Rotation()
        self._breaker.success()
        self._tools.reset()  # their ids are unknown to the new link
        self._outbox.other_link()
        self._sounded = False
        self._memory.tells_less = False
        self._renewing = False
        generation, how = self._ladder.generation, self._ladder.how
        logger.info("link %d is open (%s)", generation, how)
        metrics.LINKS_OPENED.labels(how).inc()
        self._on_event(LinkOpened(generation, how))
        self._catch_up()

    def _catch_up(self) -> None:
        """Tell a new link what it has to know beyond its setup, and let the model go on where it was cut off."""
        if self._history is not None:
            self._outbox.put_control(self._history, first=True)
            self._history = None
        rehydrated = self._ladder.how == "rehydrated"
        if rehydrated and self._newest_frame is not None:
            self._outbox.put_frame(self._newest_frame.frame_id, self._newest_frame.jpeg)
        # While the person says more, or what was written was never sent, nothing has to be asked again.
        if not self._user_speaks and not self._outbox.has_control:
            owes = self._watchdog.is_waiting
            question = unanswered(self.transcript.last_said, owes=owes, knows=rehydrated)
            if question is not None:
                self._say(question)

    async def _recover(self, ended: LinkEnded) -> None:
        """Wait for the next try; raises UpstreamError when there is none."""
        react = self._ladder.ended(ended.ending, self._now_s, random.random(), last_rung=self._memory.tells_less)
        logger.warning("link %d ended: %s", self._ladder.generation, ended)
        metrics.LINKS_ENDED.labels(metrics.close_code_label(ended.ending.code, ended.ending.http_status)).inc()
        if isinstance(react.error, UpstreamQuota):
            self._breaker.trip(self._now_s, ended.ending.retry_after_s)
        if react.retry_in_s is None:
            raise react.error
        if not react.keep_media:
            self._outbox.forget_media()
        if react.shorter_seed:
            self._memory.tells_less = True
        wait_s = max(react.retry_in_s, self._breaker.wait_s(self._now_s))
        self._on_event(LinkLost(react.error.user_message, wait_s))
        await asyncio.sleep(react.retry_in_s)

    def _answer_lost(self) -> None:
        """The link is gone: an answer that was going on never continues."""
        if self._answer.is_on:
            self.transcript.open.cut = self._answer.is_generating
            self._turn_over()
            self._on_event(messages.TurnComplete(None))

    # What comes

    def _take(self, event: messages.ServerEvent) -> None:
        self._message_s = self._now_s
        match event:
            case messages.HandleUpdate(handle, resumable):
                self._ladder.update(handle, resumable=resumable)
                return
            case messages.ServiceError(code, text):
                self._service_error(code, text)
                return
            case messages.Unplayable(mime_type):
                logger.error("the service sends sound as %s", mime_type)
                self._on_event(Notice("unplayable", f"The model sends sound as {mime_type}.", "error"))
                return
            case messages.SetupComplete():
                logger.warning("the service completes the setup a second time")
                return
            case messages.WaitingForInput():
                self._watchdog.forgive()
                return
            case messages.Interrupted():
                self._watchdog.interrupted(self._now_s, user_speaks=self._user_speaks)
                self._answer.is_generating = False
        self._follow(event)
        self._on_event(event)
        match event:
            case messages.TurnComplete(reason, expects_more):
                self._watchdog.turn_complete(self._now_s, expects_more=expects_more)
                self._turn_over()
                if reason:
                    self._on_event(Notice("turn_ended", f"The model ended its turn: {reason}.", "warning"))
            case messages.GoAway(time_left_s):
                self._rotation.go_away(time_left_s, self._now_s)

    def _follow(self, event: messages.ServerEvent) -> None:
        """Keep the transcript, the count and the state of the turn."""
        match event:
            case messages.Speech(pcm):
                self._answer.goes_on(pcm)
                if len(pcm) > 2:  # Gemini 3 begins with a chunk of one sample, also when nothing follows
                    self._sounded = True
                    self._watchdog.sound()
            case messages.ModelWords(text):
                self._answer.goes_on()
                self.transcript.model_words(text)
            case messages.UserWords(text):
                self.transcript.user_words(text)
            case messages.GenerationComplete():
                self._answer.is_generating = False
            case messages.UsageReport(prompt_tokens=prompt, response_tokens=response) if prompt > 0:
                metrics.TOKENS.labels("prompt").inc(prompt)
                metrics.TOKENS.labels("response").inc(response)
                self._memory.meter.report(event.total_tokens)
            case messages.ToolCalls(calls):
                if self._tools.called(calls, self._now_s):
                    self._outbox.forget_media()
                self._watchdog.tool_call()
            case messages.ToolCallsCancelled(ids):
                self._tools.over(ids)

    def _turn_over(self) -> None:
        self.transcript.end_turn()
        self._answer.over()
        if self._memory.is_full and not self._told_full:
            self._told_full = True
            metrics.LIMITS_REACHED.labels("transcript_full").inc()
            self._on_event(Notice("transcript_full", "The oldest words of this call are no longer kept.", "info"))

    def _service_error(self, code: int | None, text: str) -> None:
        """An error inside the stream: one that has a status ends the link, another is told."""
        logger.warning("the service reports an error in the stream: %s %s", code, text)
        status = GRPC_STATUS.get(code, code) if code is not None else None
        if status in (401, 403, 429) or (status is not None and 500 <= status <= 599):
            raise LinkEnded(Ending("open", reason=text, http_status=status))
        self._on_event(Notice("upstream_error", f"The model reports an error: {text}", "warning"))

    # What goes

    def _go_on(self) -> None:
        """Something new waits."""
        if self._exchange is not None:
            self._exchange.go_on()

    def _sent(self, outgoing: Outgoing) -> None:
        match outgoing:
            case Audio(pcm):
                self._memory.meter.audio(pcm)
            case FrameToSend(frame_id):
                self._memory.meter.frame()
                self._on_event(FrameSent(frame_id))

    # The regular look

    @property
    def _quiet(self) -> bool:
        """True when a change of link loses nothing and nobody notices it."""
        model_busy = self._answer.is_on or self._ladder.handle_is_stale or self._tools.has_calls
        return not (model_busy or self._user_speaks or self._watchdog.is_waiting) and self._is_quiet()

    def _look(self, now_s: float) -> None:
        """Raises LinkLeft when the link is to be changed."""
        last_words = self._rotation.is_wanted and self._watchdog.waited_s(now_s) > LAST_WORDS_S
        if self._rotation.is_due(now_s, quiet=self._quiet or last_words):
            raise LinkLeft("renew" if self._renewing else "go_away", keep_handle=not self._renewing)
        if (alarm := self._watchdog.due(now_s)) is not None:
            self._remedy(alarm)
        if self._memory.meter.over_budget and self._summarising is None and self.transcript.turns():
            self._summarising = asyncio.create_task(self._summarise_now(), name="summary")

    def _remedy(self, alarm: Alarm) -> None:
        remedy = alarm.remedy
        if remedy is Remedy.NUDGE and self._now_s - self._message_s > self._policy.answer_s:
            remedy = Remedy.RESUME  # it has said nothing at all: there is no one to nudge
        if remedy in (Remedy.NUDGE, Remedy.RESUME) and self._ladder.how == "resumed" and not self._sounded:
            remedy = Remedy.REHYDRATE  # it hears and never answers since it was resumed: the handle is poisoned
        logger.warning("%s: %s", alarm.trouble.value, remedy.name.lower())
        metrics.ALARMS.labels(alarm.trouble.value, remedy.name.lower()).inc()
        if remedy is Remedy.GIVE_UP:
            self._on_event(Notice(alarm.trouble.value, "The model does not answer. Please say it again.", "warning"))
            return
        self._on_event(Notice(alarm.trouble.value, "The model has not answered yet; asking it again.", "info"))
        if remedy is Remedy.NUDGE:
            self._outbox.put_control(messages.typed(self._upstream.model, ASK_AGAIN))
            self._go_on()
            return
        raise LinkLeft("watchdog", keep_handle=remedy is Remedy.RESUME)

    async def _summarise_now(self) -> None:
        """Summarise what was said, and let the link be changed for a fresh one that knows it."""
        await self._memory.condense()
        self._summarising = None
        self._renewing = True
        self._rotation.renew()
