"""A gateway for phones on one's own network: `gateway serve --lan`.

Owns what that means for the settings, and the invitation. It must not know the command line or the server.
**Invariant: whoever is on the network and has not seen the invitation gets nothing; nothing of an invitation reaches a
server but in a header.**
"""

from __future__ import annotations

import io
import ipaddress
import os
import secrets
import socket
import time
from pathlib import Path

from pydantic import SecretStr

from gateway.certificate import fingerprint, own_certificate
from gateway.errors import ConfigError
from gateway.guard.grant import TokenRequest
from gateway.guard.tokens import tokens_of
from gateway.media.aiortc_internals import host_addresses
from gateway.settings import Settings

INVITED_S = 3600.0
EVERYWHERE = "0.0.0.0"
ELSEWHERE = ("192.0.2.1", 9)  # RFC 5737: nobody's address; it is only asked which way would lead there


def on_lan(settings: Settings) -> Settings:
    """The settings for phones on this network: its addresses, HTTPS, tokens. Raises ConfigError."""
    if settings.auth not in (None, "token"):
        raise ConfigError(f"--lan asks callers for a token, and GATEWAY_AUTH={settings.auth} does not: unset it.")
    if settings.jwt_public_key is not None or settings.jwks_url is not None:
        raise ConfigError("--lan makes tokens itself: unset GATEWAY_JWT_PUBLIC_KEY and GATEWAY_JWKS_URL.")
    update: dict[str, object] = {"auth": "token"}
    if "host" not in settings.model_fields_set:
        update["host"] = EVERYWHERE
    if settings.jwt_secret is None:
        update["jwt_secret"] = SecretStr(secrets.token_urlsafe(32))
    if settings.tls_cert is None:
        names = {address for address in host_addresses() if ":" not in address}  # those of IPv6 change every day
        names |= {"127.0.0.1", "localhost", *filter(str.isascii, (socket.gethostname(),))}
        certificate, key = own_certificate(_state_dir(settings), names)
        update |= {"tls_cert": certificate, "tls_key": key}
    return settings.model_copy(update=update)


def invitation(settings: Settings, url: str) -> str:
    """What a person reads and a phone scans; `url` is where the gateway listens."""
    import segno  # nothing else needs it

    tokens = tokens_of(settings)
    assert tokens is not None
    token = tokens.mint(TokenRequest(subject="lan", expires_in_s=INVITED_S, reusable=True), time.time()).token
    link = f"{url}#token={token}"
    picture = io.StringIO()
    segno.make_qr(link, error="l").terminal(picture, compact=True, border=2)
    lines = [
        f"{picture.getvalue()}\nOpen {link}\n",
        f"On a phone: scan the picture. It lets in for {INVITED_S / 60:g} minutes.",
    ]
    if settings.tls_cert is not None and settings.tls_cert.parent == _state_dir(settings):
        lines += [
            "The certificate is this machine's own, so the browser warns of it once. Its fingerprint (SHA-256):",
            fingerprint(settings.tls_cert),
        ]
    return "\n".join(lines)


def reachable_host(settings: Settings) -> str:
    """The address to tell others: the one that is listened on, or of all addresses the one that leads outside."""
    if not ipaddress.ip_address(_numeric(settings.host)).is_unspecified:
        return settings.host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)  # sends nothing
            return str(probe.getsockname()[0])
        except OSError:  # a network without a way out
            return host_addresses()[0]


def _numeric(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return "127.0.0.1"  # a name, which is what others are told


def _state_dir(settings: Settings) -> Path:
    if settings.state_dir is not None:
        return settings.state_dir
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "gemini-live-gateway"
