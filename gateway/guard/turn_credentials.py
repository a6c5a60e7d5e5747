"""Credentials of TURN servers, made for each caller (draft-uberti-behave-turn-rest-00, coturn's `use-auth-secret`).

Owns their form. It must not know HTTP or TURN.
**Invariant: credentials are made for claims, never without; the secret cannot be told from them; the user part of one
subject is always the same, so that a relay can count, and tells nothing of who it is.**
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math

from pydantic import SecretStr

from gateway.guard.claims import Claims
from gateway.settings import IceServer, Settings

USER_BYTES = 9  # 12 characters: no two of a million subjects share them


def ice_servers(settings: Settings, claims: Claims, now: float) -> tuple[IceServer, ...]:
    """What this bearer is told: the servers of the settings, and those that credentials are made for."""
    made = [
        _server(settings.turn_urls, secret, claims.subject, now + settings.turn_ttl_s)
        for secret in (settings.turn_secret, settings.turn_secret_previous)
        if secret is not None and settings.turn_urls
    ]
    return (*settings.ice_servers, *made)


def _server(urls: tuple[str, ...], secret: SecretStr, subject: str, expires_at: float) -> IceServer:
    key = secret.get_secret_value().encode()
    user = base64.urlsafe_b64encode(hmac.digest(key, b"user " + subject.encode(), hashlib.sha256)[:USER_BYTES]).decode()
    username = f"{math.floor(expires_at)}:{user}"
    password = base64.b64encode(hmac.digest(key, username.encode(), hashlib.sha1)).decode()
    return IceServer(urls=urls, username=username, credential=password)
