"""The ICE servers of a browser, in the two shapes in which it is told them.

Owns the shapes. It must not know where the servers come from.
**Invariant: both shapes say the same.**
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.settings import IceServer


def as_json(servers: Iterable[IceServer]) -> list[dict[str, Any]]:
    """As W3C `RTCConfiguration.iceServers`."""
    return [server.model_dump(exclude_none=True, mode="json") for server in servers]


def as_links(servers: Iterable[IceServer]) -> list[str]:
    """As values of `Link` headers (RFC 9725 §4.6), one a URL."""
    links = []
    for server in servers:
        parameters = '; rel="ice-server"'
        if server.username is not None and server.credential is not None:
            parameters += (
                f"; username={_quoted(server.username)}; credential={_quoted(server.credential)}"
                '; credential-type="password"'
            )
        links += [f"<{url}>{parameters}" for url in server.urls]
    return links


def _quoted(text: str) -> str:
    """A quoted-string (RFC 9110 §5.6.4)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
