"""The data channel beside a call: a second carrier of its events, and nothing that comes over it harms the call."""

import asyncio
import json
import struct
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from aiortc import rtcsctptransport as sctp

from gateway.simulator import Simulator
from tests.integration.caller import Caller
from tests.integration.test_session import condition, until

READY = {"label": "rtvi-ai", "type": "client-ready", "id": "ready", "data": {"version": "2.1.0"}}


def say(caller: Caller, message: Any) -> None:
    """Send over the channel; what is no string goes as JSON."""
    assert caller.channel is not None
    caller.channel.send(message if isinstance(message, (str, bytes)) else json.dumps(message))


async def opened(caller: Caller) -> None:
    """Until the channel is, and what is told over it."""
    await condition(lambda: caller.channel is not None and caller.channel.readyState == "open")
    say(caller, READY)
    await condition(lambda: any(told.get("id") == "ready" for told in caller.told))


async def goes_on(caller: Caller, simulator: Simulator) -> None:
    """The call does: the model hears more, and the gateway answers over both carriers."""
    before = len(simulator.connections[0].audio)
    await condition(lambda: len(simulator.connections[0].audio) > before + 16_000)


async def answers(caller: Caller, text: str) -> None:
    """The channel still works: what is typed is answered."""
    say(caller, {"label": "rtvi-ai", "type": "send-text", "id": "9", "data": {"content": text}})
    await condition(lambda: any(text in told["data"]["text"] for told in caller.told if told["type"] == "bot-output"))


def refusals(caller: Caller) -> list[str]:
    """What was refused, in words."""
    return [told["data"]["error"] for told in caller.told if told["type"] == "error-response"]


def unbounded(caller: Caller) -> sctp.RTCSctpTransport:
    """The caller forgets what the gateway said about the size of messages."""
    transport = caller.pc.sctp
    assert transport is not None
    transport._remote_max_message_size = 0
    return transport


async def test_both_carriers_tell_the_same(client: TestClient) -> None:
    """Every event of the WebSocket comes over the data channel too, under the same number."""
    async with Caller(client, channel=True, silent=True) as caller, caller.events() as socket:
        await opened(caller)
        say(caller, {"type": "send-text", "id": "1", "data": {"content": "hello"}})
        turn = await until(socket, "server-message", type="turn")
        await condition(lambda: turn in caller.told)
        assert await caller.end() == 204
        ended = await until(socket, "server-message", type="state", state="ended")
        await condition(lambda: ended in caller.told)


async def test_the_answer_says_how_large_a_message_may_be(open_client: Any) -> None:
    """In the section of the data channel, where browsers look."""
    client = await open_client(message_max_bytes=20_000)
    async with Caller(client, channel=True, silent=True) as caller:
        assert "a=max-message-size:20000\r\n" in caller.pc.remoteDescription.sdp


async def test_an_oversize_message_is_refused_in_words(client: TestClient, simulator: Simulator) -> None:
    """From a client that does not keep to it; so is a binary one; call and channel go on."""
    async with Caller(client, channel=True, silent=True) as caller:
        await opened(caller)
        unbounded(caller)
        say(caller, "x" * 70_000)
        await condition(lambda: refusals(caller))
        say(caller, b"\0\1")
        await condition(lambda: len(refusals(caller)) == 2)
        assert refusals(caller)[0] == "The message has 70000 bytes; there may be 65536."
        assert "Messages are text" in refusals(caller)[1]
        await answers(caller, "still here")
        await goes_on(caller, simulator)


async def test_a_message_without_end_costs_its_sender_the_channel(client: TestClient, simulator: Simulator) -> None:
    """It is not kept; the other carrier tells why, and the call goes on."""
    async with Caller(client, channel=True, silent=True) as caller, caller.events() as socket:
        await opened(caller)
        unbounded(caller)
        say(caller, "x" * 2_000_000)
        notice = await until(socket, "server-message", type="notice", code="data_channel")
        assert "The call goes on" in notice["data"]["text"]
        await goes_on(caller, simulator)
        await socket.send_json({"type": "send-text", "id": "1", "data": {"content": "hello"}})
        await until(socket, "bot-output")


