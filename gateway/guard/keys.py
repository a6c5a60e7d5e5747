"""The keys that tokens are checked with, each with the one algorithm it is for.

Owns which algorithm belongs to which key. It must not know tokens or where keys are kept.
**Invariant: the algorithm is a property of the key; nothing in a token can choose it (RFC 8725 §3.1).**
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.errors import ConfigError
from gateway.settings import Settings, env_names

RSA_LEAST_BITS = 2048  # RFC 7518 §3.3


@dataclass(frozen=True, slots=True)
class Key:
    """One key; its repr shows nothing of it."""

    algorithm: str
    material: Any  # bytes of a secret, or a public key of `cryptography`
    kid: str | None = None

    def __repr__(self) -> str:
        return f"Key({self.algorithm}, kid={self.kid})"


class Keys(Protocol):
    """Where keys come from."""

    async def named(self, kid: str | None) -> Sequence[Key]:
        """The keys to try for a token with this key id; raises KeysUnavailable."""


class FixedKeys:
    """The keys of the settings: the present one first, then the one before."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)

    async def named(self, kid: str | None) -> Sequence[Key]:
        """All of them: there are two at most."""
        return self._keys


def secret_keys(settings: Settings) -> list[Key]:
    """The secrets of the settings, which sign and check."""
    secrets = (settings.jwt_secret, settings.jwt_secret_previous)
    return [Key("HS256", secret.get_secret_value().encode()) for secret in secrets if secret is not None]


def public_keys(settings: Settings) -> list[Key]:
    """The public keys of the settings; raises ConfigError."""
    keys = []
    for name in ("jwt_public_key", "jwt_public_key_previous"):
        pem = getattr(settings, name)
        if pem is not None:
            try:
                # In an environment variable the lines of a PEM are often kept apart by \n in letters.
                text = pem.get_secret_value().replace("\\n", "\n")
                keys.append(public_key(load_pem_public_key(text.encode())))
            except (ValueError, UnsupportedAlgorithm) as error:
                reason = str(error).partition("(")[0].strip().rstrip(".") or type(error).__name__
                raise ConfigError(
                    f"{env_names(name)[0]} is not a public key that can be used: {reason}. It begins with "
                    "-----BEGIN PUBLIC KEY-----."
                ) from None
    return keys


def public_key(material: Any, kid: str | None = None) -> Key:
    """A public key with its algorithm; raises ValueError for one that must not be used."""
    match material:
        case rsa.RSAPublicKey():
            if material.key_size < RSA_LEAST_BITS:
                raise ValueError(f"an RSA key of {material.key_size} bits is too short")
            return Key("RS256", material, kid)
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return Key("ES256", material, kid)
        case ed25519.Ed25519PublicKey():
            return Key("EdDSA", material, kid)
    raise ValueError("it is neither RSA, P-256 nor Ed25519")


def jwks_keys(document: Any) -> list[Key]:
    """The usable keys of a JWKS (RFC 7517); those of other kinds and uses are passed over. Raises ValueError."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("it is not a JWKS")
    keys = []
    for entry in document["keys"]:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = public_key(jwt.PyJWK(entry).key, entry.get("kid"))
        except (jwt.PyJWTError, ValueError, TypeError):
            continue  # a symmetric key, say, which has no business in a public document
        if entry.get("alg", key.algorithm) == key.algorithm:
            keys.append(key)
    return keys
