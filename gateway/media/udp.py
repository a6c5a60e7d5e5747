"""The UDP port of a worker, which all its calls share.

Owns the sockets (one for each local address, all with the same port), the filter, and who a datagram belongs to. It
must not know what is in the datagrams beyond the first bytes of STUN.
**Invariant: a datagram that is empty, too long, of no known kind, or from an address that has not shown the credentials
of a call is dropped and counted; nothing that arrives raises or fills memory.**
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import struct
from collections import Counter
from collections.abc import Sequence

from aioice import stun
from aioice.ice import Connection

from gateway.errors import ConfigError
from gateway.guard.bucket import TokenBucket
from gateway.media.aiortc_internals import MuxedProtocol, OnMedia, OnStray, host_addresses
from gateway.media.datagrams import DATAGRAM_MAX_BYTES, Address, UdpSocket
from gateway.telemetry import metrics

logger = logging.getLogger(__name__)

SOCKET_BUFFER_BYTES = 4 * 1024 * 1024  # a hundred calls in a loop that is late by 50 ms
ADDRESSES_MAX = 32  # of one call; a phone has a dozen candidates
CHECKS_PER_S, CHECKS_BURST = 100, 300  # STUN of one call: twenty a second while a browser looks for a way
RECORDS_PER_S, RECORDS_BURST = 500, 1000  # DTLS of one call: its handshake, and 5 Mbit/s of a data channel
STRANGERS_PER_S, STRANGERS_BURST = 200, 200  # answers and media from new addresses: each is looked up among all calls
STUN_KINDS = range(4)  # RFC 7983 §7: the first byte
DTLS_KINDS = range(20, 64)
MEDIA_KINDS = frozenset((*DTLS_KINDS, *range(128, 192)))
STUN_HEADER_BYTES = 20
STUN_COOKIE = b"\x21\x12\xa4\x42"  # RFC 8489 §5
BINDING_REQUEST = b"\x00\x01"


class UdpPort:
    """All sockets of the worker."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.port = 0
        self._advertised: list[Address] = []
        self._sockets: list[UdpSocket] = []
        self._by_ufrag: dict[str, _Call] = {}
        self._by_address: dict[Address, _Call] = {}
        self._strangers = TokenBucket(STRANGERS_PER_S, STRANGERS_BURST)

    async def open(
        self, port: int, hosts: Sequence[str] = (), networks: Sequence[str] = (), advertised: Sequence[str] = ()
    ) -> None:
        """Bind; raises ConfigError. `hosts` are addresses to bind, by default those of the machine that lie in one of
        `networks` (all, when there are none); `advertised` replaces them in what browsers are told."""
        addresses = list(hosts) or [address for address in host_addresses() if is_within(address, networks)]
        if not addresses:
            raise ConfigError(
                f"No address of this machine lies in GATEWAY_UDP_NETWORKS={','.join(networks)}; it has "
                f"{', '.join(host_addresses())}."
            )
        for address in addresses:
            self._bind(address, self.port or port)
        self._advertised = [parse_address(text, self.port) for text in advertised]
        for told in self._advertised:
            if not any(_is_ipv6(one.address) == _is_ipv6(told) for one in self._sockets):
                raise ConfigError(
                    f"GATEWAY_UDP_ADVERTISED names {told[0]}, and no address of that family is used for media here: "
                    f"there are {', '.join(one.address[0] for one in self._sockets)}."
                )

    def _bind(self, address: str, port: int) -> None:
        try:
            udp = _bound(address, port)
        except OSError as error:
            raise ConfigError(
                f"UDP port {port} of {address} cannot be used: {error.strerror or error}. Set GATEWAY_UDP_PORT to a "
                "free one (0 takes any), or end the program that uses it."
            ) from None
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            udp.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        bound = UdpSocket(udp, self.received)
        self.port = bound.address[1]
        self._sockets.append(bound)

    def close(self) -> None:
        """Close the sockets."""
        for one in self._sockets:
            one.close()
        self._sockets.clear()

    @property
    def offered(self) -> list[Address]:
        """What browsers are told: the advertised addresses, else those of the sockets."""
        return list(dict.fromkeys((*self._told.values(), *self.offered_too)))

    @property
    def offered_too(self) -> list[Address]:
        """Advertised addresses beyond one for each socket, such as the private one that a relay beside us uses."""
        told = set(self._told.values())
        return [address for address in self._advertised if address not in told]

    @property
    def _told(self) -> dict[UdpSocket, Address]:
        """The address of each socket that is offered, family by family; further sockets share the last one."""
        if not self._advertised:
            return {one: one.address for one in self._sockets}
        told: dict[UdpSocket, Address] = {}
        for is_ipv6 in (False, True):
            addresses = [address for address in self._advertised if _is_ipv6(address) == is_ipv6]
            sockets = [one for one in self._sockets if _is_ipv6(one.address) == is_ipv6]
            if addresses:
                told |= {one: addresses[min(index, len(addresses) - 1)] for index, one in enumerate(sockets)}
        return told

    def join(self, connection: Connection, on_media: OnMedia, on_stray: OnStray) -> list[MuxedProtocol]:
        """A new call; its ends of the sockets. `on_media` gets what is SRTP or SRTCP by its first byte, and `on_stray`
        that from where nobody is known to be."""
        call = self._by_ufrag[connection.local_username] = _Call(on_media, on_stray)
        for one, address in self._told.items():
            call.protocols[one] = MuxedProtocol(connection, one, address)
        return list(call.protocols.values())

    def valid(self, ufrag: str, address: Address) -> bool:
        """Someone at this address knows the password of the call; True when that is news."""
        call = self._by_ufrag.get(ufrag)
        if call is None or self._by_address.get(address) is call:
            return False
        self._by_address[address] = call
        call.addresses.append(address)
        if len(call.addresses) > ADDRESSES_MAX:
            self._by_address.pop(call.addresses.pop(0), None)
        return True

    def leave(self, ufrag: str) -> None:
        """The call is over."""
        call = self._by_ufrag.pop(ufrag, None)
        if call is not None:
            for address in call.addresses:
                if self._by_address.get(address) is call:
                    del self._by_address[address]

    def received(self, data: bytes, address: Address, at: UdpSocket) -> None:
        """A datagram from anyone."""
        if not data or len(data) > DATAGRAM_MAX_BYTES:
            self._drop("length")
        elif data[0] in STUN_KINDS:
            self._stun(data, address, at)
        elif data[0] in MEDIA_KINDS:
            call = self._by_address.get(address)
            protocol = call.protocols.get(at) if call is not None else None
            if call is None or protocol is None:
                self._stray(data, address, at)
                self._drop("stranger")
            elif data[0] not in DTLS_KINDS:
                call.on_media(data)
            elif call.records.take(_now_s()):
                protocol.receiver.data_received(data, 1)
            else:
                self._drop("rate")
        else:
            self._drop("kind")

    def _stun(self, data: bytes, address: Address, at: UdpSocket) -> None:
        if len(data) < STUN_HEADER_BYTES or data[4:8] != STUN_COOKIE:
            self._drop("stun")
            return
        call = self._by_address.get(address)
        if data[:2] == BINDING_REQUEST:
            call = self._by_ufrag.get(_username(data).partition(":")[0], None)
        elif call is None and self._strangers.take(_now_s()):
            call = self._asking(data)
        protocol = call.protocols.get(at) if call is not None else None
        if call is None or protocol is None:
            self._drop("stranger")
            return
        if not call.checks.take(_now_s()):
            self._drop("rate")
            return
        try:
            protocol.datagram_received(data, address)
        except (ValueError, IndexError, KeyError, struct.error, UnicodeDecodeError, AssertionError):
            self._drop("stun")

    def _stray(self, data: bytes, address: Address, at: UdpSocket) -> None:
        """Lost to its call, which may look where it came from: a NAT can give a browser another address unasked."""
        if data[0] in DTLS_KINDS or not self._strangers.take(_now_s()):
            return
        for call in self._by_ufrag.values():
            protocol = call.protocols.get(at)
            if protocol is not None and call.on_stray(data, address, protocol):
                return

    def _drop(self, why: str) -> None:
        self.dropped[why] += 1
        metrics.DATAGRAMS_DROPPED.labels(why).inc()

    def _asking(self, data: bytes) -> _Call | None:
        """The call whose check this may answer: one that an address of candidates was not heard from before."""
        transaction = data[8:STUN_HEADER_BYTES]
        for call in self._by_ufrag.values():
            if any(transaction in protocol.transactions for protocol in call.protocols.values()):
                return call
        return None


