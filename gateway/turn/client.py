"""A client of STUN and TURN servers (RFC 8489, RFC 8656), as far as a check needs one.

Owns the exchange of requests over UDP, TCP and TLS, and what may go wrong with it. It must not know what the answers
are wanted for. The encoding is aioice's.
**Invariant: every request ends, with an answer, a `Refused`, or an `Unreachable` that says what did not work; leaving
the context frees the allocation and closes the socket.**
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

from aioice import stun
from aioice.turn import make_integrity_key
from aiortc.rtcicetransport import parse_stun_turn_uri

from gateway.settings import IceServer

Address = tuple[str, int]

TRIES = 3  # of a datagram; a check should rather fail than wait for RFC 8489's 39.5 s
TRY_S = 1.0
CONNECT_S = 5.0
STUN_HEADER_BYTES = 20
UDP, TCP = 17 << 24, 6 << 24  # values of REQUESTED-TRANSPORT: protocol numbers in the first byte
FAMILIES = {4: 1, 6: 2}  # RFC 8656 §18.6
ALLOCATION_MISMATCH, STALE_NONCE = 437, 438

# What aioice never asks for itself. The tables are its public names and only grow by this.
for _kind, _name in ((0x0017, "REQUESTED-ADDRESS-FAMILY"), (0x8000, "ADDITIONAL-ADDRESS-FAMILY")):
    _entry = (_kind, _name, lambda family: bytes((family, 0, 0, 0)), lambda data: data[0])
    stun.ATTRIBUTES_BY_NAME.setdefault(_name, _entry)
    stun.ATTRIBUTES_BY_TYPE.setdefault(_kind, _entry)


class Unreachable(Exception):
    """The server could not be asked; the message says why, without a full stop."""


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code


@dataclass(frozen=True, slots=True)
class Server:
    """One STUN or TURN URL."""

    url: str
    host: str
    port: int
    transport: Literal["udp", "tcp", "tls"]
    relays: bool
    username: str | None = None
    password: str | None = None


def servers_of(entries: tuple[IceServer, ...]) -> list[Server]:
    """One server a URL. Raises ValueError for a URL that cannot be read."""
    found = []
    for entry in entries:
        for url in entry.urls:
            parts = parse_stun_turn_uri(url)
            secure = parts["scheme"] in ("turns", "stuns")
            transport: Any = "tls" if secure else parts.get("transport") or "udp"
            relays = parts["scheme"].startswith("turn")
            found.append(Server(url, parts["host"], parts["port"], transport, relays, entry.username, entry.credential))
    return found


class Client:
    """`async with Client(server) as client: await client.binding()`.

    `local` is the address to ask from (UDP only; its port is a wish, see `allocate`). `tls` replaces the context that
    verifies certificates.
    """

    def __init__(self, server: Server, *, local: Address | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._local = local
        self._tls = tls or ssl.create_default_context()
        self._way: _Datagrams | _Stream | None = None
        self._key: bytes | None = None
        self._realm, self._nonce = "", b""
        self._allocated = False

    async def __aenter__(self) -> Client:
        await self._connect()
        return self

    async def _connect(self) -> None:
        where = f"{self._server.host} port {self._server.port}"
        try:
            async with asyncio.timeout(CONNECT_S):
                self._way = await self._open()
        except TimeoutError:
            raise Unreachable(f"{where} does not answer over {self._server.transport.upper()}") from None
        except ssl.SSLError as error:
            raise Unreachable(f"TLS with {where} failed: {error.reason or error}") from None
        except OSError as error:
            raise Unreachable(f"{where} cannot be reached: {error.strerror or error}") from None

    async def _leave_port(self) -> None:
        assert self._way is not None
        self._way.close()
        if self._local is not None:
            self._local = (self._local[0], 0)
        await self._connect()

    async def _open(self) -> _Datagrams | _Stream:
        server = self._server
        loop = asyncio.get_running_loop()
        if server.transport == "udp":
            _, datagrams = await loop.create_datagram_endpoint(
                _Datagrams, local_addr=self._local, remote_addr=(server.host, server.port)
            )
            return datagrams
        tls = self._tls if server.transport == "tls" else None
        reader, writer = await asyncio.open_connection(server.host, server.port, ssl=tls)
        return _Stream(reader, writer)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._way is not None
        if self._allocated:
            with contextlib.suppress(Refused, Unreachable):
                await self._signed(stun.Method.REFRESH, {"LIFETIME": 0})
        self._way.close()

    async def binding(self) -> Address:
        """Where the server sees us."""
        answer = await self._ask(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))
        return _address(answer, "XOR-MAPPED-ADDRESS")

    async def allocate(self, *, family: int | None = None, also: int | None = None, transport: int = UDP) -> Address:
        """Ask for a relay, of family 4 or 6, and for one `also` of the other; its address. Raises Refused.

        A port that an older allocation still holds is left for another one (RFC 8656 §7.4, 437): coturn keeps what was
        freed for about a second, and the system may give its port to us.
        """
        attributes: dict[str, Any] = {"REQUESTED-TRANSPORT": transport}
        if family is not None:
            attributes["REQUESTED-ADDRESS-FAMILY"] = FAMILIES[family]
        if also is not None:
            attributes["ADDITIONAL-ADDRESS-FAMILY"] = FAMILIES[also]
        try:
            answer = await self._signed(stun.Method.ALLOCATE, attributes)
        except Refused as refused:
            if refused.code != ALLOCATION_MISMATCH or self._allocated:
                raise
            await self._leave_port()
            answer = await self._signed(stun.Method.ALLOCATE, attributes)
        self._allocated = True
        return _address(answer, "XOR-RELAYED-ADDRESS")

    async def permit(self, host: str) -> None:
        """Ask to be heard by, and to speak to, an address. Raises Refused."""
        await self._signed(stun.Method.CREATE_PERMISSION, {"XOR-PEER-ADDRESS": (host, 9)})

    async def allocate_anonymously(self) -> None:
        """Ask for a relay without credentials. Raises Refused, one hopes."""
        await self._ask(stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST, attributes={"REQUESTED-TRANSPORT": UDP}))

    async def _signed(self, method: stun.Method, attributes: dict[str, Any]) -> stun.Message:
        """With long-term credentials (RFC 8489 §9.2): the server tells its realm and nonce first."""
        if self._key is None:
            try:
                return await self._ask(stun.Message(method, stun.Class.REQUEST, attributes=dict(attributes)))
            except _Challenge as challenge:
                self._take(challenge)
        try:
            return await self._ask(self._sign(method, attributes))
        except _Challenge as challenge:
            if challenge.code != STALE_NONCE:
                raise
            self._take(challenge)
            return await self._ask(self._sign(method, attributes))

    def _take(self, challenge: _Challenge) -> None:
        if self._server.username is None or self._server.password is None:
            raise challenge
        self._realm, self._nonce = challenge.realm, challenge.nonce
        self._key = make_integrity_key(self._server.username, self._realm, self._server.password)

    def _sign(self, method: stun.Method, attributes: dict[str, Any]) -> stun.Message:
        assert self._key is not None
        named = {"USERNAME": self._server.username, "REALM": self._realm, "NONCE": self._nonce}
        message = stun.Message(method, stun.Class.REQUEST, attributes={**attributes, **named})
        message.add_message_integrity(self._key)
        return message

    async def _ask(self, request: stun.Message) -> stun.Message:
        assert self._way is not None
        answer = await self._way.ask(request)
        if answer is None:
            raise Unreachable(
                f"{self._server.host} port {self._server.port} does not answer over {self._server.transport.upper()}"
            )
        if answer.message_class is not stun.Class.ERROR:
            return answer
        code, reason = answer.attributes.get("ERROR-CODE", (0, "no reason given"))
        if "REALM" in answer.attributes and "NONCE" in answer.attributes:
            raise _Challenge(code, reason, answer.attributes["REALM"], answer.attributes["NONCE"])
        raise Refused(code, reason)


class _Challenge(Refused):
    def __init__(self, code: int, reason: str, realm: str, nonce: bytes) -> None:
        super().__init__(code, reason)
        self.realm, self.nonce = realm, nonce


class _Datagrams(asyncio.DatagramProtocol):
    """UDP: each request is repeated until it is answered."""

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self._waiting: dict[bytes, asyncio.Future[stun.Message]] = {}  # by transaction

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, _: Any) -> None:
        answer = _parse(data)
        waiting = self._waiting.get(answer.transaction_id) if answer is not None else None
        if waiting is not None and answer is not None and not waiting.done():
            waiting.set_result(answer)

    async def ask(self, request: stun.Message) -> stun.Message | None:
        waiting: asyncio.Future[stun.Message] = asyncio.get_running_loop().create_future()
        self._waiting[request.transaction_id] = waiting
        try:
            for _ in range(TRIES):
                self.transport.sendto(bytes(request))
                done, _ = await asyncio.wait([waiting], timeout=TRY_S)
                if done:
                    return waiting.result()
            return None
        finally:
            del self._waiting[request.transaction_id]

    def close(self) -> None:
        self.transport.close()


class _Stream:
    """TCP and TLS: one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, request: stun.Message) -> stun.Message | None:
        try:
            async with asyncio.timeout(TRIES * TRY_S):
                self._writer.write(bytes(request))
                while True:
                    head = await self._reader.readexactly(STUN_HEADER_BYTES)
                    answer = _parse(head + await self._reader.readexactly(int.from_bytes(head[2:4])))
                    if answer is not None and answer.transaction_id == request.transaction_id:
                        return answer
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            return None

    def close(self) -> None:
        self._writer.close()


def _parse(data: bytes) -> stun.Message | None:
    try:
        return stun.parse_message(data)
    except (ValueError, IndexError, AssertionError):
        return None


def _address(answer: stun.Message, name: str) -> Address:
    address = answer.attributes.get(name)
    if address is None:
        raise Unreachable(f"The answer has no {name}")
    host, port = address
    return host, port
