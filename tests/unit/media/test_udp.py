"""The UDP port that all calls share: what is let in, and to whom."""

import asyncio
import random
import struct
from typing import cast

import pytest
from aioice import stun
from aioice.ice import Connection

from gateway.errors import ConfigError
from gateway.media import udp
from gateway.media.aiortc_internals import MuxedProtocol
from gateway.media.datagrams import UdpSocket
from gateway.media.udp import (
    ADDRESSES_MAX,
    DATAGRAM_MAX_BYTES,
    UdpPort,
    _username,
    is_within,
    parse_address,
)
from tests.clock import virtually

HERE, STRANGER = ("192.0.2.1", 4000), ("192.0.2.66", 6666)
MEDIA = b"\x80\x6f" + bytes(40)


def ignored(data: bytes) -> None:
    """Media that nobody looks at."""


def nobodys(data: bytes, address: tuple[str, int], protocol: MuxedProtocol) -> bool:
    """What a call says of media that is not its own."""
    return False


class Nowhere:
    """A socket that notes what is sent."""

    address = ("192.0.2.2", 5000)

    def __init__(self, sent: list[bytes]) -> None:
        self._sent = sent

    def sendto(self, data: bytes, _: tuple[str, int]) -> None:
        """Send a datagram."""
        self._sent.append(data)

    def close(self) -> None:
        """Close it."""


class Wire:
    """One call on a port without sockets; what arrives at it."""

    def __init__(self) -> None:
        self.port = UdpPort()
        self.sent: list[bytes] = []
        self.socket = cast(UdpSocket, Nowhere(self.sent))
        self.port._sockets.append(self.socket)
        self.connection = Connection(ice_controlling=False)
        self.connection.remote_username, self.connection.remote_password = "them", "p" * 22
        self.got: list[bytes] = []
        self.connection.data_received = lambda data, component: self.got.append(data)  # type: ignore[method-assign]
        self.connection.check_incoming = (  # type: ignore[method-assign]
            lambda message, address, protocol: self.checks.append(message)
        )
        self.strays: list[tuple[bytes, tuple[str, int]]] = []
        (self.protocol,) = self.port.join(self.connection, self.got.append, self._stray)

    def _stray(self, data: bytes, address: tuple[str, int], protocol: MuxedProtocol) -> bool:
        self.strays.append((data, address))
        return False

    def arrives(self, data: bytes, address: tuple[str, int] = HERE) -> None:
        """A datagram from there."""
        self.port.received(data, address, self.socket)

    @property
    def answered(self) -> int:
        """How many checks it took for authentic."""
        return sum(stun.parse_message(data).message_class == stun.Class.RESPONSE for data in self.sent)

    def check(self, password: str | None = None, ufrag: str | None = None) -> bytes:
        """A connectivity check as a browser sends it."""
        message = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{ufrag or self.connection.local_username}:them"
        message.attributes["PRIORITY"] = 1
        message.add_message_integrity((password or self.connection.local_password).encode())
        return bytes(message)


async def test_media_is_let_in_from_addresses_that_know_the_password() -> None:
    """Before a check, and from elsewhere, it is a stranger's."""
    wire = Wire()
    wire.arrives(MEDIA)
    wire.port.valid(wire.connection.local_username, HERE)
    wire.arrives(MEDIA)
    wire.arrives(MEDIA, STRANGER)
    assert wire.got == [MEDIA]
    assert wire.port.dropped == {"stranger": 2}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "length"),
        (b"\x80" + bytes(DATAGRAM_MAX_BYTES), "length"),
        (b"\xc8" + bytes(30), "kind"),
        (b"\x04" + bytes(30), "kind"),
        (b"\x00\x01", "stun"),
        (b"\x00\x01" + bytes(18), "stun"),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), "stranger"),
    ],
)
async def test_what_is_of_no_use_is_dropped_and_counted(data: bytes, why: str) -> None:
    """Also from an address that is known; the empty datagram and the long one ended calls of aiortc."""
    wire = Wire()
    wire.arrives(data, STRANGER)
    assert wire.port.dropped == {why: 1}
    wire.port.valid(wire.connection.local_username, HERE)
    wire.arrives(data)
    assert wire.got == []
    assert sum(wire.port.dropped.values()) == 2


