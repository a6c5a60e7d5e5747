"""What a token holder gets: a call, with the rights of the token and no others."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric import ed25519
from jwt.algorithms import OKPAlgorithm

from gateway.simulator import Simulator
from tests.integration.caller import Caller
from tests.integration.conftest import OpenClient
from tests.integration.guarded import OPERATOR_KEY, SDP, SECRET, SETTINGS, bearing, mint, refused, signed
from tests.integration.test_attacks import OFFER, within
from tests.integration.test_session import until

PROFILE = """
name = "desk"

[[client_tool]]
name = "show"
description = "Show something."

[[client_tool]]
name = "order"
description = "Order something."
"""


class Backend:
    """An operator's own backend, which signs tokens and publishes its key."""

    def __init__(self) -> None:
        self.keys: dict[str, ed25519.Ed25519PrivateKey] = {}
        application = web.Application()
        application.router.add_get("/jwks", self._jwks)
        self.server = TestServer(application)

    def new_key(self, kid: str) -> None:
        """One more key."""
        self.keys[kid] = ed25519.Ed25519PrivateKey.generate()

    def token(self, kid: str, **claims: Any) -> str:
        """A token of one of the keys."""
        usual = {"sub": "anna", "aud": "gemini-live-gateway", "exp": within(600), **claims}
        return jwt.encode(usual, self.keys[kid], "EdDSA", headers={"kid": kid})

    async def _jwks(self, _: web.Request) -> web.Response:
        keys = [
            {**json.loads(OKPAlgorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"}
            for kid, key in self.keys.items()
        ]
        return web.json_response({"keys": keys})


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    """A backend with one key."""
    running = Backend()
    running.new_key("first")
    await running.server.start_server()
    yield running
    await running.server.close()


async def test_a_minted_token_makes_a_call(open_client: OpenClient) -> None:
    """In a header for requests, in the subprotocol for the WebSocket."""
    client = await open_client(**SETTINGS)
    response = await client.post("/v1/tokens", json={"subject": "anna"}, headers=bearing(OPERATOR_KEY))
    body = await response.json()
    assert (body["subject"], body["expires_in_s"], response.headers["Cache-Control"]) == ("anna", 600, "no-store")
    async with Caller(client, token=body["token"]) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        assert socket.protocol == "gateway.v1"
        assert await caller.end() == 204


async def test_an_operator_may_ask_for_nothing_in_particular(open_client: OpenClient) -> None:
    """A request without a body makes a token for a guest."""
    client = await open_client(**SETTINGS)
    response = await client.post("/v1/tokens", headers=bearing(OPERATOR_KEY))
    assert (await response.json())["subject"].startswith("guest-")


async def test_secrets_change_without_refusing_anyone(open_client: OpenClient) -> None:
    """Tokens and the operator's key of before are taken beside the new ones; new tokens are of the new secret."""
    client = await open_client(
        auth="token",
        jwt_secret="new" * 20,
        jwt_secret_previous=SECRET,
        operator_key="key" * 20,
        operator_key_previous=OPERATOR_KEY,
    )
    assert (await client.get("/v1/client-config", headers=bearing(signed(exp=within(60))))).status == 200
    token = await mint(client)
    assert jwt.decode(token, "new" * 20, ["HS256"], audience="gemini-live-gateway")


async def test_a_backend_signs_tokens_and_changes_its_keys(open_client: OpenClient, backend: Backend) -> None:
    """By its JWKS; a stranger's key under the same name is refused; this gateway makes none itself."""
    url = str(backend.server.make_url("/jwks"))
    client = await open_client(auth="token", jwks_url=url, private_networks=("127.0.0.0/8",), operator_key=OPERATOR_KEY)
    assert (await client.get("/v1/client-config", headers=bearing(backend.token("first")))).status == 200
    stranger = Backend()
    stranger.new_key("first")
    refusal = await client.get("/v1/client-config", headers=bearing(stranger.token("first")))
    assert await refused(refusal) == (401, "token_invalid")
    response = await client.post("/v1/tokens", json={}, headers=bearing(OPERATOR_KEY))
    assert await refused(response) == (404, "no_tokens_here")


async def test_without_its_keys_no_token_can_be_judged(open_client: OpenClient, backend: Backend) -> None:
    """Neither good nor forged: try again later. An address that is not listed is not asked."""
    for networks in ((), ("10.0.0.0/8",)):
        url = f"https://127.0.0.1:{backend.server.port}/jwks"
        client = await open_client(auth="token", jwks_url=url, private_networks=networks)
        response = await client.get("/v1/client-config", headers=bearing(backend.token("first")))
        assert await refused(response) == (503, "keys_unavailable")
        assert "Retry-After" in response.headers


async def test_an_open_gateway_asks_for_no_token_and_makes_none(client: TestClient) -> None:
    """One that is sent all the same is not looked at."""
    assert (await client.get("/v1/client-config", headers=bearing("anything"))).status == 200
    assert await refused(await client.post("/v1/tokens", json={})) == (403, "forbidden")


async def test_the_model_is_told_of_the_tools_of_the_token(
    open_client: OpenClient, simulator: Simulator, tmp_path: Path
) -> None:
    """All of the profile where the token names none; a profile that is not served is refused."""
    (tmp_path / "profile.toml").write_text(PROFILE)
    client = await open_client(**SETTINGS, profile=tmp_path / "profile.toml")
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {"show", "order"}),
        ({"tools": ["show", "x"], "profile": "desk"}, {"show"}),
        ({"tools": []}, set()),
    ]
    for wanted, names in cases:
        async with Caller(client, token=await mint(client, **wanted)) as caller, caller.events() as socket:
            await until(socket, "bot-ready")
            setup = simulator.connections[-1].messages[0]["setup"]
            declared = {one["name"] for tool in setup.get("tools", ()) for one in tool.get("functionDeclarations", ())}
            assert declared == names
            await caller.end()
    token = await mint(client, profile="shop")
    response = await client.post("/v1/sessions", data=OFFER, headers={**SDP, **bearing(token)})
    assert await refused(response) == (403, "wrong_profile")


