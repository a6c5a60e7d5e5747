"""The composition root: settings in, a running gateway out.

Nothing else builds the long-lived objects (media worker, upstream, embedded simulator, registry). It must not know what
any of them does.
**Invariant: what was started is closed in the reverse order, whichever way the process ends.**
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.certificate import tls_context
from gateway.doors import build_doors
from gateway.errors import ConfigError
from gateway.guard.jwks import JwksKeys, fetch_from
from gateway.guard.outgoing import Outgoing
from gateway.guard.tokens import Tokens, rules_of, tokens_of
from gateway.lan import reachable_host
from gateway.live.upstream import upstream_from
from gateway.media import aiortc_internals
from gateway.media.worker import MediaWorker
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.settings_check import check_start
from gateway.simulator import Simulator
from gateway.store.memory import MemoryStore
from gateway.telemetry.load import LoadSampler
from gateway.tools.http import http_tool
from gateway.tools.mcp import McpServers
from gateway.tools.profile import Profile, mcp_servers, read_profile
from gateway.tools.registry import Tools, client_tool, tools_of_modules
from gateway.tools.tool import Tool

# For how long a connection may say nothing, or not finish the head of a request: longer than the 60 s for which proxies
# keep theirs, so that they are the ones to close.
IDLE_S = 75.0


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[web.Application]:
    """Everything but the listener: yields the aiohttp application, closes all that it started.

    Raises ConfigError when the settings must not start.
    """
    check_start(settings)
    aiortc_internals.check()
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
    store = MemoryStore(asyncio.get_running_loop().time)
    registry: Registry | None = None
    sampling: asyncio.Task[None] | None = None
    try:
        await media.open(settings.udp_port, (), settings.udp_networks, settings.udp_advertised)
        tools = Tools([*declared_tools(settings, profile, outgoing), *await servers.open()], settings.tool_timeout_s)
        upstream = upstream_from(settings, simulator.url if simulator else None)
        registry = Registry(settings, upstream, media, store, tools, profile.name)
        sampling = asyncio.create_task(LoadSampler(lambda: media.jpeg.wait_s, registry.feel).run(), name="load")
        yield build_doors(settings, registry, tokens)
    finally:
        if sampling is not None:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
        if registry is not None:
            await registry.close()
        await servers.close()
        media.close()
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


async def serve(settings: Settings, ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Listen until `stop` is set. `ready` is told the address that a person can open.

    Raises ConfigError when the address cannot be listened on.
    """
    async with open_gateway(settings) as application:
        tls = tls_context(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None
        runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=1.0, keepalive_timeout=IDLE_S
        )
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, settings.host, settings.port, ssl_context=tls).start()
            except OSError as error:
                raise ConfigError(
                    f"Cannot listen on {settings.host} port {settings.port}: {error.strerror or error}. "
                    "Set GATEWAY_PORT to a free port, or end the program that uses this one."
                ) from None
            port = runner.addresses[0][1]
            told = reachable_host(settings) if tls is not None else settings.host
            host = f"[{told}]" if ":" in told else told
            ready(f"{'https' if tls is not None else 'http'}://{host}:{port}/")
            await stop.wait()
        finally:
            await runner.cleanup()
