"""WHEP at a running gateway: who listens to a session, and that the session does not depend on it."""

import asyncio
import re
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from tests.integration.caller import Caller
from tests.integration.test_doors import CORPUS, FRAGMENT, SDP
from tests.integration.test_session import PATIENCE_S, condition, until
from tests.integration.test_whip import END, publish

OFFERS = {path.stem: path.read_bytes() for path in sorted((CORPUS / "whep").glob("*.sdp"))}
OFFER = (CORPUS / "whep/good-wrtc.sdp").read_bytes()
HELLO = {"type": "send-text", "data": {"content": "hello"}}


def camera_of(client: TestClient) -> Caller:
    """A camera that is published as `hall`."""
    return Caller(client, silent=True, direction="sendonly", door="/whip/hall")


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS.keys())
async def test_each_player_gets_an_answer_that_only_sends(client: TestClient, offer: bytes) -> None:
    """Sound sendonly, with a stream and a source; pictures, where they were asked for, inactive."""
    location, _, _ = await publish(client, "/whip/hall")
    response = await client.post("/whep/hall", data=offer, headers=SDP)
    answer = (await response.text()).replace("\r\n", "\n")
    assert response.status == 201, answer
    assert response.headers["Location"].startswith(location.rpartition("/whip/")[0] + "/whep/")
    sections = re.split(r"(?m)^(?=m=)", answer)[1:]
    directions = [re.findall(r"(?m)^a=(sendrecv|sendonly|recvonly|inactive)$", section)[0] for section in sections]
    assert directions == ["sendonly", "inactive"][: len(sections)]
    assert all("\na=rtcp-mux-only\n" in section for section in sections)
    assert "\na=msid:" in sections[0]
    assert "\na=ssrc:" in sections[0]
    await client.delete(location)


async def test_a_camera_speaks_and_a_loudspeaker_hears(client: TestClient) -> None:
    """Both are heard of in the events; the loudspeaker comes by the session's address or by the camera's name."""
    async with camera_of(client) as camera, camera.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        for door in (f"{camera.session}/whep", "/whep/hall"):
            async with Caller(client, direction="recvonly", door=door) as speaker:
                await until(socket, "server-message", type="listeners", count=1)
                await asyncio.wait_for(speaker.connected.wait(), PATIENCE_S)
                await socket.send_json(HELLO)
                await condition(lambda speaker=speaker: speaker.heard > 5)
                assert (await client.get(speaker.location)).status == 204
                assert (await client.delete(speaker.location)).status == 200
                await until(socket, "server-message", type="listeners", count=0)
                assert (await client.delete(speaker.location)).status == 404
        assert camera.heard == 0
        assert (await client.get(camera.location)).status == 204


async def test_a_loudspeaker_beside_a_browser_hears_what_the_browser_hears(client: TestClient) -> None:
    """A conversation of the ordinary kind can be listened to as well."""
    async with Caller(client, silent=True) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        async with Caller(client, direction="recvonly", door=f"{caller.location}/whep") as speaker:
            await asyncio.wait_for(speaker.connected.wait(), PATIENCE_S)
            await socket.send_json(HELLO)
            await condition(lambda: speaker.heard > 5 and caller.heard > 5)


async def test_a_listener_that_vanishes_leaves_the_session_as_it_was(client: TestClient) -> None:
    """Its connection is closed over there; the camera's session does not notice more than that."""
    async with camera_of(client) as camera, camera.events() as socket:
        async with Caller(client, direction="recvonly", door="/whep/hall") as speaker:
            await asyncio.wait_for(speaker.connected.wait(), PATIENCE_S)
            await until(socket, "server-message", type="listeners", count=1)
        await until(socket, "server-message", type="listeners", count=0)
        await socket.send_json(HELLO)
        await until(socket, "bot-stopped-speaking")


async def test_the_end_of_the_session_is_the_end_of_its_listeners(client: TestClient) -> None:
    """Nothing is left to listen to."""
    async with camera_of(client) as camera, camera.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        async with Caller(client, direction="recvonly", door="/whep/hall") as speaker:
            await socket.send_json(HELLO)
            await condition(lambda: speaker.heard > 0)  # both ends know that they are connected, so one can say goodbye
            assert (await client.delete(camera.location)).status == 200
            assert (await client.get(speaker.location)).status == 404
            await condition(lambda: speaker.pc.connectionState == "closed")


async def test_candidates_of_a_listener_are_taken_as_those_of_a_camera(client: TestClient) -> None:
    """The tag is asked for, a restart is not done, a listener that is none is not found."""
    location, _, _ = await publish(client, "/whip/hall")
    response = await client.post("/whep/hall", data=OFFER, headers=SDP)
    listener, tag = response.headers["Location"], {**FRAGMENT, "If-Match": response.headers["ETag"]}
    assert (await client.patch(listener, data=END, headers=tag)).status == 204
    assert (await client.patch(listener, data=END, headers=FRAGMENT)).status == 428
    assert (await client.patch(listener, data=END, headers={**FRAGMENT, "If-Match": '"x"'})).status == 412
    restart = b"a=ice-ufrag:new4\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\n"
    assert (await client.patch(listener, data=restart, headers=tag)).status == 422
    assert (await client.get(f"{listener}x")).status == 404
    await client.delete(location)


async def test_what_the_endpoint_takes_is_told(client: TestClient) -> None:
    """HEAD says that it is a WHEP endpoint; what cannot be played is refused in words."""
    location, _, _ = await publish(client, "/whip/hall")
    for path in ("/whep/hall", f"{location.rpartition('/whip/')[0]}/whep"):
        head = await client.head(path)
        assert (head.status, head.content_type) == (200, "application/sdp")
        assert (await client.options(path)).headers["Accept-Post"] == "application/sdp"
        assert (await client.post(path, data=OFFER, headers={"Content-Type": "text/plain"})).status == 415
        refused = await client.post(path, data=OFFER.replace(b"a=recvonly", b"a=sendonly"), headers=SDP)
        assert (refused.status, refused.content_type) == (422, "application/problem+json")
    nothing = await client.post("/whep/garden", data=OFFER, headers=SDP)
    assert (await nothing.json())["detail"] == "Nothing is published as 'garden' at the moment."
    assert nothing.status == 404
    await client.delete(location)


async def test_there_is_a_bound_to_listeners(open_client: Any) -> None:
    """One more than may be is told to come again; one that leaves makes room."""
    client = await open_client(listeners_per_session=1)
    location, _, _ = await publish(client, "/whip/hall")
    first = await client.post("/whep/hall", data=OFFER, headers=SDP)
    second = await client.post("/whep/hall", data=OFFER, headers=SDP)
    assert (first.status, second.status) == (201, 503)
    assert "Retry-After" in second.headers
    assert (await client.delete(first.headers["Location"])).status == 200
    assert (await client.post("/whep/hall", data=OFFER, headers=SDP)).status == 201
    await client.delete(location)
