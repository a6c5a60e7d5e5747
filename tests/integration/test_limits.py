"""The limits of a running gateway: each is told in words, with its code and when to come back, and nothing breaks."""

from __future__ import annotations

import asyncio
import fractions
import random
import re
from collections import Counter
from typing import Any

import av
import pytest
from aiohttp.test_utils import TestClient
from aiortc import VideoStreamTrack

from gateway.guard import admission, intake
from gateway.simulator import Simulator
from gateway.telemetry import load
from tests.integration import guarded
from tests.integration.caller import Caller
from tests.integration.test_doors import FRAGMENT, GOOD_OFFER, SDP
from tests.integration.test_session import PATIENCE_S, until
from tests.unit.media.test_dimensions import encoded, vp8_key

CONFIG = "/v1/client-config"
NEVER = 1e-6  # a rate: nothing comes back during a test


async def problem(response: Any) -> tuple[int, str, int | None]:
    """(status, code, Retry-After) of a refusal, which is a sentence."""
    body = await response.json(content_type="application/problem+json")
    assert body["detail"].endswith(".")
    after = response.headers.get("Retry-After")
    return response.status, body["code"], int(after) if after else None


async def reached(client: TestClient, limit: str) -> float:
    """How often a limit was met, by the metrics of this process."""
    text = await (await client.get("/metrics", headers=guarded.bearing(guarded.OPERATOR_KEY))).text()
    found = re.search(rf'gateway_limits_reached_total{{limit="{limit}"}} (\S+)', text)
    return float(found[1]) if found else 0.0


async def test_an_address_has_a_rate_of_its_own(open_client: Any) -> None:
    """As many requests as the burst, then 429, for whatever it asks; others, told by a trusted proxy, are not met."""
    client = await open_client(requests_per_s_address=NEVER, requests_burst=5, trusted_proxies=("127.0.0.1",))

    def asks(client_address: str, path: str = "/v1/client-config") -> Any:
        return client.get(path, headers={"X-Forwarded-For": f"6.6.6.6, {client_address}"})

    assert [(await asks("203.0.113.1")).status for _ in range(7)] == [200] * 5 + [429] * 2
    status, code, after_s = await problem(await asks("203.0.113.1", "/v1/ice-servers"))
    assert (status, code) == (429, "too_many_requests")
    assert after_s is not None
    assert (await asks("203.0.113.2")).status == 200
    for index in range(5):
        assert (await asks(f"2001:db8:0:1::{index}")).status == 200
    assert (await asks("2001:db8:0:1:ffff::")).status == 429, "a /64 is one sender"
    assert (await asks("2001:db8:0:2::")).status == 200
    assert (await asks("203.0.113.1", "/healthz")).status == 200, "who watches over the gateway is not turned away"


async def test_an_address_that_nobody_vouches_for_is_not_believed(open_client: Any) -> None:
    """Without a trusted proxy the headers are the sender's own words."""
    client = await open_client(requests_per_s_address=NEVER, requests_burst=3)
    asked = [await client.get(CONFIG, headers={"X-Forwarded-For": f"203.0.113.{index}"}) for index in range(4)]
    assert [response.status for response in asked] == [200, 200, 200, 429]


async def test_a_page_comes_whole_to_many_behind_one_address(open_client: Any) -> None:
    """A file of it counts an eighth of a request, and is refused only to who asks for hundreds of pages."""
    client = await open_client(requests_per_s_address=NEVER, requests_burst=5)
    statuses = [(await client.get("/js/main.js")).status for _ in range(41)]
    assert statuses == [200] * 40 + [429]


@pytest.mark.parametrize(
    ("header", "ours", "other"),
    [
        ("x-forwarded-for", "203.0.113.{}, 10.1.2.3", {"Forwarded": "for=203.0.113.9"}),
        ("forwarded", 'for="203.0.113.{}:4711";proto=https, for=10.1.2.3', {"X-Forwarded-For": "203.0.113.9"}),
    ],
)
async def test_whoever_stands_before_two_proxies_is_found(
    open_client: Any, header: str, ours: str, other: dict[str, str]
) -> None:
    """A balancer and a node in front, each listed; the header that is not named is not read."""
    client = await open_client(
        requests_per_s_address=NEVER,
        requests_burst=2,
        trusted_proxies=("127.0.0.1", "10.0.0.0/8"),
        proxy_header=header,
    )
    for host, statuses in ((1, [200, 200, 429]), (2, [200, 200, 429])):
        asked = [await client.get(CONFIG, headers={**other, header: ours.format(host)}) for _ in range(3)]
        assert [response.status for response in asked] == statuses


