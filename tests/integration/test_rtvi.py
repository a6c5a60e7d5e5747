"""The door of Pipecat's clients: its HTTP as they speak it, and what is refused."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from gateway.simulator import Simulator
from tests.integration.caller import Caller
from tests.integration.conftest import OpenClient
from tests.integration.guarded import SETTINGS, bearing, mint
from tests.integration.test_doors import GOOD_OFFER, corpus
from tests.integration.test_session import PATIENCE_S, condition

OFFER = "/api/offer"
TURN = ({"urls": "turn:turn.example:3478", "username": "u", "credential": "c"},)


class RtviCaller(Caller):
    """A caller that comes through this door, with what its client sends beside the offer."""

    def __init__(
        self, client: TestClient, path: str = OFFER, pc_id: str | None = None, token: str | None = None, **more: Any
    ) -> None:
        super().__init__(client, channel=True, silent=True, token=token)
        self._path = path
        self._more = {"pc_id": pc_id, "restart_pc": False, **more}
        self.pc_id = ""
        self.answer: dict[str, Any] = {}

    async def _exchange(self, offer: str) -> str:
        response = await self._client.post(
            self._path, json={"sdp": offer, "type": "offer", **self._more}, headers=self._headers
        )
        self.answer = await response.json()
        assert response.status == 200, self.answer
        self.pc_id = self.answer["pc_id"]
        self.location = f"/v1/sessions/{self.pc_id}"
        return str(self.answer["sdp"])

    def say(self, kind: str, data: Any = None, message_id: str = "1") -> None:
        """Send an RTVI message."""
        assert self.channel is not None
        self.channel.send(json.dumps({"label": "rtvi-ai", "type": kind, "id": message_id, "data": data}))

    async def opened(self) -> None:
        """Until its channel is."""
        await condition(lambda: self.channel is not None and self.channel.readyState == "open")

    async def ready(self) -> None:
        """Be ready, and until that is answered."""
        await self.opened()
        self.say("client-ready", {"version": "2.1.0", "about": {"library": "test"}}, "ready")
        await condition(lambda: any(told.get("id") == "ready" for told in self.told))

    def heard_of(self, kind: str) -> list[dict[str, Any]]:
        """The messages of a kind."""
        return [told for told in self.told if told["type"] == kind]


async def problem_of(response: Any) -> tuple[int, str, str]:
    """(status, code, sentence) of a refusal."""
    body = await response.json(content_type="application/problem+json")
    return response.status, body["code"], body["detail"]


async def test_the_offer_flow(client: TestClient, simulator: Simulator) -> None:
    """One request, and then all over the data channel: readiness, text, words, metrics, the transcript, the end."""
    async with RtviCaller(client) as caller:
        assert caller.answer["type"] == "answer"
        await caller.ready()
        caller.say("send-text", {"content": "hello", "options": {}})
        await condition(lambda: caller.heard_of("bot-output"))
        await condition(lambda: caller.heard_of("metrics"))
        await condition(lambda: caller.heard > 5)
        await condition(lambda: caller.heard_of("bot-llm-stopped"))
        caller.say("client-message", {"t": "transcript", "d": None}, "7")
        await condition(lambda: caller.heard_of("server-response"))
        [response] = caller.heard_of("server-response")
        assert (response["id"], response["data"]["d"]["turns"][0]["user"]) == ("7", "hello")
        caller.say("disconnect-bot", {})
        await condition(lambda: caller.told[-1] == {"type": "signalling", "message": {"type": "peerLeft"}})
        assert caller.told[-2]["data"]["code"] == "user"
        assert len(caller.heard_of("bot-ready")) == 1
        assert caller.heard_of("bot-ready")[0]["data"]["version"].startswith("2.")
    await condition(lambda: simulator.connections[0].closed)


async def test_the_start_flow(open_client: OpenClient) -> None:
    """A session and ICE servers first, as mobile clients read them, then the offer at its address."""
    client = await open_client(ice_servers=TURN)
    response = await client.post("/start", json={"enableDefaultIceServers": True, "body": {"name": "x"}})
    started = await response.json()
    assert response.status == 200
    assert started["iceConfig"] == {
        "iceServers": [{"urls": ["turn:turn.example:3478"], "username": "u", "credential": "c"}]
    }
    async with RtviCaller(client, f"/sessions/{started['sessionId']}/api/offer") as caller:
        assert caller.pc_id == started["sessionId"]
        await caller.ready()
        assert (await (await client.get("/healthz")).json())["sessions"] == 1


async def test_a_start_without_a_call_leaves_nothing(open_client: OpenClient, simulator: Simulator) -> None:
    """When nobody comes within the grace the session ends; a body is not needed."""
    client = await open_client(detach_grace_s=0.2)
    assert "iceConfig" not in await (await client.post("/start")).json()
    await condition(lambda: simulator.connections and simulator.connections[0].closed)
    assert (await (await client.get("/healthz")).json())["sessions"] == 0


async def test_candidates_are_taken_in_lists(client: TestClient) -> None:
    """As found within 200 ms, an empty one for the end; what is none is refused and the call lives."""
    async with RtviCaller(client) as caller:
        good = "candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host generation 0"
        for candidates in ([{"candidate": good, "sdp_mid": "0", "sdp_mline_index": 0}, {"candidate": ""}], []):
            response = await client.patch(OFFER, json={"pc_id": caller.pc_id, "candidates": candidates})
            assert (response.status, await response.json()) == (200, {"status": "success"})
        for bad in ([{"candidate": "candidate:1 1 udp"}], [{}], ["x"], "x", [{"candidate": good}] * 101):
            refused = await client.patch(OFFER, json={"pc_id": caller.pc_id, "candidates": bad})
            assert (await problem_of(refused))[:2] == (400, "bad_request")
        assert (await client.patch(OFFER, json={"candidates": []})).status == 400
        await caller.ready()


async def test_a_client_that_restarts_its_connection_goes_on(client: TestClient, simulator: Simulator) -> None:
    """Same session, same link, same transcript; it is told what it missed without saying that it is ready."""
    async with RtviCaller(client) as first:
        await first.ready()
        first.say("send-text", {"content": "first"})
        await condition(lambda: first.heard_of("bot-llm-stopped"))
        async with RtviCaller(client, pc_id=first.pc_id, restart_pc=True) as second:
            assert second.pc_id == first.pc_id
            await second.opened()
            second.say("send-text", {"content": "second"})
            await condition(lambda: any("second" in one["data"]["text"] for one in second.heard_of("bot-output")))
            record = await (await client.get(f"{second.location}/transcript")).json()
            assert [turn["user"] for turn in record["turns"]][:2] == ["first", "second"]
            assert second.heard_of("bot-ready") == []
            seqs = {told["seq"] for told in (*first.told, *second.told) if "seq" in told}
            announced = 3  # after `connecting` and `link`: the model is there, which was the answer to `client-ready`
            assert set(range(1, max(seqs) + 1)) - seqs == {announced}
    assert len(simulator.connections) == 1


async def test_a_connection_that_is_offered_again_stays(client: TestClient) -> None:
    """The same answer, with the new candidates taken; also for new ICE credentials, which restart ICE."""
    async with RtviCaller(client) as caller:
        await caller.ready()
        body = {"sdp": caller.pc.localDescription.sdp, "type": "offer", "pc_id": caller.pc_id, "restart_pc": False}
        again = await (await client.post(OFFER, json=body)).json()
        assert again == caller.answer
        renewed = body["sdp"].replace(f"a=ice-ufrag:{caller.ufrag}", "a=ice-ufrag:anew")
        again = await (await client.post(OFFER, json={**body, "sdp": renewed})).json()
        assert again == caller.answer


async def test_a_page_that_is_loaded_again_takes_its_session_over(client: TestClient) -> None:
    """Without a `pc_id`, at the session's own address: another peer, told everything once it is ready."""
    started = (await (await client.post("/start", json={})).json())["sessionId"]
    path = f"/sessions/{started}/api/offer"
    async with RtviCaller(client, path) as first:
        await first.ready()
        async with RtviCaller(client, path) as second:
            await second.ready()
            await condition(lambda: second.told[-1]["seq"] >= first.heard_of("server-message")[-1]["seq"])
            assert second.heard_of("server-message")[0]["seq"] == 1


REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("POST", OFFER, {"type": "offer"}, 400, "The body has no sdp"),
    ("POST", OFFER, {"sdp": 7, "type": "offer"}, 400, "The body has no sdp"),
    ("POST", OFFER, {"sdp": "v=1", "type": "offer"}, 400, "does not begin with v=0"),
    ("POST", OFFER, {"sdp": GOOD_OFFER.decode(), "type": "answer"}, 400, 'must be "offer"'),
    ("POST", OFFER, {"sdp": GOOD_OFFER.decode(), "pc_id": 7}, 400, "pc_id must be a string"),
    ("POST", OFFER, {"sdp": GOOD_OFFER.decode(), "pc_id": "gone", "restart_pc": True}, 404, "no such session"),
    ("POST", "/sessions/gone/api/offer", {"sdp": GOOD_OFFER.decode()}, 404, "no such session"),
    ("POST", "/sessions/a/api/offer", {"sdp": GOOD_OFFER.decode(), "pc_id": "b"}, 400, "not the session of this"),
    ("POST", OFFER, {"sdp": corpus("bad-422-three-videos").decode(), "type": "offer"}, 422, "video sections"),
    ("POST", OFFER, {"sdp": corpus("bad-422-no-audio").decode(), "type": "offer"}, 422, "no audio section"),
    ("POST", OFFER, [], 400, "not a JSON object"),
    ("POST", OFFER, {"sdp": "x" * 200_000}, 413, "more than 131072 bytes"),
    ("POST", "/start", [1], 400, "not a JSON object"),
    ("PATCH", OFFER, {"pc_id": "gone", "candidates": []}, 404, "no such session"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "words"), REFUSED)
