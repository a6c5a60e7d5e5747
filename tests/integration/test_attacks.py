"""The table of attacks, each against a gateway as it runs: what is tried, and what comes of it."""

import asyncio
import base64
import json
import re
import time
import zlib
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import WSServerHandshakeError, hdrs
from aiohttp.test_utils import TestClient
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.doors import body
from gateway.doors.auth import PUBLIC
from gateway.session import Session
from gateway.simulator import Simulator
from tests.integration.caller import Caller
from tests.integration.conftest import OpenClient
from tests.integration.guarded import OPERATOR_KEY, SDP, SECRET, SETTINGS, bearing, mint, raw, refused, signed
from tests.integration.test_session import PATIENCE_S, condition, until

CORPUS = Path(__file__).parents[1] / "corpus"
OFFER = (CORPUS / "sdp/good-chromium-audio-video.sdp").read_bytes()
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
RSA = rsa.generate_private_key(65537, 2048)
PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
FOUND = re.compile(rb"HTTP/1.1 (200|301|302|307|308) ")


@pytest.fixture
async def guarded(open_client: OpenClient) -> TestClient:
    """A gateway with a secret and an operator's key."""
    return await open_client(**SETTINGS)


def unsigned(header: dict[str, Any], **claims: Any) -> str:
    """A token that nobody has signed."""
    payload = {"sub": "anna", "aud": "gemini-live-gateway", "exp": 4_000_000_000, **claims}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, payload))
    return ".".join((*parts, ""))


def within(seconds: float) -> int:
    """A time that is so far away."""
    return int(time.time() + seconds)


# Without a token


async def test_a_stranger_gets_nothing_from_any_resource(guarded: TestClient) -> None:
    """Every resource that is routed wants a token, but for the pages and the health of the process."""
    assert guarded.app is not None
    seen = set()
    for route in guarded.app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        if path in PUBLIC or route.method in (hdrs.METH_OPTIONS, hdrs.METH_HEAD):
            continue
        response = await guarded.request(route.method, re.sub(r"{\w+}", "x", path))
        assert await refused(response) == (401, "token_missing"), path
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="gateway"'
        seen.add(path)
    assert {"/v1/sessions", "/v1/tokens", "/v1/ice-servers", "/v1/client-config", "/metrics"} <= seen
    for path in ("/v1/nothing", "/v1/"):
        assert (await guarded.get(path)).status == 401
    assert await (await guarded.get("/healthz")).json() == {"status": "ok"}


FORGERIES: dict[str, str] = {
    "forged": signed("another-secret-of-enough-length-for-it"),
    "alg=none": unsigned({"alg": "none", "typ": "JWT"}),
    "alg=None": unsigned({"alg": "nOnE"}),
    "no alg": unsigned({"typ": "JWT"}),
    "its own key": jwt.encode({"sub": "anna"}, "k" * 32, headers={"jwk": {"kty": "oct", "k": "a2trawo"}}),
    "signature cut off": signed().rpartition(".")[0] + ".",
    "signature of another": signed().rpartition(".")[0] + "." + signed(sub="ben").rpartition(".")[2],
    "RS256 by a stranger": signed(RSA, "RS256"),
    "not a token": "anna",
    "nothing": "",
    "the secret itself": SECRET,
    "the operator's key, cut off": OPERATOR_KEY[:-1],
    "the operator's key and more": OPERATOR_KEY + "x",
    "very long": "x" * 7000,
}