async def test_a_flood_of_messages_is_left_unread(client: TestClient, simulator: Simulator) -> None:
    """It is answered once a second; call and channel go on, and the event WebSocket was not disturbed."""
    async with Caller(client, channel=True, silent=True) as caller, caller.events() as socket:
        await opened(caller)
        for number in range(3000):
            say(caller, {"type": "send-text", "id": str(number), "data": {"content": "spam" + "m" * 500}})
            if number % 100 == 0:
                await asyncio.sleep(0)
        await condition(lambda: any("messages a second" in words for words in refusals(caller)))
        await goes_on(caller, simulator)
        await socket.send_json({"type": "client-ready", "id": "socket"})
        while (await until(socket, "bot-ready")).get("id") != "socket":
            pass
        assert len(refusals(caller)) < 30


def packet(transport: sctp.RTCSctpTransport, *chunks: bytes) -> bytes:
    """An SCTP packet of this association with chunks that its own code would not make."""
    header = struct.pack("!HHL", transport._local_port, transport._remote_port, transport._remote_verification_tag)
    body = b"".join(chunks)
    return header + struct.pack("<L", sctp.crc32c(header + bytes(4) + body)) + body


def chunk(kind: int, body: bytes) -> bytes:
    """A chunk; of DATA, a whole message."""
    return struct.pack("!BBH", kind, 0 if kind else 3, len(body) + 4) + body + bytes(-len(body) % 4)


HOSTILE = {
    "a parameter of length 0": chunk(4, struct.pack("!HH", 1, 0)),
    "gaps without end": chunk(3, struct.pack("!LLHH", 0, 1, 250, 0) + struct.pack("!HH", 0, 65535) * 250),
    "a string that is no text": chunk(0, struct.pack("!LHHL", 0, 1, 0, 51) + b"\xff\xfe"),
    "a second channel of the same number": chunk(0, struct.pack("!LHHL", 0, 1, 0, 50) + bytes([3]) + bytes(11)),
    "a channel with a name that is no text": chunk(
        0, struct.pack("!LHHL", 0, 3, 0, 50) + struct.pack("!BBHLHH", 3, 0, 0, 0, 2, 0) + b"\xff\xfe"
    ),
    "a reset of everything": chunk(130, struct.pack("!HHLLL", 13, 18, 1, 1, 1) + struct.pack("!H", 9)),
    "an init among others": chunk(1, struct.pack("!LLHHL", 1, 1000, 1, 1, 1)) + chunk(4, b""),
    "nothing but zeros": bytes(40),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_packet_does_not_end_the_call(client: TestClient, simulator: Simulator, name: str) -> None:
    """SCTP that a browser never sends, from a peer that was let in."""
    async with Caller(client, channel=True, silent=True) as caller:
        await opened(caller)
        transport = caller.pc.sctp
        assert transport is not None
        hostile = HOSTILE[name]
        if hostile[0] == 0 and any(hostile):  # DATA: the next in order, so that it is delivered
            hostile = (
                hostile[:4]
                + struct.pack("!L", transport._local_tsn)
                + hostile[8:10]
                + struct.pack("!H", transport._outbound_stream_seq.get(hostile[9], 0))
                + hostile[12:]
            )
        for _ in range(3):
            await transport.transport._send_data(packet(transport, hostile))
        await goes_on(caller, simulator)
        assert caller.pc.connectionState == "connected"


async def test_there_is_one_channel(client: TestClient) -> None:
    """More are closed again, or are not opened at all; the first goes on."""
    async with Caller(client, channel=True, silent=True) as caller:
        await opened(caller)
        more = [caller.pc.createDataChannel(f"more-{number}") for number in range(6)]
        await condition(lambda: sum(channel.readyState == "closed" for channel in more) >= 3)
        await answers(caller, "first")
        assert all(channel.readyState != "open" for channel in more)
