"""A session that is over leaves nothing behind."""

import asyncio
import gc
import os
import threading
from collections import Counter
from pathlib import Path

import av
from aiohttp.test_utils import TestClient

from tests.integration.caller import Caller
from tests.integration.test_session import condition, until

CYCLES = 50
POOLS = ("asyncio_", "jpeg")  # threads of the process, which it keeps: the loop's executor and the JPEG worker's


def residue() -> Counter[str]:
    """What could be left: tasks, threads, sockets and decoders of this process."""
    gc.collect()
    found: Counter[str] = Counter()
    found["tasks"] = len(asyncio.all_tasks())
    pooled = sum(thread.name.startswith(POOLS) for thread in threading.enumerate())
    found["threads"] = threading.active_count() - pooled
    found["system threads"] = len(list(Path("/proc/self/task").iterdir())) - pooled
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found["sockets"] += os.readlink(descriptor).startswith("socket:")
        except OSError:
            continue
    found["decoders"] = sum(isinstance(item, av.CodecContext) and item.is_decoder for item in gc.get_objects())
    return found


async def one_call(client: TestClient) -> None:
    """A call with microphone and camera that is connected, heard, and ended."""
    async with Caller(client, video=True) as caller, caller.events() as socket:
        await until(socket, "server-message", type="state", state="live")
        assert await caller.end() == 204


async def test_fifty_calls_leave_no_task_thread_socket_or_decoder(client: TestClient) -> None:
    """After a first call has warmed what is shared, fifty more leave the process as it was."""
    await one_call(client)
    await condition(lambda: len(asyncio.all_tasks()) <= 5)
    before = residue()
    for _ in range(CYCLES):
        await one_call(client)
    await condition(lambda: all(residue()[name] <= count for name, count in before.items()))