async def test_every_forgery_is_refused_in_the_same_words(guarded: TestClient) -> None:
    """So that the answer tells nothing of how near it came; the operator's key is not told apart from a token."""
    answers = set()
    for bearer in FORGERIES.values():
        for method, path in (("POST", "/v1/sessions"), ("POST", "/v1/tokens"), ("GET", "/metrics")):
            response = await guarded.request(method, path, headers=bearing(bearer))
            assert await refused(response) == (401, "token_invalid")
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="gateway", error="invalid_token"'
            answers.add(await response.text())
    assert len(answers) == 1
    for header in ("Basic YW5uYTphbm5h", "Bearer", "bearer  ", "Token " + signed()):
        assert (await guarded.post("/v1/sessions", headers={"Authorization": header})).status == 401


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": within(-3600)}, "token_expired"),
        ({"aud": "another-service"}, "token_invalid"),
        ({"aud": None}, "token_invalid"),
        ({"exp": None}, "token_invalid"),
        ({"exp": within(10 * 86_400)}, "token_invalid"),
        ({"nbf": within(3600)}, "token_invalid"),
        ({"gateway": {"vidio": False}}, "token_invalid"),
    ],
)
async def test_a_signed_token_that_does_not_fit_is_refused(
    guarded: TestClient, claims: dict[str, Any], code: str
) -> None:
    """Expired, for another service, not yet valid, valid for too long, with rights that nobody understands."""
    bad = signed(**{"exp": within(600), **claims})
    for path in ("/v1/sessions", "/v1/tokens"):
        assert await refused(await guarded.post(path, data=OFFER, headers={**SDP, **bearing(bad)})) == (401, code)
    assert await refused(await guarded.get("/v1/ice-servers", headers=bearing(bad))) == (401, code)


async def test_a_public_key_is_no_secret(open_client: OpenClient) -> None:
    """A token signed by HMAC with the public key for its secret is refused; one signed by its private half is not."""
    client = await open_client(auth="token", jwt_public_key=PEM.decode())
    body_ = unsigned({"alg": "HS256", "typ": "JWT"}, exp=within(600)).rpartition(".")[0]
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(body_.encode(), PEM)
    confused = f"{body_}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    assert (await client.get("/v1/client-config", headers=bearing(confused))).status == 401
    good = signed(RSA, "RS256", exp=within(600))
    assert (await client.get("/v1/client-config", headers=bearing(good))).status == 200


async def test_guessing_the_operators_key_gets_nowhere(guarded: TestClient) -> None:
    """However close: each wrong guess gets the same answer until it is too fast; then even the right key waits."""
    answers = set()
    for guess in range(300):
        response = await guarded.post("/v1/tokens", headers=bearing(f"{OPERATOR_KEY[: guess % 40]}{guess}"))
        answers.add((response.status, await response.text()))
    assert sorted(status for status, _ in answers) == [401, 429]
    async with asyncio.timeout(60):
        while (response := await guarded.post("/v1/tokens", headers=bearing(OPERATOR_KEY))).status == 429:
            await asyncio.sleep(float(response.headers["Retry-After"]))
    assert response.status == 201


async def test_a_token_in_an_address_is_refused(guarded: TestClient) -> None:
    """Even a good one, and even where the header has one as well: addresses are kept in logs."""
    token = await mint(guarded)
    for name in ("token", "access_token", "jwt"):
        for headers in ({}, bearing(token)):
            response = await guarded.get(f"/v1/client-config?{name}={token}", headers=headers)
            assert await refused(response) == (400, "token_in_url")


# With a token that is not for this


async def test_a_token_for_one_call_starts_one(guarded: TestClient) -> None:
    """A second call is refused, also after the first; a failed offer and a call that never came up do not count."""
    token = await mint(guarded)
    assert (await guarded.post("/v1/sessions", data=b"v=0", headers={**SDP, **bearing(token)})).status == 400
    stranded = await guarded.post("/v1/sessions", data=OFFER, headers={**SDP, **bearing(token)})
    assert stranded.status == 201
    again = await guarded.post("/v1/sessions", data=OFFER, headers={**SDP, **bearing(token)})
    assert await refused(again) == (401, "token_used")
    assert (await guarded.delete(stranded.headers["Location"], headers=bearing(token))).status == 204
    async with Caller(guarded, token=token) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        assert await caller.end() == 204
    again = await guarded.post("/v1/sessions", data=OFFER, headers={**SDP, **bearing(token)})
    assert await refused(again) == (401, "token_used")


async def test_many_at_once_start_one_call_with_one_token(guarded: TestClient) -> None:
    """However they race."""
    headers = {**SDP, **bearing(await mint(guarded))}
    responses = await asyncio.gather(*(guarded.post("/v1/sessions", data=OFFER, headers=headers) for _ in range(8)))
    assert sorted(response.status for response in responses) == [201, *[401] * 7]


