"""The composition root: settings in, a running gateway out.

Nothing else builds the long-lived objects (media worker, upstream, embedded simulator, registry). It must not know what
any of them does.
**Invariant: what was started is closed in the reverse order, whichever way the process ends.**
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import platform
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from gateway import __version__
from gateway.certificate import tls_context
from gateway.cluster import Cluster
from gateway.doors import build_doors
from gateway.doors.forward import Forward
from gateway.errors import ConfigError
from gateway.guard.claims import ANYONE
from gateway.guard.jwks import JwksKeys, fetch_from
from gateway.guard.outgoing import Outgoing
from gateway.guard.tokens import Tokens, rules_of, tokens_of
from gateway.guard.turn_credentials import ice_servers
from gateway.live.upstream import upstream_from
from gateway.media import aiortc_internals
from gateway.media.worker import MediaWorker
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.settings_check import check_start
from gateway.simulator import Simulator
from gateway.store.memory import MemoryStore
from gateway.store.store import Store, StoreUnavailable
from gateway.telemetry import metrics, tracing
from gateway.telemetry.load import LoadSampler
from gateway.telemetry.pulse import Pulse
from gateway.tools.http import http_tool
from gateway.tools.mcp import McpServers
from gateway.tools.profile import Profile, mcp_servers, read_profile
from gateway.tools.registry import Tools, client_tool, tools_of_modules
from gateway.tools.tool import Tool
from gateway.turn.client import servers_of
from gateway.turn.watch import RelayWatch
from gateway.workers import BACKLOG, Place, address_of, listening

CLUSTER = web.AppKey("cluster", Cluster)

# For how long a connection may say nothing, or not finish the head of a request: longer than the 60 s for which proxies
# keep theirs, so that they are the ones to close.
IDLE_S = 75.0
YOUNG_OBJECTS = 20_000  # that make Python look for cycles among them: a collection of so many takes a millisecond


@asynccontextmanager
async def open_gateway(
    settings: Settings, node_socket: str = "", machine: str = platform.node()
) -> AsyncIterator[web.Application]:
    """Everything but the listener: yields the aiohttp application, closes all that it started.

    `node_socket` is the path at which other nodes of this `machine` will reach it. Raises ConfigError when the settings
    must not start.
    """
    check_start(settings)
    aiortc_internals.check()
    metrics.BUILD.labels(__version__).set(1)
    profile = read_profile(settings.profile) if settings.profile else Profile()
    settings = with_profile(settings, profile)
    outgoing = Outgoing(settings.private_networks)
    tokens = await open_tokens(settings, outgoing)
    simulator: Simulator | None = None
    if settings.effective_upstream == "simulator" and settings.upstream_url is None:
        simulator = Simulator(script=settings.simulator_script or (), remember=False)
        await simulator.start()
    servers = McpServers((*profile.mcp, *mcp_servers(settings.mcp_servers)), outgoing.resolve)
    media = MediaWorker()
    store = open_store(settings)
    registry: Registry | None = None
    pulse, relays = Pulse(), RelayWatch(servers_of(ice_servers(settings, ANYONE, time.time())))
    try:
        if settings.otlp_url is not None:
            tracing.configure(settings.otlp_url)
        pulse.open()
        relays.open()
        await media.open(settings.udp_port, (), settings.udp_networks, settings.udp_advertised)
        tools = Tools([*declared_tools(settings, profile, outgoing), *await servers.open()], settings.tool_timeout_s)
        upstream = upstream_from(settings, simulator.url if simulator else None)
        registry = Registry(settings, upstream, media, store, tools, profile.name)
        async with joined(settings, registry, store, machine, node_socket) as (cluster, forward):
            pulse.follow = LoadSampler(lambda: media.jpeg.wait_s, cluster.feel).note
            application = build_doors(settings, registry, tokens, cluster, forward, pulse, relays)
            application[CLUSTER] = cluster
            yield application
    finally:
        pulse.follow = None
        if registry is not None:
            await registry.close()
        await store.close()
        await servers.close()
        media.close()
        await relays.close()
        await tracing.close()
        await pulse.close()
        if simulator is not None:
            await simulator.stop()


async def open_tokens(settings: Settings, outgoing: Outgoing) -> Tokens | None:
    """What checks the tokens of these settings; None where there is no key. Raises ConfigError."""
    if settings.jwks_url is None:
        return tokens_of(settings)
    jwks = JwksKeys(fetch_from(settings.jwks_url, outgoing), asyncio.get_running_loop().time)
    await jwks.refresh()
    return Tokens(rules_of(settings), jwks)


def with_profile(settings: Settings, profile: Profile) -> Settings:
    """The settings with what the profile says; what was set explicitly in the settings wins."""
    said = {name: getattr(profile, name) for name in ("model", "voice", "system_instruction")}
    chosen = {
        name: value for name, value in said.items() if value is not None and name not in settings.model_fields_set
    }
    return settings.model_copy(update={**chosen, "tools": (*settings.tools, *profile.tools)})


def declared_tools(settings: Settings, profile: Profile, outgoing: Outgoing) -> list[Tool]:
    """Tools of Python modules, HTTP tools and client tools; raises ConfigError."""
    search = settings.profile.parent.resolve() if settings.profile else None
    hosts, connect = settings.http_tool_hosts, outgoing.open_socket
    return [
        *tools_of_modules(settings.tools, search),
        *(http_tool(declared, hosts, os.environ, connect) for declared in profile.http_tool),
        *(client_tool(declared) for declared in profile.client_tool),
    ]


@asynccontextmanager
async def joined(
    settings: Settings, registry: Registry, store: Store, machine: str, node_socket: str
) -> AsyncIterator[tuple[Cluster, Forward]]:
    """This node among those that share its store, until the end; raises ConfigError when the store is not there."""
    try:
        forward = Forward(await store.key(), machine)
    except StoreUnavailable as error:
        raise ConfigError(f"{error} Check GATEWAY_STORE.") from None
    lease_s = math.inf if settings.store == "memory" else settings.lease_s  # nobody else would take it for dead
    cluster = Cluster(
        registry,
        store,
        lease_s,
        machine=machine,
        socket=node_socket,
        url=settings.node_url or "",
        ask_to_let_go=forward.ask_to_let_go,
    )
    await cluster.announce()
    beating = asyncio.create_task(cluster.run(), name="lease")
    try:
        yield cluster, forward
    finally:
        await registry.close()
        cluster.stop()
        await asyncio.gather(beating, return_exceptions=True)
        await cluster.leave()
        await forward.close()


def open_store(settings: Settings) -> Store:
    """The store that GATEWAY_STORE names; raises ConfigError."""
    where = settings.store
    if where == "memory":
        return MemoryStore(asyncio.get_running_loop().time)
    if where.startswith("sqlite:"):
        from gateway.store.sqlite import SqliteStore

        return SqliteStore(Path(where.removeprefix("sqlite:")))
    try:
        from gateway.store.redis import RedisStore
    except ImportError:
        raise ConfigError("GATEWAY_STORE names Redis: pip install 'gemini-live-gateway[redis]'.") from None
    return RedisStore(where, settings.store_password.get_secret_value() if settings.store_password else None)


async def serve(
    settings: Settings,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    hurry: asyncio.Event | None = None,
    place: Place | None = None,
) -> None:
    """Listen until `stop` is set, then drain, unless `hurry` is set too. `ready` is told the address that a person can
    open. `place` is what the supervisor of several workers gives to one of them.

    Raises ConfigError when the address cannot be listened on.
    """
    hurry = hurry or asyncio.Event()
    async with open_gateway(settings, str(place.socket) if place else "") as application:
        tls = tls_context(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None
        runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=1.0, keepalive_timeout=IDLE_S
        )
        await runner.setup()
        try:
            listener = place.listener() if place else listening(settings)  # the runner closes it
            await web.SockSite(runner, listener, ssl_context=tls, backlog=BACKLOG).start()
            if place is not None:
                await web.UnixSite(runner, str(place.socket)).start()
                asyncio.get_running_loop().add_reader(place.alive_fd, orphaned, place.alive_fd, stop, hurry)
            spare_collector()
            ready(address_of(listener, settings))
            await stop.wait()
            draining = asyncio.create_task(application[CLUSTER].drain(settings.drain_s), name="drain")
            hurrying = asyncio.create_task(hurry.wait(), name="hurry")
            await asyncio.wait({draining, hurrying}, return_when=asyncio.FIRST_COMPLETED)
            for task in (draining, hurrying):
                task.cancel()
            await asyncio.gather(draining, hurrying, return_exceptions=True)
        finally:
            await runner.cleanup()
    if place is not None:
        place.tidy()


def spare_collector() -> None:
    """Let the collector of cycles not look again at what lasts as long as the process: modules, classes, routes.

    It would stop all calls for 50 to 100 ms each time; what calls leave behind is a hundredth of it. And let it look
    seldom: a packet makes no cycles, but a hundred calls hold enough packets to set it off all the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def orphaned(alive_fd: int, stop: asyncio.Event, hurry: asyncio.Event) -> None:
    """The supervisor is gone: nobody else would end this worker."""
    asyncio.get_running_loop().remove_reader(alive_fd)
    hurry.set()
    stop.set()
