"""A WebSocket without a network."""

import asyncio

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from gateway.simulator.pipe import HIGH_WATER_BYTES, pipe


async def test_what_one_end_sends_the_other_receives_in_order() -> None:
    """As it was sent, text or bytes."""
    client, server = pipe()
    await client.send("a")
    await client.send(b"b")
    assert [await server.recv(), await server.recv()] == ["a", b"b"]


async def test_an_end_whose_peer_reads_nothing_is_held_back() -> None:
    """The unsent is visible, and goes when the peer reads again."""
    client, server = pipe()
    server.transport.pause_reading()
    sending = asyncio.create_task(client.send(bytes(HIGH_WATER_BYTES + 1)))
    receiving = asyncio.create_task(server.recv())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not sending.done()
    assert client.transport.get_write_buffer_size() == HIGH_WATER_BYTES + 1
    server.transport.resume_reading()
    assert len(await receiving) == HIGH_WATER_BYTES + 1
    await sending
    assert client.transport.get_write_buffer_size() == 0


async def test_a_close_is_seen_at_both_ends_after_what_was_sent() -> None:
    """With its code and reason."""
    client, server = pipe()
    await server.send("last")
    await server.close(1011, "Internal error encountered.")
    assert await client.recv() == "last"
    with pytest.raises(ConnectionClosedError) as closed:
        await client.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "Internal error encountered.")
    with pytest.raises(ConnectionClosedError):
        await server.send("more")


async def test_iteration_ends_with_a_normal_close() -> None:
    """As with a real socket."""
    client, server = pipe()
    await client.send("a")
    await client.close()
    assert [data async for data in server] == ["a"]
    with pytest.raises(ConnectionClosedOK):
        await client.recv()


async def test_a_cut_line_has_no_frame() -> None:
    """Neither end can say why."""
    client, server = pipe()
    server.transport.abort()
    await client.wait_closed()
    with pytest.raises(ConnectionClosedError) as closed:
        await client.recv()
    assert closed.value.rcvd is None