async def test_another_persons_call_is_not_there(guarded: TestClient) -> None:
    """Every way in answers exactly as for an id that does not exist, and the call goes on."""
    mine, theirs = await mint(guarded, subject="anna"), await mint(guarded, subject="ben")
    async with Caller(guarded, token=mine, video=True) as caller, caller.events() as socket:
        await until(socket, "server-message", type="frame")
        nowhere = caller.location[:-4] + "AAAA"
        for method, path, headers, data in (
            ("DELETE", "", {}, b""),
            ("PATCH", "", FRAGMENT, b"a=ice-ufrag:evil\r\na=ice-pwd:" + b"x" * 24 + b"\r\n"),
            ("POST", "/peer", SDP, OFFER),
            ("GET", "/frame", {}, b""),
            ("GET", "/transcript", {}, b""),
            ("GET", "/events", {}, b""),
        ):
            answers = [
                await guarded.request(method, location + path, headers={**headers, **bearing(theirs)}, data=data)
                for location in (caller.location, nowhere)
            ]
            assert await refused(answers[0]) == (404, "session_not_found"), (method, path)
            assert await answers[0].text() == await answers[1].text()
        with pytest.raises(WSServerHandshakeError) as raised:
            await guarded.ws_connect(f"{caller.location}/events", protocols=("gateway.v1", f"token.{theirs}"))
        assert raised.value.status == 404
        await until(socket, "server-message", type="frame")
        assert await caller.end() == 204
    for token, status in ((theirs, 404), (mine, 200)):
        assert (await guarded.get(f"{caller.location}/transcript", headers=bearing(token))).status == status


async def test_the_same_person_may_use_a_call_with_another_token(guarded: TestClient) -> None:
    """And so may the operator, who cannot start one with the key."""
    async with Caller(guarded, token=await mint(guarded, subject="anna")) as caller:
        other = await mint(guarded, subject="anna")
        assert (await guarded.get(f"{caller.location}/transcript", headers=bearing(other))).status == 200
        assert (await guarded.get(f"{caller.location}/transcript", headers=bearing(OPERATOR_KEY))).status == 200
        response = await guarded.post("/v1/sessions", data=OFFER, headers={**SDP, **bearing(OPERATOR_KEY)})
        assert await refused(response) == (403, "forbidden")
        assert (await guarded.delete(caller.location, headers=bearing(OPERATOR_KEY))).status == 204


