"""What is left of calls when nodes die, sleep, drain or lose their store: `make bench-chaos` writes docs/chaos.md.

Three gateways, each a process, share a real redis-server; a simulator, a process too, is the model. Some phones are in
a call, with the model speaking, when it happens. Each phone then comes back through whichever node answers. Counted:
how many conversations went on with what was said before, the words that were lost, the time from the fault until the
model's voice is heard again, and owners beyond one of any session.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import numpy as np

from bench.provenance import provenance
from tests.programs import Program, free_port, require
from tests.roaming import Front, RoamingPhone

NODES, PHONES, LEASE_S = 3, 6, 3.0
BEFORE, WORDS = "alpha beta gamma", " ".join(["word"] * 60)
PATIENCE_S = 60.0
QUIET_S = 3.0  # after the fault is over, for what may still go wrong
HEAD = """# Chaos

By `make bench-chaos`: {nodes} nodes and a real redis-server, lease {lease:.0f} s, {phones} calls in which the model is
speaking when it happens. {of.date}, commit {of.commit}, 2 shared cores.

- *kept*: conversations that went on with what was said before.
- *lost*: words said before the fault that the transcript does not have.
- *hit*: calls that lost their node, of those that there were, each time that it happened.
- *again*: seconds from the fault until the model's voice is heard again, of the calls that it hit.
- *owners*: the most sessions that all reachable nodes had at any moment, beyond the number of calls.

| what happens | hit | kept | lost | again p50 / p95 / most | owners |
| --- | --- | --- | --- | --- | --- |
"""


class Wire:
    """The way of one node to Redis, which can be cut."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._open: set[asyncio.StreamWriter] = set()
        self.cut = False

    async def start(self) -> str:
        """Listen; the address for the node."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            writer.close()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.close()
            return
        self._open |= {writer, up_writer}
        await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer))
        self._open -= {writer, up_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while (data := await reader.read(65536)) and not self.cut:
                writer.write(data)
                await writer.drain()
        writer.close()

    def part(self) -> None:
        """Nothing goes through any more."""
        self.cut = True
        for writer in self._open:
            writer.transport.abort()

    def stop(self) -> None:
        """No more connections."""
        self.part()
        self._server.close()


@dataclass
class Cluster:
    """The programs."""

    directory: Path
    redis_port: int
    model_url: str
    wires: list[Wire] = field(default_factory=list)
    nodes: list[Program] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    redis: subprocess.Popen[bytes] | None = None

    def start_redis(self) -> None:
        """A redis-server that keeps what it has through a restart."""
        program = require("redis-server", "apt-get install redis-server")
        arguments = ["--port", str(self.redis_port), "--dir", str(self.directory), "--appendonly", "yes"]
        self.redis = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.redis_port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError("redis-server does not start")

    async def start_node(self) -> None:
        """One more node."""
        wire, port = Wire(self.redis_port), free_port()
        node = Program(
            ["serve", "--port", str(port)],
            r"Open (http://\S+)",
            self.directory / f"node{len(self.nodes)}.log",
            GATEWAY_UPSTREAM="simulator",
            GATEWAY_UPSTREAM_URL=self.model_url,
            GATEWAY_STORE=await wire.start(),
            GATEWAY_NODE_URL=f"http://127.0.0.1:{port}",
            GATEWAY_LEASE_S=str(LEASE_S),
        )
        await asyncio.to_thread(node.__enter__)
        self.wires.append(wire)
        self.nodes.append(node)
        self.urls.append(f"http://127.0.0.1:{port}")

    async def sessions(self, url: str) -> int | None:
        """How many sessions a node has; None when it does not say."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as client,
                client.get(url + "/healthz") as answer,
            ):
                return int((await answer.json())["sessions"])
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Cluster]:
    """Redis, simulator and nodes."""
    with Program(["simulate", "--port", "0"], r"=(ws://\S+)", directory / "simulator.log") as simulator:
        cluster = Cluster(directory, free_port(), simulator.found)
        cluster.start_redis()
        try:
            for _ in range(NODES):
                await cluster.start_node()
            yield cluster
        finally:
            for node in cluster.nodes:
                if node.returncode is None:
                    node.send(signal.SIGCONT)
                    with suppress(AssertionError):
                        await asyncio.to_thread(node.stop, signal.SIGINT)
            for wire in cluster.wires:
                wire.stop()
            assert cluster.redis is not None
            cluster.redis.terminate()
            cluster.redis.wait()


@dataclass
class Result:
    """One row."""

    of: int = 0
    hit: int = 0
    kept: int = 0
    lost_words: int = 0
    again_s: list[float] = field(default_factory=list)
    owners: int = 0

    def line(self, name: str) -> str:
        """As a line of the table."""
        again = (
            " / ".join(f"{value:.1f}" for value in np.percentile(self.again_s, [50, 95, 100])) if self.again_s else "–"
        )
        hit, kept = f"{self.hit} of {self.of}", f"{self.kept} of {PHONES}"
        return f"| {name} | {hit} | {kept} | {self.lost_words} | {again} | {self.owners} |"


Fault = Callable[[Cluster], Awaitable[float]]  # returns when it began


async def kill(cluster: Cluster) -> float:
    """`kill -9` of a node that speaks."""
    at_s = time.monotonic()
    await asyncio.to_thread(cluster.nodes[0].stop, signal.SIGKILL)
    return at_s


