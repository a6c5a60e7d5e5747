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
from dataclasses import asdict
from typing import Any

from gateway import __version__, events
from gateway.allowance import Allowance
from gateway.captions import Captions
from gateway.errors import PeerGone, SessionNotFound, TooManyPeers, UpstreamError
from gateway.guard.admission import Level
from gateway.guard.bucket import TokenBucket
from gateway.guard.budgets import Budget
from gateway.guard.claims import Claims
from gateway.guard.intake import Verdict
from gateway.latency import Latency
from gateway.lifecycle import EndReason, Lifecycle, State, Trigger
from gateway.live import events as live
from gateway.live.breaker import Breaker
from gateway.live.conversation import Conversation
from gateway.live.messages import UNNAMED, Declaration
from gateway.live.policy import policy, setup_options
from gateway.live.summary import Summariser
from gateway.live.upstream import Upstream
from gateway.media.peer import Frame, Peer, PeerState, TrickleCandidate
from gateway.media.playout import Playout
from gateway.media.worker import MediaWorker
from gateway.sent_frames import SentFrames
from gateway.settings import Settings
from gateway.speech import Speech
from gateway.store.store import Record, SessionStore
from gateway.tools.calls import Asked, Calls
from gateway.tools.registry import Tools
from gateway.tools.runner import Runner
from gateway.tools.tool import ToolContext

logger = logging.getLogger(__name__)

LABEL_CHARS = 13  # the node and a part of the rest: enough for a log, not for a call
PEERS_PER_S, PEERS_BURST = 0.5, 6  # a page whose network flaps tries again every few seconds


class Session:
    """One session; `run` is its whole life and is awaited by the registry."""

    def __init__(
        self,
        session_id: str,
        claims: Claims,
        budget: Budget,
        settings: Settings,
        upstream: Upstream,
        media: MediaWorker,
        store: SessionStore,
        breaker: Breaker,
        tools: Tools,
        runner: Runner,
    ) -> None:
        self.id = session_id
        self.label = session_id[:LABEL_CHARS]
        self.claims = claims
        self.events = events.EventLog()
        self._settings = settings
        self._media = media
        self._lifecycle = Lifecycle()
        self._playout = Playout()
        self._store = store
        summariser = Summariser(upstream, settings.summary_model, settings.summary_timeout_s)
        self._conversation = Conversation(
            upstream,
            setup_options(settings, declarations(tools)),
            self._on_conversation,
            policy=policy(settings),
            is_quiet=self._is_quiet,
            summarise=summariser.summarise,
            breaker=breaker,
        )
        self._calls = Calls(
            tools, runner, settings.tools_per_session, self._conversation, self._tool_context, self._publish_call
        )
        self._peer: Peer | None = None
        self._latency = Latency(self.events.publish)
        self._speech = Speech(self._conversation, self._latency, self.events.publish)
        self._captions = Captions(self.events.publish)
        self._allowance = Allowance(
            settings,
            budget,
            publish=self.events.publish,
            say=self._conversation.aside,
            busy=self._is_busy,
            allow_video=self._allow_video,
            end=self.end,
        )
        self._peers = TokenBucket(PEERS_PER_S, PEERS_BURST)
        self._frame_ids = itertools.count(1)
        self._unnamed_calls = itertools.count(1)
        self._frames = SentFrames(self.events.publish)
        self._group = asyncio.TaskGroup()
        self._started, self._ending = asyncio.Event(), asyncio.Event()
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
    def record(self) -> Record:
        """What of the session can be kept: its transcript."""
        turns = [turn.as_json() for turn in self._conversation.transcript.turns()]
        return {"turns": turns, "dropped_turns": self._conversation.transcript.dropped_turns}

    async def run(self) -> None:
        """Hold the conversation from its opening until the session ends, and leave nothing behind."""
        self.events.publish(events.state("connecting", "Connecting to the model and to your browser."))
        try:
            async with self._group:
                conversing = self._group.create_task(self._converse(), name=f"{self.label} conversation")
                watching = self._group.create_task(self._allowance.run(), name=f"{self.label} allowance")
                self._started.set()
                await self._ending.wait()
                watching.cancel()
                self._conversation.close()
                if self._peer is not None:
                    await self._peer.close()
                await self._calls.close()
                await conversing
        except* Exception:
            logger.exception("session %s failed", self.label)
            self.end(EndReason.INTERNAL)
        finally:
            await self._release()

    async def attach(self, offer_sdp: str) -> str:
        """Give the session a new peer and return the answer; a peer it had before is closed.

        Raises BadOffer, UnsupportedOffer and LimitReached; the session then goes on as it was.
        """
        await self._started.wait()
        if self.state in (State.ENDING, State.ENDED):
            raise SessionNotFound("This session has ended.")
        if not self._peers.take(self._now_s):
            raise TooManyPeers("This session gets new connections too fast.", self._peers.wait_s())
        sink = _PeerOfSession(self)
        peer = Peer(self._settings, self._playout, sink, self._media, self._frame_ids)
        sink.peer = peer
        try:
            answer_sdp = await peer.answer(offer_sdp)
            peer.allow_video(self._allowance.video_fps)
            if self._ending.is_set():
                raise SessionNotFound("This session has ended.")
        except BaseException:
            await peer.close()
            raise
        if peer.video_refused:
            text = "This call is voice alone: your camera is not taken."
            self.events.publish(events.server_message("notice", code="video_not_allowed", text=text, level="info"))
        previous, self._peer = self._peer, peer
        self._group.create_task(self._carry(peer), name=f"{self.label} peer")
        if previous is not None:
            await previous.close()
        return answer_sdp

    async def restart_ice(self, ufrag: str, pwd: str, candidates: Sequence[TrickleCandidate]) -> str | None:
        """Restart ICE when these credentials are new: our side as an SDP fragment. None when they are the present ones;
        raises PeerGone when the peer cannot be restarted."""
        if self._peer is None:
            raise PeerGone("This session has no WebRTC connection to restart; send a new offer.")
        if not self._peer.is_restart(ufrag):
            return None
        return await self._peer.restart(ufrag, pwd, candidates)

    async def trickle(self, candidates: Sequence[TrickleCandidate]) -> None:
        """Hand over ICE candidates of the browser; raises PeerGone when there is no peer to take them."""
        if self._peer is None:
            raise PeerGone("This session has no WebRTC connection to add candidates to.")
        await self._peer.add_candidates(candidates)

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

    def end(self, reason: EndReason, words: str = "") -> None:
        """End the session; only the first reason counts."""
        if self._lifecycle.end(reason, words):
            self.events.publish(events.state("ended", self._lifecycle.words, code=reason.value))
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
        match event:
            case live.Speech(pcm):
                self._playout.push(pcm)
                if len(pcm) > 2:  # Gemini 3 sends one sample ahead of its answers
                    self._latency.reached("payload", self._now_s)
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
                dropped_ms = self._playout.flush()
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
        self._group.create_task(self._save(), name=f"{self.label} record")

    async def _save(self) -> None:
        kept = {**self.record, "owner": {"subject": self.claims.subject, "token_id": self.claims.token_id}}
        await self._store.save(self.id, kept, self._settings.transcript_keep_s)

    def _is_quiet(self) -> bool:
        return self._playout.complete and not self._speech.going_on

    def _is_busy(self) -> bool:
        return not self._is_quiet() or self._calls.running

    def _allow_video(self, fps_max: float | None) -> None:
        if self._peer is not None:
            self._peer.allow_video(fps_max)

    # The WebRTC leg

    async def _carry(self, peer: Peer) -> None:
        await peer.run()
        if self._peer is peer:
            self._peer = None
            self._peer_lost()

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
        loop = asyncio.get_running_loop()
        self._grace = loop.call_later(self._settings.detach_grace_s, self.end, EndReason.GRACE_OVER)

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

    def _peer_level(self, level_dbov: float, duration_ms: float) -> None:
        if self._speech.level(level_dbov, duration_ms, self._now_s):
            self._allowance.active()

    def _peer_frame(self, frame: Frame) -> None:
        self._frames.waits(frame)
        self._conversation.send_frame(frame.id, frame.jpeg)

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
        if self._peer is not None:
            await self._peer.close()
        await self._save()
        self._lifecycle.step(Trigger.RELEASED)
        self.events.close()


