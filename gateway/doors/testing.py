"""The way in for tests: what a new session is made of, and drills.

Owns who may ask, and the drill resource. It must not know how a test session works.
**Invariant: where the operator allows no test modes, no request gets anything else than an ordinary session, and one
that asks is refused.**
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from gateway.doors.auth import claims_of
from gateway.doors.body import read_body
from gateway.errors import BadRequest, TestModesOff
from gateway.registry import Registry
from gateway.session import Session
from gateway.settings import Settings
from gateway.testing.networks import BOUNDS, NETWORKS
from gateway.testing.plan import DRILLS, MODES, read_drill, read_plan
from gateway.testing.session import create_rigged, drillable

DRILL_MAX_BYTES = 1024


async def create_session(registry: Registry, settings: Settings, request: web.Request) -> Session:
    """The session a request asks for, ordinary or made for a test; raises TestModesOff and BadRequest."""
    plan = read_plan(request.query)
    if plan is None:
        return await registry.create(claims_of(request))
    _check_allowed(settings)
    sockname = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return await create_rigged(registry, claims_of(request), settings, plan, near=sockname[0] if sockname else "")


def advertised(settings: Settings) -> dict[str, Any] | None:
    """What a page may offer a person to choose; None where there are no test modes."""
    if not settings.effective_test_modes:
        return None
    networks = {name: network.as_json() for name, network in NETWORKS.items()}
    bounds = {name: {"min": least, "max": most} for name, (least, most, _) in BOUNDS.items()}
    return {"modes": MODES, "networks": networks, "custom_network": bounds, "drills": DRILLS}


class DrillDoor:
    """The handlers."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def routes(self) -> list[web.RouteDef]:
        """What to add to a router."""
        return [web.post("/v1/sessions/{id}/drills", self.drill)]

    async def drill(self, request: web.Request) -> web.Response:
        """Let something go wrong in one session."""
        _check_allowed(self._settings)
        session = drillable(self._registry.get(request.match_info["id"], claims_of(request)))
        body = await read_body(request, "application/json", DRILL_MAX_BYTES)
        try:
            parsed = json.loads(body)
        except ValueError:
            raise BadRequest('The body must be JSON, such as {"drill": "kill_link"}.') from None
        await session.drill(read_drill(parsed))
        return web.Response(status=204)


def _check_allowed(settings: Settings) -> None:
    if not settings.effective_test_modes:
        raise TestModesOff("This gateway allows no test modes; its operator can with GATEWAY_TEST_MODES=1.")
