"""This node among those that share its store.

Owns its lease, what it tells the others, where a session is, and the ways a session changes its node. It must not know
HTTP: how another node is asked is given to it.
**Invariant: a node whose lease ran out unrenewed goes on with no session; a session is taken from a living node only
when that node has let go of it.**

A node is known to be dead when its own socket refuses connections: the kernel says that nobody listens there any more.
One that merely does not answer may be paused or cut off, and is waited for until its lease is over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Set
from contextlib import suppress

from gateway.errors import NodeSilent, SessionNotFound
from gateway.lifecycle import EndReason
from gateway.registry import Registry
from gateway.store.store import Node, OwnedElsewhere, Store, StoreUnavailable
from gateway.telemetry import metrics
from gateway.telemetry.load import Load

logger = logging.getLogger(__name__)

BEATS_A_LEASE = 5  # so that one or two lost beats cost nothing
BEAT_MAX_S = 60.0
MOVING = "This call is just moving between servers; please try again."


class NodeDead(Exception):
    """Nobody listens at the node's socket."""


class Cluster:
    """The node; `run` beats until `stop`. `ask_to_let_go(node, session_id)` raises NodeDead and StoreUnavailable."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        lease_s: float,
        *,
        machine: str = "",
        socket: str = "",
        url: str = "",
        ask_to_let_go: Callable[[Node, str], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._store = store
        self._lease_s = lease_s
        self._machine, self._socket, self._url = machine, socket, url
        self._ask_to_let_go = ask_to_let_go
        self._clock = clock  # stands still for nobody: a paused process finds out how long it was paused
        self._renewed_s = clock()
        self._moving: dict[str, asyncio.Task[None]] = {}
        self.draining = False
        self._stopped = False

    @property
    def has_lapsed(self) -> bool:
        """Whether other nodes may have taken this one for dead: then its sessions are not its own any more."""
        return self._clock() - self._renewed_s > self._lease_s

    @property
    def sessions(self) -> int:
        """How many sessions are this node's own."""
        return 0 if self.has_lapsed else len(self._registry)

    @property
    def node(self) -> Node:
        """What the others are told."""
        return Node(self._registry.node_id, self._machine, self._socket, self._url, self.sessions, self.draining)

    def unready(self) -> dict[str, str]:
        """Why this node takes no new session at the moment, by code; empty while it does."""
        draining = {"draining": "The node is being drained."} if self.draining else {}
        return {**self._registry.unready(), **draining}

    def feel(self, load: Load) -> None:
        """How busy the process is, twice a second: with it goes whether it takes new sessions."""
        self._registry.feel(load)
        metrics.READY.set(not self.unready())

    async def announce(self) -> None:
        """Renew the lease; raises StoreUnavailable."""
        asked_s = self._clock()  # the lease begins no earlier than it was asked for
        await self._store.announce(self.node, self._lease_s)
        self._renewed_s = asked_s

    async def run(self) -> None:
        """Renew the lease, now and then and when the number of sessions changes; until `stop`."""
        reachable = True
        while not self._stopped:
            if self.has_lapsed and len(self._registry):
                await self._lapse()
            try:
                await self.announce()
                await self._registry.write_rest()
                await self._registry.settle()
                if self.draining and await self.successor() is not None:
                    self._registry.ask_to_move()
                reachable = True
            except StoreUnavailable as error:
                if reachable:
                    logger.warning("%s This node's lease is renewed when it is back.", error)
                reachable = False
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self._lease_s / BEATS_A_LEASE, BEAT_MAX_S)):
                    await self._registry.changed.wait()
            self._registry.changed.clear()

    def stop(self) -> None:
        """Let `run` return: a client of the store may take a cancellation for itself, and then it would not end."""
        self._stopped = True
        self._registry.changed.set()

    async def leave(self) -> None:
        """This node is going."""
        with suppress(StoreUnavailable):
            await self._store.leave(self._registry.node_id)

    # Where a session is

    async def place(self, session_id: str) -> Node | None:
        """The node that has the session; None when it is here, or nowhere.

        A session whose owner is gone, or is draining, is here afterwards. Raises StoreUnavailable and NodeSilent, and
        what keeps it from being here: LimitReached.
        """
        if self._registry.has(session_id):
            if self.has_lapsed:
                raise NodeSilent(MOVING)
            return None
        owner = await self._store.owner(session_id)
        if owner is None:
            await self._move_here(session_id, None)
            return None
        if owner.id == self._registry.node_id:
            return None  # it is being made, or ends
        if owner.draining and not self.draining:
            await self._move_here(session_id, owner)
            return None
        return owner

    async def dead(self, node: Node, session_id: str) -> None:
        """The node that had the session is dead: the session is here afterwards, or nowhere."""
        logger.warning("node %s is dead: its session %s goes on here", node.id, session_id[:13])
        await self._move_here(session_id, node, is_dead=True)

    async def successor(self, dead: Set[str] = frozenset()) -> Node | None:
        """Where the sessions of this node, which is draining, can go; not to those whose death is known before the end
        of their lease."""
        nodes = await self._store.nodes()
        out = {self._registry.node_id, *dead}
        others = [node for node in nodes if node.id not in out and not node.draining]
        return min(others, key=lambda node: node.sessions, default=None)

    async def _has_successor(self) -> bool:
        with suppress(StoreUnavailable):
            return await self.successor() is not None
        return False

    async def lightest(self, dead: Set[str] = frozenset()) -> Node | None:
        """A node of this machine, none of the dead, that should have the next session; None when this one should."""
        siblings = [node for node in await self.siblings() if not node.draining and node.id not in dead]
        lightest = min(siblings, key=lambda node: node.sessions, default=None)
        if lightest is None or (lightest.sessions >= len(self._registry) and not self.draining):
            return None
        return lightest

    async def siblings(self) -> list[Node]:
        """The other workers of this machine."""
        if not self._socket:
            return []
        mine = self.node
        nodes = await self._store.nodes()
        return [node for node in nodes if node.machine == mine.machine and node.socket and node.id != mine.id]

    async def sibling_with(self, session_id: str) -> Node | None:
        """The other worker of this machine that has the session; None when none has."""
        owner = None if self._registry.has(session_id) else await self._store.owner(session_id)
        if owner is None:
            return None
        return next((node for node in await self.siblings() if node.id == owner.id), None)

    # A session changes its node

    async def _move_here(self, session_id: str, owner: Node | None, *, is_dead: bool = False) -> None:
        """Whoever asks for it first moves it; the others wait for that."""
        moving = self._moving.get(session_id)
        if moving is None:
            moving = asyncio.create_task(self._take(session_id, owner, is_dead), name=f"{session_id[:13]} move")
            self._moving[session_id] = moving
            moving.add_done_callback(lambda _: self._moving.pop(session_id))
        await asyncio.shield(moving)

    async def _take(self, session_id: str, owner: Node | None, is_dead: bool) -> None:
        gone = owner.id if owner is not None and is_dead else ""
        if owner is not None and not is_dead:
            try:
                await self._ask_to_let_go(owner, session_id)
            except NodeDead:
                gone = owner.id
        try:
            await self._registry.take_over(session_id, gone)
        except SessionNotFound:
            pass  # it has ended, or never was: whoever is asked for it says so
        except OwnedElsewhere:
            raise StoreUnavailable("Another server is just taking this call over; please try again.") from None

    async def _lapse(self) -> None:
        """This node may have been taken for dead: whoever is asked for one of its sessions takes it over."""
        logger.error(
            "the lease ran out %.1f s after it was renewed: all sessions move", self._clock() - self._renewed_s
        )
        metrics.LEASES_LAPSED.inc()
        await self._registry.end_all(EndReason.MOVED)

    # The end

    def start_draining(self) -> None:
        """Take no new sessions, and let those there are move; `drain` also waits for them."""
        if not self.draining:
            self.draining = True
            self._registry.changed.set()

    async def drain(self, deadline_s: float) -> None:
        """Take no new sessions, let those there are move to other nodes or end; returns when none is left, or after so
        many seconds."""
        self.start_draining()
        logger.info("draining: %d sessions, %.0f s", len(self._registry), deadline_s)
        if not await self._has_successor():
            self._registry.tell_of_end(deadline_s)
        try:
            async with asyncio.timeout(deadline_s):
                await self._registry.empty()
        except TimeoutError:
            logger.warning("%d sessions are left after %.0f s", len(self._registry), deadline_s)
