"""What a client or an operator may ask about the gateway itself.

Owns health and client configuration. It must not know sessions beyond their number.
**Invariant: nothing here is secret but the TURN credentials, which are made for the one who asks.**
"""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from gateway import __version__
from gateway.doors import testing
from gateway.doors.auth import claims_of, require_operator
from gateway.doors.ice_servers import as_json
from gateway.guard.terms import terms
from gateway.guard.turn_credentials import ice_servers
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.telemetry import metrics


class OperationsDoor:
    """The handlers."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        return [
            web.get("/healthz", self.health),
            web.get("/metrics", self.metrics),
            web.get("/v1/client-config", self.client_config),
            web.get("/v1/ice-servers", self.ice_servers),
        ]

    async def health(self, _: web.Request) -> web.Response:
        """200 while the event loop turns; more is told only where this machine alone can ask."""
        told: dict[str, Any] = {"status": "ok"}
        if self._settings.effective_auth == "open":
            told |= {"version": __version__, "sessions": len(self._registry)}
        return web.json_response(told)

    async def metrics(self, request: web.Request) -> web.Response:
        """For Prometheus, with the operator's key."""
        require_operator(request, self._settings)
        return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def client_config(self, request: web.Request) -> web.Response:
        """What a page needs to know before a call."""
        settings = terms(self._settings, claims_of(request))
        return web.json_response(
            {
                "version": __version__,
                "settings_hash": self._settings.fingerprint,
                "upstream": settings.effective_upstream,
                "model": settings.model,
                "auth": settings.effective_auth,
                "video": {
                    "allowed": settings.video,
                    "fps_min": settings.video_fps_min,
                    "fps_max": settings.video_fps_max,
                    "size_px": settings.video_size_px,
                },
                "test_modes": testing.advertised(settings),
            }
        )

    async def ice_servers(self, request: web.Request) -> web.Response:
        """For `RTCPeerConnection`."""
        servers = ice_servers(self._settings, claims_of(request), time.time())
        return web.json_response({"iceServers": as_json(servers)})
