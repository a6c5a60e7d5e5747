"""Sessions for tests over real doors: who may have them, and that what they promise happens."""

import asyncio

import pytest
from aiohttp.test_utils import TestClient

from gateway.simulator import Simulator
from tests.integration.caller import Caller
from tests.integration.conftest import OpenClient
from tests.integration.test_doors import GOOD_OFFER, SDP
from tests.integration.test_no_leftovers import residue
from tests.integration.test_session import PATIENCE_S, condition, until

OFF = {"test_modes": False}


async def test_an_echo_needs_no_model(client: TestClient, simulator: Simulator) -> None:
    """The caller hears its own tone while it still says it; the operator's upstream hears nothing."""
    async with Caller(client, query="?mode=echo") as caller:
        await condition(lambda: caller.heard > 25)
        assert await caller.end() == 204
    assert not simulator.connections


async def test_a_tone_comes_to_one_who_says_nothing(client: TestClient) -> None:
    """The way down alone."""
    async with Caller(client, silent=True, query="?mode=tone") as caller:
        await condition(lambda: caller.heard > 25)


async def test_a_network_is_really_in_between(client: TestClient) -> None:
    """The two meet at the relay only, which loses what it is told to; media comes through all the same."""
    query = "?mode=echo&network=custom&loss_percent=20&delay_ms=20&seed=3"
    async with Caller(client, query=query) as caller:
        answer = caller.pc.remoteDescription.sdp
        assert answer.count("a=candidate:") == answer.count("typ host") == 1
        await condition(lambda: caller.heard > 25)
        async with asyncio.timeout(PATIENCE_S):
            while (await _stats(client, caller.location))["peer"]["audio"]["loss_percent"] < 3:
                await asyncio.sleep(0.2)


async def test_the_operators_model_can_be_used_through_a_bad_network(client: TestClient, simulator: Simulator) -> None:
    """`network` alone leaves the model as it is."""
    async with Caller(client, query="?network=clean"):
        await condition(lambda: simulator.connections and len(simulator.connections[0].audio) > 32_000)


@pytest.mark.parametrize(
    ("drill", "how"), [("kill_link", "resumed"), ("invalid_argument", "rehydrated"), ("go_away", "resumed")]
)
async def test_a_drill_hits_the_model_of_this_session(client: TestClient, drill: str, how: str) -> None:
    """Its link is lost and replaced; the link of another session stays."""
    async with (
        Caller(client, silent=True, query="?mode=simulator") as caller,
        Caller(client, silent=True, query="?mode=simulator") as other,
        caller.events() as socket,
        other.events() as others,
    ):
        await until(others, "server-message", type="link", generation=1)
        await until(socket, "server-message", type="link", generation=1)
        await socket.send_json({"type": "send-text", "data": {"content": "remember the green box"}})
        await until(socket, "server-message", type="turn", number=1)
        response = await client.post(caller.location + "/drills", json={"drill": drill, "seconds": 1})
        assert response.status == 204, await response.text()
        link = await until(socket, "server-message", type="link", generation=2)
        assert link["data"]["how"] == how
        await socket.send_json({"type": "send-text", "data": {"content": "what was it"}})
        await until(socket, "server-message", type="turn", number=2)
        assert "green box" in (await (await client.get(caller.location + "/transcript")).text())
        assert (await _stats(client, other.location))["link"]["generation"] == 1


async def test_a_slow_function_is_called_and_answered(client: TestClient) -> None:
    """The tool that a test session has besides those of the operator."""
    async with Caller(client, silent=True, query="?mode=simulator") as caller, caller.events() as socket:
        await until(socket, "bot-ready")
        response = await client.post(caller.location + "/drills", json={"drill": "slow_tool", "seconds": 0.2})
        assert response.status == 204
        stopped = await until(socket, "llm-function-call-stopped", function_name="wait")
        assert stopped["data"]["failed"] is False
        while "waited" not in (await until(socket, "bot-output"))["data"]["text"]:
            pass


async def test_a_blackout_needs_a_relay(client: TestClient) -> None:
    """Through one, the gateway notices that nothing arrives; without one it is refused in words."""
    async with Caller(client, query="?mode=echo&network=clean") as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        await condition(lambda: caller.heard > 5)
        response = await client.post(caller.location + "/drills", json={"drill": "blackout", "seconds": 4})
        assert response.status == 204, await response.text()
        await until(socket, "server-message", type="state", state="reconnecting")
        await until(socket, "server-message", type="state", state="live")
    async with Caller(client, query="?mode=echo") as caller:
        response = await client.post(caller.location + "/drills", json={"drill": "blackout"})
        assert (response.status, (await response.json())["code"]) == (409, "drill_impossible")


async def test_nothing_is_broken_in_a_session_of_a_person(client: TestClient) -> None:
    """A drill is for test sessions alone."""
    async with Caller(client) as caller:
        response = await client.post(caller.location + "/drills", json={"drill": "kill_link"})
        assert (response.status, (await response.json())["code"]) == (409, "drill_impossible")
        response = await client.post(caller.location + "/drills", data=b"{")
        assert response.status in (400, 409)


@pytest.mark.parametrize("query", ["?mode=echo", "?mode=live", "?network=train", "?seed=1", "?mode=nonsense"])
async def test_where_test_modes_are_off_nobody_gets_one(open_client: OpenClient, query: str) -> None:
    """The request is refused, no session is left, and drills do not exist."""
    client = await open_client(**OFF)
    response = await client.post(f"/v1/sessions{query}", data=GOOD_OFFER, headers=SDP)
    assert response.status in (400, 403)
    if "nonsense" not in query:
        assert (await response.json())["code"] == "test_modes_off"
    assert (await (await client.get("/healthz")).json())["sessions"] == 0
    response = await client.post("/v1/sessions/x/drills", json={"drill": "stall"})
    assert (response.status, (await response.json())["code"]) == (403, "test_modes_off")
    assert (await (await client.get("/v1/client-config")).json())["test_modes"] is None


async def test_test_modes_are_advertised_where_they_are_on(client: TestClient) -> None:
    """With the names that may be asked for."""
    advertised = (await (await client.get("/v1/client-config")).json())["test_modes"]
    assert advertised["modes"] == ["live", "simulator", "echo", "tone"]
    assert "train" in advertised["networks"]
    assert advertised["custom_network"]["loss_percent"] == {"min": 0, "max": 90}


async def test_a_test_session_leaves_nothing(client: TestClient) -> None:
    """Neither its simulator nor its relay listens any more."""
    await client.get("/healthz")
    before = residue()["sockets"]
    async with Caller(client, query="?mode=simulator&network=train") as caller:
        await asyncio.wait_for(caller.connected.wait(), PATIENCE_S)
        assert await caller.end() == 204
    await condition(lambda: residue()["sockets"] <= before)


async def _stats(client: TestClient, location: str) -> dict:
    return dict(await (await client.get(location + "/stats")).json())
