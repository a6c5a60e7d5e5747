"""What a client or an operator may ask about the gateway itself.

Owns health and client configuration. It must not know sessions beyond their number.
**Invariant: nothing here is secret but the TURN credentials, which are made for the one who asks.**
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from aiohttp import web

from gateway import __version__
from gateway.cluster import Cluster, NodeDead
from gateway.doors import testing
from gateway.doors.auth import claims_of, require_operator
from gateway.doors.forward import Forward
from gateway.doors.ice_servers import as_json
from gateway.errors import NodeSilent
from gateway.guard.terms import terms
from gateway.guard.turn_credentials import ice_servers
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.telemetry import metrics
from gateway.telemetry.pulse import Pulse
from gateway.turn.watch import RelayWatch


class OperationsDoor:
    """The handlers."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        cluster: Cluster,
        forward: Forward,
        pulse: Pulse,
        relays: RelayWatch,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._pulse = pulse
        self._relays = relays
        self._cluster = cluster
        self._forward = forward

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        return [
            web.get("/healthz", self.health),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
            web.post("/v1/drain", self.drain),
            web.get("/v1/client-config", self.client_config),
            web.get("/v1/ice-servers", self.ice_servers),
        ]

    async def health(self, _: web.Request) -> web.Response:
        """200 while the event loop turns; 503 when it was stuck lately, so that the process is best replaced.

        More is told only where this machine alone can ask.
        """
        stale = self._pulse.is_stale
        told: dict[str, Any] = {"status": "stuck" if stale else "ok"}
        if self._settings.effective_auth == "open":
            lag_ms = round(self._pulse.worst_lag_s * 1000)
            told |= {"version": __version__, "sessions": self._cluster.sessions, "worst_lag_ms": lag_ms}
        return web.json_response(told, status=503 if stale else 200)

    async def ready(self, _: web.Request) -> web.Response:
        """200 while a new session would be taken, else 503 with the reasons.

        A relay that does not answer is told where this machine alone can ask (and in the log, and as a metric); it does
        not turn away those who need none.
        """
        reasons = self._cluster.unready()
        told: dict[str, Any] = {"ready": not reasons, "reasons": reasons}
        if self._settings.effective_auth == "open":
            told["warnings"] = self._relays.warnings()
        return web.json_response(told, status=503 if reasons else 200)

    async def drain(self, request: web.Request) -> web.Response:
        """Take no more calls on this machine, and let those there are move to others; for the operator."""
        require_operator(request, self._settings)
        for sibling in await self._cluster.siblings():
            with suppress(NodeDead, NodeSilent):  # it takes no calls in any case
                await self._forward.ask_to_drain(sibling)
        self._cluster.start_draining()
        return web.json_response({"draining": True, "sessions": len(self._registry)}, status=202)

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