async def test_a_subject_has_a_rate_of_its_own(open_client: Any) -> None:
    """From whatever address and with whatever token; others are not met."""
    client = await open_client(
        **guarded.SETTINGS, requests_per_s_address=1e6, requests_per_s_subject=NEVER, requests_burst=4
    )
    anna = [await guarded.mint(client, subject="anna") for _ in range(2)]
    ben = await guarded.mint(client, subject="ben")
    before = await reached(client, "too_many_requests")
    asked = [await client.get("/v1/client-config", headers=guarded.bearing(anna[n % 2])) for n in range(5)]
    assert [response.status for response in asked] == [200] * 4 + [429]
    assert (await problem(asked[4]))[1] == "too_many_requests"
    assert await reached(client, "too_many_requests") == before + 1
    assert (await client.get("/v1/client-config", headers=guarded.bearing(ben))).status == 200


async def test_a_subject_has_so_many_sessions(open_client: Any) -> None:
    """One more is told how many there are; another subject, and the same one after it hung up, gets one."""
    client = await open_client(**guarded.SETTINGS, sessions_per_subject=2)

    async def start(subject: str) -> Any:
        headers = {**SDP, **guarded.bearing(await guarded.mint(client, subject=subject))}
        return await client.post("/v1/sessions", data=GOOD_OFFER, headers=headers)

    started = [await start("anna") for _ in range(2)]
    assert [response.status for response in started] == [201, 201]
    before = await reached(client, "too_many_sessions_of_subject")
    status, code, _ = await problem(await start("anna"))
    assert (status, code) == (429, "too_many_sessions_of_subject")
    assert await reached(client, "too_many_sessions_of_subject") == before + 1
    assert (await start("ben")).status == 201
    key = guarded.bearing(guarded.OPERATOR_KEY)
    assert (await client.delete(started[0].headers["Location"], headers=key)).status == 204
    assert (await start("anna")).status == 201


async def test_sessions_that_wait_for_their_browser_are_limited(open_client: Any) -> None:
    """One more than may be set up at once is told to come back in a second; places are free again when they end."""
    client = await open_client(setups_at_once=2, max_sessions=3)
    started = [await client.post("/v1/sessions", data=GOOD_OFFER, headers=SDP) for _ in range(2)]
    before = await reached(client, "too_many_setups")
    refused = await client.post("/v1/sessions", data=GOOD_OFFER, headers=SDP)
    assert await problem(refused) == (503, "too_many_setups", 1)
    assert await reached(client, "too_many_setups") == before + 1
    assert (await client.delete(started[0].headers["Location"])).status == 204
    async with Caller(client) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        assert await caller.end() == 204


async def test_an_offer_of_many_sections_or_candidates_is_refused(open_client: Any) -> None:
    """No session is left of it."""
    client = await open_client(candidates_max=30)
    sections = GOOD_OFFER + b"m=video 0 UDP/TLS/RTP/SAVPF 96\r\n" * 7
    assert await problem(await client.post("/v1/sessions", data=sections, headers=SDP)) == (
        422,
        "too_many_sections",
        None,
    )
    line = b"a=candidate:1 1 udp 2122260223 192.0.2.%d 4000 typ host\r\n"
    lines = b"".join(line % index for index in range(40))
    offer = GOOD_OFFER.replace(b"a=mid:0\r\n", b"a=mid:0\r\n" + lines, 1)
    assert offer != GOOD_OFFER
    status, code, _ = await problem(await client.post("/v1/sessions", data=offer, headers=SDP))
    assert (status, code) == (429, "too_many_candidates")
    assert (await (await client.get("/healthz")).json())["sessions"] == 0