async def test_a_check_is_led_to_its_call_and_a_false_one_dropped() -> None:
    """By the user name; the password is looked at before anything else is done."""
    wire = Wire()
    wire.arrives(wire.check())
    assert wire.answered == 1
    wire.arrives(wire.check(password="w" * 22))
    wire.arrives(wire.check(ufrag="nobody"))
    assert wire.answered == 1
    assert wire.port.dropped["stranger"] == 1


async def test_malformed_checks_raise_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A good check, cut off anywhere, or with any byte changed, or with attributes of nonsense lengths."""
    monkeypatch.setattr(udp, "CHECKS_BURST", 10_000)
    wire = Wire()
    wire.port.valid(wire.connection.local_username, HERE)
    good, chance = wire.check(), random.Random(7)
    for size in range(len(good)):
        wire.arrives(good[:size])
    for at in range(len(good) - 8):  # what follows the integrity, the fingerprint, is not covered by it
        wire.arrives(good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)]) + good[at + 1 :])
    for _ in range(3000):
        body = chance.randbytes(chance.randrange(60))
        head = struct.pack("!HHI", chance.choice((1, 0x101, 0x111, 0x11)), len(body), stun.COOKIE)
        wire.arrives(head + chance.randbytes(12) + body)
    assert wire.answered == 0, "none of them is authentic"
    wire.arrives(good)
    assert wire.answered == 1


@virtually
async def test_a_call_is_shown_media_from_unknown_addresses() -> None:
    """It may be its own, after a NAT gave the browser another address; nothing else is shown, and not without end."""
    wire = Wire()
    wire.port.valid(wire.connection.local_username, HERE)
    wire.arrives(MEDIA)
    wire.arrives(b"\x16" + bytes(40), STRANGER)
    assert wire.strays == []
    for _ in range(udp.STRANGERS_BURST + 500):
        wire.arrives(MEDIA, STRANGER)
    assert wire.strays == [(MEDIA, STRANGER)] * udp.STRANGERS_BURST
    assert wire.got == [MEDIA]


@virtually
async def test_a_flood_of_checks_and_records_is_turned_away() -> None:
    """What no browser sends so often is dropped before it is read: of one call, and of strangers in all."""
    wire = Wire()
    wire.port.valid(wire.connection.local_username, HERE)
    for _ in range(udp.CHECKS_BURST + 500):
        wire.arrives(wire.check(password="w" * 22))
    assert wire.port.dropped["rate"] == 500
    record = b"\x16" + bytes(40)
    for _ in range(udp.RECORDS_BURST + 500):
        wire.arrives(record)
    assert len(wire.got) == udp.RECORDS_BURST
    asked = 0

    def asking(_: bytes) -> None:
        nonlocal asked
        asked += 1

    wire.port._asking = asking  # type: ignore[method-assign, assignment]
    for _ in range(udp.STRANGERS_BURST + 500):
        wire.arrives(b"\x01\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), STRANGER)
    assert asked == udp.STRANGERS_BURST
    await asyncio.sleep(1.0)
    wire.arrives(wire.check())
    assert wire.answered == 1, "it goes on when the flood is over"


async def test_addresses_of_a_call_are_bounded_and_go_with_it() -> None:
    """Whoever hops through addresses loses the oldest; a call that is over leaves none."""
    wire = Wire()
    ufrag = wire.connection.local_username
    for index in range(3 * ADDRESSES_MAX):
        wire.port.valid(ufrag, ("192.0.2.1", index))
    assert len(wire.port._by_address) == ADDRESSES_MAX
    wire.port.leave(ufrag)
    assert (wire.port._by_address, wire.port._by_ufrag) == ({}, {})
    wire.port.valid(ufrag, HERE)
    assert wire.port._by_address == {}


async def test_an_address_may_pass_from_one_call_to_another() -> None:
    """A page that was loaded anew uses the same port of the browser's machine; the end of the first call leaves it."""
    first = Wire()
    second = Connection(ice_controlling=False)
    got: list[bytes] = []
    second.data_received = lambda data, component: got.append(data)  # type: ignore[method-assign]
    first.port.join(second, got.append, first._stray)
    first.port.valid(first.connection.local_username, HERE)
    first.port.valid(second.local_username, HERE)
    first.port.leave(first.connection.local_username)
    first.arrives(MEDIA)
    assert got == [MEDIA]


