"""Several nodes that share a store: whose request it is, and how a call changes its node."""

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, UnixConnector, web
from aiohttp.test_utils import TestClient, TestServer

from gateway.app import CLUSTER, open_gateway
from gateway.cluster import Cluster
from gateway.errors import BudgetSpent, TooManySessionsOfSubject
from gateway.guard.claims import Claims
from gateway.settings import Settings
from gateway.simulator import Simulator
from gateway.store.store import OwnershipLost, StoreUnavailable
from tests.integration.caller import Caller
from tests.integration.streamer import streaming
from tests.integration.test_rtvi import RtviCaller
from tests.integration.test_session import condition, until
from tests.programs import NEVER_BUSY, free_port

SDP = {"Content-Type": "application/sdp"}


@dataclass
class Running:
    """One node: its own client and what is inside."""

    client: TestClient
    cluster: Cluster
    site: web.UnixSite
    socket: Path

    async def die(self) -> None:
        """As a process that was killed: its socket refuses, it writes nothing more and says goodbye to nobody."""
        await self.site.stop()
        self.cluster.stop()
        self.cluster._registry._store = _DeadStore()
        for session, task in list(self.cluster._registry._sessions.values()):
            session._keeper._store = _DeadStore()
            task.cancel()
        await asyncio.sleep(0)


class _DeadStore:
    async def save(self, *_: Any) -> None:
        raise OwnershipLost

    async def spend(self, *_: Any) -> None:
        raise StoreUnavailable("The process was killed.")


async def written(node: Running, location: str, met: Callable[[dict[str, Any]], Any]) -> None:
    """Until the record of a session has a first turn of which this holds."""
    async with asyncio.timeout(20):
        while True:
            fields = await node.cluster._store.load(location.rpartition("/")[2])
            if fields and met(fields.get("turn:1", {"model": "", "cut": False})):
                return
            await asyncio.sleep(0.02)


async def closing(socket: Any) -> int:
    """Read to the end; the close code."""
    async with asyncio.timeout(20):
        async for _ in socket:
            pass
    return int(socket.close_code)


OpenNode = Callable[..., Awaitable[Running]]


