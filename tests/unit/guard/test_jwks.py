"""The keys of a backend: asked for when they are needed, kept when it is away."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from gateway.errors import KeysUnavailable
from gateway.guard.jwks import AGAIN_S, DOCUMENT_MAX_BYTES, FRESH_S, KEPT_S, JwksKeys, fetch_from
from gateway.guard.outgoing import Outgoing


class Backend:
    """A backend on virtual time, that can be away."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.asked = 0
        self.kids: list[str] = ["a"]
        self.away = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.keys = JwksKeys(self._fetch, lambda: self.now_s)

    async def known(self, kid: str | None) -> list[str | None]:
        """Ids of the keys to try."""
        return [key.kid for key in await self.keys.named(kid)]

    async def _fetch(self) -> bytes:
        self.asked += 1
        await self.answers.wait()
        if self.away:
            raise aiohttp.ClientConnectionError("away")
        return document(self.kids)


def document(kids: list[str]) -> bytes:
    """A JWKS."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return json.dumps({"keys": [{**json.loads(ECAlgorithm.to_jwk(public)), "kid": kid} for kid in kids]}).encode()


async def test_a_key_is_asked_for_once_and_kept() -> None:
    """And asked for again when it is no longer fresh, so that one which was withdrawn goes."""
    backend = Backend()
    for _ in range(5):
        assert await backend.known("a") == ["a"]
    assert backend.asked == 1
    backend.kids = ["b"]
    backend.now_s += FRESH_S + 1
    assert await backend.known("a") == []
    assert await backend.known("b") == ["b"]
    assert backend.asked == 2


async def test_a_new_key_is_found_and_unknown_ones_do_not_flood_the_backend() -> None:
    """A token with an id that is new makes us look, and after that not again for a while."""
    backend = Backend()
    await backend.known("a")
    backend.kids = ["a", "b"]
    backend.now_s += AGAIN_S
    assert await backend.known("b") == ["b"]
    for number in range(100):
        assert await backend.known(f"junk {number}") == []
    assert backend.asked == 2
    assert await backend.known(None) == ["a", "b"]


async def test_keys_outlive_a_backend_that_is_away_but_not_for_ever() -> None:
    """For a day; without any key tokens cannot be told from forgeries, which is not their fault."""
    backend = Backend()
    await backend.known("a")
    backend.away = True
    backend.now_s += KEPT_S - 1
    assert await backend.known("a") == ["a"]
    backend.now_s += 2
    with pytest.raises(KeysUnavailable):
        await backend.known("a")
    backend.away = False
    backend.now_s += AGAIN_S
    assert await backend.known("a") == ["a"]


async def test_a_backend_that_dawdles_holds_up_one_caller() -> None:
    """The others are served from what is kept."""
    backend = Backend()
    await backend.known("a")
    backend.now_s += FRESH_S + 1
    backend.answers.clear()
    waiting = asyncio.create_task(backend.known("a"))
    while backend.asked < 2:
        await asyncio.sleep(0)
    assert await backend.known("a") == ["a"]
    assert not waiting.done()
    backend.answers.set()
    assert await waiting == ["a"]


async def test_a_backend_that_was_never_there_is_no_reason_to_refuse_a_token_as_forged() -> None:
    """Try again later."""
    backend = Backend()
    backend.away = True
    with pytest.raises(KeysUnavailable):
        await backend.known("a")


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (lambda: web.Response(body=document(["a"])), True),
        (lambda: web.Response(status=500), False),
        (lambda: web.Response(text="{"), False),
        (lambda: web.Response(text='{"keys": []}'), False),
        (lambda: web.Response(body=b" " * (DOCUMENT_MAX_BYTES + 1)), False),
        (lambda: web.HTTPFound("/elsewhere"), False),
    ],
)
async def test_only_a_jwks_is_taken(answer: Callable[[], Any], taken: bool) -> None:
    """Not an error, a redirect, nonsense, or something huge."""

    async def page(_: web.Request) -> web.Response:
        response = answer()
        if isinstance(response, web.HTTPException):
            raise response
        return response

    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(body=document(["a"]))

    application = web.Application()
    application.router.add_get("/", page)
    application.router.add_get("/elsewhere", elsewhere)
    server = TestServer(application)
    await server.start_server()
    try:
        keys = JwksKeys(fetch_from(str(server.make_url("/")), Outgoing(["127.0.0.1"])), lambda: 1000.0)
        if taken:
            assert [key.kid for key in await keys.named("a")] == ["a"]
        else:
            with pytest.raises(KeysUnavailable):
                await keys.named("a")
        unlisted = JwksKeys(fetch_from(str(server.make_url("/")), Outgoing()), lambda: 1000.0)
        with pytest.raises(KeysUnavailable):
            await unlisted.named("a")
    finally:
        await server.close()
