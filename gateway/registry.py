"""All sessions of this process.

Owns which sessions there are, their ids, whose they are, and the tasks in which they run. It must not know doors or
what a session does inside.
**Invariant: every session is running in exactly one task that this registry awaits; a session that is over, or
somebody else's, is not found. A token for one session starts one that comes about, and no second.**
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from gateway import events
from gateway.allowance import in_words
from gateway.errors import (
    BudgetSpent,
    Forbidden,
    GatewayError,
    SessionNotFound,
    TokenExpired,
    TokenUsed,
    TooManySessions,
    UpstreamQuota,
    WrongProfile,
)
from gateway.guard.admission import Admission, Level, Occupancy
from gateway.guard.budgets import Budget, Purse, Purses, Sum
from gateway.guard.claims import ANYONE, Claims
from gateway.guard.terms import terms
from gateway.keeper import Keeper
from gateway.lifecycle import EndReason, State
from gateway.live.breaker import Breaker
from gateway.live.upstream import Upstream
from gateway.media.worker import MediaWorker
from gateway.record import Kept, told
from gateway.session import Session
from gateway.settings import Settings
from gateway.store.store import Ownership, OwnershipLost, Store, StoreUnavailable
from gateway.telemetry import logs, metrics, tracing
from gateway.telemetry.load import Load
from gateway.tools.registry import Tools
from gateway.tools.runner import Runner

logger = logging.getLogger(__name__)

ID_BYTES = 16  # 128 random bits: an id is a capability (RFC 9725 §4.1 asks that session URLs cannot be guessed)


TAKEN_OVER_LEAST_S = 1.0  # of a session whose time ran out while it had no node
GONE = "There is no such session; it may have ended."
GOING_DOWN = "This server goes down, and no other can take your call: it ends in {left}."
EXPIRED = "The token has expired: ask for a new one."


class Registry:
    """Creates, finds and ends sessions."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        media: MediaWorker,
        store: Store,
        tools: Tools,
        profile: str,
    ) -> None:
        self.node_id = secrets.token_hex(3)  # ids name where they began
        self._settings = settings
        self._upstream = upstream
        self._media = media
        self._store = store
        self._breaker = Breaker()
        self._tools = tools
        self._profile = profile
        self._runner = Runner(settings.tool_timeout_s, settings.tools_per_process, settings.tool_result_max_bytes)
        self._sessions: dict[str, tuple[Session, asyncio.Task[None]]] = {}
        self._admission = Admission(settings)
        self._purses = Purses()
        self._settling = asyncio.Lock()
        self._unwritten: dict[str, Callable[[], Awaitable[None]]] = {}
        self.changed = asyncio.Event()  # sessions came or went
        self._closing = False
        metrics.SESSIONS_MAX.set(settings.max_sessions)

    def __len__(self) -> int:
        return len(self._sessions)

    async def create(self, claims: Claims, make: Callable[..., Session] = Session, name: str | None = None) -> Session:
        """Start a session; its conversation begins to open at once. By its name it is found again at every node.

        Raises Unauthorized, Forbidden, StoreUnavailable, and what `check_room` raises.
        """
        self._check_rights(claims)
        await self._use(claims)
        try:
            await self._settle(claims)
            self.check_room(claims)
            session_id = f"{self.node_id}-{secrets.token_urlsafe(ID_BYTES)}"
            ownership = await self._store.own(session_id, self.node_id)
            if name is not None:
                keep_s = self._settings.session_max_s + self._settings.detach_grace_s
                await self._store.bind(_whose(name, claims), session_id, keep_s)
        except GatewayError:
            await self._give_back(claims)
            raise
        return self._start(ownership, Kept(claims, started_at=time.time(), name=name), make)

    async def take_over(self, session_id: str, gone: str = "") -> None:
        """Go on with a session that another process had, which let go of it or is dead (`gone` is known to be).

        It was let in already, so that the limits of its bearer do not count here, but the machine's do. Raises
        SessionNotFound, OwnedElsewhere, StoreUnavailable, LimitReached.
        """
        fields = await self._store.load(session_id)
        if fields is None:
            raise SessionNotFound(GONE)  # an id that somebody made up must leave nothing behind
        self._check_place()
        await self._settle(Kept.from_fields(fields).claims)  # before it is ours: what fails then leaves it to the next
        ownership = await self._store.own(session_id, self.node_id, gone)
        fields = await self._store.load(session_id)
        if fields is None or (kept := Kept.from_fields(fields)).ended:
            await self._store.release(ownership)
            raise SessionNotFound(GONE)
        if session_id not in self._sessions:
            metrics.SESSIONS_TAKEN_OVER.inc()
            self._start(ownership, kept)

    def _start(self, ownership: Ownership, kept: Kept, make: Callable[..., Session] = Session) -> Session:
        session_id, claims = ownership.session_id, kept.claims
        settings = terms(self._settings, claims)
        left_s = max(TAKEN_OVER_LEAST_S, settings.session_max_s - (time.time() - kept.started_at))
        settings = settings.model_copy(update={"session_max_s": min(settings.session_max_s, left_s)})
        budget = self._budget(settings, claims)
        budget.has_spent(kept.spent_tokens, kept.spent_frames)
        keeper = Keeper(self._store, ownership, settings.detach_grace_s)
        session = make(
            session_id=session_id,
            kept=kept,
            budget=budget,
            settings=settings,
            upstream=self._upstream,
            media=self._media,
            keeper=keeper,
            breaker=self._breaker,
            tools=self._tools if claims.tools is None else self._tools.only(claims.tools),
            runner=self._runner,
        )
        session.shed(self._admission.level)
        logs.SESSION.set(session.label)  # in this request, and in all that comes of it
        task = asyncio.create_task(self._hold(session, keeper), name=f"{session.label} session")
        self._sessions[session_id] = session, task
        task.add_done_callback(lambda _: self._forget(session_id))
        self.changed.set()
        metrics.SESSIONS.inc()
        logger.info("session %s starts, %d in all", session.label, len(self._sessions))
        return session

    def unready(self) -> dict[str, str]:
        """Why no session can be added at the moment, by code; empty while one can."""
        reasons = {}
        if self._closing:
            reasons["shutting_down"] = "The gateway is shutting down."
        if self._admission.level is Level.FULL:
            reasons["overloaded"] = "The machine has enough to do at the moment."
        if len(self._sessions) >= self._settings.max_sessions:
            reasons["full"] = f"All {self._settings.max_sessions} places are taken (GATEWAY_MAX_SESSIONS)."
        if self._breaker.wait_s(asyncio.get_running_loop().time()):
            reasons["upstream_quota"] = "The Gemini quota is used up for now."
        return reasons

    def get(self, session_id: str, claims: Claims) -> Session:
        """Find a session; raises SessionNotFound, also for one of another subject, and TokenExpired.

        The token that made a session is good for it as long as there is one, whatever its own end.
        """
        session, _ = self._sessions.get(session_id, (None, None))
        _check_use(claims, session.claims if session is not None else None)
        assert session is not None
        logs.SESSION.set(session.label)
        return session

    def named(self, name: str, claims: Claims) -> Session | None:
        """The newest session of this name that this bearer may use and that has not been told to end."""
        for session, _ in reversed(tuple(self._sessions.values())):
            if session.name == name and claims.may_use(session.claims) and session.end_reason is None:
                return session
        return None

    async def id_of_named(self, name: str, claims: Claims) -> str | None:
        """The session, at whichever node, to which the bearer gave this name; raises StoreUnavailable.

        It may have ended.
        """
        here = self.named(name, claims)
        return here.id if here is not None else await self._store.bound(_whose(name, claims))

    def has(self, session_id: str) -> bool:
        """Whether the session is here."""
        return session_id in self._sessions

    async def transcript(self, session_id: str, claims: Claims) -> dict[str, Any]:
        """What was said in a session, for a while also after its end; raises as `get` does."""
        if session_id in self._sessions:
            return self.get(session_id, claims).transcript
        fields = await self._store.load(session_id)
        _check_use(claims, Kept.from_fields(fields).claims if fields is not None else None)
        assert fields is not None
        return told(fields)

    async def write_rest(self) -> None:
        """Write what could not be written when its session ended; raises StoreUnavailable, and then try again."""
        for session_id, write in tuple(self._unwritten.items()):
            with suppress(OwnershipLost):
                await write()
            del self._unwritten[session_id]

    async def settle(self) -> None:
        """Tell the other nodes what was spent here, and hear what they have spent of the same; raises StoreUnavailable.

        Where nothing was spent here since, nothing depends on what was spent there.
        """
        for token_id, purse, expires_at in self._purses.owing():
            await self._settle_purse(token_id, purse, expires_at)

    async def _settle(self, claims: Claims) -> None:
        """Hear what others have spent with this token, before it is asked whether something is left."""
        if claims.token_id is not None and _has_budget(terms(self._settings, claims)):
            await self._settle_purse(claims.token_id, self._purses.of(claims, time.time()), claims.expires_at)

    async def _settle_purse(self, token_id: str, purse: Purse, expires_at: float | None) -> None:
        async with self._settling:  # what is owed is told once
            told = purse.owed
            keep_s = max(0.0, (expires_at or 0.0) - time.time()) + self._settings.session_max_s
            total = await self._store.spend(token_id, told.tokens, told.frames, keep_s)
            purse.settle(told, Sum(*total))

    async def end(self, session_id: str, claims: Claims, reason: EndReason) -> None:
        """End a session and return when nothing of it is left; raises SessionNotFound."""
        session = self.get(session_id, claims)
        task = self._sessions[session_id][1]
        session.end(reason)
        await asyncio.wait([task])

    async def move(self, session_id: str) -> None:
        """Let go of a session, so that another node can go on with it; returns when nothing of it is left here."""
        if session_id in self._sessions:
            session, task = self._sessions[session_id]
            session.end(EndReason.MOVED)
            await asyncio.wait([task])

    def ask_to_move(self) -> None:
        """Ask each browser to come back, which another node will answer."""
        for session, _ in self._sessions.values():
            session.ask_to_move()

    def tell_of_end(self, left_s: float) -> None:
        """Tell everybody that their call cannot go on after so many seconds."""
        words = GOING_DOWN.format(left=in_words(left_s))
        for session, _ in self._sessions.values():
            session.events.publish(
                events.server_message("notice", code="session_ends_soon", text=words, level="warning")
            )

    async def empty(self) -> None:
        """Return when no session is left."""
        while self._sessions:
            await asyncio.wait([task for _, task in self._sessions.values()])

    def feel(self, load: Load) -> None:
        """How busy the process is: shed, or take up again, what the sessions do."""
        metrics.LOAD_SHARE.set(self._admission.share(load))
        if not self._admission.feed(load, asyncio.get_running_loop().time()):
            return
        level = self._admission.level
        logger.warning("load level %d (%s): %s", level, level.name.lower(), load)
        metrics.LOAD_LEVEL.set(level)
        for session, _ in tuple(self._sessions.values()):
            session.shed(level)

    async def close(self) -> None:
        """End every session and take no more."""
        self._closing = True
        await self.end_all(EndReason.SHUTDOWN)

    async def end_all(self, reason: EndReason) -> None:
        """End every session; returns when nothing of them is left."""
        tasks = [task for _, task in self._sessions.values()]
        for session, _ in tuple(self._sessions.values()):
            logs.SESSION.set(session.label)
            session.end(reason)
        logs.SESSION.set(None)
        if tasks:
            await asyncio.wait(tasks)

    # Whether one may start

    def _check_rights(self, claims: Claims) -> None:
        if claims.operator:
            raise Forbidden("The operator's key starts no calls: make a token with it (POST /v1/tokens).")
        if claims.is_spent(time.time()):
            raise TokenExpired(EXPIRED)
        if claims.profile not in (None, self._profile):
            raise WrongProfile(
                f"The token is for the profile {claims.profile!r}, and this gateway serves {self._profile!r}."
            )

    def check_room(self, claims: Claims) -> None:
        """Raise what keeps one more session of this bearer out: LimitReached, BudgetSpent or UpstreamQuota."""
        self._check_place(None if claims == ANYONE else claims.subject)
        if self._budget(terms(self._settings, claims), claims).is_spent:
            raise BudgetSpent("What you may use of the model is used up.")
        if wait_s := self._breaker.wait_s(asyncio.get_running_loop().time()):
            raise UpstreamQuota("The Gemini quota is used up for now; please try again in a minute.", wait_s)

    def _check_place(self, subject: str | None = None) -> None:
        """Raise LimitReached when there is no place, or none for one more session of this subject."""
        if self._closing:
            raise TooManySessions("The gateway is shutting down; please try again in a moment.")
        sessions = [session for session, _ in self._sessions.values()]
        self._admission.check(
            Occupancy(
                len(sessions),
                sum(session.state is State.STARTING for session in sessions),
                None if subject is None else sum(one.claims.subject == subject for one in sessions),
            )
        )

    def _budget(self, settings: Settings, claims: Claims) -> Budget:
        purse = self._purses.of(claims, time.time()) if _has_budget(settings) else Purse()
        return Budget(settings.token_budget, settings.frame_budget, purse)

    async def _use(self, claims: Claims) -> None:
        """Take a token that is for one session; raises TokenUsed when another has it."""
        if claims.single_use and claims.token_id is not None and claims.expires_at is not None:
            keep_s = claims.expires_at - time.time()
            if not await self._store.use_once(claims.token_id, keep_s):
                raise TokenUsed("The token was for one call and has been used: ask for a new one.")

    async def _give_back(self, claims: Claims) -> None:
        """The session did not come about: its token is as good as before."""
        if claims.single_use and claims.token_id is not None:
            await self._store.give_back(claims.token_id)

    # The life of one

    async def _hold(self, session: Session, keeper: Keeper) -> None:
        """The life of a session, and the last writing of its record."""
        try:
            async with tracing.following(session.label, session.events.subscribe):
                await session.run()
        finally:
            moved = session.end_reason is EndReason.MOVED
            keep_s = self._settings.detach_grace_s if moved else self._settings.transcript_keep_s
            try:
                await self._settle(session.claims)  # before another node counts what the record says as its own
                await keeper.finish(session.tell, keep_s)
            except OwnershipLost:
                logger.info("session %s was taken over by another node", session.label)
            except StoreUnavailable as error:
                logger.warning("session %s ends and its last words wait for the store: %s", session.label, error)
                self._unwritten[session.id] = lambda: keeper.finish(session.tell, keep_s)
            if not (session.was_live or moved):
                await self._give_back(session.claims)

    def _forget(self, session_id: str) -> None:
        session, task = self._sessions.pop(session_id)
        self.changed.set()
        metrics.SESSIONS.dec()
        metrics.SESSIONS_ENDED.labels(session.end_reason.value if session.end_reason else "unknown").inc()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("session %s was lost to a defect", session.label, exc_info=error)
        logger.info("session %s is gone (%s), %d left", session.label, session.end_reason, len(self._sessions))


def _has_budget(settings: Settings) -> bool:
    return settings.token_budget is not None or settings.frame_budget is not None


def _whose(name: str, claims: Claims) -> str:
    """A name among all names: everybody has their own."""
    return f"{claims.subject}/{name}"


def _check_use(claims: Claims, owner: Claims | None) -> None:
    """Whether this bearer may use the session of `owner`; raises SessionNotFound and TokenExpired."""
    if owner is None or not claims.may_use(owner):
        raise SessionNotFound(GONE)
    if claims.is_spent(time.time()) and claims.token_id != owner.token_id:
        raise TokenExpired(EXPIRED)
