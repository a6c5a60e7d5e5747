"""A peer over WebSockets on a virtual clock: when its browser counts as away, and what the voice does meanwhile."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, cast

from gateway.guard.intake import SOUND_PACKETS_MAX, Verdict
from gateway.media.peer_sink import PeerState
from gateway.media.playout import BYTES_PER_MS, Playout
from gateway.media.stream import StreamPeer
from gateway.media.stream_wire import HEADER, SOUND_BYTES, Kind, write
from gateway.media.voice import Voice
from gateway.media.worker import MediaWorker
from gateway.settings import Settings
from tests.clock import virtually


class Told:
    """What a peer tells its session."""

    def __init__(self) -> None:
        self.states: list[tuple[float, PeerState]] = []
        self.blocks = 0
        self.pauses: list[float] = []
        self.verdicts: list[Verdict] = []

    def peer_state(self, state: PeerState, reason: str) -> None:
        """With the time, to a quarter of a second."""
        assert reason.endswith(".")
        self.states.append((asyncio.get_running_loop().time(), state))

    def peer_audio(self, pcm: bytes) -> None:
        """40 ms."""
        assert len(pcm) == SOUND_BYTES
        self.blocks += 1

    def peer_audio_paused(self) -> None:
        """With the time."""
        self.pauses.append(asyncio.get_running_loop().time())

    def peer_intake(self, verdict: Verdict) -> None:
        """As it changes."""
        self.verdicts.append(verdict)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Socket:
    """A wire whose other end is this test."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False

    def send(self, message: bytes) -> None:
        """It arrives at once."""
        self.sent.append(message)

    def close(self) -> None:
        """By the peer."""
        self.is_closed = True

    @property
    def voice(self) -> list[int]:
        """The numbers of voice messages."""
        return [HEADER.unpack_from(one)[2] for one in self.sent if one[0] == Kind.VOICE]


class Call:
    """A peer, its session's voice with a minute to say, and whoever is told."""

    def __init__(self) -> None:
        self.told = Told()
        self.playout = Playout()
        self.playout.push(bytes(range(250)) * (60_000 * BYTES_PER_MS // 250))
        self.voice = Voice(self.playout, lambda _: None)
        self.peer = StreamPeer(
            Settings(video=False), self.voice, cast(Any, self.told), cast(MediaWorker, None), itertools.count(1)
        )
        self.seq = 0

    async def pass_by(self, seconds: float, *, says: bool = True, hears: Socket | None = None) -> None:
        """Time, in which the browser says something, or hears all that comes, or neither."""
        for tick in range(round(seconds * 50)):
            if says and tick % 2 == 0:
                self.peer.take(write(Kind.SOUND, self.seq, bytes(SOUND_BYTES)), asyncio.get_running_loop().time())
                self.seq += 1
            self.voice.beat(0.0, 0)
            if hears is not None and hears.voice:
                self.peer.take(write(Kind.HEARD, hears.voice[-1]), asyncio.get_running_loop().time())
            await asyncio.sleep(0.02)


@virtually
async def test_a_browser_that_is_not_heard_is_suspected_then_away_then_back() -> None:
    """After 2 s and 5 s as over WebRTC, with or without a socket; and it is back with its first message."""
    call, socket = Call(), Socket()
    running = asyncio.create_task(call.peer.run())
    call.peer.connect(socket, None)
    await call.pass_by(1)
    await call.pass_by(6, says=False)
    call.peer.disconnect(socket)
    again = Socket()
    call.peer.connect(again, None)
    await call.pass_by(1)
    states = [state for _, state in call.told.states]
    assert states == [PeerState.CONNECTED, PeerState.SUSPECT, PeerState.DETACHED, PeerState.CONNECTED]
    at = [round(at_s) for at_s, _ in call.told.states]
    assert at == [0, 3, 6, 7]
    assert len(call.told.pauses) == 1
    assert again.voice
    await call.peer.close()
    await running
    assert call.told.states[-1][1] is PeerState.CLOSED
    assert again.is_closed


@virtually
async def test_the_voice_waits_while_nothing_is_heard_of_it_and_is_said_once() -> None:
    """A second ahead at most; what an old socket swallowed comes over the new one, what was played does not."""
    call, first, second = Call(), Socket(), Socket()
    running = asyncio.create_task(call.peer.run())
    call.peer.connect(first, None)
    await call.pass_by(1, hears=first)
    heard = first.voice[-1]
    await call.pass_by(3)
    assert len([number for number in first.voice if number > heard]) == 50
    call.peer.connect(second, first.voice[-31])  # a part of these was heard before the socket died
    assert first.is_closed
    await call.pass_by(1, hears=second)
    before = [one for one in first.sent if one[0] == Kind.VOICE][:-30]
    after = [one for one in second.sent if one[0] == Kind.VOICE]
    line = b"".join(one[HEADER.size :] for one in (*before, *after))
    assert line == (bytes(range(250)) * (60_000 * BYTES_PER_MS // 250))[: len(line)]
    assert len(after) >= 49
    await call.peer.close()
    await running


@virtually
async def test_what_a_closed_peer_did_not_bring_home_is_said_by_the_next() -> None:
    """From stream to WebRTC, or to another stream: the playhead goes back to what was heard."""
    call, socket = Call(), Socket()
    running = asyncio.create_task(call.peer.run())
    call.peer.connect(socket, None)
    await call.pass_by(0.5, hears=socket)
    heard_ms = call.playout.played_ms
    await call.pass_by(0.4)
    assert call.playout.played_ms > heard_ms
    await call.peer.close()
    assert call.playout.played_ms == heard_ms
    await running


@virtually
async def test_a_browser_learns_how_far_its_sound_has_come() -> None:
    """With every second block, and with each that it sends again."""
    call, socket = Call(), Socket()
    call.peer.connect(socket, None)
    await call.pass_by(0.4)
    numbers = [HEADER.unpack_from(one)[2] for one in socket.sent if one[0] == Kind.HEARD]
    assert numbers == [0, 2, 4, 6, 8]
    call.peer.take(write(Kind.SOUND, 1, bytes(SOUND_BYTES)), 1.0)
    assert socket.sent[-1] == write(Kind.HEARD, 9)
    assert call.told.blocks == 10


@virtually
async def test_who_tells_without_end_what_was_heard_is_sent_away() -> None:
    """Beyond what any browser tells it is not looked at, and after ten seconds of it the call is to end."""
    call, socket = Call(), Socket()
    running = asyncio.create_task(call.peer.run())
    call.peer.connect(socket, None)
    await call.pass_by(0.4)
    for _ in range(SOUND_PACKETS_MAX):
        call.peer.take(write(Kind.HEARD, 0), 0.4)
    on_its_way_ms = call.peer.figures()["voice_on_its_way_ms"]
    call.peer.take(write(Kind.HEARD, socket.voice[-1]), 0.4)
    assert call.peer.figures()["voice_on_its_way_ms"] == on_its_way_ms > 0
    for _ in range(120):
        await asyncio.sleep(0.1)
        for _ in range(400):
            call.peer.take(write(Kind.HEARD, 0), asyncio.get_running_loop().time())
    assert call.told.verdicts[-1] is Verdict.END
    await call.peer.close()
    await running
