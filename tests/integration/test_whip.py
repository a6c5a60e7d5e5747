"""WHIP at a running gateway: RFC 9725 to the letter, and a camera that comes back by its name."""

import re

import pytest
from aiohttp.test_utils import TestClient

from gateway.simulator import Simulator
from tests.integration.caller import Caller
from tests.integration.conftest import OpenClient
from tests.integration.test_doors import CORPUS, FRAGMENT, SDP
from tests.integration.test_session import condition, until

OFFERS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((CORPUS / "whip").glob("*.sdp"))}
OFFER = (CORPUS / "whip/good-ffmpeg-active.sdp").read_bytes()
END = b"a=end-of-candidates\r\n"


async def publish(client: TestClient, path: str = "/whip", offer: bytes = OFFER) -> tuple[str, str, str]:
    """(location, ETag, answer) of a camera that only negotiates."""
    response = await client.post(path, data=offer, headers=SDP)
    assert response.status == 201, await response.text()
    return response.headers["Location"], response.headers["ETag"], await response.text()


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS.keys())
async def test_each_client_gets_an_answer_that_only_receives(client: TestClient, offer: str) -> None:
    """Every section recvonly, RTCP only multiplexed, all candidates, no stream of ours, the client's H.264 profile."""
    location, etag, answer = await publish(client, offer=offer.encode())
    assert re.fullmatch(r'"[^"]+"', etag), "a strong validator"
    sections = re.split(r"(?m)^(?=m=)", answer.replace("\r\n", "\n"))[1:]
    assert len(sections) == len(re.findall(r"(?m)^m=", offer))
    for section in sections:
        assert not section.startswith(("m=audio 0 ", "m=video 0 "))
        assert re.findall(r"(?m)^a=(sendrecv|sendonly|recvonly|inactive)$", section) == ["recvonly"]
        assert "\na=rtcp-mux\na=rtcp-mux-only\n" in section
        assert "a=msid" not in section
        assert "a=candidate:" in section
        role = "passive" if "a=setup:active" in offer else "active"
        assert f"\na=setup:{role}\n" in section or "a=setup:actpass" in offer
    assert "a=end-of-candidates" in answer
    if "profile-level-id=64000c" in offer:
        assert "profile-level-id=64000c" in answer
    assert (await client.delete(location)).status == 200


async def test_what_is_said_and_shown_reaches_the_model_and_nothing_comes_back(
    client: TestClient, simulator: Simulator
) -> None:
    """The session goes live by what the camera sends; an answer takes its time although nobody hears it."""
    camera = Caller(client, video=True, silent=True, direction="sendonly", door="/whip")
    async with camera, camera.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        await condition(lambda: simulator.connections[0].frames and simulator.connections[0].audio)
        await socket.send_json({"type": "send-text", "data": {"content": "hello"}})
        await until(socket, "bot-started-speaking")
        await until(socket, "bot-stopped-speaking")
        assert camera.heard == 0
        assert (await client.delete(camera.location)).status == 200
        ended = await until(socket, "server-message", type="state", state="ended")
        assert ended["data"]["code"] == "user"
    assert (await client.delete(camera.location)).status == 404


async def test_a_camera_without_a_microphone_is_seen(client: TestClient, simulator: Simulator) -> None:
    """Pictures alone are enough; words can be written."""
    async with Caller(client, video=True, direction="none", door="/whip"):
        await condition(lambda: simulator.connections and simulator.connections[0].frames)
        assert not simulator.connections[0].audio


async def test_candidates_are_trickled_to_the_session_they_are_for(client: TestClient) -> None:
    """204 with the entity tag or `*`; 428 without, 412 with another, 422 for a restart, 415 and 400 for what is no
    fragment; the session lives through all of it."""
    location, etag, _ = await publish(client)
    accepted = await client.patch(location, data=END, headers={**FRAGMENT, "If-Match": etag})
    assert (accepted.status, await accepted.read(), "ETag" in accepted.headers) == (204, b"", False)
    restart = b"a=ice-ufrag:new4\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\n"
    same = b"a=ice-ufrag:9a80126a\r\na=ice-pwd:a8440008876c325e14735a7dd35a3153\r\n"
    odd = b"m=audio 9 RTP/AVP 0\r\na=candidate:1 1 tcp 1 host.invalid.local 9 typ host\r\n"
    for body, headers, status, code in (
        (same, {"If-Match": f'"other", {etag}'}, 204, ""),
        (odd, {"If-Match": "*"}, 204, ""),
        (END, {"ETag": etag}, 204, ""),
        (END, {}, 428, "precondition_required"),
        (END, {"If-Match": '"other"'}, 412, "precondition_failed"),
        (END, {"If-Match": f"W/{etag}"}, 412, "precondition_failed"),
        (restart, {"If-Match": "*"}, 422, "restart_unsupported"),
        (b"nonsense", {"If-Match": etag}, 400, "bad_request"),
        (END, {"If-Match": etag, "Content-Type": "application/sdp"}, 415, "unsupported_media_type"),
    ):
        response = await client.patch(location, data=body, headers={**FRAGMENT, **headers})
        assert response.status == status, (body, headers)
        if code:
            assert (await response.json(content_type="application/problem+json"))["code"] == code
    assert (await client.get(location)).status == 204
    assert (await client.delete(location, headers={"If-Match": '"other"'})).status == 200, "tags do not matter here"
    assert (await client.get(location)).status == 404