async def test_a_session_takes_so_many_candidates_and_peers(open_client: Any) -> None:
    """Each is work for the gateway, and a datagram to an address that somebody named; the call goes on."""
    client = await open_client(candidates_max=30)
    async with Caller(client) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        lines = [f"a=candidate:1 1 udp 2122260223 192.0.2.{index} 4000 typ host" for index in range(10)]
        body = "\r\n".join((f"a=ice-ufrag:{caller.ufrag}", "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", *lines))
        statuses = [(await client.patch(caller.location, data=body, headers=FRAGMENT)).status for _ in range(4)]
        assert statuses[0] == 204
        assert statuses[-1] == 429
        answers = [
            await client.post(f"{caller.location}/peer", data=b"v=0\r\n", headers=SDP),
            *[await client.post(f"{caller.location}/peer", data=GOOD_OFFER, headers=SDP) for _ in range(8)],
        ]
        assert answers[0].status == 400
        assert answers[-1].status == 429
        assert (await problem(answers[-1]))[1] == "too_many_peers"
        assert await caller.end() == 204


async def test_a_budget_ends_a_call_with_a_goodbye(open_client: Any, simulator: Simulator) -> None:
    """The model is asked for it and says it; then the call ends, with the reason in words."""
    client = await open_client(token_budget=5, goodbye_s=2.0)
    async with Caller(client, silent=True) as caller, caller.events() as socket:
        await until(socket, "bot-ready")
        live = await until(socket, "server-message", type="limits")
        assert live["data"]["tokens_left"] == 5
        await socket.send_json({"type": "send-text", "id": "1", "data": {"content": "hello"}})
        await until(socket, "server-message", type="notice", code="session_ends_soon")
        await until(socket, "bot-output")
        ended = await until(socket, "server-message", type="state", state="ended")
        assert ended["data"]["code"] == "token_budget"
        assert ended["data"]["reason"].endswith(".")
    assert "goodbye" in str(simulator.connections[-1].raw[-200:])
    record = await (await client.get(caller.location + "/transcript")).json()
    assert "goodbye" not in record["turns"][-1]["user"], "what the gateway asked is not what the person said"


async def test_a_call_in_which_nobody_speaks_ends(open_client: Any) -> None:
    """It is told ahead."""
    client = await open_client(idle_end_s=1.5)
    async with Caller(client, silent=True) as caller, caller.events() as socket:
        await until(socket, "server-message", type="notice", code="idle_soon")
        ended = await until(socket, "server-message", type="state", state="ended")
        assert ended["data"]["code"] == "idle"
        await socket.receive()


async def test_the_time_of_a_call_is_up(open_client: Any) -> None:
    """It ends by itself, with that reason."""
    client = await open_client(session_max_s=2.0)
    async with Caller(client) as caller, caller.events() as socket:
        ended = await until(socket, "server-message", type="state", state="ended")
        assert ended["data"]["code"] == "time_up"
        await socket.receive()


class Coded(VideoStreamTrack):
    """A camera that sends the same key frame thirty times a second."""

    GIANT = vp8_key(16_000, 16_000) + bytes(2_000)
    REAL = encoded("libvpx", 320, 240, deadline="realtime")

    def __init__(self, picture: bytes) -> None:
        super().__init__()
        self.picture = picture

    async def recv(self) -> av.Packet:  # type: ignore[override]
        """A key frame that is already coded."""
        pts, time_base = await self.next_timestamp()
        packet = av.Packet(self.picture)
        packet.pts, packet.time_base = pts, fractions.Fraction(time_base)
        return packet


async def test_a_picture_of_giant_size_is_refused_and_told(open_client: Any) -> None:
    """It is not decoded; the person is told, and a smaller picture is seen."""
    client = await open_client()
    before = await reached(client, "picture_too_large")
    camera = Coded(Coded.GIANT)
    caller = Caller(client)
    caller.pc.addTrack(camera)
    async with caller, caller.events() as socket:
        notice = await until(socket, "server-message", type="notice", code="picture_too_large")
        assert "16000 by 16000" in notice["data"]["text"]
        assert await reached(client, "picture_too_large") > before
        camera.picture = Coded.REAL
        frame = await until(socket, "server-message", type="frame")
        assert (frame["data"]["width"], frame["data"]["height"]) == (320, 240)
        assert await caller.end() == 204


