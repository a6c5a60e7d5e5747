"""What a client or an operator may ask about the gateway itself.

Owns health and client configuration. It must not know sessions beyond their number.
**Invariant: nothing here is secret but the TURN credentials, which are made to be given to browsers.**
"""

from __future__ import annotations

from aiohttp import web

from gateway import __version__
from gateway.doors import ice_servers
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
        """200 while the event loop turns."""
        return web.json_response({"status": "ok", "version": __version__, "sessions": len(self._registry)})

    async def metrics(self, _: web.Request) -> web.Response:
        """For Prometheus."""
        return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def client_config(self, _: web.Request) -> web.Response:
        """What a page needs to know before a call."""
        settings = self._settings
        return web.json_response(
            {
                "version": __version__,
                "upstream": settings.effective_upstream,
                "model": settings.model,
                "auth": settings.effective_auth,
                "video": {
                    "fps_min": settings.video_fps_min,
                    "fps_max": settings.video_fps_max,
                    "size_px": settings.video_size_px,
                },
            }
        )

    async def ice_servers(self, _: web.Request) -> web.Response:
        """For `RTCPeerConnection`."""
        body = {"iceServers": ice_servers.as_json(self._settings.ice_servers)}
        return web.json_response(body, headers={"Cache-Control": "no-store"})
