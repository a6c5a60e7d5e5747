"""The doors: ways in over the network. Each turns requests into calls of the registry and its sessions."""

from __future__ import annotations

from aiohttp import web

from gateway.cluster import Cluster
from gateway.doors import pages
from gateway.doors.auth import auth_middleware
from gateway.doors.cors import add_headers, cors_middleware
from gateway.doors.events import EventDoor
from gateway.doors.forward import Forward
from gateway.doors.hardening import harden
from gateway.doors.limits import address_middleware, subject_middleware
from gateway.doors.operations import OperationsDoor
from gateway.doors.problem import problem_middleware
from gateway.doors.rtvi import RtviDoor
from gateway.doors.sessions import SessionDoor
from gateway.doors.stream import StreamDoor
from gateway.doors.testing import DrillDoor
from gateway.doors.tokens import TokenDoor
from gateway.doors.transcript import TranscriptDoor
from gateway.doors.whep import WhepDoor
from gateway.doors.whip import WhipDoor
from gateway.guard.tokens import Tokens
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.telemetry.pulse import Pulse
from gateway.turn.watch import RelayWatch


def build_doors(
    settings: Settings,
    registry: Registry,
    tokens: Tokens | None,
    cluster: Cluster,
    forward: Forward,
    pulse: Pulse,
    relays: RelayWatch,
) -> web.Application:
    """All doors as one application; the pages come last, because they take every other path."""
    application = web.Application(
        middlewares=[
            cors_middleware(settings),
            problem_middleware,
            address_middleware(settings, forward.client_of),
            auth_middleware(settings, tokens),
            subject_middleware(settings, forward.client_of),
            forward.middleware(cluster, registry),
        ]
    )
    harden(application)
    event_door, stream_door = EventDoor(settings, registry), StreamDoor(settings, registry)
    application.add_routes(
        [
            *SessionDoor(settings, registry).routes(),
            *WhipDoor(settings, registry).routes(),
            *WhepDoor(settings, registry).routes(),
            *TranscriptDoor(registry).routes(),
            *event_door.routes(),
            *stream_door.routes(),
            *RtviDoor(settings, registry).routes(),
            *OperationsDoor(settings, registry, cluster, forward, pulse, relays).routes(),
            *TokenDoor(tokens).routes(),
            *forward.routes(cluster, registry),
            *DrillDoor(settings, registry).routes(),
            *pages.routes(),
        ]
    )

    async def end_calls(_: web.Application) -> None:
        await registry.close()  # first, so that each browser is told why before its socket is closed

    application.on_response_prepare.append(add_headers)
    application.on_shutdown.extend([end_calls, event_door.close_all, stream_door.close_all])
    return application
