"""Tokens: what counts, what does not, and what is made. `now` is always `NOW`."""

import asyncio
import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, NoTokensHere, TokenInvalid
from gateway.guard.claims import Claims
from gateway.guard.grant import TokenRequest
from gateway.guard.keys import FixedKeys, Key, public_key
from gateway.guard.tokens import FORGED, TOKEN_MAX_CHARS, Rules, Tokens

NOW = 1_800_000_000.0
SECRET, BEFORE, OTHER = (word * 8 for word in ("this", "that", "else"))
RULES = Rules("gateway.test", None, leeway_s=30, max_s=3600)
HS256 = Key("HS256", SECRET.encode())
TOKENS = Tokens(RULES, FixedKeys([HS256, Key("HS256", BEFORE.encode())]), HS256)
RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
GOOD = {"sub": "anna", "aud": "gateway.test", "exp": NOW + 600, "jti": "t1"}


def token(key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token like `GOOD` but for these claims; None leaves one out."""
    payload = {name: value for name, value in {**GOOD, **claims}.items() if value is not None}
    return jwt.encode(payload, key, algorithm, headers)


def handmade(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    """A token of parts that no library would make."""
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def checking(private: Any) -> Tokens:
    """A gateway that has the public key of this one."""
    return Tokens(RULES, FixedKeys([public_key(private.public_key())]))


async def refusal(forged: str, tokens: Tokens = TOKENS) -> str:
    """Why a token does not count."""
    with pytest.raises(TokenInvalid) as raised:
        await tokens.verify(forged, NOW)
    return raised.value.user_message


async def test_a_token_says_whose_it_is_and_what_it_may() -> None:
    """Each right of the claim `gateway`; what is not named is as the settings have it."""
    rights = {"video": False, "video_fps_max": 1, "tools": ["look_up"], "profile": "desk", "session_max_s": 60}
    more = {"reattach_s": 5, "token_budget": 1000, "frame_budget": 10, "origins": ["https://app.example"]}
    assert await TOKENS.verify(token(gateway={**rights, **more}), NOW) == Claims(
        subject="anna",
        token_id="t1",
        single_use=True,
        expires_at=NOW + 630,
        session_max_s=60,
        reattach_s=5,
        video=False,
        video_fps_max=1,
        tools=frozenset({"look_up"}),
        profile="desk",
        token_budget=1000,
        frame_budget=10,
        origins=("https://app.example",),
    )
    assert await TOKENS.verify(token(), NOW) == Claims("anna", "t1", True, NOW + 630)


async def test_the_secret_before_still_counts() -> None:
    """Two secrets at a time, so that they can be changed without refusing anyone."""
    assert (await TOKENS.verify(token(BEFORE), NOW)).subject == "anna"
    assert await refusal(token(OTHER)) == FORGED


@pytest.mark.parametrize(("private", "algorithm"), [(RSA, "RS256"), (P256, "ES256"), (ED25519, "EdDSA")])
async def test_a_backend_signs_with_its_private_key(private: Any, algorithm: str) -> None:
    """Each kind of key has its one algorithm, and a token of another key is refused."""
    assert (await checking(private).verify(token(private, algorithm), NOW)).subject == "anna"
    other = {"RS256": P256, "ES256": ED25519, "EdDSA": RSA}[algorithm]
    assert await refusal(token(private, algorithm), checking(other)) == FORGED


async def test_the_algorithm_is_the_keys_not_the_tokens() -> None:
    """No `none`, no public key used as a secret, no other algorithm of the same key, no wish of the header."""
    pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    doubled = Tokens(RULES, FixedKeys([Key("HS256", SECRET.encode() * 2)]))
    confused = handmade({"alg": "HS256", "typ": "JWT"}, GOOD)
    body = confused.rpartition(".")[0]
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(body.encode(), pem)
    confused = f"{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    assert await refusal(confused, checking(RSA)) == FORGED
    assert await refusal(token(RSA, "PS256"), checking(RSA)) == FORGED
    assert await refusal(token(SECRET * 2, "HS384"), doubled) == FORGED
    for alg in ("none", "None", "NONE", "", "hs256", None, 5, ["HS256"]):
        assert await refusal(handmade({"alg": alg, "typ": "JWT"}, GOOD)) == FORGED
    assert await refusal(token(headers={"crit": ["exp"]})) == FORGED
    assert await refusal(token(OTHER, headers={"jwk": {"kty": "oct", "k": "ZWxzZQ"}})) == FORGED


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "x" * 40,
        "é.é.é",
        "a b.c.d",
        "eyJhbGciOiJIUzI1NiJ9..",
        "." * 5000,
        "A" * 100_000,
        "\0.\0.\0",
    ],
)
async def test_garbage_is_refused_like_a_forgery(garbage: str) -> None:
    """In the same words, whatever it is."""
    assert await refusal(garbage) == FORGED


@given(st.text(max_size=300) | st.lists(st.binary(max_size=60), min_size=3, max_size=3))
def test_nothing_but_a_refusal_comes_of_noise(noise: str | list[bytes]) -> None:
    """Any text, and any three parts that are base64 as those of a token are."""
    parts = noise if isinstance(noise, str) else ".".join(base64.urlsafe_b64encode(part).decode() for part in noise)
    assert asyncio.run(refusal(parts)) == FORGED


async def test_a_token_whose_rights_were_changed_is_refused() -> None:
    """The signature covers all of it."""
    head, _, signature = token().split(".")
    payload = base64.urlsafe_b64encode(json.dumps({**GOOD, "sub": "ben"}).encode()).decode().rstrip("=")
    assert await refusal(f"{head}.{payload}.{signature}") == FORGED


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "another"}, "its aud"),
        ({"aud": None}, "lacks the claim aud"),
        ({"sub": None}, "lacks the claim sub"),
        ({"exp": None}, "lacks the claim exp"),
        ({"sub": ""}, "The claim sub"),
        ({"sub": "x" * 129}, "The claim sub"),
        ({"jti": ""}, "The claim jti"),
        ({"nbf": NOW + 31}, "its nbf is in the future"),
        ({"iat": NOW + 31}, "its iat is in the future"),
        ({"exp": NOW + 3631}, "valid for longer than 3600 seconds"),
        ({"gateway": []}, "The claim gateway"),
        ({"gateway": {"vidio": False}}, "vidio: extra inputs are not permitted"),
        ({"gateway": {"video": "false"}}, "video: input should be a valid boolean"),
        ({"gateway": {"video_fps_max": 0}}, "video_fps_max: input should be greater than 0"),
        ({"gateway": {"video_fps_max": 31}}, "video_fps_max: input should be less than"),
        ({"gateway": {"tools": "look_up"}}, "tools: input should be a valid tuple"),
        ({"gateway": {"subject": "ben"}}, "subject: extra inputs are not permitted"),
    ],
)
async def test_a_signed_token_is_told_what_is_wrong_with_it(claims: dict[str, Any], said: str) -> None:
    """Its maker can mend it; a right that is not understood is not passed over."""
    assert said in await refusal(token(**claims))


@pytest.mark.parametrize("value", ["1800000600", True, float("inf"), float("nan")])
async def test_a_time_is_a_number(value: Any) -> None:
    """Infinity never ends, NaN compares with nothing: neither is a time."""
    signed = handmade({"alg": "HS256"}, {**GOOD, "exp": value}).rpartition(".")[0]
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signed.encode(), SECRET.encode())
    whole = f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    assert await refusal(whole) == "The claim exp of the token is not a time."


async def test_the_issuer_counts_where_one_is_expected() -> None:
    """Only its tokens are taken."""
    picky = Tokens(Rules("gateway.test", "backend.test", 30, 3600), FixedKeys([HS256]))
    assert (await picky.verify(token(iss="backend.test"), NOW)).subject == "anna"
    assert "its iss" in await refusal(token(iss="another"), picky)
    assert "lacks the claim iss" in await refusal(token(), picky)


async def test_an_expired_token_says_so_itself() -> None:
    """Its claims are told, spent: whether that matters is decided where it is used. Clocks may differ by the leeway."""
    assert not (await TOKENS.verify(token(exp=NOW - 29), NOW)).is_spent(NOW)
    assert (await TOKENS.verify(token(exp=NOW - 31), NOW)).is_spent(NOW)
    assert not (await TOKENS.verify(token(nbf=NOW + 29, iat=NOW + 29), NOW)).is_spent(NOW)


async def test_a_token_without_an_id_has_one_of_its_own_and_is_reusable() -> None:
    """It starts as many sessions as one likes, each of them known as its own."""
    one, other = await TOKENS.verify(token(jti=None), NOW), await TOKENS.verify(token(jti=None, sub="ben"), NOW)
    assert not one.single_use
    assert one.token_id
    assert one.token_id != other.token_id
    assert one.token_id == (await TOKENS.verify(token(jti=None), NOW)).token_id


async def test_what_is_minted_is_taken_with_the_same_rights() -> None:
    """By the gateway itself; for one session unless it was wanted otherwise; two tokens are two."""
    wanted = TokenRequest(subject="anna", expires_in_s=60, video=False, tools=("look_up",), frame_budget=0)
    minted = TOKENS.mint(wanted, NOW)
    claims = await TOKENS.verify(minted.token, NOW)
    assert (claims.subject, claims.video, claims.tools, claims.frame_budget) == ("anna", False, {"look_up"}, 0)
    assert claims.single_use
    assert claims.expires_at == minted.expires_at + 30
    assert minted.expires_at == NOW + 60
    assert TOKENS.mint(wanted, NOW).token != minted.token
    assert not (await TOKENS.verify(TOKENS.mint(TokenRequest(reusable=True), NOW).token, NOW)).single_use


def test_guests_are_not_one_another() -> None:
    """Where no subject is named, each token has its own."""
    assert TOKENS.mint(TokenRequest(), NOW).subject != TOKENS.mint(TokenRequest(), NOW).subject


def test_what_cannot_be_minted_is_refused() -> None:
    """For longer than allowed, larger than a header can be, or without a secret."""
    with pytest.raises(BadRequest, match="3600 seconds at most"):
        TOKENS.mint(TokenRequest(expires_in_s=3601), NOW)
    with pytest.raises(BadRequest, match=f"more than {TOKEN_MAX_CHARS} characters"):
        TOKENS.mint(TokenRequest(tools=tuple(f"{n:0100}" for n in range(100))), NOW)
    with pytest.raises(NoTokensHere):
        checking(RSA).mint(TokenRequest(), NOW)


def test_a_key_does_not_show_itself() -> None:
    """Wherever it is printed."""
    assert SECRET not in repr(HS256)
