"""What goes to the model next."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.live.outbox import (
    AUDIO_MAX_AGE_S,
    VIDEO_UNSENT_MAX_BYTES,
    Audio,
    AudioStreamEnd,
    Control,
    FrameToSend,
    Outbox,
)

PCM = bytes(1280)


def drain(outbox: Outbox, now_s: float = 0.0, unsent_bytes: int = 0) -> list[object]:
    """Everything that may be sent now."""
    sent = []
    while (outgoing := outbox.next(now_s, unsent_bytes)) is not None:
        sent.append(outgoing)
    return sent


def test_control_goes_first_then_sound_then_the_newest_frame() -> None:
    """Whatever the order in which they came."""
    outbox = Outbox()
    outbox.put_frame(1, b"old")
    outbox.put_audio(b"a", 0.0)
    outbox.put_frame(2, b"new")
    outbox.put_audio(b"b", 0.0)
    outbox.put_control("c")
    assert drain(outbox) == [Control("c"), Audio(b"a"), Audio(b"b"), FrameToSend(2, b"new")]
    assert outbox.dropped_frames == 1


def test_what_is_meant_for_one_link_is_said_otherwise_on_another() -> None:
    """Only what is still there when the other one opens; in its place."""
    outbox = Outbox()
    outbox.put_control("answer 1", elsewhere="in words")
    outbox.put_control("text")
    outbox.other_link()
    outbox.put_control("answer 2", elsewhere="in words")
    assert [item.message for item in drain(outbox) if isinstance(item, Control)] == ["in words", "text", "answer 2"]


def test_a_pause_stays_behind_the_sound_before_it() -> None:
    """The end of the stream does not cut off words that are still waiting, and is told once."""
    outbox = Outbox()
    outbox.put_audio(b"a", 0.0)
    outbox.put_audio_stream_end(0.0)
    outbox.put_audio_stream_end(0.0)
    outbox.put_audio(b"b", 0.0)
    assert drain(outbox) == [Audio(b"a"), AudioStreamEnd(), Audio(b"b")]


def test_a_frame_waits_while_much_is_unsent_and_sound_does_not() -> None:
    """A slow network costs frames."""
    outbox = Outbox()
    outbox.put_frame(1, b"frame")
    outbox.put_audio(PCM, 0.0)
    assert drain(outbox, unsent_bytes=VIDEO_UNSENT_MAX_BYTES + 1) == [Audio(PCM)]
    assert outbox.has_frame
    assert drain(outbox, unsent_bytes=VIDEO_UNSENT_MAX_BYTES) == [FrameToSend(1, b"frame")]


def test_sound_that_is_too_old_is_dropped_oldest_first_and_counted() -> None:
    """When a link opens late the newest seconds are said, not the first."""
    outbox = Outbox()
    for index in range(250):
        outbox.put_audio(index.to_bytes(2, "little") * 640, index / 25)
    now_s = 249 / 25
    sent = drain(outbox, now_s)
    assert len(sent) in (int(AUDIO_MAX_AGE_S * 25), int(AUDIO_MAX_AGE_S * 25) + 1)
    assert sent[-1] == Audio((249).to_bytes(2, "little") * 640)
    assert outbox.dropped_audio_ms == (250 - len(sent)) * 40


def test_what_belongs_to_a_refused_link_can_be_forgotten() -> None:
    """Media is dropped and counted; control stays."""
    outbox = Outbox()
    outbox.put_audio(PCM, 0.0)
    outbox.put_frame(1, b"frame")
    outbox.put_control("typed")
    outbox.forget_media()
    assert drain(outbox) == [Control("typed")]
    assert (outbox.dropped_audio_ms, outbox.dropped_frames) == (40, 1)


@given(st.lists(st.sampled_from(["audio", "frame", "next"]), max_size=100), st.integers(0, 200_000))
def test_frames_never_cost_sound(steps: list[str], unsent_bytes: int) -> None:
    """All sound leaves in its order, however many frames come and however slow the network is."""
    outbox = Outbox()
    put = 0
    sent: list[object] = []
    for step in steps:
        if step == "audio":
            outbox.put_audio(put.to_bytes(4, "little"), 0.0)
            put += 1
        elif step == "frame":
            outbox.put_frame(1, b"frame")
        else:
            sent.append(outbox.next(0.0, unsent_bytes))
    sent += drain(outbox, unsent_bytes=unsent_bytes)
    sound = [outgoing.pcm for outgoing in sent if isinstance(outgoing, Audio)]
    assert sound == [index.to_bytes(4, "little") for index in range(put)]