async def sleep(cluster: Cluster) -> float:
    """A node is stopped beyond its lease, and wakes up."""
    at_s = time.monotonic()
    cluster.nodes[0].send(signal.SIGSTOP)
    await asyncio.sleep(LEASE_S * 3)
    cluster.nodes[0].send(signal.SIGCONT)
    return at_s


async def restart_redis(cluster: Cluster) -> float:
    """Redis ends and starts again."""
    assert cluster.redis is not None
    at_s = time.monotonic()
    cluster.redis.terminate()
    await asyncio.to_thread(cluster.redis.wait)
    await asyncio.sleep(1.0)
    await asyncio.to_thread(cluster.start_redis)
    return at_s


async def part(cluster: Cluster) -> float:
    """A node loses its way to Redis beyond its lease, and finds it again."""
    at_s = time.monotonic()
    cluster.wires[0].part()
    await asyncio.sleep(LEASE_S * 3)
    cluster.wires[0].cut = False
    return at_s


def replaced(number: int) -> Fault:
    """As in an upgrade: another node is started, and this one is drained by SIGTERM."""

    async def replace(cluster: Cluster) -> float:
        await cluster.start_node()
        at_s = time.monotonic()
        await asyncio.to_thread(cluster.nodes[number].stop, signal.SIGTERM)
        return at_s

    return replace


ROWS: dict[str, tuple[str, list[Fault]]] = {
    "kill": ("`kill -9` of a node", [kill]),
    "sleep": ("a node sleeps for three leases", [sleep]),
    "redis": ("Redis restarts", [restart_redis]),
    "part": ("a node is cut off from Redis for three leases", [part]),
    "drain": ("every node in turn is drained, and another started", [replaced(number) for number in range(NODES)]),
}


async def row(faults: list[Fault]) -> Result:
    """The programs, the phones, what happens, and what is left."""
    result = Result()
    with tempfile.TemporaryDirectory() as name:
        async with running(Path(name)) as cluster:
            front = Front(cluster.urls)
            phones = [RoamingPhone(front) for _ in range(PHONES)]
            for number, phone in enumerate(phones):
                front.urls = [cluster.urls[number % NODES]]  # each node has as many of the calls
                await phone.__aenter__()
            front.urls = cluster.urls  # of which there may be more in time
            watching = asyncio.create_task(watch(cluster, result))
            try:
                await asyncio.gather(*(answered(phone) for phone in phones))
                for fault in faults:
                    await strike(fault, cluster, phones, result)
                for phone in phones:
                    told = await phone.transcript()
                    said = " ".join(turn["user"] for turn in told["turns"]).split()
                    missing = [word for word in BEFORE.split() if word not in said]
                    result.lost_words += len(missing) + max(0, len(faults) * WORDS.count("word") - said.count("word"))
                    result.kept += not missing
            finally:
                watching.cancel()
                await asyncio.gather(*(phone.__aexit__(None, None, None) for phone in phones), return_exceptions=True)
                await front.close()
    return result


async def strike(fault: Fault, cluster: Cluster, phones: list[RoamingPhone], result: Result) -> None:
    """It happens while the model speaks to all of them."""
    await asyncio.gather(*(spoken_to(phone) for phone in phones))
    peers = {phone: phone.peers for phone in phones}
    listening = [asyncio.create_task(heard_again(phone)) for phone in phones]
    at_s = await fault(cluster)
    await asyncio.sleep(QUIET_S)
    for phone, listener in zip(phones, listening, strict=True):
        if phone.peers == peers[phone]:
            listener.cancel()
    again = await asyncio.gather(*listening, return_exceptions=True)
    for phone, again_s in zip(phones, again, strict=True):
        result.of += 1
        if phone.peers > peers[phone]:
            result.hit += 1
            result.again_s.append(again_s - at_s if isinstance(again_s, float) else float("inf"))


async def answered(phone: RoamingPhone) -> None:
    """Something was said and answered."""
    await phone.say(BEFORE)
    async with asyncio.timeout(60):
        while not any(event.get("data", {}).get("type") == "turn" for event in phone.events):
            await asyncio.sleep(0.02)


async def spoken_to(phone: RoamingPhone) -> None:
    """The model speaks, for long."""
    before = phone.heard
    await phone.say(WORDS)
    async with asyncio.timeout(60):
        while phone.heard <= before + 20:
            await asyncio.sleep(0.02)
    await asyncio.sleep(1.0)  # what is older than this is written


async def heard_again(phone: RoamingPhone) -> float:
    """When the voice is heard over a new peer."""
    before = phone.caller
    async with asyncio.timeout(PATIENCE_S):
        while phone.caller is before or not phone.heard:
            await asyncio.sleep(0.01)
    return time.monotonic()


async def watch(cluster: Cluster, result: Result) -> None:
    """Sessions beyond the number of calls are second owners."""
    while True:
        counts = await asyncio.gather(*(cluster.sessions(url) for url in cluster.urls))
        result.owners = max(result.owners, sum(count or 0 for count in counts) - PHONES)
        await asyncio.sleep(0.05)


def main() -> int:
    """Run the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(ROWS), help="which of " + ", ".join(ROWS))
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    of = provenance()
    lines = []
    for name in options.rows.split(","):
        title, faults = ROWS[name]
        lines.append(asyncio.run(row(faults)).line(title))
        print(lines[-1], flush=True)
    if options.report is not None:
        head = HEAD.format(nodes=NODES, lease=LEASE_S, phones=PHONES, of=of)
        options.report.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
