"""The gateway's own view of a call."""

import asyncio
from typing import Any

from aiohttp.test_utils import TestClient

from gateway.media.video_uplink import WAITING_MAX
from tests.integration.caller import Caller
from tests.integration.test_session import PATIENCE_S

REASONS = ("overflowed", "undecodable", "superseded", "not_wanted", "unencodable", "sampled")


async def figures(client: TestClient, caller: Caller, met: Any) -> dict[str, Any]:
    """The figures, once this holds of them."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            response = await client.get(caller.location + "/stats")
            assert response.headers["Cache-Control"] == "no-store"
            found = dict(await response.json())
            if met(found):
                return found
            await asyncio.sleep(0.1)


def shares(found: dict[str, Any]) -> float:
    """Sound so far, in ms."""
    return sum(found["peer"]["audio"]["shares_ms"].values()) if found["peer"] else 0.0


async def test_what_the_gateway_hears_and_sees_is_told(client: TestClient) -> None:
    """The level of the very PCM that the model gets, and what became of each picture."""
    async with Caller(client, video=True) as caller:
        found = await figures(
            client, caller, lambda found: shares(found) > 2000 and found["peer"]["video"]["sampled"] > 1
        )
        audio, video = found["peer"]["audio"], found["peer"]["video"]
        assert found["state"] == "live"
        # A sine of 8000 has -15.3 dBov; a caller that this machine holds up leaves pauses, which make it less.
        assert -30 < audio["rms_dbov"] < -13
        assert 0.12 < audio["peak"] < 0.3
        assert not audio["paused"]
        assert audio["wait_ms"] > 0
        assert 0 <= video["whole"] - sum(video[reason] for reason in REASONS) <= WAITING_MAX, "all but those that wait"
        assert video["jpeg_bytes"] >= video["newest_bytes"] > 1000
        assert video["encode_ms"] >= video["newest_encode_ms"] > 0
        assert (found["link"]["generation"], found["link"]["how"], found["link"]["open"]) == (1, "fresh", True)
        assert found["voice"]["underruns"] == 0


async def test_a_microphone_that_is_silent_is_seen_to_be(client: TestClient) -> None:
    """Packets come, and there is nothing in them; without a camera there is no picture to tell of."""
    async with Caller(client, silent=True) as caller:
        found = await figures(
            client, caller, lambda found: found["peer"] and found["peer"]["audio"]["shares_ms"]["received"] > 1000
        )
        assert found["peer"]["audio"]["rms_dbov"] < -80
        assert found["peer"]["audio"]["packets_expected"] >= found["peer"]["audio"]["packets_received"] > 50
        assert found["peer"]["video"] is None


async def test_without_a_peer_the_rest_is_still_told(client: TestClient) -> None:
    """The conversation has figures of its own."""
    async with Caller(client) as caller:
        await asyncio.wait_for(caller.connected.wait(), PATIENCE_S)
        await caller.pc.close()
        found = await figures(client, caller, lambda found: found["peer"] is None)
        assert found["state"] == "detached"
        assert found["link"]["generation"] == 1


async def test_a_session_that_does_not_exist_has_none(client: TestClient) -> None:
    """404, in words."""
    response = await client.get("/v1/sessions/nobody/stats")
    assert (response.status, (await response.json())["code"]) == (404, "session_not_found")