async def test_a_taken_port_is_a_sentence() -> None:
    """What is wrong and which setting changes it."""
    one, other = UdpPort(), UdpPort()
    await one.open(0, ["127.0.0.1"])
    with pytest.raises(ConfigError, match=rf"UDP port {one.port} of 127\.0\.0\.1 cannot be used.*GATEWAY_UDP_PORT"):
        await other.open(one.port, ["127.0.0.1"])
    one.close()


async def test_a_filter_that_leaves_no_interface_is_a_sentence() -> None:
    """It names the addresses that there are."""
    with pytest.raises(ConfigError, match=r"No address of this machine lies in GATEWAY_UDP_NETWORKS=203\.0\.113\.0/24"):
        await UdpPort().open(0, networks=["203.0.113.0/24"])


async def test_the_advertised_address_is_told_instead_of_our_own() -> None:
    """With its own port where it has one, as behind a port forwarding."""
    port = UdpPort()
    await port.open(0, ["127.0.0.1"], advertised=["198.51.100.7", "198.51.100.8:50000"])
    (protocol,) = port.join(Connection(ice_controlling=False), ignored, nobodys)
    candidate = protocol.local_candidate
    assert (candidate.host, candidate.port, candidate.type) == ("198.51.100.7", port.port, "host")
    port.close()
    await asyncio.sleep(0)


async def test_further_advertised_addresses_are_told_as_well() -> None:
    """The public one for phones, the private one for a relay on the same network; the socket is joined once."""
    port = UdpPort()
    await port.open(0, ["127.0.0.1"], advertised=["198.51.100.7", "10.0.0.5", "198.51.100.8:50000"])
    assert port.offered == [("198.51.100.7", port.port), ("10.0.0.5", port.port), ("198.51.100.8", 50000)]
    assert port.offered_too == port.offered[1:]
    assert len(port.join(Connection(ice_controlling=False), ignored, nobodys)) == 1
    port.close()
    await asyncio.sleep(0)


async def test_addresses_are_told_family_by_family() -> None:
    """An IPv4 address never stands for a socket of IPv6; without a socket of its family it is a mistake."""
    port = UdpPort()
    await port.open(0, ["127.0.0.1", "::1"], advertised=["2001:db8::7", "198.51.100.7"])
    told = {
        one.transport.address[0]: one.local_candidate.host for one in port.join(Connection(False), ignored, nobodys)
    }
    assert told == {"127.0.0.1": "198.51.100.7", "::1": "2001:db8::7"}
    port.close()
    port = UdpPort()
    await port.open(0, ["127.0.0.1", "::1"], advertised=["198.51.100.7"])
    assert port.offered == [("198.51.100.7", port.port)]  # the one that was not named is not told
    port.close()
    with pytest.raises(ConfigError, match="no address of that family"):
        await UdpPort().open(0, ["127.0.0.1"], advertised=["2001:db8::7"])
    await asyncio.sleep(0)


def test_addresses_are_read() -> None:
    """Of both families, with and without a port; nonsense is a sentence."""
    assert parse_address("192.0.2.1", 9) == ("192.0.2.1", 9)
    assert parse_address("192.0.2.1:50000", 9) == ("192.0.2.1", 50000)
    assert parse_address("2001:db8::1", 9) == ("2001:db8::1", 9)
    assert parse_address("[2001:db8::1]:50000", 9) == ("2001:db8::1", 50000)
    for wrong in ("gateway.example", "192.0.2.1:0", "192.0.2.1:70000", ""):
        with pytest.raises(ConfigError, match="GATEWAY_UDP_ADVERTISED"):
            parse_address(wrong, 9)


def test_networks_are_matched() -> None:
    """None at all means any."""
    assert is_within("192.0.2.1", [])
    assert is_within("192.0.2.1", ["198.51.100.0/24", "192.0.2.0/24"])
    assert not is_within("fe80::1%eth0", ["192.0.2.0/24"])


def test_a_user_name_is_found_behind_other_attributes() -> None:
    """Lengths are padded to four (RFC 8489 §14)."""
    message = struct.pack("!HHI", 1, 24, stun.COOKIE) + bytes(12)
    message += struct.pack("!HH", 0x8022, 3) + b"abc\0" + struct.pack("!HH", 6, 9) + b"here:them\0\0\0"
    assert _username(message) == "here:them"
    assert _username(message[:20]) == ""
