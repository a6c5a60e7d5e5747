"""A session with both legs: real WebRTC on loopback, a real WebSocket to the simulator."""

import asyncio
import re
from typing import Any

import numpy as np
from aiohttp.test_utils import TestClient

from gateway.impair import Conditions, Relay
from gateway.simulator import Simulator
from tests.integration.caller import RATE_HZ, TONE_HZ, Caller
from tests.message_schema import check

PATIENCE_S = 20.0  # how long a condition may take before the test calls it missing; nothing is timed by it


async def until(socket: Any, kind: str, **data: Any) -> dict[str, Any]:
    """Read events, each as docs/events.schema.json says, until one of this type with this data arrives."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            event = await socket.receive_json()
            check(event)
            if event["type"] == kind and data.items() <= event.get("data", {}).items():
                return dict(event)


async def condition(met: Any) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not met():
            await asyncio.sleep(0.02)


async def test_a_call_goes_through_its_states(client: TestClient) -> None:
    """The browser is told connecting, the model's readiness, live and, at the end, the reason."""
    async with Caller(client) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="connecting")
        seen = [await until(socket, "server-message", type="link", generation=1, how="fresh")]
        seen.append(await until(socket, "bot-ready"))
        assert seen[0]["seq"] < seen[1]["seq"]
        await asyncio.wait_for(caller.connected.wait(), PATIENCE_S)
        assert await caller.end() == 204
        ended = await until(socket, "server-message", type="state", state="ended")
        assert ended["data"]["code"] == "user"
        assert (await socket.receive()).data == 1000


async def test_what_is_said_reaches_the_model_at_16_khz(client: TestClient, simulator: Simulator) -> None:
    """The tone that the caller sends is the tone that the simulator hears."""
    async with Caller(client):
        await condition(lambda: simulator.connections and len(simulator.connections[0].audio) > 4 * 32_000)
        heard = np.frombuffer(bytes(simulator.connections[0].audio), dtype="<i2")[-32_000:].astype(float)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(heard.size)))
    assert abs(np.argmax(spectrum) * 16_000 / heard.size - TONE_HZ) < 2
    assert RATE_HZ == 48_000


async def test_the_frame_that_the_model_saw_can_be_fetched(client: TestClient, simulator: Simulator) -> None:
    """The event names the frame, the resource returns the very JPEG the simulator got."""
    async with Caller(client, video=True) as caller, caller.events() as socket:
        event = await until(socket, "server-message", type="frame")
        response = await client.get(caller.location + "/frame")
        jpeg = await response.read()
        assert response.content_type == "image/jpeg"
        assert int(response.headers["X-Frame-Id"]) >= event["data"]["id"]
        await condition(lambda: jpeg in [bytes(frame) for frame in simulator.connections[0].frames])