@pytest.fixture
async def open_node(simulator: Simulator) -> AsyncIterator[OpenNode]:
    """`await open_node(machine, **settings)`: a node on its own TCP port and Unix socket, sharing a SQLite store."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        numbers = itertools.count()

        async def open_one(machine: str = "", **overrides: object) -> Running:
            port = free_port()
            values = {
                **NEVER_BUSY,
                "node_url": f"http://127.0.0.1:{port}",
                "upstream": "simulator",
                "upstream_url": simulator.url,
                "store": f"sqlite:{directory / 'store.db'}",
                **overrides,
            }
            path = directory / f"{next(numbers)}.sock"
            application = await stack.enter_async_context(open_gateway(Settings(**values), str(path), machine))
            client = TestClient(TestServer(application, port=port))
            await client.start_server()
            stack.push_async_callback(client.close)
            site = web.UnixSite(client.server.runner, str(path))
            await site.start()
            return Running(client, application[CLUSTER], site, path)

        yield open_one


async def test_any_node_answers_for_every_session(open_node: OpenNode) -> None:
    """Resources and events of a session are the same through a node that does not have it."""
    here, there = await open_node(), await open_node()
    async with Caller(here.client) as caller:
        await asyncio.wait_for(caller.connected.wait(), 20)
        async with there.client.ws_connect(caller.location + "/events") as socket:
            await until(socket, "server-message", type="link", generation=1)
            await socket.send_json({"type": "send-text", "data": {"content": "one two"}})
            await until(socket, "server-message", type="turn")
            told = await (await there.client.get(caller.location + "/transcript")).json()
            assert told["turns"][0]["user"] == "one two"
            assert len(here.cluster._registry) == 1
            assert len(there.cluster._registry) == 0
            assert (await there.client.delete(caller.location)).status == 204
            assert await closing(socket) == 1000
        assert len(here.cluster._registry) == 0
    assert (await there.client.get(caller.location + "/transcript")).status == 200


async def test_a_worker_of_another_machine_is_reached_through_any_of_its_siblings(open_node: OpenNode) -> None:
    """The path of its socket means nothing there; a call that it lets go of moves between the machines."""
    far = await open_node("far")
    near = await open_node("near")
    owner = await open_node("near", node_url=near.cluster.node.url)
    async with Caller(owner.client, silent=True) as caller:
        assert [len(node.cluster._registry) for node in (far, near, owner)] == [0, 0, 1]
        assert (await far.client.get(caller.location + "/transcript")).status == 200
        assert len(owner.cluster._registry) == 1
        owner.cluster.start_draining()
        await owner.cluster.announce()
        async with Caller(far.client, join=caller.location, silent=True):
            assert [len(node.cluster._registry) for node in (far, near, owner)] == [1, 0, 0]
            assert (await far.client.delete(caller.location)).status == 204


async def test_a_machine_that_has_no_address_is_not_taken_for_dead(open_node: OpenNode) -> None:
    """Its calls are its own, and who asks elsewhere for one of them is told to try again."""
    far, near = await open_node("far"), await open_node("near", node_url=None)
    async with Caller(near.client) as caller:
        refused = await far.client.get(caller.location + "/transcript")
        assert refused.status == 503
        assert (len(far.cluster._registry), len(near.cluster._registry)) == (0, 1)


async def test_a_stream_goes_through_any_node(open_node: OpenNode, simulator: Simulator) -> None:
    """Its sessions are spread as others are; a socket at another node than the session's is handed on, both ways and to
    its end."""
    here, there = await open_node(), await open_node()
    async with Caller(here.client), streaming(here.client) as first:
        assert len(there.cluster._registry) == 1
        await first.say(0, 10)
        await condition(lambda: first.heard >= 8)
        async with streaming(here.client, first.again) as second:
            await condition(lambda: first.close_code is not None)
            assert first.close_code == 4001
            await second.say(10, 10)
            await condition(lambda: second.heard >= 18)
            assert (await here.client.delete(f"/v1/sessions/{first.session}")).status == 204
            await condition(lambda: second.close_code is not None)
            assert second.close_code == 1000


async def test_an_id_that_nobody_made_leaves_nothing(open_node: OpenNode) -> None:
    """It is answered 404 and the store does not grow."""
    node = await open_node()
    for number in range(20):
        assert (await node.client.delete(f"/v1/sessions/made-up-{number}")).status == 404
    rows = await node.cluster._store._run(lambda database: database.execute("SELECT id FROM session").fetchall())
    assert rows == []


async def test_new_calls_go_where_there_is_room(open_node: OpenNode) -> None:
    """All asked at one node, calls are spread over its siblings evenly."""
    nodes = [await open_node() for _ in range(3)]
    async with AsyncExitStack() as stack:
        for _ in range(6):
            await stack.enter_async_context(Caller(nodes[0].client))
        assert [len(node.cluster._registry) for node in nodes] == [2, 2, 2]


async def test_sessions_without_a_peer_yet_are_spread_too(open_node: OpenNode) -> None:
    """Those of Pipecat's clients, whose offer comes later."""
    nodes = [await open_node() for _ in range(2)]
    for _ in range(4):
        assert (await nodes[0].client.post("/start", json={})).status == 200
    assert [len(node.cluster._registry) for node in nodes] == [2, 2]


