"""The credentials that callers get, before a real coturn."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint

from gateway.guard.claims import Claims
from gateway.guard.turn_credentials import ice_servers
from gateway.settings import IceServer, Settings
from tests.integration.test_session import PATIENCE_S
from tests.programs import STOP_TIMEOUT_S, require

HOST = "127.0.0.1"
ANNA = Claims("anna@example.org")
pytestmark = pytest.mark.real


@contextmanager
def relay(directory: Path, *secrets: str) -> Iterator[int]:
    """A coturn that knows these secrets: its port."""
    program = require("turnserver", "apt-get install coturn")
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        port = int(taken.getsockname()[1])
    own = [f"--listening-ip={HOST}", f"--relay-ip={HOST}", f"--listening-port={port}", "--realm=gateway.test"]
    known = ["--use-auth-secret", *(f"--static-auth-secret={secret}" for secret in secrets)]
    files = [f"--pidfile={directory / 'pid'}", f"--userdb={directory / 'db'}", "--log-file=stdout"]
    with subprocess.Popen(
        [program, "-n", "--no-cli", "--no-tls", "--no-dtls", *own, *known, *files], stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield port
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)


async def relays(port: int, server: IceServer) -> bool:
    """Whether this relay gives the bearer of these credentials an address; waits for it to listen."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                transport, _ = await create_turn_endpoint(
                    asyncio.DatagramProtocol, (HOST, port), server.username, server.credential, transport="tcp"
                )
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            except TransactionFailed as failure:
                if failure.response.attributes["ERROR-CODE"][0] != 401:
                    raise
                return False
            else:
                transport.close()
                return True


async def test_a_relay_takes_them_and_no_others(tmp_path: Path) -> None:
    """Those of its secret, until they end; not those that somebody has changed."""
    settings = Settings(turn_urls=("turn:127.0.0.1",), turn_secret="north")
    now = time.time()
    (good,) = ice_servers(settings, ANNA, now)
    (ended,) = ice_servers(settings, ANNA, now - settings.turn_ttl_s - 60)
    longer = good.model_copy(update={"username": "9999999999:" + str(good.username).partition(":")[2]})
    (others,) = ice_servers(Settings(turn_urls=("turn:127.0.0.1",), turn_secret="south"), ANNA, now)
    with relay(tmp_path, "north") as port:
        assert await relays(port, good)
        for bad in (ended, longer, others):
            assert not await relays(port, bad)


async def test_while_secrets_change_a_relay_of_either_takes_one(tmp_path: Path) -> None:
    """So that gateway and relays can be told of the new secret in any order."""
    settings = Settings(turn_urls=("turn:127.0.0.1",), turn_secret="new", turn_secret_previous="old")
    servers = ice_servers(settings, ANNA, time.time())
    for secrets, taken in ((("old",), [False, True]), (("new",), [True, False]), (("old", "new"), [True, True])):
        with relay(tmp_path, *secrets) as port:
            assert [await relays(port, server) for server in servers] == taken
