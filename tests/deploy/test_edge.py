"""The edge: HAProxy tells the relay's TLS from the pages', Caddy ends the pages'; both as they are packaged in Debian.

Debian's Caddy is older than the PROXY protocol in it, so it is started without those lines, and HAProxy in front of
something that reads the protocol itself.
"""

import asyncio
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from gateway.media.aiortc_internals import host_addresses
from tests.coturn import Coturn, wait_for
from tests.programs import STOP_TIMEOUT_S, require

EDGE = Path(__file__).parents[2] / "deploy/edge"
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"  # the signature, in HAProxy's own specification
CLIENT_HELLO = b"\x16\x03"
PAGES, RELAY = "pages.localhost", "turn.localhost"


@contextmanager
def started(command: list[str], directory: Path, port: int, **environment: str) -> Iterator[None]:
    """A program that listens on a loopback port."""
    program = require(command[0], f"apt-get install {command[0]}")
    with (directory / f"{command[0]}.log").open("w") as log:
        process = subprocess.Popen([program, *command[1:]], env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for("127.0.0.1", port)
            yield
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)


def free_ports(count: int) -> list[int]:
    """Of TCP on loopback."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def anything() -> ssl.SSLContext:
    """Takes every certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def test_who_asks_for_the_relay_gets_it_and_everybody_else_the_pages(tmp_path: Path) -> None:
    """By the name in the TLS greeting; the relay's certificate is proved by Caddy; clients' addresses are handed on."""
    arrived: list[bytes] = []

    async def pages(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begin = b""
        while CLIENT_HELLO not in begin and (more := await reader.read(4096)):
            begin += more
        if CLIENT_HELLO in begin:  # and not only the look whether HAProxy listens
            arrived.append(begin)
        writer.close()

    server = await asyncio.start_server(pages, "127.0.0.1", 0)
    behind = server.sockets[0].getsockname()[1]
    http, https = free_ports(2)
    text = (EDGE / "haproxy.cfg").read_text(encoding="utf-8")
    text = text.replace("bind :80\n", f"bind 127.0.0.1:{http}\n").replace("bind :443\n", f"bind 127.0.0.1:{https}\n")
    text = re.sub(r"127\.0\.0\.1:(8443|8081) send", f"127.0.0.1:{behind} send", text)
    assert text.count(f":{behind} send-proxy-v2") == 2
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(re.sub(r"(?m)^    (user|group) .*\n", "", text))

    def greet(name: str | None, alpn: list[str] | None = None) -> bytes:
        context = anything()
        if alpn:
            context.set_alpn_protocols(alpn)
        with socket.create_connection(("127.0.0.1", https), timeout=10) as raw:
            try:
                return context.wrap_socket(raw, server_hostname=name).getpeercert(binary_form=True) or b""
            except OSError:  # what stands for Caddy here does not answer
                return b""

    with Coturn(host_addresses()[0], tmp_path) as coturn:
        relay_host, relay_port = coturn.url("tls").partition("?")[0].removeprefix("turns:").split(":")
        with started(
            ["haproxy", "-db", "-f", str(configuration)],
            tmp_path,
            https,
            TURN_DOMAIN=RELAY,
            TURN_ADDRESS=relay_host,
            TURN_TLS_PORT=relay_port,
        ):
            certificate = ssl.PEM_cert_to_DER_cert((tmp_path / "turn.crt").read_text())
            assert await asyncio.to_thread(greet, RELAY) == certificate
            assert await asyncio.to_thread(greet, RELAY.upper()) == certificate
            assert arrived == []
            for name, alpn in ((PAGES, None), (None, None), (RELAY, ["acme-tls/1"])):
                assert await asyncio.to_thread(greet, name, alpn) == b""
            assert len(arrived) == 3
            for begin in arrived:
                assert begin.startswith(PROXY_V2)
                assert socket.inet_aton("127.0.0.1") in begin[: begin.index(CLIENT_HELLO)]
    server.close()


async def test_the_pages_come_over_tls_and_what_is_for_this_machine_does_not(tmp_path: Path) -> None:
    """Metrics and readiness are not for the world; browsers are told to come by TLS only."""

    async def gateway(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.path} for {request.headers['X-Forwarded-For']}")

    application = web.Application()
    application.router.add_get("/{path:.*}", gateway)
    async with TestServer(application) as behind:
        http, https, admin = free_ports(3)
        text = (EDGE / "Caddyfile").read_text(encoding="utf-8")
        text, count = re.subn(r"\t\tlistener_wrappers \{\n(?:\t\t\t.*\n)+\t\t\}\n", "", text)
        assert count == 1
        for before, after in ((8081, http), (8443, https), (2019, admin)):
            text = text.replace(str(before), str(after))
        configuration = tmp_path / "Caddyfile"
        configuration.write_text(text)
        environment = {
            "PAGES_DOMAIN": PAGES,
            "TURN_DOMAIN": RELAY,
            "GATEWAY_PORT": str(behind.port),
            "CADDY_MORE": "local_certs\nskip_install_trust",
            "XDG_DATA_HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path),
            "HOME": str(tmp_path),
        }
        command = ["caddy", "run", "--config", str(configuration), "--adapter", "caddyfile"]
        with started(command, tmp_path, https, **environment):

            async def ask(path: str) -> tuple[int, str, str]:
                async with (
                    ClientSession() as session,
                    session.get(
                        f"https://127.0.0.1:{https}{path}",
                        headers={"Host": PAGES},
                        ssl=anything(),
                        server_hostname=PAGES,
                    ) as response,
                ):
                    sts = response.headers.get("Strict-Transport-Security", "")
                    return response.status, await response.text(), sts

            deadline_s = time.monotonic() + STOP_TIMEOUT_S
            while True:
                try:
                    page = await ask("/v1/sessions")
                    break
                except OSError:  # its certificate authority is being made
                    assert time.monotonic() < deadline_s
                    await asyncio.sleep(0.1)
            assert page == (200, "/v1/sessions for 127.0.0.1", "max-age=31536000")
            for inside in ("/metrics", "/readyz"):
                assert (await ask(inside))[:2] == (404, "")


@pytest.mark.parametrize("name", ["user", "group"])
def test_haproxy_gives_up_root(name: str) -> None:
    """It begins as root for the ports below 1024 only."""
    assert f"    {name} haproxy\n" in (EDGE / "haproxy.cfg").read_text(encoding="utf-8")
