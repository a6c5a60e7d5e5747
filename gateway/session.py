"""One person's conversation: a WebRTC leg and a Gemini leg that live and die separately.

Owns the joining of the two: microphone and camera to the model, the model's voice to the playout, and what the browser
is told of both. It passes plain data and must not know how PCM and JPEG come about, nor what the wire to Gemini looks
like.
**Invariant: no failure of one leg ends the other; a session ends for one reason of `lifecycle.EndReason`, and when
`run` returns nothing of it is left: no task, no socket, no peer.**
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from gateway import __version__, events
from gateway.allowance import Allowance
from gateway.captions import Captions
from gateway.commands import Commands
from gateway.data_carrier import DataCarrier
from gateway.declarations import declarations
from gateway.errors import SessionNotFound, UpstreamError
from gateway.guard.admission import Level
from gateway.guard.budgets import Budget
from gateway.keeper import Keeper
from gateway.latency import Latency
from gateway.lifecycle import EndReason, Lifecycle, State, Trigger
from gateway.line import Line
from gateway.listeners import Listeners
from gateway.live import events as live
from gateway.live.breaker import Breaker
from gateway.live.conversation import Conversation
from gateway.live.messages import UNNAMED
from gateway.live.policy import policy, setup_options
from gateway.live.summary import Summariser
from gateway.live.upstream import Upstream
from gateway.media.peer import Direction, Frame, PeerState, TrickleCandidate
from gateway.media.playout import Playout
from gateway.media.voice import Voice
from gateway.media.worker import MediaWorker
from gateway.peer_leg import PeerLeg
from gateway.record import Kept
from gateway.sent_frames import SentFrames
from gateway.settings import Settings
from gateway.speech import Speech
from gateway.store.store import Fields, OwnershipLost
from gateway.tools.calls import Asked, Calls
from gateway.tools.registry import Tools
from gateway.tools.runner import Runner
from gateway.tools.tool import ToolContext
from gateway.uplink import Uplink

logger = logging.getLogger(__name__)

LABEL_CHARS = 13  # the node and a part of the rest: enough for a log, not for a call


class Session:
    """One session; `run` is its whole life and is awaited by the registry."""

    def __init__(
        self,
        session_id: str,
        kept: Kept,
        budget: Budget,
        settings: Settings,
        upstream: Upstream,
        media: MediaWorker,
        keeper: Keeper,
        breaker: Breaker,
        tools: Tools,
        runner: Runner,
    ) -> None:
        self.id = session_id
        self.label = session_id[:LABEL_CHARS]
        self.claims = kept.claims
        self.name = kept.name  # by which a camera finds it again
        self.events = events.EventLog(kept.next_seq)
        self.is_ready = False  # whether the model has been there
        self._settings = settings
        self._media = media
        self._group = asyncio.TaskGroup()
        self._kept = kept
        self._budget = budget
        self._lifecycle = Lifecycle(State.DETACHED if kept.is_resumed else State.STARTING, was_live=kept.is_resumed)
        self._playout = Playout()
        self._voice = Voice(self._playout, self._voice_speaks)
        self._keeper = keeper
        self._conversation = Conversation(
            upstream,
            setup_options(settings, declarations(tools)),
            self._on_conversation,
            policy=policy(settings),
            is_quiet=self._is_quiet,
            summarise=Summariser(upstream, settings.summary_model, settings.summary_timeout_s).summarise,
            breaker=breaker,
            past=kept.past,
        )
        self._calls = Calls(
            tools, runner, settings.tools_per_session, self._conversation, self._tool_context, self._publish_call
        )
        commands = Commands(self, "data_channel", settings.message_max_bytes, settings.messages_per_s)
        self._data = DataCarrier(self.events, commands, self._group.create_task)
        self._asked_to_move: object = None  # the peer that was
        self._latency = Latency(self.events.publish)
        self.speech = Speech(self._conversation, self._latency, self.events.publish)
        self._line = Line()
        self._captions = Captions(self.events.publish, kept.turn)
        self.leg = PeerLeg(
            settings,
            self._voice,
            media,
            self._data,
            new_uplink=self._new_uplink,
            publish=self.events.publish,
            ready=self.ready,
            spawn=self._group.create_task,
            on_over=self._peer_over,
        )
        self._allowance = Allowance(
            settings,
            budget,
            publish=self.events.publish,
            say=self._conversation.aside,
            busy=self._is_busy,
            allow_video=self.leg.allow_video,
            end=self.end,
        )
        self._unnamed_calls = itertools.count(1)
        self._frames = SentFrames(self.events.publish)
        self._started, self._ending = asyncio.Event(), asyncio.Event()
        self.listeners = Listeners(settings, self._voice, media, self._group.create_task, self.events)
        self._grace: asyncio.TimerHandle | None = None

    @property
    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def state(self) -> State:
        """Where the session is in its life."""
        return self._lifecycle.state

    @property
    def was_live(self) -> bool:
        """Whether media was ever connected."""
        return self._lifecycle.was_live

    @property
    def end_reason(self) -> EndReason | None:
        """Why it ended, once it does."""
        return self._lifecycle.reason

    @property
    def last_frame(self) -> Frame | None:
        """The newest picture the model saw."""
        return self._frames.newest

    @property
    def transcript(self) -> dict[str, Any]:
        """What was said, as JSON."""
        return self._conversation.transcript.as_json()

    def tell(self, since_turn: int) -> tuple[Fields, int]:
        """The record, with the turns from one on, and which turn was the last."""
        if not self._playout.complete:
            self._keeper.changed()  # the playhead moves
        past = self._conversation.past(self._voice.unheard_ms)
        reason = self.end_reason
        kept = replace(
            self._kept,
            past=past,
            next_seq=self.events.next_seq,
            turn=self._captions.turn,
            ended=reason.value if reason is not None and reason is not EndReason.MOVED else "",
            name=self.name,
            spent_tokens=self._budget.spent("tokens"),
            spent_frames=self._budget.spent("frames"),
        )
        return kept.fields(since_turn), past.last_turn

    def figures(self) -> dict[str, Any]:
        """What the gateway itself sees of the call, as JSON (docs/protocol.md)."""
        of_model = {"voice": self._playout.figures(), "link": self._conversation.figures()}
        of_person = {"microphone": self.speech.microphone, "peer": self.leg.figures()}
        return {"state": self.state.value, **of_person, **of_model}

    async def run(self) -> None:
        """Hold the conversation from its opening until the session ends, and leave nothing behind."""
        if self.state is State.STARTING:
            self.events.publish(events.state("connecting", "Connecting to the model and to your browser."))
        else:
            self.events.publish(events.state("reconnecting", EndReason.MOVED.words, code=EndReason.MOVED.value))
            self.wait_for_peer(EndReason.GRACE_OVER)
        stop_voice = self._media.ticker.start(self._voice.beat)
        try:
            async with self._group:
                conversing = self._group.create_task(self._converse(), name=f"{self.label} conversation")
                keeping = self._group.create_task(self._keep(), name=f"{self.label} record")
                watching = self._group.create_task(self._allowance.run(), name=f"{self.label} allowance")
                self._started.set()
                await self._ending.wait()
                watching.cancel()
                self._conversation.close()
                await self._data.close()
                await self.leg.close()
                await self.listeners.close()
                await self._calls.close()
                keeping.cancel()
                await conversing
        except* Exception:
            logger.exception("session %s failed", self.label)
            self.end(EndReason.INTERNAL)
        finally:
            stop_voice()
            await self._release()

    async def attach(self, offer_sdp: str, direction: Direction = "sendrecv", *, same_client: bool = False) -> str:
        """Give the session a new peer and return the answer; a peer it had before is closed. Of `same_client` nothing
        is expected that it has said before. Raises BadOffer, UnsupportedOffer and LimitReached; the session then goes
        on as it was."""
        return await self.leg.attach(offer_sdp, direction, same_client=same_client)

    async def ready(self) -> None:
        """Until the session takes legs; raises SessionNotFound when it takes no more."""
        await self._started.wait()
        if self._ending.is_set():
            raise SessionNotFound("This session has ended.")

    async def restart_ice(self, ufrag: str, pwd: str, candidates: Sequence[TrickleCandidate]) -> str:
        """Restart ICE with credentials that are new: our side as an SDP fragment; raises PeerGone."""
        return await self.leg.peer.restart(ufrag, pwd, candidates)

    async def trickle(self, candidates: Sequence[TrickleCandidate]) -> None:
        """Hand over ICE candidates of the browser; raises PeerGone when there is no peer to take them."""
        await self.leg.peer.add_candidates(candidates)

    def send_text(self, text: str) -> None:
        """Say something to the model in writing."""
        self._allowance.active()
        self._latency.begin("text", self._now_s)
        self.events.publish(events.user_text(text))
        self._conversation.send_text(text)

    def tool_result(self, call_id: str, result: Any) -> bool:
        """The browser's answer to a client tool; False when nobody waits for it."""
        return self._calls.client_result(call_id, result)

    def shed(self, level: Level) -> None:
        """Use less of the machine, or more again."""
        self._allowance.spare(level >= Level.LESS_VIDEO, no_video=level >= Level.NO_VIDEO)

    def ask_to_move(self) -> None:
        """Ask the browser to bring a new peer, which another node takes; once for each peer."""
        if self.state is State.LIVE and self.leg.present is not self._asked_to_move:
            self._asked_to_move = self.leg.present
            self.events.publish(events.server_message("move"))

    def end(self, reason: EndReason, words: str = "") -> None:
        """End the session; only the first reason counts."""
        if self._lifecycle.end(reason, words):
            state = "reconnecting" if reason is EndReason.MOVED else "ended"
            self.events.publish(events.state(state, self._lifecycle.words, code=reason.value))
            logger.info("session %s ends: %s", self.label, self._lifecycle.words)
        self._ending.set()

    # The Gemini leg

    async def _converse(self) -> None:
        try:
            await self._conversation.run()
        except UpstreamError as error:
            self.events.publish(events.error(error.user_message, code=error.code, fatal=True))
            self.end(EndReason.UPSTREAM, error.user_message)

    def _on_conversation(self, event: live.ConversationEvent) -> None:
        self._keeper.changed()
        match event:
            case live.Speech(pcm):
                self._playout.push(pcm)
                if len(pcm) > 2:  # Gemini 3 sends one sample ahead of its answers
                    self._latency.reached("payload", self._now_s)
                self._voice.begin(self._now_s)
            case live.FrameSent(frame_id):
                self._latency.frame(self._now_s)
                self._allowance.frame()
                self._frames.went(frame_id, self._now_s)
            case live.ModelWords(text):
                self._captions.model_words(text)
            case live.UserWords(text):
                self._captions.user_words(text)
            case live.GenerationComplete():
                self._playout.end_of_speech()
            case live.Interrupted():
                dropped_ms = self._voice.flush()
                self._conversation.cut_answer(dropped_ms)
                self.events.publish(events.message("bot-interrupted", {"dropped_ms": round(dropped_ms)}))
            case live.TurnComplete():
                self._turn_complete()
            case live.UsageReport() as usage:
                self.events.publish(events.usage(usage.prompt_tokens, usage.response_tokens, usage.total_tokens))
                if usage.prompt_tokens > 0:  # others tell of a part of an answer, which a later one counts again
                    self._allowance.tokens(usage.total_tokens)
            case _:
                self._on_link(event)

    def _on_link(self, event: live.ConversationEvent) -> None:
        match event:
            case live.LinkOpened(generation, how):
                self.is_ready = True
                self._calls.link_opened(generation)
                if generation > 1:
                    self._latency.begin("resume", self._now_s)
                self.events.publish(events.server_message("link", generation=generation, how=how))
                self.events.publish(events.bot_ready(__version__))
            case live.ToolCalls(calls):
                for call in calls:
                    call_id = call.id or f"{UNNAMED}{next(self._unnamed_calls)}"
                    self._calls.start(Asked(call_id, call.name, call.args))
            case live.ToolCallsCancelled(ids):
                self._calls.cancel(ids)
            case live.LinkLost(reason, _):
                self._playout.end_of_speech()  # what was being said never goes on; play what there is of it
                self.events.publish(events.server_message("notice", code="link_lost", text=reason, level="warning"))
            case live.Notice(code, text, level):
                self.events.publish(events.server_message("notice", code=code, text=text, level=level))
            case _:
                logger.debug("session %s: %s", self.label, event)

    def _tool_context(self) -> ToolContext:
        frame = self.last_frame.jpeg if self.last_frame is not None else None

        def send_event(kind: str, facts: dict[str, Any]) -> None:
            self.events.publish(events.message("server-message", {**facts, "type": kind}))

        return ToolContext(self.id, frame, send_event, asdict(self.claims))

    def _publish_call(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "llm-function-call-stopped" and not data["cancelled"]:
            self._latency.begin("tool", self._now_s)
        self.events.publish(events.message(kind, data))

    def _turn_complete(self) -> None:
        self._playout.end_of_speech()
        self._allowance.turn_complete()
        self._captions.turn_complete()

    async def _keep(self) -> None:
        try:
            await self._keeper.run(self.tell)
        except OwnershipLost:
            self.end(EndReason.MOVED)

    def _is_quiet(self) -> bool:
        return self._playout.complete and not self.speech.going_on

    def _is_busy(self) -> bool:
        return not self._is_quiet() or self._calls.running

    # The peer and its listeners

    def _voice_speaks(self, speaking: bool) -> None:
        if speaking and self._voice.is_heard:
            self._latency.reached("packet", self._now_s)
        self.events.publish(events.message("bot-started-speaking" if speaking else "bot-stopped-speaking"))

    def _new_uplink(self) -> Uplink:
        legs = self._conversation, self.speech, self._line, self._allowance, self._frames, self._data
        return Uplink(*legs, publish=self.events.publish, on_state=self._peer_state)

    def _peer_over(self, was_hung_up: bool) -> None:
        self.end(EndReason.USER) if was_hung_up else self._peer_lost()

    def _peer_lost(self) -> None:
        was = self.state
        if self._lifecycle.step(Trigger.PEER_LOST) is not State.DETACHED or was is State.DETACHED:
            return
        if was is State.STARTING:
            self.end(EndReason.NEVER_CONNECTED)
            return
        self._conversation.audio_stream_end()
        self._conversation.user_left()
        self.events.publish(events.state("reconnecting", "Your connection was lost; your conversation is kept."))
        self.wait_for_peer(EndReason.GRACE_OVER)

    def wait_for_peer(self, reason: EndReason) -> None:
        """End for this reason unless a peer connects in time."""
        self._grace = asyncio.get_running_loop().call_later(self._settings.detach_grace_s, self.end, reason)

    def _peer_connected(self) -> None:
        if self._lifecycle.step(Trigger.PEER_CONNECTED) is not State.LIVE:
            return
        self._cancel_grace()
        self.events.publish(events.state("live"))
        self._allowance.tell()

    def _peer_state(self, state: PeerState, reason: str) -> None:
        logger.info("session %s: peer is %s: %s", self.label, state.value, reason)
        if state is PeerState.CONNECTED:
            self._peer_connected()
        elif state is PeerState.SUSPECT:
            self.events.publish(events.state("reconnecting", reason))
        elif state is PeerState.DETACHED:
            self._peer_lost()

    # The end

    def _cancel_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    async def _release(self) -> None:
        """What is done when every task of the session is over, or was cancelled by a defect in one of them."""
        if self._lifecycle.reason is None:  # run() itself was cancelled
            self.end(EndReason.SHUTDOWN)
        self._cancel_grace()
        self._conversation.close()
        await self._calls.close()
        await self.listeners.close()
        await self.leg.close()
        self._lifecycle.step(Trigger.RELEASED)
        self.events.close()
