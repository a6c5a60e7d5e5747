"""Checks the machine and the settings, and says in sentences what is wrong and how to mend it.

Owns the checks. It must not start anything that stays, and it must not fail: what a check cannot find out it says.
**Invariant: every finding is a sentence; what is wrong comes with what to do; a secret is never printed.**
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import socket
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from gateway.certificate import tls_context
from gateway.doctor_network import look_from_outside, offered
from gateway.errors import ConfigError, GatewayError
from gateway.findings import Finding
from gateway.guard.jwks import fetch_from
from gateway.guard.keys import jwks_keys, public_keys, secret_keys
from gateway.guard.outgoing import Outgoing
from gateway.live.upstream import upstream_from
from gateway.media.aiortc_internals import check
from gateway.media.native import IN_C
from gateway.media.opus import OpusEncoder
from gateway.media.playout import RATE_HZ
from gateway.settings import IceServer, Settings, env_names, secret_fields
from gateway.settings_check import check_start
from gateway.settings_sources import NO_EXTENSIONS_VARIABLE

PACKAGES = ("aiortc", "aioice", "av", "aiohttp", "websockets", "numpy", "pillow")
PYTHON_LEAST = (3, 11)
USER_OF_URL = re.compile(r"://[^/@\s]*@")  # the store's address may carry a password
LOOK_UP_TIMEOUT_S = 3.0


def examine(settings: Settings, stun: str | None = None) -> Iterator[Finding]:
    """Every finding about this machine and these settings; `stun` is asked how the machine looks from outside."""
    yield _python()
    yield from _packages()
    yield _opus()
    yield _native()
    yield _media(settings)
    yield from _outside(settings, stun)
    yield from _start(settings)
    yield from _tokens(settings)
    yield from _tls(settings)
    yield _port(settings)
    yield _upstream(settings)
    yield from _advice(settings)


def settings_lines(settings: Settings) -> Iterator[str]:
    """`NAME=value` for each effective setting, secrets hidden."""
    hidden = secret_fields()
    for field_name in type(settings).model_fields:
        value = getattr(settings, field_name)
        shown = ("(set, hidden)" if value else "") if field_name in hidden else _shown(value)
        yield f"{env_names(field_name)[0]}={shown}"
    yield f"# upstream in effect: {settings.effective_upstream}; auth in effect: {settings.effective_auth}"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, IceServer):
        return "|".join(value.urls) + (" (credential hidden)" if value.credential else "")
    if isinstance(value, tuple):
        return ",".join(map(_shown, value))
    return USER_OF_URL.sub("://(hidden)@", str(value))


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info < PYTHON_LEAST:
        return Finding("wrong", f"Python {found} is too old: install 3.11 or newer.")
    return Finding("ok", f"Python {found} on {platform.system()} {platform.machine()}.")


def _packages() -> Iterator[Finding]:
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Finding("wrong", f"The package {name} is missing: pip install gemini-live-gateway.")
    yield Finding("ok", f"Packages: {', '.join(versions)}.")


def _opus() -> Finding:
    try:
        OpusEncoder(RATE_HZ).encode(bytes(RATE_HZ // 50 * 2))
    except (ConfigError, ValueError) as error:
        return Finding("wrong", str(error))
    return Finding("ok", "libopus encodes.")


def _native() -> Finding:
    if IN_C:
        return Finding("ok", "The innermost steps of media are in C.")
    if os.environ.get(NO_EXTENSIONS_VARIABLE):
        return Finding("warning", f"{NO_EXTENSIONS_VARIABLE} is set: a call costs more than it has to.")
    return Finding(
        "warning",
        "The innermost steps of media are in Python, and a call costs more than it has to: install a C compiler and "
        "the headers of Python (apt-get install gcc python3-dev), then the gateway again.",
    )


def _media(settings: Settings) -> Finding:
    try:
        check()
        addresses = asyncio.run(offered(settings))
    except ConfigError as error:
        return Finding("wrong", str(error))
    hosts = ", ".join(host for host, _ in addresses)
    if not settings.udp_port:
        return Finding("ok", f"Media: UDP to {hosts}, any free port; set GATEWAY_UDP_PORT to open it in a firewall.")
    ports = ", ".join(map(str, sorted({port for _, port in addresses})))
    return Finding("ok", f"Media: browsers must be able to send UDP to {hosts}, port {ports}.")


def _outside(settings: Settings, stun: str | None) -> list[Finding]:
    async def all_of_them() -> list[Finding]:
        return [finding async for finding in look_from_outside(settings, stun)]

    try:
        return asyncio.run(all_of_them())
    except ConfigError as error:
        return [Finding("wrong", str(error))]


def _start(settings: Settings) -> Iterator[Finding]:
    try:
        check_start(settings)
    except ConfigError as error:
        yield Finding("wrong", str(error))
    if settings.effective_auth == "insecure-open":
        yield Finding(
            "warning", "GATEWAY_AUTH=insecure-open lets anyone in: whoever reaches this address talks at your expense."
        )


def _tokens(settings: Settings) -> Iterator[Finding]:
    """Whether tokens can be checked, and who makes them."""
    if settings.effective_auth != "token":
        return
    try:
        if settings.jwks_url is not None:
            fetch = fetch_from(settings.jwks_url, Outgoing(settings.private_networks))
            kinds = sorted({key.algorithm for key in jwks_keys(json.loads(asyncio.run(fetch())))})
            yield Finding("ok", f"Tokens: signed by whoever publishes GATEWAY_JWKS_URL ({', '.join(kinds)}).")
        elif keys := public_keys(settings):
            yield Finding("ok", f"Tokens: signed by whoever holds the private key ({keys[0].algorithm}).")
        elif secret_keys(settings):
            yield Finding("ok", "Tokens: signed with GATEWAY_JWT_SECRET, by the gateway or a backend.")
            if settings.operator_key is None:
                yield Finding(
                    "warning",
                    "GATEWAY_OPERATOR_KEY is not set: POST /v1/tokens makes no tokens and GET /metrics tells nothing.",
                )
    except ConfigError as error:
        yield Finding("wrong", str(error))
    except (OSError, ValueError, TimeoutError, aiohttp.ClientError) as error:
        reason = str(error) or type(error).__name__
        yield Finding("wrong", f"GATEWAY_JWKS_URL={settings.jwks_url} gives no keys: {reason}.")


def _tls(settings: Settings) -> Iterator[Finding]:
    """Whether a browser will hand out its camera."""
    if settings.tls_cert is not None and settings.tls_key is not None:
        try:
            tls_context(settings.tls_cert, settings.tls_key)
        except ConfigError as error:
            yield Finding("wrong", str(error))
        else:
            yield Finding("ok", f"HTTPS with {settings.tls_cert}.")
    elif not settings.listens_on_loopback:
        yield Finding(
            "warning",
            "There is no GATEWAY_TLS_CERT: browsers give camera and microphone to HTTPS pages only, so put a proxy "
            "with TLS in front, or try gateway serve --lan.",
        )


def _port(settings: Settings) -> Finding:
    where = f"{settings.host} port {settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
    except OSError as error:
        return Finding("wrong", f"Cannot listen on {where}: {error.strerror}. Set GATEWAY_PORT to a free port.")
    return Finding("ok", f"{where} is free.")


def _upstream(settings: Settings) -> Finding:
    if settings.effective_upstream == "simulator" and settings.upstream_url is None:
        return Finding(
            "ok", "No key is set: the gateway talks to its built-in simulator. Set GEMINI_API_KEY for Gemini."
        )
    try:
        url = urlsplit(upstream_from(settings, None).url)
        host, port = url.hostname or "", url.port or (443 if url.scheme == "wss" else 80)
        with socket.create_connection((host, port), timeout=LOOK_UP_TIMEOUT_S):
            return Finding("ok", f"{host} port {port} can be reached.")
    except GatewayError as error:
        return Finding("wrong", error.user_message)
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding("wrong", f"{host} port {port} cannot be reached: {reason}. Check the network and the firewall.")


def _advice(settings: Settings) -> Iterator[Finding]:
    if settings.effective_upstream != "simulator" and settings.video_fps_max > 1:
        yield Finding(
            "warning",
            f"GATEWAY_VIDEO_FPS_MAX is {settings.video_fps_max:g} and Google documents at most 1 frame a second: "
            "set it to 1 to stay inside what is documented.",
        )
    if not settings.ice_servers and not settings.turn_urls and not settings.listens_on_loopback:
        yield Finding(
            "warning",
            "GATEWAY_TURN_URLS names no TURN server: phones behind firewalls that block UDP will not connect.",
        )
    if not (Path(__file__).parent.parent / "web" / "index.html").exists():
        yield Finding("warning", "The pages (directory web beside the package) are not installed; the API works.")