async def test_what_the_endpoint_takes_is_told(client: TestClient) -> None:
    """GET succeeds without content, OPTIONS names the content type, other types and an Accept that excludes the answer
    are refused, and nothing is started."""
    for path in ("/whip", "/whip/hall.camera-1"):
        assert (await client.get(path)).status == 204
        options = await client.options(path)
        assert (options.status, options.headers["Accept-Post"]) == (200, "application/sdp")
        assert "Link" not in options.headers
    refused = (
        (OFFER, {"Content-Type": "text/plain"}, 415),
        (OFFER, {**SDP, "Accept": "text/html, application/json"}, 406),
        (OFFER, {**SDP, "Accept": "application/sdp;q=0"}, 406),
        (b"v=0\r\nnonsense", SDP, 400),
        (OFFER.replace(b"a=sendonly", b"a=recvonly"), SDP, 422),
    )
    for body, headers, status in refused:
        response = await client.post("/whip", data=body, headers=headers)
        assert response.status == status
        assert response.content_type == "application/problem+json"
    assert (await client.post("/whip/not%20a%20name", data=OFFER, headers=SDP)).status == 400
    assert (await (await client.get("/healthz")).json())["sessions"] == 0
    for accept in ("application/*", "text/html, */*;q=0.1", "application/sdp"):
        response = await client.post("/whip", data=OFFER, headers={**SDP, "Accept": accept})
        assert response.status == 201
        await client.delete(response.headers["Location"])


async def test_a_camera_that_comes_back_goes_on_with_its_conversation(client: TestClient, simulator: Simulator) -> None:
    """The same name is the same session, with a new connection; the address of the old one is gone with it."""
    first, _, _ = await publish(client, "/whip/hall")
    async with Caller(client, direction="sendonly", door="/whip/hall") as camera:
        assert camera.location.rpartition("/")[0] == first.rpartition("/")[0]
        assert (await client.delete(first)).status == 404
        await condition(lambda: simulator.connections[0].audio)
        other, _, _ = await publish(client, "/whip/door")
        assert other.split("/")[3] != first.split("/")[3]
        assert (await client.delete(camera.location)).status == 200
        again, _, _ = await publish(client, "/whip/hall")
        assert again.split("/")[3] != first.split("/")[3], "what has ended does not come back"
    assert len(simulator.connections) == 3


async def test_a_bad_offer_does_not_harm_the_session_of_its_name(client: TestClient) -> None:
    """The camera that is there stays."""
    location, etag, _ = await publish(client, "/whip/hall")
    assert (await client.post("/whip/hall", data=OFFER.replace(b"opus", b"PCMU"), headers=SDP)).status == 422
    assert (await client.patch(location, data=END, headers={**FRAGMENT, "If-Match": etag})).status == 204


async def test_a_camera_is_given_relays_and_a_page_may_read_them(open_client: OpenClient) -> None:
    """`Link` in the 201, with credentials, and in no answer to OPTIONS; all headers that a page needs are exposed."""
    page = "https://studio.example"
    client = await open_client(
        cors_origins=(page,), turn_urls=("turn:relay.example:3478",), turn_secret="shared-with-the-relay-of-this-test"
    )
    response = await client.post("/whip", data=OFFER, headers={**SDP, "Origin": page})
    assert re.match(r'<turn:relay.example:3478>; rel="ice-server"; username="', response.headers["Link"])
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert {"Location", "Link", "ETag"} <= set(exposed.split(", "))
    preflight = {"Origin": page, "Access-Control-Request-Method": "POST"}
    for headers in ({}, {"Origin": page}, preflight):
        for path in ("/whip", response.headers["Location"]):
            options = await client.options(path, headers=headers)
            assert options.status == 200
            assert "Link" not in options.headers
    await client.delete(response.headers["Location"])


async def test_a_camera_without_a_token_or_without_a_place_is_told_so(open_client: OpenClient) -> None:
    """401 with a challenge; 503 with a time to come back, and the camera that is there stays."""
    guarded = await open_client(auth="token", jwt_secret="signs-the-tokens-of-this-test-" * 2)
    response = await guarded.post("/whip/hall", data=OFFER, headers=SDP)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    small = await open_client(max_sessions=1)
    location, _, _ = await publish(small, "/whip/hall")
    full = await small.post("/whip/door", data=OFFER, headers=SDP)
    assert (full.status, full.content_type) == (503, "application/problem+json")
    assert int(full.headers["Retry-After"]) > 0
    again, _, _ = await publish(small, "/whip/hall")
    assert again.split("/")[3] == location.split("/")[3], "it has its place already"
    assert (await small.delete(again)).status == 200
