"""The WebRTC leg where aiortc gives up; calls that work are in tests/integration."""

import asyncio
import itertools
from pathlib import Path
from unittest.mock import Mock

import pytest

from gateway.errors import BadOffer
from gateway.media.peer import Peer
from gateway.media.playout import Playout
from gateway.media.voice import Voice
from gateway.media.worker import MediaWorker
from gateway.settings import Settings

OFFER = Path(__file__).parents[2] / "corpus/sdp/bad-400-bundle-of-nothing.sdp"


async def test_an_offer_that_aiortc_cannot_use_leaves_nothing() -> None:
    """It is refused, and the peer closes, whatever aiortc has made of it; the check of the door is not needed."""
    worker = MediaWorker()
    await worker.open(0, ["127.0.0.1"])
    peer = Peer(Settings(), Voice(Playout(), Mock()), Mock(), worker, itertools.count(1))
    with pytest.raises(BadOffer, match="contradict"):
        await peer.answer(OFFER.read_text())
    await peer.close()
    assert not worker.udp._by_ufrag
    await asyncio.sleep(0)
    worker.close()
