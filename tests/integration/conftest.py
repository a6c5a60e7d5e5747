"""What integration tests share: a gateway with all its doors, talking to a simulator that a test can look into."""

import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.app import open_gateway
from gateway.settings import Settings
from gateway.simulator import Simulator
from tests.programs import NEVER_BUSY

MCP_SERVER = str(Path(__file__).with_name("mcp_server.py"))
OpenClient = Callable[..., Awaitable[TestClient]]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A simulator on a free loopback port."""
    running = Simulator()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def open_client(simulator: Simulator) -> AsyncIterator[OpenClient]:
    """`await open_client(**settings)`: an HTTP client of a gateway that talks to `simulator`."""
    opened = []

    async def open_one(**overrides: object) -> TestClient:
        values = {"upstream": "simulator", "upstream_url": simulator.url, **NEVER_BUSY, **overrides}
        gateway = open_gateway(Settings(**values))
        application = await gateway.__aenter__()
        client = TestClient(TestServer(application))
        await client.start_server()
        opened.append((client, gateway))
        return client

    yield open_one
    for client, gateway in reversed(opened):
        await client.close()
        await gateway.__aexit__(None, None, None)


@pytest.fixture
async def client(open_client: OpenClient) -> TestClient:
    """The HTTP client of a gateway with default settings."""
    return await open_client()


@pytest.fixture
def mcp_over_http() -> Iterator[str]:
    """The URL of an MCP server over streamable HTTP, its own process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, MCP_SERVER, "http", str(port)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(10)
