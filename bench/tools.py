"""What a function call costs: `make bench-tools` writes docs/tools-bench.md.

A WebSocket server on loopback plays the service: it sends a `toolCall` of an empty function and waits for the
`toolResponse`, one call after the other, while it is sent sound as a microphone does. The times are its own: two trips
over loopback and its own JSON are in them, so the gateway's share is smaller than what is shown.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path

import numpy as np
from websockets.asyncio.server import ServerConnection, serve

from bench.provenance import provenance
from gateway.live import events as live
from gateway.live.conversation import Conversation
from gateway.live.messages import SetupOptions
from gateway.live.upstream import Upstream
from gateway.session import declarations
from gateway.tools import tool
from gateway.tools.calls import Asked, Calls
from gateway.tools.registry import Tools
from gateway.tools.runner import Runner
from gateway.tools.tool import MARK, ToolContext

TARGET_P95_MS = 3.0
REPORT = Path("docs/tools-bench.md")
HEAD = """# The cost of a function call

By `make bench-tools`: from the service's `toolCall` to its receipt of the `toolResponse`, over loopback, with an empty
function, while sound is being sent. {calls} calls a row, one after the other.
{of.date}, commit {of.commit}, {of.machine}.

| function | p50, ms | p95, ms | p99, ms |
| --- | --- | --- | --- |
"""


@tool
async def nothing_async() -> str:
    """Do nothing."""
    return "done"


@tool
def nothing_sync() -> str:
    """Do nothing, in a thread."""
    return "done"


async def measure(name: str, count: int) -> list[float]:
    """Milliseconds of each call."""
    times_ms: list[float] = []
    over = asyncio.Event()

    async def service(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(json.dumps({"setupComplete": {}}).encode())
        for number in range(count):
            call = {"id": f"fc_{number}", "name": name, "args": {}}
            begun_s = time.perf_counter()
            await socket.send(json.dumps({"toolCall": {"functionCalls": [call]}}).encode())
            while "toolResponse" not in json.loads(await socket.recv()):
                pass
            times_ms.append((time.perf_counter() - begun_s) * 1000)
            await asyncio.sleep(0.002)
        over.set()
        await socket.wait_closed()

    def take(event: live.ConversationEvent) -> None:
        match event:
            case live.LinkOpened(generation):
                calls.link_opened(generation)
            case live.ToolCalls(wanted):
                for one in wanted:
                    calls.start(Asked(one.id or "", one.name, one.args))

    async def microphone() -> None:
        while True:
            conversation.send_audio(bytes(1280))
            await asyncio.sleep(0.04)

    tools = Tools([getattr(nothing_async, MARK), getattr(nothing_sync, MARK)])
    async with serve(service, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        upstream = Upstream(f"ws://127.0.0.1:{port}/", "models/gemini-3.8-live", 20.0)
        conversation = Conversation(upstream, SetupOptions("", functions=declarations(tools)), take)
        context = ToolContext("bench", None, lambda kind, facts: None)
        calls = Calls(tools, Runner(8.0, 32, 16_384), 4, conversation, lambda: context, lambda kind, data: None)
        tasks = [asyncio.create_task(conversation.run()), asyncio.create_task(microphone())]
        await over.wait()
        conversation.close()
        await tasks[0]
        tasks[1].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tasks[1]
        await calls.close()
    return times_ms


def main() -> int:
    """Measure both kinds of functions, write the table; 1 when the target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=2000)
    count, of = parser.parse_args().calls, provenance()
    lines, missed = [], False
    for name in ("nothing_async", "nothing_sync"):
        p50, p95, p99 = np.percentile(asyncio.run(measure(name, count)), [50, 95, 99])
        missed = missed or p95 > TARGET_P95_MS
        kind = "async" if name == "nothing_async" else "sync, in a thread"
        lines.append(f"| {kind} | {p50:.2f} | {p95:.2f} | {p99:.2f} |")
        print(lines[-1])
    head = HEAD.format(calls=count, of=of)
    REPORT.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
