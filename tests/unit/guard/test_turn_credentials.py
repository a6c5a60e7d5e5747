"""Credentials of TURN servers."""

import base64
import hashlib
import hmac

from gateway.guard.claims import ANYONE, Claims
from gateway.guard.turn_credentials import ice_servers
from gateway.settings import IceServer, Settings

NOW = 1_800_000_000.5
URLS = ("turn:turn.example:3478?transport=udp", "turns:turn.example:5349?transport=tcp")
SETTINGS = Settings(turn_urls=URLS, turn_secret="north", turn_ttl_s=3600)
ANNA, BEN = Claims("anna@example.org"), Claims("ben@example.org")


def password(secret: str, username: str) -> str:
    """As coturn computes it."""
    return base64.b64encode(hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()).decode()


def test_each_caller_gets_credentials_of_its_own() -> None:
    """In the form of the REST draft: the end of their time, a user, and an HMAC of both."""
    (server,) = ice_servers(SETTINGS, ANNA, NOW)
    assert server.urls == URLS
    assert server.username is not None
    until, _, user = server.username.partition(":")
    assert int(until) == 1_800_003_600
    assert user
    assert server.credential == password("north", server.username)


def test_the_user_is_stable_and_tells_nothing() -> None:
    """So that a relay can count what one subject uses; two subjects are two users."""
    users = [
        ice_servers(SETTINGS, claims, now)[0].username.partition(":")[2]  # type: ignore[union-attr]
        for claims, now in ((ANNA, NOW), (ANNA, NOW + 99), (BEN, NOW), (ANYONE, NOW))
    ]
    assert users[0] == users[1]
    assert len(set(users)) == 3
    assert "anna" not in users[0]
    assert hashlib.sha256(b"anna@example.org").hexdigest()[:8] not in users[0]


def test_while_secrets_change_either_server_takes_one() -> None:
    """Credentials of both, the present one first."""
    both = ice_servers(SETTINGS.model_copy(update={"turn_secret_previous": SETTINGS.turn_secret}), ANNA, NOW)
    assert len(both) == 2
    rotated = Settings(turn_urls=URLS, turn_secret="south", turn_secret_previous="north")
    for server, secret in zip(ice_servers(rotated, ANNA, NOW), ("south", "north"), strict=True):
        assert server.credential == password(secret, str(server.username))


def test_servers_of_the_settings_come_first() -> None:
    """As they are; without a secret there are no others."""
    stun = IceServer(urls=("stun:stun.example",))
    assert ice_servers(Settings(ice_servers=(stun,)), ANNA, NOW) == (stun,)
    assert ice_servers(SETTINGS.model_copy(update={"ice_servers": (stun,)}), ANNA, NOW)[0] == stun
