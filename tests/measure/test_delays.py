"""What the bench of the stream counts."""

from bench import stream


def test_what_a_block_of_sound_took_is_until_the_first_word_of_it() -> None:
    """The bench's own count: a word about a later block is one about it too; without a word there is no figure."""
    said = [[0.0, 7, 0], [40.0, 8, 0], [80.0, 9, 0], [120.0, 10, 0]]
    assert stream.took_ms(said, [[30.0, 6], [50.0, 8], [200.0, 9]]) == [50.0, 10.0, 120.0]