def declarations(tools: Tools) -> tuple[Declaration, ...]:
    """What the model is told of the tools."""
    return tuple(Declaration(one.name, one.description, one.parameters, one.blocking) for one in tools)


class _PeerOfSession:
    """The `PeerSink` of one peer: passes on what the session's present peer says and nothing of a former one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.peer: Peer | None = None

    @property
    def _present(self) -> bool:
        return self._session._peer is self.peer

    def peer_audio(self, pcm: bytes) -> None:
        if self._present:
            self._session._conversation.send_audio(pcm)

    def peer_level(self, level_dbov: float, duration_ms: float) -> None:
        if self._present:
            self._session._peer_level(level_dbov, duration_ms)

    def peer_video_wish(self, fps: float) -> None:
        if self._present:
            self._session.events.publish(events.server_message("video_wish", fps=fps))

    def peer_audio_paused(self) -> None:
        if self._present:
            self._session._speech.paused(self._session._now_s)

    def peer_picture_refused(self, width: int, height: int) -> None:
        if self._present:
            self._session._allowance.picture_refused(width, height)

    def peer_intake(self, verdict: Verdict) -> None:
        if self._present:
            self._session._allowance.traffic(verdict)

    def peer_frame(self, frame: Frame) -> None:
        if self._present:
            self._session._peer_frame(frame)

    def peer_state(self, state: PeerState, reason: str) -> None:
        if self._present:
            self._session._peer_state(state, reason)

    def peer_voice(self, speaking: bool) -> None:
        if self._present:
            if speaking:
                self._session._latency.reached("packet", self._session._now_s)
            kind = "bot-started-speaking" if speaking else "bot-stopped-speaking"
            self._session.events.publish(events.message(kind))
