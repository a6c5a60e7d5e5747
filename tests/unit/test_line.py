"""The seam between the sound of two peers."""

from gateway.line import SILENCE_MS, Line
from gateway.media.timeline import BYTES_PER_MS


def test_a_seam_is_silence_of_its_own_length() -> None:
    """In pieces as long as the messages of a peer, and a rest."""
    line = Line()
    assert line.seam(10.0) == []
    line.goes_on(10.0)
    pieces = line.seam(10.3)
    assert sum(map(len, pieces)) == 300 * BYTES_PER_MS
    assert max(map(len, pieces)) == SILENCE_MS * BYTES_PER_MS
    assert not any(b"".join(pieces))


def test_a_pause_that_was_told_has_no_seam() -> None:
    """Nor has one so short that it is none; one so long that it is a pause is known as that until it is told."""
    line = Line()
    assert not line.is_pause(10.0)
    line.goes_on(10.0)
    assert line.seam(10.01) == []
    assert not line.is_pause(10.9)
    assert line.is_pause(11.5)
    line.ends()
    assert line.seam(10.3) == []
    assert not line.is_pause(11.5)
