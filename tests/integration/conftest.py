"""What integration tests share: a gateway with all its doors, talking to a simulator that a test can look into."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.app import open_gateway
from gateway.settings import Settings
from gateway.simulator import Simulator

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
        values = {"upstream": "simulator", "upstream_url": simulator.url, **overrides}
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
