"""A session as its record has it."""

from gateway.guard.claims import Claims
from gateway.live.past import Past
from gateway.live.transcript import Turn
from gateway.record import SEQ_MARGIN, Kept, told

CLAIMS = Claims("anna", "t1", single_use=True, tools=frozenset({"b", "a"}), origins=("https://a.example",))


def test_what_is_kept_is_read() -> None:
    """The rights of the bearer too; events go on well beyond those that were told."""
    past = Past((Turn(1, user=" hi ", model="ho"),), handle="h", generation=2)
    kept = Kept(CLAIMS, past, 5.0, 100, 4, name="door", spent_tokens=70, spent_frames=6)
    read = Kept.from_fields(kept.fields(0))
    assert read.claims == CLAIMS
    assert read.past == kept.past
    assert read.next_seq == 100 + SEQ_MARGIN
    assert (read.name, read.spent_tokens, read.spent_frames) == ("door", 70, 6)
    assert read.is_resumed
    assert not Kept(CLAIMS).is_resumed


def test_a_person_is_told_what_was_said_and_nothing_else() -> None:
    """No handle, no claims."""
    kept = Kept(CLAIMS, Past((Turn(3, user=" hi ", model="ho", cut=True),), dropped_turns=2, handle="secret"))
    said = {"number": 3, "user": "hi", "model": "ho", "tools": [], "cut": True}
    assert told(kept.fields(0)) == {"turns": [said], "dropped_turns": 2}