async def test_typed_text_is_answered_with_voice(client: TestClient) -> None:
    """What is typed goes to the model; its words come as events and its voice as sound."""
    async with Caller(client, silent=True) as caller, caller.events() as socket:
        await until(socket, "bot-ready")
        await asyncio.wait_for(caller.connected.wait(), PATIENCE_S)
        await socket.send_json({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": "hello"}})
        assert (await until(socket, "bot-output"))["data"]["text"]
        await until(socket, "bot-started-speaking")
        await condition(lambda: caller.heard > 5)


async def test_a_lost_peer_keeps_the_conversation_and_a_new_one_joins_it(
    client: TestClient, simulator: Simulator
) -> None:
    """When the browser vanishes the model's link stays; a new offer for the same session is heard by the same link."""
    async with Caller(client) as first, first.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        await first.pc.close()
        await until(socket, "server-message", type="state", state="reconnecting")
        assert not simulator.connections[0].closed
        second = Caller(client, join=first.location)
        async with second:
            await until(socket, "server-message", type="state", state="live")
            before = len(simulator.connections[0].audio)
            await condition(lambda: len(simulator.connections[0].audio) > before + 32_000)
            assert await second.end() == 204
    assert len(simulator.connections) == 1


async def test_a_peer_that_is_replaced_at_once_takes_no_word_with_it(client: TestClient) -> None:
    """What it was sent in its last moments, over a way that was gone already, the next one hears."""
    relay, words = Relay(Conditions()), 10
    never_let_go = 4  # packets, which aiortc keeps until later ones come
    async with Caller(client, silent=True) as whole, whole.events() as events:
        await asyncio.wait_for(whole.connected.wait(), PATIENCE_S)
        await events.send_json({"type": "send-text", "data": {"content": "word " * words}})
        await until(events, "bot-stopped-speaking")
        await condition(lambda: whole.heard > words)
        await whole.end()
    async with Caller(client, silent=True, relay=relay) as first, first.events() as events:
        await asyncio.wait_for(first.connected.wait(), PATIENCE_S)
        await events.send_json({"type": "send-text", "data": {"content": "word " * words}})
        await condition(lambda: first.heard > whole.heard // 2)
        relay.change(Conditions(blackouts=((0.0, 3600.0),)))
        await asyncio.sleep(0.2)  # less than what counts as a gap; on a slow machine more, and that is held as well
        async with Caller(client, silent=True, join=first.location) as second:
            await until(events, "bot-stopped-speaking")
            await until(events, "bot-stopped-speaking")
            await condition(lambda: first.heard + second.heard >= whole.heard - never_let_go)
            assert await first.end() == 204
    relay.close()


async def test_a_browser_that_stays_away_ends_the_session(open_client: Any, simulator: Simulator) -> None:
    """When the grace is over the session ends with that reason, and the model's link is closed."""
    client = await open_client(detach_grace_s=0.0)
    async with Caller(client) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        await caller.pc.close()
        ended = await until(socket, "server-message", type="state", state="ended")
        assert ended["data"]["code"] == "grace_over"
    await condition(lambda: simulator.connections[0].closed)


async def test_the_places_are_limited(open_client: Any) -> None:
    """One session more than allowed is answered 503 with words and a time to come back."""
    client = await open_client(max_sessions=1)
    async with Caller(client) as caller:
        offer = caller.pc.localDescription.sdp
        refused = await client.post("/v1/sessions", data=offer, headers={"Content-Type": "application/sdp"})
        problem = await refused.json(content_type="application/problem+json")
        assert (refused.status, problem["code"]) == (503, "too_many_sessions")
        assert int(refused.headers["Retry-After"]) > 0
        assert await caller.end() == 204
    async with Caller(client):
        pass


async def test_a_gateway_that_shuts_down_says_so(open_client: Any, simulator: Simulator) -> None:
    """Each browser is told the reason before its socket is closed, and the model's link is closed."""
    client = await open_client()
    async with Caller(client) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        stopping = asyncio.create_task(client.server.close())
        ended = await until(socket, "server-message", type="state", state="ended")
        assert ended["data"]["code"] == "shutdown"
        await stopping
    await condition(lambda: simulator.connections[0].closed)


async def test_what_was_said_can_be_fetched_also_after_the_end(client: TestClient) -> None:
    """The transcript is JSON or text, grows during the call, and stays for a while."""
    async with Caller(client, silent=True) as caller, caller.events() as socket:
        await until(socket, "bot-ready")
        await socket.send_json({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": "hello"}})
        await until(socket, "server-message", type="turn")
        path = caller.location + "/transcript"
        turn = (await (await client.get(path)).json())["turns"][0]
        assert turn["user"] == "hello"
        assert turn["model"].startswith("You wrote: hello")
        assert await caller.end() == 204
    text = await (await client.get(path, headers={"Accept": "text/plain"})).text()
    assert text.startswith("User: hello\nModel: You wrote: hello")
    assert (await client.get("/v1/sessions/nobody/transcript")).status == 404


def _ttfab_count(metrics: str) -> float:
    """How many there are of written turns, whatever the camera sent."""
    series = r'(?m)^gateway_ttfab_seconds_count{fps="[0-3]\+?",to="packet",trigger="text"} (\S+)'
    return sum(float(count) for count in re.findall(series, metrics))


async def test_the_time_to_the_first_audio_is_told(client: TestClient) -> None:
    """To Gemini's first sound and to the first packet, in that order; the metrics have it too."""
    counted = _ttfab_count(await (await client.get("/metrics")).text())
    async with Caller(client) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        await socket.send_json({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": "hello"}})
        payload = (await until(socket, "server-message", type="ttfab", to="payload"))["data"]
        packet = (await until(socket, "server-message", type="ttfab", to="packet"))["data"]
        assert payload["trigger"] == packet["trigger"] == "text"
        assert 0 <= payload["ms"] <= packet["ms"]
        metrics = await (await client.get("/metrics")).text()
        assert _ttfab_count(metrics) == counted + 1
        assert "gateway_sessions 1.0" in metrics
        assert await caller.end() == 204


async def test_a_lost_link_is_told_to_the_browser_and_the_call_goes_on(simulator: Simulator, open_client: Any) -> None:
    """The model's leg is replaced while the browser's stays."""
    client = await open_client()
    async with Caller(client) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        await socket.send_json({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": "hello"}})
        await until(socket, "server-message", type="turn")
        simulator.abort_all()
        await until(socket, "server-message", type="notice", code="link_lost")
        link = await until(socket, "server-message", type="link", generation=2)
        assert link["data"]["how"] == "resumed"
        assert await caller.end() == 204
