"""The doors: ways in over the network. Each turns requests into calls of the registry and its sessions."""

from __future__ import annotations

from aiohttp import web

from gateway.doors import pages
from gateway.doors.auth import auth_middleware
from gateway.doors.cors import cors_middleware
from gateway.doors.events import EventDoor
from gateway.doors.hardening import harden
from gateway.doors.limits import address_middleware, subject_middleware
from gateway.doors.operations import OperationsDoor
from gateway.doors.problem import problem_middleware
from gateway.doors.sessions import SessionDoor
from gateway.doors.testing import DrillDoor
from gateway.doors.tokens import TokenDoor
from gateway.guard.tokens import Tokens
from gateway.registry import Registry
from gateway.settings import Settings


def build_doors(settings: Settings, registry: Registry, tokens: Tokens | None) -> web.Application:
    """All doors as one application; the pages come last, because they take every other path."""
    application = web.Application(
        middlewares=[
            cors_middleware(settings),
            problem_middleware,
            address_middleware(settings),
            auth_middleware(settings, tokens),
            subject_middleware(settings),
        ]
    )
    harden(application)
    event_door = EventDoor(registry)
    application.add_routes(
        [
            *SessionDoor(settings, registry).routes(),
            *event_door.routes(),
            *OperationsDoor(settings, registry).routes(),
            *TokenDoor(tokens).routes(),
            *DrillDoor(settings, registry).routes(),
            *pages.routes(),
        ]
    )

    async def end_calls(_: web.Application) -> None:
        await registry.close()  # first, so that each browser is told why before its socket is closed

    application.on_shutdown.extend([end_calls, event_door.close_all])
    return application
