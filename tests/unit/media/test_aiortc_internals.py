"""The private names that the gateway builds on."""

import asyncio

import pytest
from aioice import ConnectionClosed, stun
from aioice.ice import Connection
from aiortc import RTCConfiguration, RTCPeerConnection

from gateway.errors import ConfigError
from gateway.media import aiortc_internals


async def test_the_pinned_versions_have_every_name() -> None:
    """The check passes."""
    aiortc_internals.check()


@pytest.mark.parametrize(
    ("owner", "name"), [(Connection, "check_incoming"), (Connection, "query_consent"), (stun, "RETRY_RTO")]
)
async def test_a_name_that_moved_is_told(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """With the remedy, before any call."""
    monkeypatch.delattr(owner, name)
    with pytest.raises(ConfigError, match=rf"has moved .*{name}.*: install the versions of constraints\.txt"):
        aiortc_internals.check()


async def test_a_closed_connection_says_so_to_who_asks_later() -> None:
    """aiortc asks for the next event until it is told of the end: without an answer it asks for ever, and all stands
    still. It asks late where a peer is closed in the turn of its answer."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("audio")
    leg = aiortc_internals.IceLeg(pc, lambda *_: [], lambda _: None, lambda _: None, lambda _: False)
    await leg._connection.close()
    assert isinstance(await leg._connection.get_event(), ConnectionClosed)
    await pc.close()


async def test_consent_that_begins_after_the_end_is_over_at_once() -> None:
    """aioice starts it where the last check succeeds in the turn of the closing, and then nothing would end it."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("audio")
    leg = aiortc_internals.IceLeg(pc, lambda *_: [], lambda _: None, lambda _: None, lambda _: False)
    await pc.close()
    leg.close()
    async with asyncio.timeout(10):
        await leg._connection.query_consent()