async def test_who_sends_too_much_is_not_looked_at_and_then_cut_off(
    open_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the camera, until it sends less; a sender that goes on far above the limit loses the call."""
    monkeypatch.setattr(intake, "CALM_S", 1.0)
    monkeypatch.setattr(intake, "ABUSE_S", 2.0)
    client = await open_client(call_max_kbps=200)
    before = [await reached(client, limit) for limit in ("video_traffic", "too_much_media")]
    camera = Coded(Coded.REAL + bytes(1_500))  # 400 kbit/s
    caller = Caller(client)
    caller.pc.addTrack(camera)
    async with caller, caller.events() as socket:
        await until(socket, "server-message", type="notice", code="video_paused")
        camera.picture = Coded.REAL
        await until(socket, "server-message", type="notice", code="video_resumed")
        await until(socket, "server-message", type="frame")
        camera.picture = Coded.REAL + bytes(10_000)
        ended = await until(socket, "server-message", type="state", state="ended")
        assert ended["data"]["code"] == "too_much_media"
    after = [await reached(client, limit) for limit in ("video_traffic", "too_much_media")]
    assert after == [before[0] + 2, before[1] + 1]


async def test_ten_thousand_junk_requests_leave_nothing(open_client: Any) -> None:
    """Each is refused in its way, none as a failure of ours; then a call is as good as ever."""
    client = await open_client(**guarded.SETTINGS, requests_per_s_address=1e6)
    rng, tasks = random.Random(6), len(asyncio.all_tasks())
    tokens = ["", "x", "a.b.c", guarded.signed("signs-other-tokens-" * 3), "é", "." * 999]
    paths = ["/v1/sessions", "/v1/sessions/x", "/v1/sessions/x/peer", "/v1/sessions/x/events", "/v1/tokens", "/metrics"]

    def junk() -> bytes:
        method = rng.choice(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"])
        path = rng.choice([*paths, "/" + rng.randbytes(8).hex(), "/v1/%00", "/?" + "a=b&" * 200])
        return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {rng.choice(tokens)}".encode()

    async def pipelined(count: int) -> bytes:
        last = b"\r\nConnection: close\r\n\r\n"
        return await guarded.raw(client, b"\r\n\r\n".join(junk() for _ in range(count)) + last)

    answers = [await pipelined(100) for _ in range(96)]
    answers += [await guarded.raw(client, rng.randbytes(rng.randint(1, 300)) + b"\r\n\r\n") for _ in range(200)]
    for _ in range(200):  # with a body, which nobody reads
        head = junk() + b"\r\nContent-Type: application/sdp\r\nContent-Length: 300\r\nConnection: close\r\n\r\n"
        answers.append(await guarded.raw(client, head + rng.randbytes(300)))
    statuses = Counter(status for answer in answers for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer))
    assert sum(statuses.values()) >= 9_900, statuses
    assert not [status for status in statuses if status.startswith(b"5")], statuses
    async with asyncio.timeout(PATIENCE_S):
        while len(asyncio.all_tasks()) > tasks:
            await asyncio.sleep(0.05)
    async with Caller(client, token=await guarded.mint(client)) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        assert await caller.end() == 204


async def test_video_is_shed_before_calls_and_comes_back(open_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway whose memory runs short looks at no camera, then takes no call; both return when it has some again."""
    memory = 0.0
    monkeypatch.setattr(load, "memory_bytes", lambda: memory * load.memory_max_bytes())
    monkeypatch.setattr(admission, "HOLD_S", 0.1)
    client = await open_client(load_memory=0.5)
    async with Caller(client, video=True) as caller, caller.events() as socket:
        first = await until(socket, "server-message", type="limits")
        assert (first["data"]["video"], first["data"]["fps_max"]) == (True, 3)
        await until(socket, "server-message", type="frame")
        memory = 0.9
        less = await until(socket, "server-message", type="limits")
        assert (less["data"]["video"], less["data"]["fps_max"]) == (True, 1)
        await until(socket, "server-message", type="notice", code="video_paused")
        assert not (await until(socket, "server-message", type="limits"))["data"]["video"]
        refused = None
        async with asyncio.timeout(PATIENCE_S):
            while refused is None or refused.status != 503:
                if refused is not None:
                    await client.delete(refused.headers["Location"])
                refused = await client.post("/v1/sessions", data=GOOD_OFFER, headers=SDP)
        assert (await problem(refused))[1] == "overloaded"
        memory = 0.0
        await until(socket, "server-message", type="notice", code="video_resumed")
        await until(socket, "server-message", type="frame")
        async with Caller(client):
            pass
        assert await caller.end() == 204