async def test_a_call_outlives_its_token_and_no_other_expired_one_gets_in(
    guarded: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token that made it is good for it, for its record, and for nothing else."""
    token = await mint(guarded, subject="anna", expires_in_s=60)
    other = await mint(guarded, subject="anna", expires_in_s=60)
    async with Caller(guarded, token=token) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        clock = time.time
        monkeypatch.setattr(time, "time", lambda: clock() + 3600)
        path = f"{caller.location}/transcript"
        assert (await guarded.get(path, headers=bearing(token))).status == 200
        assert await refused(await guarded.get(path, headers=bearing(other))) == (401, "token_expired")
        async with Caller(guarded, token=token, join=caller.location) as rejoined:
            await asyncio.wait_for(rejoined.connected.wait(), PATIENCE_S)
        for method, where in (("GET", "/v1/ice-servers"), ("POST", "/v1/sessions")):
            response = await guarded.request(method, where, headers=bearing(token))
            assert await refused(response) == (401, "token_expired")
        assert await caller.end() == 204
        assert (await guarded.get(path, headers=bearing(token))).status == 200
        assert (await guarded.get(path, headers=bearing(other))).status == 401


async def test_a_session_token_opens_nothing_of_the_operators(guarded: TestClient) -> None:
    """Neither more tokens nor the metrics."""
    token = await mint(guarded)
    assert await refused(await guarded.post("/v1/tokens", headers=bearing(token))) == (403, "forbidden")
    response = await guarded.get("/metrics", headers=bearing(token))
    assert await refused(response) == (403, "forbidden")
    assert response.headers["WWW-Authenticate"].endswith('error="insufficient_scope"')
    assert (await guarded.get("/metrics", headers=bearing(OPERATOR_KEY))).status == 200


async def test_pictures_that_are_not_allowed_reach_neither_decoder_nor_model(
    guarded: TestClient, simulator: Simulator
) -> None:
    """The camera's section is answered inactive; one that sends all the same is not looked at, and speech goes on."""
    token = await mint(guarded, video=False)
    async with Disobedient(guarded, token=token, video=True) as caller, caller.events() as socket:
        notice = await until(socket, "server-message", type="notice", code="video_not_allowed")
        assert "camera" in notice["data"]["text"]
        session = session_of(guarded, caller.location)
        await condition(lambda: dropped(session) > 30)
        await condition(lambda: simulator.connections and len(simulator.connections[0].audio) > 32_000)
        assert simulator.connections[0].frames == []
        assert session.leg.peer._video is None
        response = await guarded.get(f"{caller.location}/frame", headers=bearing(token))
        assert await refused(response) == (404, "no_frame_yet")
        assert await caller.end() == 204
    assert "a=inactive" in caller.answered


class Disobedient(Caller):
    """A caller that takes any answer for a yes, and sends."""

    answered = ""

    def _understood(self, answer: str) -> str:
        self.answered = answer
        return answer.replace("a=inactive", "a=recvonly")


def session_of(client: TestClient, location: str) -> Session:
    """The session behind a location, through the door that serves it."""
    assert client.app is not None
    for route in client.app.router.routes():
        if route.resource is not None and route.resource.canonical == "/v1/sessions/{id}":
            registry = route.handler.__self__._registry  # type: ignore[union-attr]
            return registry._sessions[location.rpartition("/")[2]][0]  # type: ignore[no-any-return]
    raise AssertionError("no door serves sessions")


def dropped(session: Session) -> int:
    """Packets that arrived and that nobody wanted."""
    plane = session.leg.peer.plane
    return plane.dropped["payload type"] if plane is not None else 0


# What a browser would be used for


async def test_a_token_for_one_site_is_of_no_use_to_another(open_client: OpenClient) -> None:
    """Whatever changes something must come from its pages, and so must a WebSocket."""
    client = await open_client(**SETTINGS, cors_origins=("https://app.example", "https://other.example"))
    token = await mint(client, origins=["https://app.example"])
    home, away = {"Origin": "https://app.example"}, {"Origin": "https://other.example"}
    for origin in (away, {}):
        response = await client.post("/v1/sessions", data=OFFER, headers={**SDP, **bearing(token), **origin})
        assert await refused(response) == (403, "wrong_origin")
    assert (await client.get("/v1/client-config", headers={**bearing(token), **away})).status == 403
    started = await client.post("/v1/sessions", data=OFFER, headers={**SDP, **bearing(token), **home})
    assert started.status == 201
    events = f"{started.headers['Location']}/events"
    with pytest.raises(WSServerHandshakeError):
        await client.ws_connect(events, protocols=("gateway.v1", f"token.{token}"), headers=away)
    async with client.ws_connect(events, protocols=("gateway.v1", f"token.{token}"), headers=home) as socket:
        assert socket.protocol == "gateway.v1"
    assert (await client.delete(started.headers["Location"], headers={**bearing(token), **home})).status == 204


async def test_a_page_of_another_site_gets_no_answer_it_can_read(guarded: TestClient) -> None:
    """With or without a token, refused or not: there is no CORS header for it."""
    for headers in ({}, bearing(await mint(guarded))):
        for method in ("GET", "POST", "OPTIONS"):
            asked = {**headers, "Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
            response = await guarded.request(method, "/v1/client-config", headers=asked)
            assert "Access-Control-Allow-Origin" not in response.headers


# What is not a request


PATHS = [
    "/../pyproject.toml",
    "/%2e%2e/pyproject.toml",
    "/..%2fpyproject.toml",
    "/js/..%2f..%2fpyproject.toml",
    "/js/%2e%2e/%2e%2e/pyproject.toml",
    "/....//pyproject.toml",
    "/..%5cpyproject.toml",
    "/%252e%252e/pyproject.toml",
    "//etc/passwd",
    "/%2fetc%2fpasswd",
    "/file:///etc/passwd",
    "/js/main.js%00.html",
    "/%00",
    "/.git/config",
    "/__pycache__/x.pyc",
    "/" + "a" * 5000,
    "/" + "../" * 200 + "etc/passwd",
]


@pytest.mark.parametrize("path", PATHS)
async def test_no_path_leads_out_of_the_pages(guarded: TestClient, path: str) -> None:
    """As these very bytes, which no client would send."""
    answer = await raw(guarded, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert not FOUND.match(answer), answer[:200]
    assert b"root:" not in answer
    assert b"[project]" not in answer
    assert b" 500 " not in answer.partition(b"\r\n")[0]


INJECTIONS = [
    b"GET /v1/x%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: localhost\r\n",
    b"GET / HTTP/1.1\r\nHost: x; script-src *\r\n",
    b"GET / HTTP/1.1\r\nHost: x%0d%0aX-Evil: 1\r\n",
    b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a%0d%0aX-Evil: 1\r\n",
    b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: a/b\r\n X-Evil: 1\r\nContent-Length: 0\r\n",
    b"GET /v1/sessions/x\rX-Evil: 1 HTTP/1.1\r\nHost: localhost\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n",
]


@pytest.mark.parametrize("request_", INJECTIONS)
async def test_nothing_of_a_request_becomes_a_header_of_the_answer(guarded: TestClient, request_: bytes) -> None:
    """Nor a word in a policy; two readings of one request are refused or read the safe way."""
    answer = await raw(guarded, request_ + b"Connection: close\r\n\r\n")
    head, _, _ = answer.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0].startswith(b"HTTP/1.")
    assert not any(line.lower().startswith(b"x-evil") for line in lines)
    assert b"script-src" not in head
    assert b"evil.example" not in head


async def test_answers_name_no_software_and_set_no_cookie(guarded: TestClient) -> None:
    """Neither those of resources nor those to what is no request."""
    answers = [
        await raw(guarded, request + b"\r\n\r\n")
        for request in (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close",
            b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: close",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET / HTTP/9.9",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 3 + b"Content-Length: x",
        )
    ]
    for answer in answers:
        assert answer.startswith(b"HTTP/1."), answer
        head = answer.partition(b"\r\n\r\n")[0]
        assert not re.search(rb"(?i)aiohttp|python|/\d+\.\d+\.\d+", head), head
        assert b"set-cookie" not in head.lower()


async def test_a_body_that_dawdles_is_given_up(guarded: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the token in order; so no number of slow requests holds places for long."""
    monkeypatch.setattr(body, "BODY_TIMEOUT_S", 0.2)
    token = await mint(guarded)
    for path, kind in (("/v1/sessions", "application/sdp"), ("/v1/tokens", "application/json")):
        bearer = OPERATOR_KEY if path == "/v1/tokens" else token
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\nContent-Type: {kind}\r\n"
        reader, writer = await asyncio.open_connection(guarded.host, guarded.port)
        writer.write(f"{head}Content-Length: 1000\r\n\r\nv=0\r\n".encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"Connection: close" in answer
        writer.close()
    metrics = await (await guarded.get("/metrics", headers=bearing(OPERATOR_KEY))).text()
    assert "gateway_sessions 0.0" in metrics


async def test_junk_for_a_body_of_a_token_request_is_refused(guarded: TestClient) -> None:
    """Not JSON, not an object, too deep, too large, unknown words."""
    bodies: list[tuple[bytes, int]] = [
        (b"{", 400),
        (b"[]", 400),
        (b"[" * 16_000, 400),
        (b"x" * 20_000, 413),
        (b'{"subjcet": "anna"}', 400),
        (b'{"expires_in_s": 1e400}', 400),
        (b"\xff\xfe", 400),
    ]
    for junk, status in bodies:
        headers = {**bearing(OPERATOR_KEY), "Content-Type": "application/json"}
        response = await guarded.post("/v1/tokens", data=junk, headers=headers)
        assert (await refused(response))[0] == status, junk[:20]
    response = await guarded.post("/v1/tokens", data=b"{}", headers=bearing(OPERATOR_KEY))
    assert response.status == 415


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_unpacks_to_far_more_is_given_up_at_the_limit(guarded: TestClient, coding: str) -> None:
    """64 MB of blanks are 64 kB on the way."""
    packer = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    bomb = packer.compress(b" " * 64_000_000) + packer.flush()
    for path, kind, bearer in (
        ("/v1/tokens", "application/json", OPERATOR_KEY),
        ("/v1/sessions", "application/sdp", await mint(guarded)),
    ):
        headers = {**bearing(bearer), "Content-Type": kind, "Content-Encoding": coding}
        response = await guarded.post(path, data=bomb, headers=headers)
        assert await refused(response) == (413, "payload_too_large")
