"""From the person to the model: only what the present peer brings."""

import asyncio
from typing import Any

import pytest

from gateway.guard.intake import Verdict
from gateway.line import Line
from gateway.media.peer import Frame, PeerState
from gateway.uplink import Uplink
from tests.clock import virtually

FRAME = Frame(7, b"jpeg", 512, 384, 1.0)


class Seen:
    """Whatever is called on it, by name."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        def called(*given: Any) -> bool:
            self.calls.append((name, given))
            return True

        return called


@pytest.fixture
def seen() -> Seen:
    """One recorder for all that an uplink speaks to."""
    return Seen()


@pytest.fixture
async def uplink(seen: Seen) -> Uplink:
    """An uplink whose peer is the session's."""
    legs: Any = (seen, seen, Line(), seen, seen, seen)
    made = Uplink(*legs, publish=seen.publish, on_state=seen.on_state)
    made.is_present = lambda: True
    return made


def seen_channel() -> Any:
    """A data channel that nobody uses."""
    return object()


def bring(uplink: Uplink) -> None:
    """All that a peer can say."""
    uplink.peer_audio(b"\0\0")
    uplink.peer_audio_paused()
    uplink.peer_level(-30.0, 20.0)
    uplink.peer_frame(FRAME)
    uplink.peer_picture_refused(16_000, 16_000)
    uplink.peer_video_wish(1.0)
    uplink.peer_intake(Verdict.NO_VIDEO)
    uplink.peer_unheard(0.8)
    uplink.peer_channel(seen_channel())
    uplink.peer_state(PeerState.SUSPECT, "Nothing arrives.")


async def test_what_the_present_peer_brings_goes_its_way(uplink: Uplink, seen: Seen) -> None:
    """Sound to the conversation, levels to the detector, pictures to both who keep them and who send them."""
    bring(uplink)
    assert [name for name, _ in seen.calls] == [
        *("passes", "send_audio", "paused", "level", "active", "waits", "send_frame", "picture_refused", "publish"),
        *("traffic", "publish", "opened", "on_state"),
    ]
    assert ("send_frame", (7, b"jpeg")) in seen.calls


async def test_what_a_former_peer_still_says_is_lost(uplink: Uplink, seen: Seen) -> None:
    """All of it: another one has taken its place."""
    uplink.is_present = lambda: False
    bring(uplink)
    assert seen.calls == []


@virtually
async def test_between_two_peers_the_model_hears_silence_of_that_length(seen: Seen) -> None:
    """What it hears is as long as the time that passed, so that a word before and one after keep their distance."""
    line = Line()
    legs: Any = (seen, seen, line, seen, seen, seen)
    sound = b"\1\0" * 640
    for _ in range(2):
        peer = Uplink(*legs, publish=seen.publish, on_state=seen.on_state)
        peer.is_present = lambda: True
        for _ in range(3):
            peer.peer_audio(sound)
            await asyncio.sleep(0.04)
        await asyncio.sleep(0.26)
    heard = [pcm for name, (pcm, *_) in seen.calls if name == "send_audio"]
    assert heard[:3] == heard[-3:] == [sound] * 3
    assert len(b"".join(heard[3:-3])) == 260 * 32
    assert not any(b"".join(heard[3:-3]))


@virtually
async def test_a_long_time_between_two_peers_is_a_pause_that_is_told(seen: Seen) -> None:
    """Nobody else tells it where the first peer was replaced before the second one's sound came."""
    legs: Any = (seen, seen, Line(), seen, seen, seen)
    for _ in range(2):
        peer = Uplink(*legs, publish=seen.publish, on_state=seen.on_state)
        peer.is_present = lambda: True
        peer.peer_audio(bytes(1280))
        await asyncio.sleep(1.5)
    told = [name for name, _ in seen.calls if name != "passes"]
    assert told == ["send_audio", "audio_stream_end", "send_audio"]