async def test_a_call_survives_the_death_of_its_node(open_node: OpenNode, simulator: Simulator) -> None:
    """Another node takes it over at once, with what was said, and the model is asked to go on."""
    here, there = await open_node(), await open_node()
    async with Caller(here.client, silent=True) as caller:
        await asyncio.wait_for(caller.connected.wait(), 20)
        async with caller.events() as socket:
            await socket.send_json({"type": "send-text", "data": {"content": "one two three"}})
            last = await until(socket, "server-message", type="turn")
            await written(here, caller.location, lambda turn: turn["model"] and not turn["cut"])
        await here.die()
        async with there.client.ws_connect(f"{caller.location}/events?after={last['seq']}") as socket:
            moved = await until(socket, "server-message", type="state", state="reconnecting")
            assert moved["data"]["code"] == "moved"
            assert moved["seq"] > last["seq"]
            await until(socket, "server-message", type="link", generation=2, how="resumed")
            async with Caller(there.client, join=caller.location, silent=True) as again:
                await until(socket, "server-message", type="state", state="live")
                await socket.send_json({"type": "send-text", "data": {"content": "four"}})
                await until(socket, "bot-started-speaking")
                told = await (await there.client.get(again.location + "/transcript")).json()
                assert [turn["user"] for turn in told["turns"]] == ["one two three", "four"]
                assert (await there.client.delete(again.location)).status == 204


async def test_an_answer_that_was_cut_off_by_a_death_goes_on(open_node: OpenNode, simulator: Simulator) -> None:
    """The new node rehydrates and asks for the rest, since nobody heard it."""
    here, there = await open_node(), await open_node()
    async with Caller(here.client, silent=True) as caller:
        await asyncio.wait_for(caller.connected.wait(), 20)
        async with caller.events() as socket:
            words = " ".join(["word"] * 40)
            await socket.send_json({"type": "send-text", "data": {"content": words}})
            await until(socket, "bot-started-speaking")
            await written(here, caller.location, lambda turn: turn["model"] and turn["cut"])
        await here.die()
        async with (
            Caller(there.client, join=caller.location, silent=True) as again,
            there.client.ws_connect(caller.location + "/events") as socket,
        ):
            link = await until(socket, "server-message", type="link")
            assert link["data"]["how"] == "rehydrated"
            await until(socket, "bot-started-speaking")
            await condition(lambda: again.heard > 0)
            told = await (await there.client.get(again.location + "/transcript")).json()
            assert told["turns"][0]["cut"]
            assert (await there.client.delete(again.location)).status == 204


async def test_a_draining_node_hands_its_calls_over(open_node: OpenNode) -> None:
    """It asks the browser to come back, and whichever node is asked, the call goes on at another."""
    here, there = await open_node(), await open_node()
    async with Caller(here.client, silent=True) as caller, caller.events() as socket:
        await asyncio.wait_for(caller.connected.wait(), 20)
        await until(socket, "server-message", type="state", state="live")
        draining = asyncio.create_task(here.cluster.drain(20))
        await until(socket, "server-message", type="move")
        async with Caller(here.client, join=caller.location, silent=True) as again:
            await asyncio.wait_for(again.connected.wait(), 20)
            await draining
            assert (len(here.cluster._registry), len(there.cluster._registry)) == (0, 1)
            assert await closing(socket) == 1012
            assert (await there.client.delete(again.location)).status == 204


async def test_calls_that_have_nowhere_to_go_are_told_when_they_end(open_node: OpenNode) -> None:
    """In words, and they go on until then."""
    here = await open_node()
    async with Caller(here.client, silent=True) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        draining = asyncio.create_task(here.cluster.drain(45))
        notice = await until(socket, "server-message", type="notice", code="session_ends_soon")
        assert "it ends in 45 seconds" in notice["data"]["text"]
        assert (await here.client.delete(caller.location)).status == 204
        await draining


async def test_a_draining_node_hands_its_streams_over(open_node: OpenNode, simulator: Simulator) -> None:
    """The socket is closed with 1012 for the one that brings the call to another node, where nothing is said twice."""
    here, there = await open_node(), await open_node()
    async with streaming(here.client) as first, here.client.ws_connect(first.events) as socket:
        await until(socket, "server-message", type="state", state="live")
        await first.say(0, 10)
        await condition(lambda: first.heard >= 8)
        draining = asyncio.create_task(here.cluster.drain(20))
        await until(socket, "server-message", type="move")
        async with streaming(here.client, first.again) as again:
            await again.say(10, 10)
            await condition(lambda: again.heard >= 18)
            await draining
            assert (len(here.cluster._registry), len(there.cluster._registry)) == (0, 1)
            await condition(lambda: first.close_code is not None)
            assert first.close_code == 1012
            assert (await there.client.delete(f"/v1/sessions/{first.session}")).status == 204


