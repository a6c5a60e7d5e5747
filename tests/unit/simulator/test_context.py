"""How the simulated service counts tokens."""

from gateway.simulator.context import Context


def test_sound_frames_and_text_are_counted_as_documented() -> None:
    """25 tokens a second, 64 or 258 a frame, 4 characters a token."""
    context = Context().hear(10).see("MEDIA_RESOLUTION_LOW").see(None).read("x" * 40)
    assert (context.audio, context.image, context.text) == (250, 322, 10)
    assert context.total == 582


def test_compression_drops_to_its_target() -> None:
    """Only above the trigger, and only when it was asked for."""
    context = Context().hear(2000)
    asked = {"triggerTokens": "32000", "slidingWindow": {"targetTokens": 16000}}
    assert context.compress(asked).total == 16_000
    assert context.compress(None).total == 50_000
    assert Context().hear(100).compress(asked).total == 2500


def test_usage_is_told_in_the_words_of_each_platform() -> None:
    """The answer's own tokens are not part of its prompt."""
    context = Context().hear(4).say(2)
    usage = context.usage(vertex=False)
    assert (usage["promptTokenCount"], usage["responseTokenCount"], usage["totalTokenCount"]) == (100, 50, 150)
    assert usage["promptTokensDetails"] == [{"modality": "AUDIO", "tokenCount": 100}]
    assert context.usage(vertex=True)["candidatesTokenCount"] == 50
