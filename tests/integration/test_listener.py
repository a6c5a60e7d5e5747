"""The listener itself: TLS, and connections that say nothing."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway import app
from gateway.certificate import own_certificate
from gateway.errors import ConfigError
from gateway.settings import Settings
from tests.integration.test_session import PATIENCE_S


@asynccontextmanager
async def serving(**values: Any) -> AsyncIterator[str]:
    """A gateway as the command line runs it: the address that it tells."""
    stop, told = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(app.serve(Settings(port=0, **values), told.set_result, stop))
    try:
        await asyncio.wait((running, told), timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield str(told.result())
    finally:
        stop.set()
        await asyncio.wait((running,))


async def test_it_speaks_https_with_the_certificate_it_was_given(tmp_path: Path) -> None:
    """To whoever trusts that one; not without TLS, and not in its old versions."""
    certificate, key = own_certificate(tmp_path, {"127.0.0.1"})
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with serving(tls_cert=certificate, tls_key=key) as url, aiohttp.ClientSession() as client:
        assert url.startswith("https://127.0.0.1:")
        async with client.get(url, ssl=trusting) as response:
            assert response.status == 200
        with pytest.raises(aiohttp.ClientError):
            await client.get(url.replace("https:", "http:"))
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await client.get(url)


async def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    """With a sentence."""
    with pytest.raises(ConfigError, match="cannot be used"):
        async with serving(tls_cert=tmp_path / "none", tls_key=tmp_path / "none"):
            pass


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: y\r\n"])
async def test_a_connection_that_does_not_finish_its_request_is_closed(
    monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """So that no number of silent ones holds sockets for long."""
    monkeypatch.setattr(app, "IDLE_S", 0.2)
    async with serving() as url:
        host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(said)
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        writer.close()
