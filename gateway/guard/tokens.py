"""Session tokens: JSON Web Tokens (RFC 7519), checked and made.

Owns what a token must be to count. It must not know HTTP, nor which tokens were used before.
**Invariant: claims come from a token that a key of the operator signed for this gateway; an expired one gives claims
that say so. Every token that is forged, garbled or of another algorithm is refused in the same words.**
"""

from __future__ import annotations

import base64
import hashlib
import math
import secrets
from dataclasses import dataclass
from typing import Any

import jwt

from gateway.errors import BadRequest, NoTokensHere, TokenInvalid
from gateway.guard.claims import Claims
from gateway.guard.grant import SUBJECT_MAX_CHARS, Grant, TokenRequest, parse_grant
from gateway.guard.keys import FixedKeys, Key, Keys, public_keys, secret_keys
from gateway.settings import Settings

TOKEN_MAX_CHARS = 6000  # with its header line it stays below the 8190 bytes that aiohttp reads
FORGED = "The token is not one of this gateway's."
OPTIONS: Any = {
    "require": ["exp", "sub"],
    # Here by the time that is given, and not by PyJWT's clock.
    **{f"verify_{name}": False for name in ("exp", "nbf", "iat")},
    # Theirs too, with our bounds on what they may be.
    **{f"verify_{name}": False for name in ("sub", "jti")},
}


@dataclass(frozen=True, slots=True)
class Minted:
    """A token that was made."""

    token: str
    subject: str
    expires_at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Rules:
    """What a token must name and keep to."""

    audience: str
    issuer: str | None
    leeway_s: float
    max_s: float


def rules_of(settings: Settings) -> Rules:
    """The rules of these settings."""
    return Rules(settings.jwt_audience, settings.jwt_issuer, settings.jwt_leeway_s, settings.token_max_s)


def tokens_of(settings: Settings) -> Tokens | None:
    """Tokens by the keys that stand in the settings; None where there is none. Raises ConfigError."""
    secret = secret_keys(settings)
    keys = secret or public_keys(settings)
    return Tokens(rules_of(settings), FixedKeys(keys), secret[0] if secret else None) if keys else None


class Tokens:
    """The tokens of one gateway; `signing` is the key it makes them with, where it makes any."""

    def __init__(self, rules: Rules, keys: Keys, signing: Key | None = None) -> None:
        self._rules = rules
        self._keys = keys
        self._signing = signing

    async def verify(self, token: str, now: float) -> Claims:
        """The claims of a token at `now` (seconds since the epoch); raises TokenInvalid and KeysUnavailable."""
        if len(token) > TOKEN_MAX_CHARS:
            raise TokenInvalid(FORGED)
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError:
            raise TokenInvalid(FORGED) from None
        for key in await self._keys.named(kid):
            payload = self._payload(token, key)
            if payload is not None:
                return self._claims(token, payload, now)
        raise TokenInvalid(FORGED)

    def mint(self, wanted: TokenRequest, now: float) -> Minted:
        """A new token; raises BadRequest and NoTokensHere."""
        if self._signing is None:
            raise NoTokensHere("This gateway has no secret to sign tokens with: whoever holds the private key does.")
        if wanted.expires_in_s > self._rules.max_s:
            raise BadRequest(f"A token can be valid for {self._rules.max_s:g} seconds at most (GATEWAY_TOKEN_MAX_S).")
        subject = wanted.subject or f"guest-{secrets.token_hex(8)}"
        expires_at = math.ceil(now + wanted.expires_in_s)
        payload = {"sub": subject, "aud": self._rules.audience, "iat": math.floor(now), "exp": expires_at}
        if self._rules.issuer is not None:
            payload["iss"] = self._rules.issuer
        if not wanted.reusable:
            payload["jti"] = secrets.token_urlsafe(12)
        rights = wanted.model_dump(mode="json", include=set(Grant.model_fields), exclude_defaults=True)
        if rights:
            payload["gateway"] = rights
        token = jwt.encode(payload, self._signing.material, self._signing.algorithm)
        if len(token) > TOKEN_MAX_CHARS:
            raise BadRequest(f"The token would have more than {TOKEN_MAX_CHARS} characters: grant less by name.")
        return Minted(token, subject, expires_at)

    def _payload(self, token: str, key: Key) -> dict[str, Any] | None:
        """What this key has signed; None when it has not."""
        rules = self._rules
        try:
            payload: dict[str, Any] = jwt.decode(
                token,
                key.material,
                algorithms=[key.algorithm],
                audience=rules.audience,
                issuer=rules.issuer,
                options=OPTIONS,
            )
        except jwt.InvalidAudienceError:
            raise TokenInvalid("The token is for another service: its aud is not this gateway's.") from None
        except jwt.InvalidIssuerError:
            raise TokenInvalid("The token is from somebody else: its iss is not the expected one.") from None
        except jwt.MissingRequiredClaimError as error:
            raise TokenInvalid(f"The token lacks the claim {error.claim}.") from None
        except jwt.InvalidTokenError:
            return None
        return payload

    def _claims(self, token: str, payload: dict[str, Any], now: float) -> Claims:
        rules = self._rules
        expires_at = _time(payload, "exp")
        if expires_at - now > rules.max_s + rules.leeway_s:
            raise TokenInvalid(f"The token is valid for longer than {rules.max_s:g} seconds (GATEWAY_TOKEN_MAX_S).")
        for name in ("nbf", "iat"):
            if name in payload and _time(payload, name) > now + rules.leeway_s:
                raise TokenInvalid(f"The token is not valid yet: its {name} is in the future.")
        subject, token_id = payload["sub"], payload.get("jti")
        if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_MAX_CHARS:
            raise TokenInvalid(f"The claim sub of the token must have 1 to {SUBJECT_MAX_CHARS} characters.")
        if token_id is not None and not (isinstance(token_id, str) and 0 < len(token_id) <= SUBJECT_MAX_CHARS):
            raise TokenInvalid(f"The claim jti of the token must have 1 to {SUBJECT_MAX_CHARS} characters.")
        return parse_grant(payload.get("gateway", {})).claims(
            subject, token_id or _digest(token), expires_at + rules.leeway_s, single_use=token_id is not None
        )


def _time(payload: dict[str, Any], name: str) -> float:
    value = payload[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TokenInvalid(f"The claim {name} of the token is not a time.")
    return float(value)


def _digest(token: str) -> str:
    """A name for a token that has none."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode()
