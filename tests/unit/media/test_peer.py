"""The WebRTC leg where aiortc gives up; calls that work are in tests/integration."""

import asyncio
import itertools
from pathlib import Path
from unittest.mock import Mock

import pytest

from gateway.errors import BadOffer
from gateway.media.peer import BUFFERED_S, Peer
from gateway.media.playout import BYTES_PER_MS, CHUNK_MS, Playout
from gateway.media.voice import Voice
from gateway.media.worker import MediaWorker
from gateway.settings import Settings
from tests.clock import virtually

CORPUS = Path(__file__).parents[2] / "corpus/sdp"


async def test_an_offer_that_aiortc_cannot_use_leaves_nothing() -> None:
    """It is refused, and the peer closes, whatever aiortc has made of it; the check of the door is not needed."""
    worker = MediaWorker()
    await worker.open(0, ["127.0.0.1"])
    peer = Peer(Settings(), Voice(Playout(), Mock()), Mock(), worker, itertools.count(1))
    with pytest.raises(BadOffer, match="contradict"):
        await peer.answer((CORPUS / "bad-400-bundle-of-nothing.sdp").read_text())
    await peer.close()
    assert not worker.udp._by_ufrag
    await asyncio.sleep(0)
    worker.close()


@virtually
async def test_what_a_closed_browser_had_not_played_is_said_again() -> None:
    """It was heard a moment ago, and nothing was lost on the way: that much waits in its buffer."""
    worker, playout = MediaWorker(), Playout()
    await worker.open(0, ["127.0.0.1"])
    voice = Voice(playout, Mock())
    peer = Peer(Settings(), voice, Mock(), worker, itertools.count(1))
    await peer.answer((CORPUS / "good-chromium-audio.sdp").read_text())
    peer._join_voice()
    playout.push(bytes(3000 * BYTES_PER_MS))
    for _ in range(100):
        await asyncio.sleep(CHUNK_MS / 1000)
        voice.beat(asyncio.get_running_loop().time(), 0)
    assert peer._leg is not None
    peer._leg.rtt_s, peer._valid_s = 0.06, asyncio.get_running_loop().time()
    await peer.close()
    assert playout.played_ms == 2000 - BUFFERED_S * 1000
    worker.close()
