"""The doors of a running gateway: what is wrong is told, and the gateway goes on serving."""

import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError
from aiohttp.test_utils import TestClient

from tests.integration.caller import Caller
from tests.integration.test_session import PATIENCE_S, until

CORPUS = Path(__file__).parents[1] / "corpus"
SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
GOOD = sorted((CORPUS / "sdp").glob("good-*.sdp"))
FRAGMENTS = {path.stem: path.read_bytes() for path in (CORPUS / "sdpfrag").iterdir()}
GOOD_OFFER = (CORPUS / "sdp/good-chromium-audio-video.sdp").read_bytes()


def corpus(name: str) -> bytes:
    """An offer of the corpus."""
    return (CORPUS / f"sdp/{name}.sdp").read_bytes()


BAD_INPUT: list[tuple[str, str, bytes, dict[str, str], int, str]] = [
    ("POST", "/v1/sessions", corpus("bad-400-cut-off"), SDP, 400, "bad_offer"),
    ("POST", "/v1/sessions", corpus("bad-422-no-audio"), SDP, 422, "unsupported_offer"),
    ("POST", "/v1/sessions", corpus("bad-422-three-videos"), SDP, 422, "unsupported_offer"),
    ("POST", "/v1/sessions", b"v=0\r\n" + b"a" * 2_000_000, SDP, 413, "payload_too_large"),
    ("POST", "/v1/sessions", GOOD_OFFER, {"Content-Type": "application/json"}, 415, "unsupported_media_type"),
    ("PATCH", "/v1/sessions/nobody", b"a=end-of-candidates", FRAGMENT, 404, "session_not_found"),
    ("DELETE", "/v1/sessions/nobody", b"", {}, 404, "session_not_found"),
    ("POST", "/v1/sessions/nobody/peer", GOOD_OFFER, SDP, 404, "session_not_found"),
    ("GET", "/v1/sessions/nobody/frame", b"", {}, 404, "session_not_found"),
    ("GET", "/v1/sessions/nobody/events", b"", {}, 404, "session_not_found"),
    ("PUT", "/v1/sessions", b"", {}, 405, "method_not_allowed"),
    ("GET", "/v1/nothing", b"", {}, 404, "not_found"),
    ("GET", "/../pyproject.toml", b"", {}, 404, "not_found"),
    ("GET", "/js/../../pyproject.toml", b"", {}, 404, "not_found"),
]


