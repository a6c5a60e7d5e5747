"""The traps of coturn, each sprung on a real one with the configuration that turn/ makes."""

import asyncio
import contextlib
import re
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from gateway.media.aiortc_internals import host_addresses
from gateway.turn.audit import audit
from gateway.turn.client import TCP, Client, Refused, Server, Unreachable, servers_of
from gateway.turn.peers import ANYONE, FORBIDDEN, Peer
from tests.coturn import Coturn, make_certificate
from tests.programs import START_TIMEOUT_S
from tests.turn.conftest import GATEWAY, PREVIOUS, USER_QUOTA

pytestmark = pytest.mark.real

FAMILY_MISMATCH, FORBIDDEN_IP, UNAUTHORIZED, QUOTA, NO_SUCH_FAMILY, NO_SUCH_TRANSPORT = 443, 403, 401, 486, 440, 442


def of(coturn: Coturn, transport: str = "udp", **credentials: str) -> Server:
    """One of its servers."""
    return servers_of((coturn.server(transport, **credentials),))[0]


def test_coturn_understands_every_line(coturn: Coturn) -> None:
    """No option is unknown and no address misread: coturn says either in its log and goes on without it."""
    assert not re.findall(r"(?i).*(?:bad configuration|wrong address|unrecognized|invalid|cannot find).*", coturn.log)
    assert f"White listing: {GATEWAY}" in coturn.log
    assert coturn.log.count("Black listing") == 2


def test_comments_and_placeholders_do_not_reach_coturn(coturn: Coturn) -> None:
    """A comment behind a value would become part of it, and `${NAME}` would be taken as it is."""
    assert not [line for line in coturn.configuration if "#" in line or "$" in line or "@" in line or " " in line]


@pytest.mark.parametrize("peer", FORBIDDEN, ids=lambda peer: peer.address)
async def test_no_relay_leads_anywhere_but_to_the_gateway(coturn: Coturn, peer: Peer) -> None:
    """Not to this machine, its neighbours or its cloud's interior, in any spelling (CVE-2026-27624)."""
    async with Client(of(coturn, user=f"probe-{FORBIDDEN.index(peer)}")) as client:
        await client.allocate()
        with pytest.raises(Refused) as refused:
            await client.permit(peer.address)
        assert refused.value.code in (FORBIDDEN_IP, FAMILY_MISMATCH)


def test_nothing_opens_it_again(coturn: Coturn) -> None:
    """Options that lead inside, tell of users, or count without bound."""
    options = {line.partition("=")[0] for line in coturn.configuration}
    for option in (
        "allow-loopback-peers",
        "server-relay",
        "web-admin",
        "verbose",
        "prometheus-username-labels",
        "oauth",
    ):
        assert option not in options


async def test_the_gateway_is_reached_and_the_relay_itself_is_not(coturn: Coturn) -> None:
    """`external-ip=public/private` would let everybody reach the private one, whatever the list says."""
    async with Client(of(coturn, user="gateway")) as client:
        relay, _ = await client.allocate()
        assert relay == "198.51.100.10"
        await client.permit(GATEWAY)
        for address in (host_addresses()[0], relay, ANYONE.address):
            with pytest.raises(Refused):
                await client.permit(address)


async def test_there_is_no_ipv6_relay(coturn: Coturn) -> None:
    """Neither alone nor beside one of IPv4: no second list of peers to keep."""
    async with Client(of(coturn, user="v6")) as client:
        with pytest.raises(Refused) as refused:
            await client.allocate(family=6)
        assert refused.value.code == NO_SUCH_FAMILY
    async with Client(of(coturn, user="both")) as client:
        with contextlib.suppress(Refused):
            await client.allocate(also=6)
        for address in ("::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"):
            with pytest.raises(Refused):
                await client.permit(address)


async def test_there_are_no_tcp_connections_to_peers(coturn: Coturn) -> None:
    """RFC 6062 is off (CVE-2026-73212)."""
    async with Client(of(coturn, "tcp", user="tcp")) as client:
        with pytest.raises(Refused) as refused:
            await client.allocate(transport=TCP)
        assert refused.value.code == NO_SUCH_TRANSPORT


@pytest.mark.parametrize("secret", [None, PREVIOUS], ids=["present", "previous"])
async def test_both_secrets_are_good_while_they_change(coturn: Coturn, secret: str | None) -> None:
    """So that a rotation needs no outage."""
    server = of(coturn, user="rotation") if secret is None else of(coturn, secret=secret, user="rotation")
    async with Client(server) as client:
        await client.allocate()


async def test_strangers_get_nothing(coturn: Coturn) -> None:
    """A wrong secret, an expired name, no name at all."""
    forged = of(coturn, secret="another-one-altogether")
    async with Client(forged) as client:
        with pytest.raises(Refused) as refused:
            await client.allocate()
        assert refused.value.code == UNAUTHORIZED
    async with Client(forged) as client:
        with pytest.raises(Refused):
            await client.allocate_anonymously()