async def test_what_is_refused_is_said(
    client: TestClient, method: str, path: str, body: Any, status: int, words: str
) -> None:
    """A status, and a sentence in `detail`, which the clients show; no session is left."""
    found, _, sentence = await problem_of(await client.request(method, path, json=body))
    assert (found, words in sentence) == (status, True), sentence
    assert (await (await client.get("/healthz")).json())["sessions"] == 0


async def test_a_body_of_another_type_is_refused(client: TestClient) -> None:
    """These resources take JSON, and what is none is said to be none."""
    refused = await client.post(OFFER, data=GOOD_OFFER, headers={"Content-Type": "application/sdp"})
    assert (await problem_of(refused))[:2] == (415, "unsupported_media_type")
    refused = await client.post("/start", data=b"{", headers={"Content-Type": "application/json"})
    assert (await problem_of(refused))[2] == "The body is not JSON."


async def test_tokens_are_asked_for_as_everywhere(open_client: OpenClient) -> None:
    """Without one: a sentence at `/start` and at the offer; with one: the call; with another's: no such session."""
    client = await open_client(**SETTINGS)
    offer = {"sdp": GOOD_OFFER.decode(), "type": "offer"}
    for path, body in (("/start", {}), (OFFER, offer), ("/sessions/x/api/offer", offer)):
        assert await problem_of(await client.post(path, json=body)) == (
            401,
            "token_missing",
            "A token is needed here: send Authorization: Bearer, or open the link you were given.",
        )
    token = await mint(client, subject="anna")
    started = (await (await client.post("/start", json={}, headers=bearing(token))).json())["sessionId"]
    theirs = bearing(await mint(client, subject="berta"))
    for path, body in ((f"/sessions/{started}/api/offer", offer), (OFFER, {**offer, "pc_id": started})):
        assert (await problem_of(await client.post(path, json=body, headers=theirs)))[:2] == (404, "session_not_found")
    async with RtviCaller(client, f"/sessions/{started}/api/offer", token=token) as caller:
        await caller.ready()


async def test_a_token_that_ends_during_the_call_is_good_for_its_session(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new connection for it, and its candidates; not for another session."""
    client = await open_client(**SETTINGS)
    token, other = await mint(client, subject="anna"), await mint(client, subject="anna")
    async with RtviCaller(client, token=token) as first:
        await first.ready()
        clock = time.time
        monkeypatch.setattr(time, "time", lambda: clock() + 3600)
        async with RtviCaller(client, pc_id=first.pc_id, restart_pc=True, token=token) as second:
            await second.opened()
            trickled = {"pc_id": first.pc_id, "candidates": []}
            assert (await client.patch(OFFER, json=trickled, headers=bearing(token))).status == 200
    offer = {"sdp": GOOD_OFFER.decode(), "type": "offer"}
    assert (await problem_of(await client.post(OFFER, json=offer, headers=bearing(other))))[:2] == (
        401,
        "token_expired",
    )


async def test_a_full_gateway_says_so_at_the_start(open_client: OpenClient) -> None:
    """With a status and a sentence that the client shows, at `/start` and at the offer."""
    client = await open_client(max_sessions=1)
    assert (await client.post("/start", json={})).status == 200
    for path, body in (("/start", {}), (OFFER, {"sdp": GOOD_OFFER.decode(), "type": "offer"})):
        refused = await client.post(path, json=body)
        assert await problem_of(refused) == (
            503,
            "too_many_sessions",
            "All places are taken at the moment; please try again in a moment.",
        )


async def test_a_full_gateway_reads_no_body_of_a_start(open_client: OpenClient) -> None:
    """The answer is there while the body has only begun, and what it says is of no matter."""
    client = await open_client(max_sessions=1)
    assert (await client.post("/start", json={})).status == 200
    rest = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await rest.wait()

    kind = {"Content-Type": "application/json"}
    async with asyncio.timeout(PATIENCE_S):
        refused = await client.post("/start", data=slow(), headers=kind)
        assert (await problem_of(refused))[:2] == (503, "too_many_sessions")
        refused = await client.post("/start", data=b"no JSON", headers=kind)
        assert (await problem_of(refused))[:2] == (503, "too_many_sessions")


async def test_a_client_that_hangs_up_is_not_waited_for(client: TestClient, simulator: Simulator) -> None:
    """It closes its channel and then its connection, as Pipecat's clients do: no grace, because nobody will return."""
    async with RtviCaller(client) as caller:
        await caller.ready()
        assert caller.channel is not None
        caller.channel.close()
        await condition(lambda: caller.channel is not None and caller.channel.readyState == "closed")
    await asyncio.wait_for(condition(lambda: simulator.connections[0].closed), PATIENCE_S)
    assert (await (await client.get("/healthz")).json())["sessions"] == 0
