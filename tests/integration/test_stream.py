"""Media over a WebSocket: the same session as over WebRTC, through drops of the socket."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp.test_utils import TestClient
from PIL import Image

from gateway.media.stream_wire import PART_MAX_BYTES, SOUND_BYTES, Kind, write
from gateway.simulator import Simulator
from tests.integration.caller import Caller
from tests.integration.conftest import OpenClient
from tests.integration.guarded import SDP, SETTINGS, bearing, mint, refused
from tests.integration.streamer import Streamer, streaming, tone
from tests.integration.test_session import condition, until

OFFER = (Path(__file__).parents[1] / "corpus/sdp/good-chromium-audio-video.sdp").read_bytes()
OFFLINE_S = 5.5  # longer than after which a peer counts as away


def picture(width: int = 640, height: int = 480, color: str = "red") -> bytes:
    """A JPEG."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), color).save(file, "JPEG")
    return file.getvalue()


@asynccontextmanager
async def talking(streamer: Streamer, first: int = 0) -> AsyncIterator[None]:
    """A microphone in a quiet room."""
    saying = asyncio.create_task(streamer.say(first, 5000, silent=True))
    try:
        yield
    finally:
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)


async def typed(client: TestClient, streamer: Streamer, text: str, turns: int = 1) -> None:
    """Say something in writing, which the model answers aloud, and wait until it does."""
    async with client.ws_connect(streamer.events) as events:
        await until(events, "bot-ready")
        await events.send_json({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": text}})
        for _ in range(turns):
            await until(events, "bot-started-speaking")


async def test_a_drop_costs_no_word_that_the_browser_has_kept(client: TestClient, simulator: Simulator) -> None:
    """Five seconds without a socket, and what was kept comes in one go: the model hears one tone without a break in its
    phase, each block once, in the same conversation."""
    async with streaming(client) as first, client.ws_connect(first.events) as events:
        assert first.told["heard"] is None
        await until(events, "server-message", type="state", state="live")
        await first.say(0, 20)
        await condition(lambda: first.heard >= 18)
        await first.socket.close()
        kept_from = first.heard + 1
        await asyncio.sleep(OFFLINE_S)
        lost = await until(events, "server-message", type="state", state="reconnecting")
        assert "conversation is kept" in lost["data"]["reason"] or "Nothing arrives" in lost["data"]["reason"]
        async with streaming(client, first.again) as second:
            assert second.told == {**first.told, "heard": 19}
            await second.say(kept_from - 2, 150, paced=False)  # some of them had come before
            await until(events, "server-message", type="state", state="live")
            total = kept_from + 148
            await condition(lambda: len(simulator.connections[0].audio) >= total * SOUND_BYTES)
    assert len(simulator.connections) == 1
    heard = bytes(simulator.connections[0].audio)
    assert heard == b"".join(tone(seq) for seq in range(total))


async def test_what_the_browser_could_not_keep_is_silence_of_its_length(
    client: TestClient, simulator: Simulator
) -> None:
    """The numbers tell what is missing."""
    async with streaming(client) as one:
        await one.say(0, 10)
        await one.say(15, 10)
        await condition(lambda: simulator.connections and len(simulator.connections[0].audio) >= 25 * SOUND_BYTES)
    heard = np.frombuffer(bytes(simulator.connections[0].audio), dtype="<i2").reshape(-1, SOUND_BYTES // 2)
    assert [bool(block.any()) for block in heard] == [True] * 10 + [False] * 5 + [True] * 10


async def test_the_voice_goes_on_where_it_was_last_heard(client: TestClient) -> None:
    """Numbers rise over both sockets; the second begins with what the first has not played, and nothing is missing."""
    async with streaming(client) as whole, talking(whole):
        await typed(client, whole, "hello")
        await condition(lambda: whole.voice and whole.heard > 25)
        await condition(settled(whole))
        expected = [sound for _, sound in whole.voice]
    async with streaming(client) as first, talking(first):
        first.plays = False
        await typed(client, first, "hello")
        await condition(lambda: len(first.voice) >= 20)
        await first.socket.close()
        played = first.voice[:12]
        path = f"/v1/sessions/{first.session}/stream?stream={first.told['stream']}&heard={played[-1][0]}"
        async with streaming(client, path) as second, talking(second, 1000):
            await condition(lambda: len(second.voice) >= len(expected) - 12)
            await condition(settled(second))
    assert second.voice[0][0] > first.voice[-1][0]
    assert [sound for _, sound in played + second.voice] == expected


def settled(streamer: Streamer):
    """A condition: for half a second no voice has come."""
    seen: list[int] = []

    def is_so() -> bool:
        seen.append(len(streamer.voice))
        return len(seen) > 25 and seen[-25] == seen[-1]

    return is_so


async def test_a_browser_that_does_not_keep_up_is_not_sent_more(client: TestClient) -> None:
    """The voice stops a second ahead of what was played, and goes on when it was."""
    async with streaming(client) as one, talking(one):
        one.plays = False
        await typed(client, one, "tell me a long story")
        await condition(lambda: len(one.voice) >= 50)
        await condition(settled(one))
        assert len(one.voice) == 50
        one.plays = True
        await one.socket.send_bytes(write(Kind.HEARD, one.voice[9][0]))
        await condition(lambda: len(one.voice) >= 60)


async def figures(client: TestClient, streamer: Streamer) -> dict[str, Any]:
    """What the gateway sees of the connection."""
    stats = await (await client.get(f"/v1/sessions/{streamer.session}/stats")).json()
    return dict(stats["peer"])


async def test_a_picture_reaches_the_model_in_parts_and_checked(client: TestClient, simulator: Simulator) -> None:
    """It is scaled and told as one of a camera is; what is no picture is left out, and one too large is told."""
    async with streaming(client) as one, client.ws_connect(one.events) as events:
        await one.show(1, b"\xff\xd8 no picture")
        while not (await figures(client, one))["video"]["undecodable"]:
            await asyncio.sleep(0.02)
        huge = picture().replace(b"\x01\xe0\x02\x80", b"\x3f\xff\x3f\xff")  # 480 by 640, as the frame header says it
        await one.show(2, huge)
        await until(events, "server-message", type="notice", code="picture_too_large")
        await one.show(3, picture(), part_bytes=500)
        told = await until(events, "server-message", type="frame")
        assert (told["data"]["width"], told["data"]["height"]) == (512, 384)
        await condition(lambda: simulator.connections[0].frames)
        seen = await figures(client, one)
        assert seen["way"] == "stream"
        assert (seen["video"]["whole"], seen["video"]["undecodable"], seen["video"]["sampled"]) == (3, 1, 1)


async def test_a_stream_takes_the_place_of_a_connection_that_never_came(
    simulator: Simulator, open_client: OpenClient
) -> None:
    """A browser whose offer was answered and that is never reached: once it streams, the end of the wait for WebRTC is
    nobody's end."""
    impatient = await open_client(connect_timeout_s=2.0)
    response = await impatient.post("/v1/sessions", data=OFFER, headers=SDP)
    assert response.status == 201
    location = response.headers["Location"]
    async with streaming(impatient, f"{location}/stream") as one, talking(one):
        await condition(lambda: one.heard > 75)  # three seconds
        assert (await impatient.get(f"{location}/stats")).status == 200
        assert len(simulator.connections) == 1


async def test_webrtc_and_stream_follow_each_other(client: TestClient, simulator: Simulator) -> None:
    """The session has one peer at a time: the newest."""
    async with streaming(client) as one:
        await one.say(0, 5)
        async with Caller(client, join=f"/v1/sessions/{one.session}") as caller:
            await condition(lambda: one.close_code is not None)
            assert one.close_code == 4001
            await asyncio.wait_for(caller.connected.wait(), 20)
            before = len(simulator.connections[0].audio)
            await condition(lambda: len(simulator.connections[0].audio) > before + 32_000)
            async with streaming(client, f"/v1/sessions/{one.session}/stream") as other:
                await other.say(0, 5)
                await condition(lambda: other.heard >= 4)
    assert len(simulator.connections) == 1


async def test_the_newer_socket_of_a_browser_takes_over(client: TestClient) -> None:
    """The older one may be dead without anybody knowing."""
    async with streaming(client) as first:
        await first.say(0, 4)
        async with streaming(client, first.again) as second:
            await condition(lambda: first.close_code is not None)
            assert first.close_code == 4001
            await second.say(4, 4)
            await condition(lambda: second.heard >= 6)


async def test_a_page_that_was_loaded_again_begins_a_stream_of_its_own(
    client: TestClient, simulator: Simulator
) -> None:
    """Its numbers begin anew, and it is heard."""
    async with streaming(client) as first:
        await first.say(100, 10)
        await condition(lambda: first.heard >= 108)
    async with streaming(client, f"/v1/sessions/{first.session}/stream") as second:
        assert second.told["stream"] != first.told["stream"]
        assert second.told["heard"] is None
        await second.say(0, 10)
        await condition(lambda: len(simulator.connections[0].audio) >= 20 * SOUND_BYTES)


@pytest.mark.parametrize(
    "message",
    [
        b"\x09" * 20,
        write(Kind.SOUND, 1, b"short"),
        write(Kind.PICTURE, 1, bytes(PART_MAX_BYTES + 1)),
        "words",
    ],
    ids=["no-kind", "short", "large", "text"],
)
async def test_what_is_no_media_closes_the_socket_and_not_the_session(client: TestClient, message: bytes | str) -> None:
    """1008 and a sentence, or 1009; another socket goes on with the session."""
    async with streaming(client) as first:
        if isinstance(message, str):
            await first.socket.send_str(message)
        else:
            await first.socket.send_bytes(message)
        await condition(lambda: first.close_code is not None)
        assert first.close_code in (1008, 1009)
    async with streaming(client, first.again) as second:
        assert second.session == first.session


async def test_sound_that_nobody_can_have_spoken_closes_the_socket(client: TestClient) -> None:
    """Twenty seconds may come at once, and no more."""
    async with streaming(client) as one:
        await one.say(0, 500, silent=True, paced=False)
        await condition(lambda: one.heard >= 498)
        await one.say(500, 200, silent=True, paced=False)
        await condition(lambda: one.close_code is not None)
        assert one.close_code == 1008


async def test_the_end_of_the_session_is_told(client: TestClient) -> None:
    """1000, from wherever it is ended."""
    async with streaming(client) as one:
        await one.say(0, 3)
        assert (await client.delete(f"/v1/sessions/{one.session}")).status == 204
        await condition(lambda: one.close_code is not None)
        assert one.close_code == 1000


async def test_the_door_wants_a_token_and_keeps_sessions_apart(open_client: OpenClient) -> None:
    """401 without a token; with one in the subprotocol a session that nobody else may join, and that its own token may
    also when it is used up."""
    client = await open_client(**SETTINGS, max_sessions=1)
    assert await refused(await client.get("/v1/stream")) == (401, "token_missing")
    anna, bert = await mint(client, subject="anna"), await mint(client, subject="bert")
    assert await refused(await client.get("/v1/stream", headers=bearing(bert))) == (400, "bad_request")
    async with streaming(client, protocols=("gateway.v1", f"token.{anna}")) as one:
        assert one.socket.protocol == "gateway.v1"
        other = await client.get(f"/v1/sessions/{one.session}/stream", headers=bearing(bert))
        assert await refused(other) == (404, "session_not_found")
        full = await client.get("/v1/stream", headers={**bearing(bert), **UPGRADE})
        assert await refused(full) == (503, "too_many_sessions")
        unclear = await client.get(f"/v1/sessions/{one.session}/stream?heard=x", headers={**bearing(anna), **UPGRADE})
        assert await refused(unclear) == (400, "bad_request")
        async with streaming(client, one.again, protocols=("gateway.v1", f"token.{anna}")) as again:
            assert again.session == one.session


UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_words_over_the_model_flush_what_is_on_its_way(client: TestClient, simulator: Simulator) -> None:
    """The browser is told from which number on voice is new, and the model that so much was not heard."""
    async with streaming(client) as one:
        async with client.ws_connect(one.events) as events, talking(one):
            await until(events, "bot-ready")
            one.plays = False
            await events.send_json({"type": "send-text", "data": {"content": "a long answer, please " * 20}})
            await condition(lambda: len(one.voice) >= 20)
        await one.say(5000, 40)
        async with client.ws_connect(one.events) as events:
            interrupted = await until(events, "bot-interrupted")
        await condition(lambda: one.flushes)
    sent_before = [seq for seq, _ in one.voice if seq < one.flushes[0]]
    assert interrupted["data"]["dropped_ms"] >= len(sent_before) * 20
