"""A session with a rig: everything between the rig's two ends is the product's own.

Owns the joining of the two. It must not know HTTP.
**Invariant: the rig lives as long as its session.**
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from gateway.errors import DrillImpossible
from gateway.guard.claims import Claims
from gateway.live.breaker import Breaker
from gateway.live.upstream import Upstream
from gateway.media.peer import Direction, TrickleCandidate
from gateway.registry import Registry
from gateway.session import Session
from gateway.settings import Settings
from gateway.testing.plan import Drill, Plan
from gateway.testing.rig import Rig, open_rig
from gateway.tools.registry import Tools


class RiggedSession(Session):
    """A test session."""

    def __init__(self, rig: Rig, *, upstream: Upstream, breaker: Breaker, tools: Tools, **parts: Any) -> None:
        super().__init__(
            upstream=rig.upstream or upstream,
            # A quota that a simulator plays must not stop the calls of others.
            breaker=Breaker() if rig.upstream is not None else breaker,
            tools=Tools((*tools, *rig.tools), tools.timeout_s),
            **parts,
        )
        self._rig = rig

    async def run(self) -> None:
        """As any session, and the rig with it."""
        try:
            await super().run()
        finally:
            await self._rig.close()

    async def attach(self, offer_sdp: str, direction: Direction = "sendrecv", *, same_client: bool = False) -> str:
        """As any session, through the relay if there is one."""
        return await self._rig.answered(
            await super().attach(self._rig.offered(offer_sdp), direction, same_client=same_client)
        )

    async def restart_ice(self, ufrag: str, pwd: str, candidates: Sequence[TrickleCandidate]) -> str:
        """As any session, through the relay if there is one."""
        fragment = await super().restart_ice(ufrag, pwd, () if self._rig.is_relayed else candidates)
        return await self._rig.answered(fragment)

    async def trickle(self, candidates: Sequence[TrickleCandidate]) -> None:
        """As any session; the candidates of a browser behind the relay lead past it."""
        await super().trickle(() if self._rig.is_relayed else candidates)

    async def drill(self, drill: Drill) -> None:
        """Let something go wrong; raises DrillImpossible."""
        await self._rig.drill(drill)


async def create_rigged(registry: Registry, claims: Claims, settings: Settings, plan: Plan, near: str) -> Session:
    """A test session by this plan; raises what `open_rig` and `Registry.create` do."""
    rig = await open_rig(plan, settings, near)
    try:
        return await registry.create(claims, partial(RiggedSession, rig))
    except BaseException:
        await rig.close()
        raise


def drillable(session: Session) -> RiggedSession:
    """The session, if it is a test session; raises DrillImpossible."""
    if not isinstance(session, RiggedSession):
        raise DrillImpossible("This is not a test session, and nothing in it is broken on purpose.")
    return session
