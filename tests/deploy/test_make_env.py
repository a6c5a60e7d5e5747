"""`make secrets`."""

from pathlib import Path

import pytest

from deploy.make_env import fill, main, missing

EXAMPLE = (
    "# to fill in\nPUBLIC_IPV4=\nPRIVATE_IPV4=\n# ----- Secrets -----\nA_SECRET=changeme\nB_SECRET=changeme\nPORT=1\n"
)


def values(text: str) -> dict[str, str]:
    """What is set."""
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))


def test_each_placeholder_becomes_a_secret_of_its_own() -> None:
    """Long and random; the rest stays as it is."""
    first, second = values(fill(EXAMPLE, None)), values(fill(EXAMPLE, None))
    assert len({first["A_SECRET"], first["B_SECRET"], second["A_SECRET"], second["B_SECRET"]}) == 4
    assert all(len(first[name]) >= 43 for name in ("A_SECRET", "B_SECRET"))  # 256 bits
    assert first["PORT"] == "1"


def test_the_address_is_filled_in_as_far_as_it_is_known() -> None:
    """A private one says nothing of the public one."""
    assert missing(fill(EXAMPLE, "10.0.0.5")) == ["PUBLIC_IPV4"]
    assert missing(fill(EXAMPLE, "8.8.4.4")) == []
    assert missing(fill(EXAMPLE, None)) == ["PUBLIC_IPV4", "PRIVATE_IPV4"]


def test_what_is_there_is_never_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a new version adds is named."""
    (tmp_path / ".env.example").write_text(EXAMPLE)
    assert main(tmp_path) == 0
    made = tmp_path / ".env"
    assert made.stat().st_mode & 0o077 == 0
    before = made.read_text()
    (tmp_path / ".env.example").write_text(EXAMPLE + "NEW_ONE=changeme\n")
    assert main(tmp_path) == 2
    assert made.read_text() == before
    assert "NEW_ONE" in capsys.readouterr().err
