"""A gateway that lets only token holders in, and ways to get a token."""

from __future__ import annotations

import asyncio
from typing import Any

import jwt
from aiohttp.test_utils import TestClient

SECRET = "signs-the-tokens-of-tests-" * 2
OPERATOR_KEY = "opens-the-tills-of-tests-" * 2
SETTINGS: dict[str, Any] = {"auth": "token", "jwt_secret": SECRET, "operator_key": OPERATOR_KEY}
SDP = {"Content-Type": "application/sdp"}


def bearing(token: str) -> dict[str, str]:
    """The header of a token or key."""
    return {"Authorization": f"Bearer {token}"}


async def mint(client: TestClient, **wanted: Any) -> str:
    """A token, as an operator gets one."""
    response = await client.post("/v1/tokens", json=wanted, headers=bearing(OPERATOR_KEY))
    assert response.status == 201, await response.text()
    return str((await response.json())["token"])


def signed(key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A token as a backend signs one; None leaves a claim out."""
    usual = {"sub": "anna", "aud": "gemini-live-gateway", "exp": 4_000_000_000, **claims}
    return jwt.encode({name: value for name, value in usual.items() if value is not None}, key, algorithm)


async def refused(response: Any) -> tuple[int, str]:
    """Status and code of a refusal, which is a problem document with a sentence."""
    problem = await response.json(content_type="application/problem+json")
    assert problem["detail"].endswith(".")
    assert problem["status"] == response.status
    return response.status, problem["code"]


async def raw(client: TestClient, request: bytes) -> bytes:
    """What is answered to these very bytes, until the gateway closes."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