class _Call:
    def __init__(self, on_media: OnMedia, on_stray: OnStray) -> None:
        self.on_media = on_media
        self.on_stray = on_stray
        self.protocols: dict[UdpSocket, MuxedProtocol] = {}
        self.addresses: list[Address] = []
        self.checks = TokenBucket(CHECKS_PER_S, CHECKS_BURST)
        self.records = TokenBucket(RECORDS_PER_S, RECORDS_BURST)


def _bound(address: str, port: int) -> socket.socket:
    family, kind, protocol, _, told = socket.getaddrinfo(
        address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )[0]
    udp = socket.socket(family, kind, protocol)
    try:
        udp.bind(told)
    except OSError:
        udp.close()
        raise
    return udp


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _username(data: bytes) -> str:
    """USERNAME of a STUN message, without a full parse; empty when there is none (RFC 8489 §14.3)."""
    offset, end = STUN_HEADER_BYTES, len(data)
    while offset + 4 <= end:
        kind, length = struct.unpack_from("!HH", data, offset)
        if kind == stun.ATTRIBUTES_BY_NAME["USERNAME"][0]:
            return data[offset + 4 : offset + 4 + length].decode("ascii", "replace")
        offset += 4 + (length + 3) // 4 * 4
    return ""


def _is_ipv6(address: Address) -> bool:
    return ":" in address[0]


def is_within(address: str, networks: Sequence[str]) -> bool:
    """Whether an address lies in one of the networks; in any, when there are none."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return not networks or any(parsed in ipaddress.ip_network(network, strict=False) for network in networks)


def parse_address(text: str, port: int) -> Address:
    """`192.0.2.1`, `192.0.2.1:50000`, `2001:db8::1` or `[2001:db8::1]:50000`."""
    host, colon, own_port = text.rpartition(":")
    bare = text.strip("[]")
    try:
        return str(ipaddress.ip_address(bare)), port
    except ValueError:
        pass
    try:
        if colon and 0 < int(own_port) < 65536:
            return str(ipaddress.ip_address(host.strip("[]"))), int(own_port)
    except ValueError:
        pass
    raise ConfigError(f"GATEWAY_UDP_ADVERTISED has {text!r}, which is not an address or address:port.")