async def test_a_page_is_told_what_its_token_allows(open_client: OpenClient) -> None:
    """Before it asks a person for the camera."""
    client = await open_client(**SETTINGS)
    for wanted, video in (
        ({}, {"allowed": True, "fps_min": 1.0, "fps_max": 3.0, "size_px": 512}),
        ({"video_fps_max": 0.5}, {"allowed": True, "fps_min": 0.5, "fps_max": 0.5, "size_px": 512}),
        ({"video": False}, {"allowed": False, "fps_min": 1.0, "fps_max": 3.0, "size_px": 512}),
    ):
        response = await client.get("/v1/client-config", headers=bearing(await mint(client, **wanted)))
        assert (await response.json())["video"] == video


async def test_each_caller_gets_turn_credentials_of_its_own(open_client: OpenClient) -> None:
    """As JSON and as Link headers; both are of its subject."""
    turn = {"turn_urls": ("turn:turn.example:3478",), "turn_secret": "north"}
    client = await open_client(**SETTINGS, **turn)
    users = []
    for subject in ("anna", "ben"):
        token = await mint(client, subject=subject)
        (server,) = (await (await client.get("/v1/ice-servers", headers=bearing(token))).json())["iceServers"]
        started = await client.post("/v1/sessions", data=OFFER, headers={**SDP, **bearing(token)})
        linked = re.search(r'username="\d+:([^"]+)"; credential="([^"]+)"', started.headers["Link"])
        assert linked is not None
        assert linked[1] == server["username"].partition(":")[2]
        await client.delete(started.headers["Location"], headers=bearing(token))
        users.append(linked[1])
    assert users[0] != users[1]


async def test_a_token_says_how_long_a_conversation_waits(open_client: OpenClient) -> None:
    """A browser that goes is given the time of the token to come back."""
    client = await open_client(**SETTINGS)
    async with Caller(client, token=await mint(client, reattach_s=0)) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        await caller.pc.close()
        ended = await until(socket, "server-message", type="state", state="ended")
        assert ended["data"]["code"] == "grace_over"
