"""The voice as messages: what is on its way, and what becomes of it."""

from gateway.media.playout import BYTES_PER_MS, CHUNK_MS, Playout
from gateway.media.stream_ear import ON_ITS_WAY_MAX_MS, StreamEar
from gateway.media.stream_wire import HEADER, Kind
from gateway.media.voice import Voice


class Line:
    """A voice that counts, and the one browser that hears it."""

    def __init__(self) -> None:
        self.playout = Playout()
        self.voice = Voice(self.playout, lambda _: None)
        self.sent: list[bytes] = []
        self.full: list[int] = []
        self.ear = StreamEar(self.sent.append, lambda: self.full.append(len(self.sent)))
        self.voice.join(self.ear, publishes=True)
        steps = range(1, 151)
        self.playout.push(b"".join(step.to_bytes(2, "little") * (CHUNK_MS * BYTES_PER_MS // 2) for step in steps))
        self.playout.end_of_speech()

    def beats(self, count: int) -> None:
        """So many times 20 ms."""
        for _ in range(count):
            self.voice.beat(0.0, 0)

    @property
    def numbers(self) -> list[int]:
        """Of the voice messages."""
        return [HEADER.unpack_from(one)[2] for one in self.sent if one[0] == Kind.VOICE]

    @property
    def steps(self) -> list[int]:
        """What they carry."""
        return [int.from_bytes(one[8:10], "little") for one in self.sent if one[0] == Kind.VOICE]


def test_what_was_sent_is_on_its_way_until_it_was_heard() -> None:
    """20 ms for 20 ms; a second of it is full."""
    line = Line()
    line.beats(10)
    assert line.ear.unheard_ms == line.voice.unheard_ms - line.playout.queued_ms == 200
    line.ear.heard(line.numbers[3])
    assert line.ear.unheard_ms == 120
    line.beats(43)
    assert line.full == []
    line.beats(1)
    assert line.ear.unheard_ms == ON_ITS_WAY_MAX_MS
    assert line.ear.is_full
    assert line.full == [54]
    line.ear.heard(line.numbers[4])
    assert not line.ear.is_full


def test_an_interruption_takes_back_what_nobody_heard() -> None:
    """It is flushed over there, and counts as not said: all that was pushed but what was heard, and the fade."""
    line = Line()
    line.beats(30)
    line.ear.heard(line.numbers[19])
    dropped_ms = line.voice.flush()
    assert dropped_ms == 150 * CHUNK_MS - 20 * CHUNK_MS
    assert line.sent[-1][0] == Kind.FLUSH
    assert HEADER.unpack_from(line.sent[-1])[2] > line.numbers[-1]
    before = len(line.numbers)
    line.beats(3)
    flushed_before = HEADER.unpack_from(line.sent[30])[2]
    assert all(number < flushed_before for number in line.numbers[before:]), "the fade is heard as a blip"
    assert line.ear.flush() == len(line.numbers[before:]) * CHUNK_MS


def test_an_interruption_of_one_who_has_heard_all_sends_nothing() -> None:
    """There is nothing to be taken back."""
    line = Line()
    line.beats(200)
    line.ear.heard(line.numbers[-1])
    assert line.voice.flush() == 0
    assert line.sent[-1][0] == Kind.VOICE


def test_what_a_lost_socket_did_not_deliver_is_said_again_and_nothing_twice() -> None:
    """The numbers go on; of the words none is missing and none comes twice for one who tells what was heard."""
    line = Line()
    line.beats(40)
    line.ear.heard(line.numbers[24])
    heard = line.steps[:25]
    line.voice.hold(line.ear, line.ear.take_back())
    line.beats(100)  # the way is gone, and the voice waits
    assert len(line.numbers) == 40
    line.voice.release(line.ear)
    line.beats(200)
    assert heard + line.steps[40:] == list(range(1, 151))
    assert line.numbers == sorted(set(line.numbers))


def test_silence_has_numbers_and_no_messages() -> None:
    """A browser sees from the number how long it lasted."""
    line = Line()
    line.beats(150)
    line.ear.heard(line.numbers[-1])
    line.beats(50)
    line.playout.push(bytes(CHUNK_MS * BYTES_PER_MS))
    line.playout.end_of_speech()
    line.beats(1)
    assert line.numbers[-1] == line.numbers[-2] + 51