@pytest.mark.parametrize(("method", "path", "body", "headers", "status", "code"), BAD_INPUT)
async def test_bad_input_is_refused_in_words_and_the_gateway_goes_on(
    client: TestClient, method: str, path: str, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """A problem with a sentence and a stable code; health, and a good call after it, are as before."""
    response = await client.request(method, path, data=body, headers=headers)
    problem = await response.json(content_type="application/problem+json")
    assert (response.status, problem["status"], problem["code"]) == (status, status, code)
    assert problem["detail"].endswith(".")
    health = await (await client.get("/healthz")).json()
    assert (health["status"], health["sessions"]) == ("ok", 0)


@pytest.mark.parametrize("offer", [path.read_bytes() for path in GOOD], ids=[path.stem for path in GOOD])
async def test_offers_of_real_clients_get_an_answer_made_for_bad_networks(client: TestClient, offer: bytes) -> None:
    """Opus only, with FEC, retransmission, RED where offered, and no DTX; video is bounded, and
    comes upright: where its orientation is not taken as a header, phones turn the picture; no section is lost."""
    response = await client.post("/v1/sessions", data=offer, headers=SDP)
    answer = await response.text()
    assert response.status == 201, answer
    assert response.content_type == "application/sdp"
    lines = answer.split("\r\n")
    sections = [line for line in lines if line.startswith("m=")]
    assert len(sections) == offer.count(b"m=audio") + offer.count(b"m=video") + offer.count(b"m=application")
    audio = answer[answer.index("m=audio") :].partition("m=video")[0]
    names = {name: number for number, name in re.findall(r"(?m)^a=rtpmap:(\d+) ([^/]+)/48000/2", audio)}
    assert list(names) == (["red", "opus"] if b" red/48000" in offer else ["opus"])
    assert re.findall(r"(?m)^m=audio \d+ \S+ (.*)\r$", audio)[0].split() == list(names.values())
    opus = names["opus"]
    assert f"a=rtcp-fb:{opus} nack\r\n" in audio
    assert "useinbandfec=1" in audio
    assert "usedtx" not in answer
    assert "video-orientation" not in answer
    assert "a=sendrecv" in audio
    if "m=video" in answer:
        video = answer[answer.index("m=video") :]
        assert not video.startswith("m=video 0")
        assert "b=AS:" in video
        assert "a=recvonly" in video
        assert "VP8/90000" in video
    assert (await client.delete(response.headers["Location"])).status == 204


async def test_trickled_candidates_are_taken(client: TestClient) -> None:
    """In every form clients send, without If-Match; a bad one is refused and the call lives."""
    async with Caller(client) as caller, caller.events() as socket:
        for name, anyones in FRAGMENTS.items():
            fragment = re.sub(rb"(?m)^(a=ice-ufrag:).*$", rb"\g<1>" + caller.ufrag.encode(), anyones)
            response = await client.patch(caller.location, data=fragment, headers=FRAGMENT)
            assert response.status == (204 if name.startswith("good") else 400), name
        wrong_type = await client.patch(caller.location, data=b"a=end-of-candidates", headers=SDP)
        assert wrong_type.status == 415
        await until(socket, "server-message", type="state", state="live")
        assert await caller.end() == 204


async def test_what_a_resource_takes_is_told(client: TestClient) -> None:
    """OPTIONS names the content types."""
    assert (await client.options("/v1/sessions")).headers["Accept-Post"] == "application/sdp"
    assert (await client.options("/v1/sessions/x")).headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"


async def test_ice_servers_are_told_in_both_shapes(open_client: Any) -> None:
    """As JSON before the offer, as Link headers with the answer."""
    servers = ({"urls": "turn:turn.example:3478", "username": "u", "credential": "c"},)
    client = await open_client(ice_servers=servers)
    body = await (await client.get("/v1/ice-servers")).json()
    assert body == {"iceServers": [{"urls": ["turn:turn.example:3478"], "username": "u", "credential": "c"}]}
    async with Caller(client) as caller:
        response = await client.post("/v1/sessions", data=caller.pc.localDescription.sdp, headers=SDP)
        assert response.headers["Link"].startswith('<turn:turn.example:3478>; rel="ice-server"')
        await client.delete(response.headers["Location"])


async def test_other_sites_are_kept_out(open_client: Any) -> None:
    """A page of another origin can neither start a call nor listen to one, unless its origin was added."""
    client = await open_client(cors_origins=("https://app.example",))
    evil, friend = {"Origin": "https://evil.example"}, {"Origin": "https://app.example"}
    assert (await client.post("/v1/sessions", data=GOOD_OFFER, headers={**SDP, **evil})).status == 403
    with pytest.raises(WSServerHandshakeError):
        await client.ws_connect("/v1/sessions/x/events", headers=evil)
    preflight = await client.options("/v1/sessions", headers={**friend, "Access-Control-Request-Method": "POST"})
    assert (preflight.status, preflight.headers["Accept-Post"]) == (200, "application/sdp")
    assert (await client.options("/healthz", headers={**friend, "Access-Control-Request-Method": "GET"})).status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example"
    refused = await client.post("/v1/sessions", data=b"x", headers={**SDP, **friend})
    assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (400, "https://app.example")
    assert "Access-Control-Allow-Origin" not in (await client.get("/healthz", headers=evil)).headers


async def test_a_name_that_was_pointed_at_loopback_is_refused(client: TestClient) -> None:
    """An open gateway answers to loopback names only."""
    response = await client.get("/v1/client-config", headers={"Host": "evil.example"})
    assert response.status == 403


async def test_the_pages_come_with_strict_headers(client: TestClient) -> None:
    """Nothing from another site, no sniffing, always fresh."""
    response = await client.get("/")
    assert response.content_type == "text/html"
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert "camera=(self)" in response.headers["Permissions-Policy"]
    same = await client.get("/", headers={"If-None-Match": response.headers["ETag"]})
    assert (same.status, same.headers["Content-Security-Policy"]) == (304, response.headers["Content-Security-Policy"])
    module = await client.get("/js/main.js")
    assert module.content_type == "text/javascript"
    assert "default-src 'none'" in module.headers["Content-Security-Policy"], "by itself it may do nothing"


async def test_the_pages_are_sent_compressed_and_only_when_they_changed(client: TestClient) -> None:
    """Gzip for whoever takes it, the file as it is for the others, and 304 for a tag that still fits."""
    plain = await client.get("/style.css", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    zipped = await client.get("/style.css", headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert int(zipped.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2
    assert await zipped.read() == await plain.read(), "the client unpacks"
    tag = plain.headers["ETag"]
    same = await client.get("/style.css", headers={"If-None-Match": f'W/"other", {tag}'})
    assert (same.status, await same.read()) == (304, b"")
    assert (await client.get("/style.css", headers={"If-None-Match": '"other"'})).status == 200


async def test_a_client_that_comes_back_misses_nothing(client: TestClient) -> None:
    """The ring is replayed from where the client was; a seq that is none is refused."""
    async with Caller(client) as caller:
        async with caller.events() as socket:
            first = await until(socket, "server-message", type="link")
            await until(socket, "bot-ready")
        async with client.ws_connect(f"{caller.location}/events?after={first['seq']}") as again:
            assert (await again.receive_json(timeout=PATIENCE_S))["seq"] == first["seq"] + 1
        for after in ("x", "²", "9" * 5000):
            assert (await client.get(f"{caller.location}/events", params={"after": after})).status == 400
        assert (await client.get(f"{caller.location}/events")).status == 400
        assert await caller.end() == 204


async def test_what_a_client_says_wrongly_is_answered(client: TestClient) -> None:
    """Unknown, unreadable and empty commands get an error-response; the socket and the session stay."""
    async with Caller(client) as caller, caller.events() as socket:
        for text in ("{", "[]", '{"type":"dance","id":"1"}', '{"type":"send-text","id":"2","data":{"content":" "}}'):
            await socket.send_str(text)
            assert (await until(socket, "error-response"))["data"]["error"]
        await socket.send_bytes(b"\0")
        await socket.send_json({"type": "client-ready", "id": "7"})
        while (await until(socket, "bot-ready")).get("id") != "7":
            pass
        await socket.send_json({"type": "disconnect-bot"})
        ended = await until(socket, "server-message", type="state", state="ended")
        assert ended["data"]["code"] == "user"
