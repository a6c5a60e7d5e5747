"""Keys: which are taken, and for which algorithm."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.errors import ConfigError
from gateway.guard.keys import jwks_keys, public_key, public_keys, secret_keys
from gateway.settings import Settings

RSA = rsa.generate_private_key(65537, 2048).public_key()
P256 = ec.generate_private_key(ec.SECP256R1()).public_key()
ED25519 = ed25519.Ed25519PrivateKey.generate().public_key()


def pem(key: Any) -> str:
    """As it stands in a file."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def jwk(key: Any, **more: str) -> dict[str, Any]:
    """As it stands in a JWKS."""
    algorithm = RSAAlgorithm if key is RSA else ECAlgorithm if key is P256 else OKPAlgorithm
    return {**json.loads(algorithm.to_jwk(key)), **more}


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (P256, "ES256"), (ED25519, "EdDSA")])
def test_a_pem_is_a_key_with_its_algorithm(key: Any, algorithm: str) -> None:
    """Also where its lines are kept apart by backslash and n; the one before comes second."""
    for text in (pem(key), pem(key).replace("\n", "\\n")):
        assert [one.algorithm for one in public_keys(Settings(jwt_public_key=text))] == [algorithm]
    both = public_keys(Settings(jwt_public_key=pem(key), jwt_public_key_previous=pem(RSA)))
    assert [one.algorithm for one in both] == [algorithm, "RS256"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "GATEWAY_JWT_PUBLIC_KEY is not a public key"),
        (pem(rsa.generate_private_key(65537, 1024).public_key()), "1024 bits is too short"),
        (pem(ec.generate_private_key(ec.SECP384R1()).public_key()), "neither RSA, P-256 nor Ed25519"),
        (pem(dsa.generate_private_key(2048).public_key()), "neither RSA, P-256 nor Ed25519"),
    ],
)
def test_what_is_no_key_for_tokens_stops_the_start(text: str, said: str) -> None:
    """With a sentence that names the variable."""
    with pytest.raises(ConfigError, match=said):
        public_keys(Settings(jwt_public_key=text))


def test_the_present_secret_comes_first() -> None:
    """It signs; both check."""
    keys = secret_keys(Settings(jwt_secret="new" * 11, jwt_secret_previous="old" * 11))
    assert [key.material for key in keys] == [b"new" * 11, b"old" * 11]
    assert {key.algorithm for key in keys} == {"HS256"}


def test_a_jwks_gives_its_usable_keys() -> None:
    """Not those for encryption, not secrets, not keys for other algorithms, and nonsense does no harm."""
    document = {
        "keys": [
            jwk(RSA, kid="a", use="sig"),
            jwk(P256, kid="b"),
            jwk(ED25519, kid="c", alg="EdDSA"),
            jwk(RSA, kid="d", use="enc"),
            jwk(RSA, kid="e", alg="PS256"),
            {"kty": "oct", "k": "c2VjcmV0", "kid": "f", "alg": "HS256"},
            {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kty": "EC"},
            {},
            "nonsense",
            None,
        ]
    }
    assert [(key.kid, key.algorithm) for key in jwks_keys(document)] == [("a", "RS256"), ("b", "ES256"), ("c", "EdDSA")]


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": None}, "keys"])
def test_what_is_no_jwks_is_refused(document: Any) -> None:
    """As a ValueError, whatever it is."""
    with pytest.raises(ValueError, match="not a JWKS"):
        jwks_keys(document)


def test_a_short_rsa_key_is_refused_wherever_it_comes_from() -> None:
    """Below 2048 bits it can be broken."""
    with pytest.raises(ValueError, match="too short"):
        public_key(rsa.generate_private_key(65537, 1024).public_key())
