"""What the bridges have in common: one POST, served until the process is killed.

It needs nothing but aiohttp, which every environment of a peer has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web


async def serve(path: str, offer: Callable[[web.Request], Awaitable[web.Response]]) -> None:
    """Tell the address, and answer offers at this path."""
    application = web.Application()
    application.add_routes([web.post(path, offer)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"Open http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await asyncio.Event().wait()
