"""The queue of the model's voice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.playout import CHUNK_BYTES, CHUNK_MS, PREBUFFER_MS, QUEUE_MAX_MS, RATE_HZ, REWIND_MAX_TAKES, Playout


def speech(ms: float) -> bytes:
    """Loud PCM of that length."""
    samples = 8000 * np.sin(2 * np.pi * 300 * np.arange(int(RATE_HZ * ms / 1000)) / RATE_HZ)
    return samples.astype("<i2").tobytes()


def drain(playout: Playout) -> bytes:
    """Everything that can be taken now."""
    taken = b""
    while (chunk := playout.take(0.0)) is not None:
        assert len(chunk) == CHUNK_BYTES
        taken += chunk
    return taken


def test_speech_waits_for_the_prebuffer() -> None:
    """Nothing plays until so much has come that the next pause of the service is covered."""
    playout = Playout()
    playout.push(speech(PREBUFFER_MS - 20))
    assert playout.take(0.0) is None
    playout.push(speech(20))
    assert playout.take(0.0) is not None


def test_the_end_of_speech_plays_what_there_is() -> None:
    """A short answer does not wait for a prebuffer that never comes, and its last chunk is filled with silence."""
    playout = Playout()
    pcm = speech(30)
    playout.push(pcm)
    playout.end_of_speech()
    assert drain(playout) == pcm.ljust(2 * CHUNK_BYTES, b"\0")
    assert playout.complete


def test_a_minute_that_came_at_once_is_played_whole() -> None:
    """A burst far ahead of real time is kept and taken in order."""
    playout = Playout()
    pcm = np.random.default_rng(1).integers(-9000, 9000, RATE_HZ * 60, dtype="<i2").tobytes()
    for at in range(0, len(pcm), 11_520):
        playout.push(pcm[at : at + 11_520])
    playout.end_of_speech()
    assert drain(playout) == pcm
    assert playout.played_ms == 60_000


def test_an_interruption_is_silent_within_two_takes() -> None:
    """After a flush one chunk fades out, then there is silence; what was dropped is told."""
    playout = Playout()
    playout.push(speech(1000))
    playout.take(0.0)
    assert playout.flush() == 1000 - CHUNK_MS
    fade = playout.take(0.0)
    assert fade is not None
    assert not any(fade[CHUNK_BYTES // 2 :])
    assert playout.take(0.0) is None
    assert playout.complete


def test_a_flush_of_nothing_is_silence() -> None:
    """An interruption that comes when nothing is played changes nothing."""
    playout = Playout()
    assert playout.flush() == 0
    assert playout.take(0.0) is None


def test_running_dry_is_counted_once_and_waits_for_a_new_prebuffer() -> None:
    """A service that is slower than real time makes one gap, not many."""
    playout = Playout()
    playout.push(speech(PREBUFFER_MS))
    drain(playout)
    assert playout.underruns == 1
    playout.push(speech(CHUNK_MS))
    assert playout.take(0.0) is None
    assert playout.underruns == 1


def test_half_a_sample_is_completed_by_the_next_push() -> None:
    """A chunk that is cut within a sample does not shift what follows."""
    playout = Playout()
    pcm = speech(200)
    playout.push(pcm[:1001])
    playout.push(pcm[1001:])
    playout.end_of_speech()
    assert drain(playout) == pcm


def test_a_runaway_answer_is_bounded() -> None:
    """What comes beyond the limit is counted and not kept."""
    playout = Playout()
    for _ in range(QUEUE_MAX_MS // 1000 + 5):
        playout.push(bytes(RATE_HZ * 2))
    assert playout.queued_ms == QUEUE_MAX_MS
    assert playout.overflow_ms == 5000


@given(st.lists(st.one_of(st.binary(max_size=4000), st.just("end"), st.just("flush"), st.just("take")), max_size=60))
def test_every_sample_is_played_or_dropped(steps: list[bytes | str]) -> None:
    """Pushed = played + dropped + queued, whatever the order of events."""
    playout = Playout()
    pushed = dropped = 0.0
    odd = 0
    for step in steps:
        if isinstance(step, bytes):
            odd += len(step)
            pushed += odd // 2
            odd %= 2
            playout.push(step)
        elif step == "flush":
            before = playout.played_ms
            dropped += playout.flush() - (playout.played_ms - before)
            odd = 0
        elif step == "end":
            playout.end_of_speech()
            odd = 0
        else:
            playout.take(0.0)
    samples_ms = 1000 / RATE_HZ
    assert abs(playout.played_ms + dropped + playout.queued_ms - pushed * samples_ms) < samples_ms / 2


def test_what_nobody_heard_is_played_again() -> None:
    """The last so many chunks, in order, and then what was still to come; the playhead goes back with it."""
    playout = Playout()
    speech = b"".join(bytes([index, 0]) * 480 for index in range(1, 21))
    playout.push(speech)
    playout.end_of_speech()
    first = [playout.take(0.0) for _ in range(10)]
    assert playout.rewind(5) == 100
    assert playout.played_ms == 100
    rest = [playout.take(0.0) for _ in range(15)]
    assert b"".join(chunk for chunk in (*first[:5], *rest) if chunk is not None) == speech
    assert playout.take(0.0) is None


def test_speech_is_remembered_for_six_seconds() -> None:
    """How far back it reaches is counted in beats, also through silence; what is older is never played again."""
    playout = Playout()
    playout.push(b"\1\0" * 480 * 2)
    playout.end_of_speech()
    for beat in range(10):
        playout.take(beat * 0.02)
    assert (playout.taken_since(-1.0), playout.taken_since(0.0), playout.taken_since(0.02)) == (10, 9, 0)
    for beat in range(10, REWIND_MAX_TAKES):
        playout.take(beat * 0.02)
    assert playout.taken_since(-1.0) == REWIND_MAX_TAKES
    playout.take(6.0)
    assert playout.taken_since(-1.0) == REWIND_MAX_TAKES
    assert playout.rewind(REWIND_MAX_TAKES) == 20


def test_only_what_was_played_then_is_played_again() -> None:
    """Silence in between is not made up for, what was flushed stays so, and nothing is played a third time."""
    playout = Playout()
    playout.push(b"\1\0" * 480)
    playout.end_of_speech()
    assert playout.take(0.0) is not None
    for _ in range(50):
        assert playout.take(0.0) is None
    assert playout.rewind(25) == 0
    playout.push(b"\1\0" * 480 * 8)
    for _ in range(4):
        playout.take(0.0)
    playout.flush()
    assert playout.rewind(50) == 0
    assert playout.rewind(50) == 0
