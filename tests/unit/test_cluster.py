"""Leases, places, and moves, on a virtual clock."""

import asyncio
from dataclasses import replace
from unittest.mock import AsyncMock

import pytest

from gateway.cluster import BEATS_A_LEASE, Cluster, NodeDead
from gateway.errors import NodeSilent, SessionNotFound
from gateway.lifecycle import EndReason
from gateway.store.memory import MemoryStore
from gateway.store.store import Node, StoreUnavailable
from tests.clock import virtually

LEASE_S = 10.0


class Registry:
    """What a cluster needs of the registry: which sessions are here."""

    def __init__(self, node_id: str, store: MemoryStore) -> None:
        self.node_id = node_id
        self.changed = asyncio.Event()
        self.here: set[str] = set()
        self.ended: list[EndReason] = []
        self.asked_to_move = 0
        self.told_of_end: list[float] = []
        self._store = store

    def __len__(self) -> int:
        return len(self.here)

    def has(self, session_id: str) -> bool:
        """Whether it is here."""
        return session_id in self.here

    async def start(self, session_id: str) -> None:
        """A session begins here."""
        ownership = await self._store.own(session_id, self.node_id)
        await self._store.save(ownership, {"x": 1}, 10_000)
        self.here.add(session_id)

    async def take_over(self, session_id: str, gone: str = "") -> None:
        """As the real one."""
        if await self._store.load(session_id) is None:
            raise SessionNotFound("No.")
        await self._store.own(session_id, self.node_id, gone)
        await asyncio.sleep(0.1)
        self.here.add(session_id)

    async def let_go(self, session_id: str) -> None:
        """Another node asked for it."""
        ownership = await self._store.own(session_id, self.node_id)
        self.here.discard(session_id)
        await self._store.release(ownership)

    async def write_rest(self) -> None:
        """Nothing is left to be written."""

    async def settle(self) -> None:
        """Nothing was spent."""

    def tell_of_end(self, left_s: float) -> None:
        """Keep."""
        self.told_of_end.append(left_s)

    def ask_to_move(self) -> None:
        """Count."""
        self.asked_to_move += 1

    async def empty(self) -> None:
        """Until there are none."""
        while self.here:
            await asyncio.sleep(0.1)

    async def end_all(self, reason: EndReason) -> None:
        """All of them."""
        self.ended += [reason] * len(self.here)
        self.here.clear()


class Nodes:
    """Some nodes with one store."""

    def __init__(self) -> None:
        self.store = MemoryStore(asyncio.get_running_loop().time)
        self.registries: dict[str, Registry] = {}
        self.clusters: dict[str, Cluster] = {}
        self.dead: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[str] = []

    async def add(self, name: str) -> tuple[Registry, Cluster]:
        """One more."""
        registry = self.registries[name] = Registry(name, self.store)
        cluster = self.clusters[name] = Cluster(
            registry,  # type: ignore[arg-type]
            self.store,
            LEASE_S,
            socket=f"/run/{name}",
            ask_to_let_go=self._let_go,
            clock=asyncio.get_running_loop().time,
        )
        await cluster.announce()
        return registry, cluster

    async def _let_go(self, node: Node, session_id: str) -> None:
        self.asked.append(node.id)
        if node.id in self.dead:
            raise NodeDead
        if node.id in self.silent:
            raise NodeSilent("Try again.")
        await self.registries[node.id].let_go(session_id)


@virtually
async def test_a_session_is_where_it_began_while_its_node_lives() -> None:
    """Other nodes know where; the node itself needs nobody."""
    nodes = Nodes()
    here, cluster = await nodes.add("here")
    _, there = await nodes.add("there")
    await here.start("s")
    assert await cluster.place("s") is None
    place = await there.place("s")
    assert place is not None
    assert place.id == "here"
    assert await there.place("made up") is None
    assert not there._registry.has("made up")


