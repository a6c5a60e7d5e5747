"""A microphone that its client says is off: its silence is wanted, and goes no further than the gateway."""

import asyncio
from typing import Any

from aiohttp.test_utils import TestClient
from aiortc import AudioStreamTrack

from gateway.simulator import Simulator
from tests.integration.caller import Caller, Tone
from tests.integration.test_session import PATIENCE_S, condition, until
from tests.integration.test_stats import figures, shares


async def more_sound(client: TestClient, caller: Caller, ms: float) -> None:
    """Until the gateway has got so much more of it, whether there is something in it or not."""
    before = shares(await figures(client, caller, lambda _: True))
    await figures(client, caller, lambda found: shares(found) >= before + ms)


async def say(socket: Any, **status: bool) -> None:
    """Say how the microphone is, as browsers name it."""
    message = {"type": "trackStatus", "receiver_index": 0, **status}
    await socket.send_json({"label": "rtvi-ai", "type": "signalling", "message": message})


async def test_the_silence_of_a_microphone_that_is_off_is_not_sent(client: TestClient, simulator: Simulator) -> None:
    """What was being said ends with its last sound and is answered; a sound is sent whatever was said; on is on."""
    async with Caller(client) as caller, caller.events() as socket:
        sender = caller.pc.getSenders()[0]
        await until(socket, "user-started-speaking")
        await condition(lambda: len(simulator.connections[0].audio) > 32_000)
        await say(socket, enabled=False, muted=False)
        sender.replaceTrack(AudioStreamTrack())
        await until(socket, "user-stopped-speaking")
        assert (await figures(client, caller, lambda _: True))["microphone"] == "off"
        await until(socket, "bot-output")
        await more_sound(client, caller, 500)
        sent = len(simulator.connections[0].audio)
        await more_sound(client, caller, 1000)
        assert len(simulator.connections[0].audio) == sent

        sender.replaceTrack(Tone())
        async with asyncio.timeout(PATIENCE_S):
            await until(socket, "user-started-speaking")
        await condition(lambda: len(simulator.connections[0].audio) > sent + 16_000)
        await say(socket, enabled=True, muted=False)
        sender.replaceTrack(AudioStreamTrack())
        await until(socket, "user-stopped-speaking")
        sent = len(simulator.connections[0].audio)
        await condition(lambda: len(simulator.connections[0].audio) > sent + 32_000)


async def test_another_peer_counts_as_heard(client: TestClient) -> None:
    """It may be another device, which says nothing about its microphone."""
    async with Caller(client, silent=True) as caller, caller.events() as socket:
        await asyncio.wait_for(caller.connected.wait(), PATIENCE_S)
        await say(socket, enabled=True, muted=True)
        await figures(client, caller, lambda found: found["microphone"] == "taken")
        async with Caller(client, silent=True, join=caller.location):
            assert (await figures(client, caller, lambda _: True))["microphone"] == "on"
