"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from bench import network_table
from gateway import settings_table

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_settings_table_is_the_present_one() -> None:
    """README's table is what `make docs` would write."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert settings_table.insert(readme) == readme, "run `make docs`"


def test_the_network_table_is_that_of_the_run() -> None:
    """docs/network.md and README's table are what `make docs` makes of docs/network.json."""
    report = network_table.read(ROOT / "docs")
    assert network_table.render(report) == (ROOT / "docs/network.md").read_text(encoding="utf-8"), "run `make docs`"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert network_table.insert(readme, report) == readme, "run `make docs`"


def test_a_document_without_markers_is_refused() -> None:
    """The table is not silently lost when somebody removes its place."""
    with pytest.raises(ValueError, match="has no"):
        settings_table.insert("# README\n")
    with pytest.raises(ValueError, match="has no"):
        network_table.insert("# README\n", {"rows": []})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document names a file that is there."""
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    """CHANGELOG begins with what is not released yet."""
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