@virtually
async def test_the_worker_that_has_a_session_is_known_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it has told since of how busy it is; a node of another machine is none."""
    nodes = Nodes()
    here, cluster = await nodes.add("here")
    _, beside = await nodes.add("beside")
    await here.start("s")
    assert await cluster.sibling_with("s") is None
    assert await beside.sibling_with("made up") is None
    busier = replace(cluster.node, sessions=cluster.node.sessions + 1)
    monkeypatch.setattr(nodes.store, "nodes", AsyncMock(return_value=[busier, beside.node]))
    assert await beside.sibling_with("s") == busier
    elsewhere = replace(busier, machine="elsewhere")
    monkeypatch.setattr(nodes.store, "nodes", AsyncMock(return_value=[elsewhere, beside.node]))
    assert await beside.sibling_with("s") is None


@virtually
async def test_a_session_whose_node_let_its_lease_run_out_is_taken_once() -> None:
    """By whoever is asked first; the others wait for that and get it too."""
    nodes = Nodes()
    here, _ = await nodes.add("here")
    there, cluster = await nodes.add("there")
    beating = asyncio.create_task(cluster.run())
    await here.start("s")
    await asyncio.sleep(LEASE_S + 1)
    assert await asyncio.gather(*(cluster.place("s") for _ in range(5))) == [None] * 5
    assert there.has("s")
    assert (await nodes.store.own("s", "there")).epoch == 2
    beating.cancel()


@virtually
async def test_a_node_that_beats_keeps_its_sessions() -> None:
    """For hours."""
    nodes = Nodes()
    here, cluster = await nodes.add("here")
    beating = asyncio.create_task(cluster.run())
    await here.start("s")
    await asyncio.sleep(3600)
    assert here.has("s")
    assert await nodes.store.owner("s") == cluster.node
    beating.cancel()


@virtually
async def test_a_node_that_was_paused_lets_all_go_when_it_wakes() -> None:
    """Before it renews its lease."""
    nodes = Nodes()
    here, cluster = await nodes.add("here")
    await here.start("s")
    await asyncio.sleep(LEASE_S + 0.1)  # it did not beat
    assert cluster.node.sessions == 0
    with pytest.raises(NodeSilent):
        await cluster.place("s")
    beating = asyncio.create_task(cluster.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert here.ended == [EndReason.MOVED]
    beating.cancel()


@virtually
async def test_a_node_that_cannot_reach_the_store_lets_go_when_its_lease_is_over() -> None:
    """Not before, and it goes on to beat."""
    nodes = Nodes()
    here, cluster = await nodes.add("here")
    beating = asyncio.create_task(cluster.run())
    await here.start("s")
    announce = nodes.store.announce

    async def away(*_: object) -> None:
        raise StoreUnavailable("It is away.")

    nodes.store.announce = away  # type: ignore[method-assign]
    await asyncio.sleep(LEASE_S * 0.9)
    assert here.has("s")
    await asyncio.sleep(LEASE_S * 0.1 + 2 * LEASE_S / BEATS_A_LEASE)
    assert here.ended == [EndReason.MOVED]
    nodes.store.announce = announce  # type: ignore[method-assign]
    await asyncio.sleep(LEASE_S)
    assert [node.id for node in await nodes.store.nodes()] == ["here"]
    beating.cancel()


@virtually
async def test_a_draining_node_is_asked_for_its_sessions() -> None:
    """It lets go first; a dead one is not waited for, a silent one is."""
    nodes = Nodes()
    here, cluster = await nodes.add("here")
    there, other = await nodes.add("there")
    for session_id in ("a", "b", "c"):
        await here.start(session_id)
    cluster.start_draining()
    await cluster.announce()
    assert await other.place("a") is None
    assert (nodes.asked, here.here, there.here) == (["here"], {"b", "c"}, {"a"})
    nodes.silent.add("here")
    with pytest.raises(NodeSilent):
        await other.place("b")
    assert not there.has("b")
    nodes.dead.add("here")
    assert await other.place("c") is None
    assert there.has("c")


@virtually
async def test_a_dead_node_is_replaced_whatever_its_lease() -> None:
    """Its socket refused: that is certain."""
    nodes = Nodes()
    here, cluster = await nodes.add("here")
    there, other = await nodes.add("there")
    await here.start("s")
    await other.dead(cluster.node, "s")
    assert there.has("s")


@virtually
async def test_draining_asks_to_move_only_when_there_is_somewhere_to_go() -> None:
    """Else the calls are told when they end. It returns when all have gone, or when its time is over."""
    nodes = Nodes()
    here, cluster = await nodes.add("here")
    beating = asyncio.create_task(cluster.run())
    await here.start("s")
    await cluster.drain(5)
    assert asyncio.get_running_loop().time() == pytest.approx(5, abs=0.2)
    assert (here.asked_to_move, here.told_of_end) == (0, [5])
    await nodes.add("there")
    draining = asyncio.create_task(cluster.drain(60))
    await asyncio.sleep(LEASE_S / BEATS_A_LEASE + 0.1)
    assert here.asked_to_move >= 1
    assert here.told_of_end == [5]
    here.here.clear()
    await draining
    assert asyncio.get_running_loop().time() < 10
    beating.cancel()


@virtually
async def test_the_lightest_sibling_gets_the_next_call() -> None:
    """The node itself when it is as light; never one that drains."""
    nodes = Nodes()
    here, cluster = await nodes.add("here")
    there, other = await nodes.add("there")
    assert await cluster.lightest() is None
    await here.start("a")
    lightest = await cluster.lightest()
    assert lightest is not None
    assert lightest.id == "there"
    await there.start("b")
    await other.announce()
    assert await cluster.lightest() is None
    await here.start("c")
    other.start_draining()
    await other.announce()
    assert await cluster.lightest() is None
