"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from bench import network_table, qa, stream
from bench.capacity import table as capacity
from gateway import settings_table
from gateway.errors import ClientError
from gateway.lifecycle import EndReason
from gateway.settings import env_names
from gateway.settings_limits import LimitSettings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_settings_table_is_the_present_one() -> None:
    """README's table is what `make docs` would write."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert settings_table.insert(readme) == readme, "run `make docs`"


def test_the_network_table_is_that_of_the_run() -> None:
    """docs/network.md and README's table are what `make docs` makes of docs/network.json."""
    report = network_table.read(ROOT / "docs/network.json")
    assert network_table.render(report) == (ROOT / "docs/network.md").read_text(encoding="utf-8"), "run `make docs`"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert network_table.insert(readme, report) == readme, "run `make docs`"


def test_the_figures_of_a_stream_are_those_of_the_run() -> None:
    """docs/stream.md is what `make docs` makes of docs/stream.json."""
    report = stream.read(ROOT / "docs/stream.json")
    assert stream.render(report) == (ROOT / "docs/stream.md").read_text(encoding="utf-8"), "run `make docs`"


def test_the_run_of_the_loopback_page_is_the_one_that_was_kept() -> None:
    """docs/loopback.md is what `make docs` makes of docs/loopback.json."""
    facts = qa.read(ROOT / "docs/loopback.json")
    assert qa.render(facts) == (ROOT / "docs/loopback.md").read_text(encoding="utf-8"), "run `make docs`"


def test_the_capacity_tables_are_those_of_the_run() -> None:
    """docs/capacity.md, its charts and the parts of README and operate.md are what `make docs` makes of the report."""
    facts = capacity.read(ROOT / "docs/capacity.json")
    rendered = capacity.render(facts, capacity.read(capacity.QUIET))
    assert rendered == (ROOT / "docs/capacity.md").read_text(encoding="utf-8"), "run `make docs`"
    for name, drawn in capacity.charts(facts).items():
        assert drawn == (ROOT / "docs" / name).read_text(encoding="utf-8"), "run `make docs`"
    for name, text in (("README.md", capacity.short(facts)), ("docs/operate.md", capacity.sizing(facts))):
        document = (ROOT / name).read_text(encoding="utf-8")
        assert capacity.insert(document, text) == document, "run `make docs`"


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


def leaves(error: type[ClientError]) -> list[type[ClientError]]:
    """What is raised, and not only a base of others."""
    return [leaf for child in error.__subclasses__() for leaf in leaves(child)] or [error]


def test_every_code_that_a_client_can_get_is_explained() -> None:
    """Those of refused requests and those of ended sessions."""
    protocol = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    codes = {error.code for error in leaves(ClientError)} | {reason.value for reason in EndReason}
    assert {code for code in codes if f"`{code}`" not in protocol} == set()


def test_every_limit_is_explained_with_its_setting_and_code() -> None:
    """docs/limits.md leaves none out."""
    limits = (ROOT / "docs/limits.md").read_text(encoding="utf-8")
    names = {env_names(field)[0] for field in LimitSettings.model_fields}
    codes = {error.code for error in leaves(ClientError) if error.is_limit}
    assert {name for name in names | codes if f"`{name}`" not in limits} == set()


def test_the_attacks_of_the_threat_model_are_tests() -> None:
    """Each test that SECURITY.md names is in the file it names."""
    rows = re.findall(r"\]\((tests/\S+\.py)\) \| (`test_.*) \|", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert rows
    for path, names in rows:
        there = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert f"def {name}(" in there, f"{path} has no {name}"
