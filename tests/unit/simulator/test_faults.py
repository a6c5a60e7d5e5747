"""The schedule of faults."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.simulator.faults import Fault, Schedule, read_script


def test_each_fault_happens_once_on_each_connection_it_names() -> None:
    """One that names none happens on every one."""
    schedule = Schedule((Fault(at="turn", do="close", connection=2), Fault(at="turn", do="stall")))
    assert [fault.do for fault in schedule.due("turn", 1)] == ["stall"]
    assert schedule.due("turn", 1) == []
    assert [fault.do for fault in schedule.due("turn", 2)] == ["close", "stall"]


def test_a_fault_waits_for_its_turn_and_its_time() -> None:
    """In the second answer, after half a second of speech."""
    schedule = Schedule((Fault(at="speaking", do="abort", turn=2, after_s=0.5),))
    assert schedule.due("speaking", 1, turn=1, elapsed_s=9) == []
    assert schedule.due("speaking", 1, turn=2, elapsed_s=0.4) == []
    assert len(schedule.due("speaking", 1, turn=2, elapsed_s=0.5)) == 1


def test_a_script_is_read(tmp_path: Path) -> None:
    """From TOML, with defaults."""
    script = tmp_path / "faults.toml"
    script.write_text('[[fault]]\nat = "handshake"\ndo = "refuse"\nstatus = 429\nretry_after_s = 3\n')
    (fault,) = read_script(script).fault
    assert (fault.status, fault.retry_after_s) == (429, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[fault]", "not TOML"),
        ("fault = 3", "fault: Input should be"),
        ('[[fault]]\nat = "lunch"\ndo = "close"', "at: Input should be"),
        ('[[fault]]\nat = "turn"\ndo = "close"\ncoed = 3', "coed: Extra inputs"),
        ("think_ms = -1", "think_ms: Input should be greater"),
        ("thinks_ms = 1", "thinks_ms: Extra inputs"),
        ('[[fault]]\nat = "turn"\ndo = "refuse"', "refuse cannot happen at turn, only at handshake"),
    ],
)
def test_a_mistake_in_a_script_is_named(tmp_path: Path, text: str, words: str) -> None:
    """In a sentence with the file."""
    script = tmp_path / "faults.toml"
    script.write_text(text)
    with pytest.raises(ConfigError, match=words) as error:
        read_script(script)
    assert "faults.toml" in str(error.value)


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(ConfigError, match="No such file"):
        read_script(tmp_path / "none.toml")
