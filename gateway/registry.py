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
from collections.abc import Callable

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
from gateway.guard.admission import Admission, Occupancy
from gateway.guard.budgets import Budget, Purses
from gateway.guard.claims import ANYONE, Claims
from gateway.guard.terms import terms
from gateway.lifecycle import EndReason, State
from gateway.live.breaker import Breaker
from gateway.live.upstream import Upstream
from gateway.media.worker import MediaWorker
from gateway.session import Session
from gateway.settings import Settings
from gateway.store.store import Record, SessionStore
from gateway.telemetry import metrics
from gateway.telemetry.load import Load
from gateway.tools.registry import Tools
from gateway.tools.runner import Runner

logger = logging.getLogger(__name__)

ID_BYTES = 16  # 128 random bits: an id is a capability (RFC 9725 §4.1 asks that session URLs cannot be guessed)


EXPIRED = "The token has expired: ask for a new one."


class Registry:
    """Creates, finds and ends sessions."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        media: MediaWorker,
        store: SessionStore,
        tools: Tools,
        profile: str,
    ) -> None:
        self.node = secrets.token_hex(3)  # ids name their node, so that a front can find a session's owner
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
        self._closing = False

    def __len__(self) -> int:
        return len(self._sessions)

    async def create(self, claims: Claims, make: Callable[..., Session] = Session) -> Session:
        """Start a session; its conversation begins to open at once.

        Raises Unauthorized, Forbidden, and what `check_room` raises.
        """
        self._check_rights(claims)
        await self._use(claims)
        try:
            self.check_room(claims)
        except GatewayError:
            await self._give_back(claims)
            raise
        settings = terms(self._settings, claims)
        session_id = f"{self.node}-{secrets.token_urlsafe(ID_BYTES)}"
        session = make(
            session_id=session_id,
            claims=claims,
            budget=self._budget(settings, claims),
            settings=settings,
            upstream=self._upstream,
            media=self._media,
            store=self._store,
            breaker=self._breaker,
            tools=self._tools if claims.tools is None else self._tools.only(claims.tools),
            runner=self._runner,
        )
        session.shed(self._admission.level)
        task = asyncio.create_task(self._hold(session), name=f"{session.label} session")
        self._sessions[session_id] = session, task
        task.add_done_callback(lambda _: self._forget(session_id))
        metrics.SESSIONS.inc()
        logger.info("session %s starts, %d in all", session.label, len(self._sessions))
        return session

    def get(self, session_id: str, claims: Claims) -> Session:
        """Find a session; raises SessionNotFound, also for one of another subject, and TokenExpired.

        The token that made a session is good for it as long as there is one, whatever its own end.
        """
        session, _ = self._sessions.get(session_id, (None, None))
        _check_use(claims, session.claims if session is not None else None)
        assert session is not None
        return session

    async def record(self, session_id: str, claims: Claims) -> Record:
        """The record of a session, for a while also after its end; raises as `get` does."""
        if session_id in self._sessions:
            return self.get(session_id, claims).record
        kept = await self._store.load(session_id)
        _check_use(claims, Claims(**kept["owner"]) if kept is not None else None)
        assert kept is not None
        return {name: value for name, value in kept.items() if name != "owner"}

    async def end(self, session_id: str, claims: Claims, reason: EndReason) -> None:
        """End a session and return when nothing of it is left; raises SessionNotFound."""
        session = self.get(session_id, claims)
        task = self._sessions[session_id][1]
        session.end(reason)
        await asyncio.wait([task])

    def feel(self, load: Load) -> None:
        """How busy the process is: shed, or take up again, what the sessions do."""
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
        tasks = [task for _, task in self._sessions.values()]
        for session, _ in tuple(self._sessions.values()):
            session.end(EndReason.SHUTDOWN)
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
        if self._closing:
            raise TooManySessions("The gateway is shutting down; please try again in a moment.")
        sessions = [session for session, _ in self._sessions.values()]
        self._admission.check(
            Occupancy(
                len(sessions),
                sum(session.state is State.STARTING for session in sessions),
                None if claims is ANYONE else sum(one.claims.subject == claims.subject for one in sessions),
            )
        )
        if self._budget(terms(self._settings, claims), claims).is_spent:
            raise BudgetSpent("What you may use of the model is used up.")
        if wait_s := self._breaker.wait_s(asyncio.get_running_loop().time()):
            raise UpstreamQuota("The Gemini quota is used up for now; please try again in a minute.", wait_s)

    def _budget(self, settings: Settings, claims: Claims) -> Budget:
        return Budget(settings.token_budget, settings.frame_budget, self._purses.of(claims, time.time()))

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

    async def _hold(self, session: Session) -> None:
        try:
            await session.run()
        finally:
            if not session.was_live:
                await self._give_back(session.claims)

    def _forget(self, session_id: str) -> None:
        session, task = self._sessions.pop(session_id)
        metrics.SESSIONS.dec()
        metrics.SESSIONS_ENDED.labels(session.end_reason.value if session.end_reason else "unknown").inc()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("session %s was lost to a defect", session.label, exc_info=error)
        logger.info("session %s is gone (%s), %d left", session.label, session.end_reason, len(self._sessions))


def _check_use(claims: Claims, owner: Claims | None) -> None:
    """Whether this bearer may use the session of `owner`; raises SessionNotFound and TokenExpired."""
    if owner is None or not claims.may_use(owner):
        raise SessionNotFound("There is no such session; it may have ended.")
    if claims.is_spent(time.time()) and claims.token_id != owner.token_id:
        raise TokenExpired(EXPIRED)