async def test_a_port_of_an_older_relay_is_left_for_another(coturn: Coturn) -> None:
    """What was freed a moment ago still stands in coturn, and its port refuses the next caller's relay (437)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((coturn.address, 0))
        local = free.getsockname()
    refusals = coturn.log.count("error 437")
    for user in ("earlier", "later"):
        async with Client(of(coturn, user=user), local=local) as client:
            await client.allocate()
        await asyncio.sleep(0)  # the loop closes a socket one turn after it was told to
    assert coturn.log.count("error 437") == refusals + 1


async def test_one_user_cannot_take_all(coturn: Coturn) -> None:
    """The quota counts the stable part of the name, not the expiry in front of it, which differs each time."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(USER_QUOTA):
            await (await stack.enter_async_context(Client(of(coturn, user="greedy")))).allocate()
        one_more = await stack.enter_async_context(Client(of(coturn, user="greedy")))
        with pytest.raises(Refused) as refused:
            await one_more.allocate()
        assert refused.value.code == QUOTA
        await (await stack.enter_async_context(Client(of(coturn, user="modest")))).allocate()


async def test_tls_is_of_this_decade(coturn: Coturn, any_certificate: ssl.SSLContext) -> None:
    """1.2 and newer (that older ones are refused is a part of the audit), and there is no DTLS."""
    server = of(coturn, "tls", user="tls")
    async with Client(server, tls=any_certificate) as client:
        await client.allocate()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((coturn.address, server.port))  # nobody listens to datagrams at the TLS port


def test_only_the_chosen_address_listens(coturn: Coturn) -> None:
    """Not 0.0.0.0, where a bridge of Docker would reach it from behind; no telnet console either."""
    port = of(coturn).port
    for address in ("127.0.0.1",):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address, port), timeout=1)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address, 5766), timeout=1)


def test_the_health_check_ends(coturn: Coturn) -> None:
    """coturn's tool says so while it is up; where nothing answers it would wait for ever."""
    ask = ["timeout", "3", "turnutils_stunclient", "-p"]
    assert subprocess.run([*ask, str(of(coturn).port), coturn.address], capture_output=True).returncode == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((coturn.address, 0))
        ended = subprocess.run(
            ["timeout", "1", *ask[2:], str(silent.getsockname()[1]), coturn.address], capture_output=True
        )
    assert ended.returncode == 124


async def test_a_renewed_certificate_is_taken_up(run: Path, any_certificate: ssl.SSLContext) -> None:
    """Without a restart: calls through the relay go on."""
    with Coturn(host_addresses()[0], run) as coturn:
        server = of(coturn, "tls")

        def shown() -> bytes:
            with socket.create_connection((server.host, server.port), timeout=5) as raw:
                return any_certificate.wrap_socket(raw).getpeercert(binary_form=True) or b""

        before = await asyncio.to_thread(shown)
        async with Client(of(coturn)) as client:
            await client.allocate()
            make_certificate(coturn.address, run)
            deadline_s = time.monotonic() + START_TIMEOUT_S
            while await asyncio.to_thread(shown) == before:
                assert time.monotonic() < deadline_s
                await asyncio.sleep(0.1)
            await client.permit(coturn.address)
        assert coturn.process.poll() is None


async def test_without_a_certificate_yet_it_starts_and_ends_when_there_is_one(run: Path) -> None:
    """The first certificate comes minutes later than the relay: the container's restart gives it TLS."""
    certificate, key = run / "late.crt", run / "late.key"
    with Coturn(host_addresses()[0], run, TURN_CERT=str(certificate), TURN_KEY=str(key)) as coturn:
        async with Client(of(coturn)) as client:
            await client.allocate()
        with pytest.raises(Unreachable):
            async with Client(of(coturn, "tls")):
                pass
        (run / "turn.key").rename(key)
        (run / "turn.crt").rename(certificate)
        assert await asyncio.to_thread(coturn.process.wait, START_TIMEOUT_S) in (0, 128 + signal.SIGTERM)


async def test_the_audit_finds_nothing_wrong(coturn: Coturn, any_certificate: ssl.SSLContext) -> None:
    """Each thing is asked for and has its line."""
    servers = servers_of((coturn.server("udp", "tcp", "tls", user="auditor"),))
    findings = [finding async for finding in audit(servers, [GATEWAY], any_certificate)]
    assert [finding.text for finding in findings if finding.level != "ok"] == []
    text = "\n".join(finding.text for finding in findings)
    for words in ("takes our credentials", "without credentials", "TCP connections", "no TLS before 1.2", GATEWAY):
        assert words in text
    for peer in (*FORBIDDEN, ANYONE):
        assert f"refuses {peer.address} " in text
    assert f"refuses {coturn.address} (the relay itself)" in text