async def test_a_draining_node_takes_no_new_calls(open_node: OpenNode) -> None:
    """They go to another node while there is one, else they are refused with a sentence."""
    here, there = await open_node(), await open_node()
    here.cluster.start_draining()
    async with Caller(here.client) as caller:
        assert (len(here.cluster._registry), len(there.cluster._registry)) == (0, 1)
        there.cluster.start_draining()
        await there.cluster.announce()
        refused = await here.client.post("/v1/sessions", data=caller.pc.localDescription.sdp, headers=SDP)
        assert refused.status == 503
        assert "going down" in (await refused.json())["detail"]
        assert refused.headers["Retry-After"]


async def test_what_only_nodes_may_ask_needs_their_key(open_node: OpenNode) -> None:
    """A stranger can neither take a call from its node nor pretend to be one."""
    node = await open_node()
    async with Caller(node.client) as caller:
        session_id = caller.location.rpartition("/")[2]
        for headers in ({}, {"X-Gateway-Key": "wrong"}):
            assert (await node.client.post(f"/internal/let-go/{session_id}", headers=headers)).status == 404
            assert (await node.client.post("/internal/drain", headers=headers)).status == 404
        assert len(node.cluster._registry) == 1
        assert not node.cluster.draining
        key = await node.cluster._store.key()
        async with ClientSession(connector=UnixConnector(str(node.socket))) as sibling:
            told = await sibling.post(f"http://localhost/internal/let-go/{session_id}", headers={"X-Gateway-Key": key})
            assert told.status == 204
        assert len(node.cluster._registry) == 0


async def test_nobody_speaks_for_a_node_by_its_headers(open_node: OpenNode) -> None:
    """A client's headers of their name, in any spelling, hide no key and choose nobody for whom a request counts."""
    here, there = await open_node(requests_burst=20, requests_per_s_address=0.01), await open_node()
    async with Caller(here.client) as caller:
        for number in range(40):  # counted where they came in, and not again at the node that they are handed to
            forged = {"x-gateway-client": f"203.0.113.{number}", "X-GATEWAY-KEY": "wrong", "x-gateway-hops": "9"}
            assert (await there.client.get(caller.location + "/transcript", headers=forged)).status == 200
        statuses = [
            (await here.client.get("/v1/client-config", headers={"x-gateway-client": f"203.0.113.{number}"})).status
            for number in range(40)
        ]
        assert statuses[-1] == 429


async def test_a_camera_finds_its_session_by_its_name_at_every_node(open_node: OpenNode) -> None:
    """Also when its node dies or drains; when the session is over, its name begins another."""
    here, there, third = await open_node(), await open_node(), await open_node()
    async with Caller(here.client, direction="sendonly", door="/whip/hall") as camera:
        first = session_of(camera)
        await written_at_all(here, first)
        async with Caller(third.client, direction="sendonly", door="/whip/hall") as again:
            assert session_of(again) == first
            assert [len(node.cluster._registry) for node in (here, there, third)] == [1, 0, 0]
        await here.die()
        async with Caller(there.client, direction="sendonly", door="/whip/hall") as again:
            assert session_of(again) == first
            assert len(there.cluster._registry) == 1
            there.cluster.start_draining()
            await there.cluster.announce()
            async with Caller(there.client, direction="sendonly", door="/whip/hall") as moved:
                assert session_of(moved) == first
                assert (len(there.cluster._registry), len(third.cluster._registry)) == (0, 1)
                assert (await third.client.delete(f"/v1/sessions/{first}")).status == 204
            async with Caller(third.client, direction="sendonly", door="/whip/hall") as other:
                assert session_of(other) != first


