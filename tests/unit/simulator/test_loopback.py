"""A simulator that echoes or hums, and faults that are asked for while it runs."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedError

from gateway.live import messages
from gateway.live.messages import SetupOptions
from gateway.simulator import Fault, Script, Simulator
from gateway.simulator.pipe import PipeEnd, pipe
from gateway.simulator.voice import OUTPUT_HZ, TONE_HZ
from tests.clock import virtually
from tests.measure.sound import pitch_hz
from tests.talk import MODEL, PATH, TONE


@asynccontextmanager
async def connected(simulator: Simulator) -> AsyncIterator[PipeEnd]:
    """A client's end of a connection that is set up."""
    client, server = pipe()
    serving = asyncio.create_task(simulator.serve(server, simulator.accept()[0], PATH, {}))
    await client.send(messages.setup(MODEL, SetupOptions("Be brief.")))
    assert "setupComplete" in await receive(client)
    assert "sessionResumptionUpdate" in await receive(client)
    try:
        yield client
    finally:
        await client.close()
        await serving


async def receive(client: PipeEnd) -> dict[str, Any]:
    """The next message."""
    return dict(json.loads(await client.recv()))


def sound(message: dict[str, Any]) -> bytes:
    """The voice in a message."""
    return base64.b64decode(message["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"])


@virtually
async def test_an_echo_comes_at_once() -> None:
    """Each message of sound is answered with as much sound of the same pitch, before anything else is heard."""
    heard = b""
    async with connected(Simulator(answer="echo")) as client:
        for at in range(0, len(TONE), 1280):
            await client.send(messages.audio(TONE[at : at + 1280]))
            piece = sound(await receive(client))
            assert len(piece) in (1280 * 3 // 2, 1280 * 3), "and the piece before, at the beginning"
            heard += piece
        for _ in range(4):
            await client.send(messages.audio(bytes(1280)))
            assert sound(await receive(client))
        assert "generationComplete" in (await receive(client))["serverContent"]
        assert "turnComplete" in (await receive(client))["serverContent"]
    assert abs(pitch_hz(np.frombuffer(heard, dtype="<i2") / 32768, OUTPUT_HZ) - 300) < 3


@virtually
async def test_a_tone_follows_the_clock() -> None:
    """It comes by itself, 40 ms every 40 ms, and goes on while something else is said."""
    loop = asyncio.get_running_loop()
    async with connected(Simulator(answer="tone")) as client:
        begun_s, heard = loop.time(), b""
        await client.send(messages.audio(TONE[:1280]))
        for _ in range(50):
            heard += sound(await receive(client))
        assert loop.time() - begun_s == pytest.approx(49 * 0.04)
    assert len(heard) == OUTPUT_HZ * 2 * 2
    assert abs(pitch_hz(np.frombuffer(heard, dtype="<i2") / 32768, OUTPUT_HZ) - TONE_HZ) < 2


@virtually
async def test_a_fault_can_be_asked_for_while_it_runs() -> None:
    """It happens on the connection that is open, and to nobody when there is none."""
    simulator = Simulator()
    refuse = Fault(at="audio", do="close", code=1007, reason="Request contains an invalid argument.")
    assert await simulator.inject(refuse) == 0
    async with connected(simulator) as client:
        assert await simulator.inject(refuse) == 1
        with pytest.raises(ConnectionClosedError) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1007, refuse.reason)
    assert await simulator.inject(refuse) == 0


@virtually
async def test_a_connection_that_is_not_set_up_yet_is_left_alone() -> None:
    """There is nothing yet that could fail."""
    simulator = Simulator()
    client, server = pipe()
    serving = asyncio.create_task(simulator.serve(server, 1, PATH, {}))
    await asyncio.sleep(0.01)
    assert await simulator.inject(Fault(at="audio", do="abort")) == 0
    await client.close()
    await serving


@virtually
async def test_an_answer_waits_for_the_thinking_time() -> None:
    """As long as the script says, from the end of the question on."""
    loop = asyncio.get_running_loop()
    waited_s = []
    for script in (Script(), Script(think_ms=1500)):
        async with connected(Simulator(script=script)) as client:
            await client.send(messages.typed(MODEL, "hello"))
            begun_s = loop.time()
            while "serverContent" not in await receive(client):
                pass
            waited_s.append(loop.time() - begun_s)
    assert waited_s == [0.0, pytest.approx(1.5)]
