"""The model's voice and those who hear it: whom the playhead follows, and that nobody else can stop it."""

import numpy as np

from gateway.media.playout import BYTES_PER_MS, CHUNK_MS, RATE_HZ, Playout
from gateway.media.voice import Voice

SECOND = (8000 * np.sin(2 * np.pi * 300 * np.arange(RATE_HZ) / RATE_HZ)).astype("<i2").tobytes()
INTERRUPTION_MAX_MS = 60


class Ear:
    """What one listener got, beat by beat."""

    def __init__(self) -> None:
        self.beats: list[bytes | None] = []

    def play(self, pcm: bytes | None, missed: int) -> None:
        """20 ms."""
        self.beats.append(pcm)

    unheard_ms = 0.0

    def flush(self) -> float:
        """What came was heard."""
        return 0.0

    @property
    def heard_ms(self) -> int:
        """How much sound there was."""
        return sum(pcm is not None for pcm in self.beats) * CHUNK_MS

    @property
    def sound(self) -> bytes:
        """All of it."""
        return b"".join(pcm for pcm in self.beats if pcm is not None)


class Room:
    """A voice that has something to say, and those who are there."""

    def __init__(self, *, waits: bool, seconds: int = 3) -> None:
        self.playout = Playout()
        self.told: list[bool] = []
        self.voice = Voice(self.playout, self.told.append)
        self.voice.waits = waits
        steps = np.arange(1, seconds * 1000 // CHUNK_MS + 1, dtype="<i2")  # each 20 ms are told from the others
        self.speech = b"".join(int(step).to_bytes(2, "little") * (CHUNK_MS * BYTES_PER_MS // 2) for step in steps)
        self.playout.push(self.speech)
        self.playout.end_of_speech()

    def beats(self, count: int) -> None:
        """So many times 20 ms."""
        for _ in range(count):
            self.voice.beat(0.0, 0)


def test_the_publisher_hears_and_everybody_else_hears_the_same() -> None:
    """Each 20 ms go to all who are there; speaking is told once at its beginning and once at its end."""
    room, publisher, listener = Room(waits=True, seconds=1), Ear(), Ear()
    room.voice.join(publisher, publishes=True)
    room.beats(10)
    room.voice.join(listener, publishes=False)
    room.beats(60)
    assert publisher.sound == room.speech
    assert listener.beats == publisher.beats[10:]
    assert room.told == [True, False]


def test_the_voice_waits_for_a_publisher_that_hears() -> None:
    """Before it is there and while it is away nothing is said, whoever else listens; what it missed is said again."""
    room, publisher, listener = Room(waits=True), Ear(), Ear()
    room.voice.join(listener, publishes=False)
    room.beats(50)
    assert listener.heard_ms == 0
    room.voice.join(publisher, publishes=True)
    room.beats(50)
    room.voice.hold(publisher, 10)
    room.beats(50)
    assert (publisher.heard_ms, listener.heard_ms) == (1000, 1000)
    room.voice.release(publisher)
    room.beats(200)
    assert publisher.sound == room.speech[: 1000 * BYTES_PER_MS] + room.speech[800 * BYTES_PER_MS :]


def test_a_stall_of_the_loop_is_not_taken_for_words_that_nobody_heard() -> None:
    """A second without the browser, for half of which the gateway stood still: half a second is said again."""
    room, publisher = Room(waits=True), Ear()
    room.voice.join(publisher, publishes=True)
    for beat in range(25):
        room.voice.beat(beat * 0.02, 0)
    heard_s = 24 * 0.02
    for beat in range(50, 75):  # those before were missed
        room.voice.beat(beat * 0.02, 25 if beat == 50 else 0)
    room.voice.hold(publisher, room.voice.taken_since(heard_s))
    room.voice.release(publisher)
    room.beats(200)
    assert publisher.sound == room.speech[: 1000 * BYTES_PER_MS] + room.speech[500 * BYTES_PER_MS :]


def test_a_publisher_that_left_is_waited_for_until_another_comes() -> None:
    """The voice falls silent in the middle and goes on, to the sample, with the next peer."""
    room, first, second = Room(waits=True), Ear(), Ear()
    room.voice.join(first, publishes=True)
    room.beats(50)
    room.voice.leave(first)
    room.beats(50)
    room.voice.join(second, publishes=True)
    room.beats(200)
    assert first.sound + second.sound == room.speech
    assert room.told == [True, False, True, False]


def test_the_peer_before_leaves_without_harm_to_the_next() -> None:
    """A peer that is replaced is closed after the new one has come."""
    room, first, second = Room(waits=True), Ear(), Ear()
    room.voice.join(first, publishes=True)
    room.voice.join(second, publishes=True)
    room.voice.leave(first)
    room.beats(150)
    assert second.sound == room.speech


def test_without_anybody_time_passes() -> None:
    """A camera that hears nothing and no listener: the answer is over when its time is over."""
    room = Room(waits=False, seconds=1)
    room.beats(49)
    assert room.told == [True]
    room.beats(30)
    assert room.playout.complete
    assert room.told == [True, False]
    assert not room.voice.is_heard


def test_a_listener_that_comes_late_hears_the_rest() -> None:
    """It is like a loudspeaker that is switched on."""
    room, listener = Room(waits=False), Ear()
    room.beats(100)
    room.voice.join(listener, publishes=False)
    room.beats(100)
    assert listener.sound == room.speech[2000 * BYTES_PER_MS :]


def test_the_only_listener_is_waited_for_as_a_publisher_is() -> None:
    """While nothing reaches it the voice stands still, and what it missed is said again."""
    room, listener = Room(waits=False), Ear()
    room.voice.join(listener, publishes=False)
    room.beats(50)
    room.voice.hold(listener, 10)
    room.beats(500)
    assert not room.voice.is_heard
    room.voice.release(listener)
    room.beats(200)
    assert listener.sound == room.speech[: 1000 * BYTES_PER_MS] + room.speech[800 * BYTES_PER_MS :]


def test_one_listener_of_two_stops_nobody() -> None:
    """The other takes the lead and hears everything once; the first misses what it missed."""
    room, first, second = Room(waits=False), Ear(), Ear()
    room.voice.join(first, publishes=False)
    room.voice.join(second, publishes=False)
    room.beats(50)
    room.voice.hold(first, 10)
    room.beats(50)
    room.voice.release(first)
    room.beats(200)
    assert second.sound == room.speech
    assert first.heard_ms == 2000


def test_a_listener_that_is_given_up_is_not_waited_for() -> None:
    """When the only one has left, time passes again."""
    room, listener = Room(waits=False), Ear()
    room.voice.join(listener, publishes=False)
    room.voice.hold(listener, 0)
    room.beats(100)
    assert not room.playout.complete
    room.voice.leave(listener)
    room.beats(200)
    assert room.playout.complete


def test_speech_begins_at_once_and_the_clock_is_kept() -> None:
    """Between two beats too; after the answer there is one silent beat less, so that RTP time follows the clock."""
    room, publisher = Room(waits=True, seconds=1), Ear()
    room.voice.join(publisher, publishes=True)
    room.beats(100)
    assert len(publisher.beats) == 100
    room.playout.push(SECOND)
    room.playout.end_of_speech()
    room.voice.begin(0.0)
    assert len(publisher.beats) == 101
    assert publisher.beats[-1] is not None
    room.voice.begin(0.0)
    assert len(publisher.beats) == 101, "what has begun follows the beat"
    room.beats(100)
    assert len(publisher.beats) == 200
    assert publisher.heard_ms == 2000


def test_speech_does_not_begin_for_whom_nothing_reaches() -> None:
    """It waits as it would with the beat; nor does it begin before enough of it has come."""
    room, publisher = Room(waits=True, seconds=1), Ear()
    room.voice.begin(0.0)
    room.voice.join(publisher, publishes=True)
    room.voice.hold(publisher, 0)
    room.voice.begin(0.0)
    assert publisher.beats == []
    room.voice.release(publisher)
    room.beats(100)
    room.playout.push(SECOND[: 40 * BYTES_PER_MS])
    room.voice.begin(0.0)
    assert len(publisher.beats) == 100


def test_an_interruption_is_silent_within_60_ms() -> None:
    """What is played after it is a fade and nothing more."""
    room, publisher = Room(waits=True), Ear()
    room.playout.push(SECOND)
    room.voice.join(publisher, publishes=True)
    room.beats(10)
    publisher.beats.clear()
    room.playout.flush()
    room.beats(30)
    assert publisher.heard_ms <= INTERRUPTION_MAX_MS
    assert room.told == [True, False]