async def test_a_client_of_pipecat_may_ask_any_node(open_node: OpenNode) -> None:
    """Also one that names its session in the body alone."""
    here, there = await open_node(), await open_node()
    async with RtviCaller(here.client) as caller:
        told = {"pc_id": caller.pc_id, "candidates": []}
        assert (await there.client.patch("/api/offer", json=told)).status == 200
        async with RtviCaller(there.client, pc_id=caller.pc_id, restart_pc=True) as again:
            assert again.pc_id == caller.pc_id
            assert (len(here.cluster._registry), len(there.cluster._registry)) == (1, 0)
        async with RtviCaller(here.client) as second:
            assert second.pc_id != caller.pc_id
            assert (len(here.cluster._registry), len(there.cluster._registry)) == (1, 1)  # where there is more room
        wrong = await there.client.post("/api/offer", data=b"no", headers={"Content-Type": "application/json"})
        assert (wrong.status, (await wrong.json())["detail"]) == (400, "The body is not JSON.")


async def test_what_was_spent_moves_with_its_call_and_is_counted_once(open_node: OpenNode) -> None:
    """However late the node that let go of it tells the others."""
    here, there = await open_node(), await open_node()
    bearer = Claims("mine", "token", expires_at=time.time() + 600, token_budget=100)
    first = await here.cluster._registry.create(bearer)
    here.cluster.stop()  # its next beat comes after all
    await asyncio.sleep(0)
    first._budget.spend_tokens(60)
    await here.cluster._registry.move(first.id)
    await there.cluster._registry.take_over(first.id)
    for node in (there, here):
        await node.cluster._registry.settle()
    assert await there.cluster._store.spend("token", 0, 0, 60) == (60, 0)


def session_of(camera: Caller) -> str:
    """The id of the session behind the WHIP resource."""
    return camera.location.split("/")[3]


async def written_at_all(node: Running, session_id: str) -> None:
    """Until the session has a record."""
    async with asyncio.timeout(20):
        while await node.cluster._store.load(session_id) is None:
            await asyncio.sleep(0.02)


async def test_a_call_that_comes_from_another_node_is_not_one_more(open_node: OpenNode) -> None:
    """Whoever has as many calls as they may have keeps them all when a node goes, and begins no further one."""
    here, there = await open_node(sessions_per_subject=1), await open_node(sessions_per_subject=1)
    mine = Claims(subject="mine")
    first, _ = [await node.cluster._registry.create(mine) for node in (here, there)]
    await written_at_all(here, first.id)
    here.cluster.start_draining()
    await here.cluster.announce()
    assert await there.cluster.place(first.id) is None
    assert len(there.cluster._registry) == 2
    with pytest.raises(TooManySessionsOfSubject):
        await there.cluster._registry.create(mine)


async def test_what_is_spent_at_one_node_is_spent_at_all(open_node: OpenNode) -> None:
    """A token's budget is one, however many nodes its calls are at, also of a node that died before it could tell."""
    here, there = await open_node(), await open_node()
    bearer = Claims("mine", "token", expires_at=time.time() + 600, token_budget=100)
    first = await here.cluster._registry.create(bearer)
    second = await there.cluster._registry.create(bearer)
    first._budget.spend_tokens(60)
    await here.cluster._registry.settle()
    assert second._budget.spend_tokens(30) is None  # not heard of yet
    await there.cluster._registry.settle()
    assert second._budget.left("tokens") == 10
    third = await here.cluster._registry.create(bearer)
    assert third._budget.left("tokens") == 10
    first._budget.spend_tokens(10)
    await first._keeper._write(first.tell, 60)
    await here.die()
    await there.cluster.dead(here.cluster.node, first.id)
    with pytest.raises(BudgetSpent):
        await there.cluster._registry.create(bearer)
    await there.cluster._registry.settle()
    assert await there.cluster._store.spend("token", 0, 0, 60) == (100, 0)
