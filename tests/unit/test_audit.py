"""The audit of what the project is built of can fail."""

import base64
import hashlib
import importlib.util
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def load() -> ModuleType:
    """`.ci/audit.py`, which is no package."""
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci/audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


audit = load()


@pytest.fixture
def package(tmp_path: Path) -> tuple[Distribution, Path]:
    """An installed package with one file."""
    info = tmp_path / "sound-1.0.dist-info"
    info.mkdir()
    file = tmp_path / "sound.py"
    file.write_text("loud = True\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).decode().rstrip("=")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Sound\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"sound.py,sha256={digest},12\nsound-1.0.dist-info/RECORD,,\n")
    return next(iter(distributions(path=[str(tmp_path)]))), file


def test_only_exact_versions_are_constraints() -> None:
    """Those of this project are; a range is not."""
    assert audit.pinned(["a_B==1.0", "", "# words", "c>=1", "d", "e==1.*"]) == ({"a-b": "1.0"}, ["c>=1", "d", "e==1.*"])
    versions, loose = audit.pinned(audit.CONSTRAINTS.read_text(encoding="utf-8").splitlines())
    assert loose == []
    assert len(versions) > 20


def test_a_package_that_was_not_agreed_on_is_found(package: tuple[Distribution, Path]) -> None:
    """By name, and by version."""
    installed, _ = package
    assert list(audit.strays([installed], {"sound": "1.0"})) == []
    assert "nothing of it" in next(audit.strays([installed], {}))
    assert "1.0 is installed; constraints.txt says 1.1" in next(audit.strays([installed], {"sound": "1.1"}))


def test_a_file_that_was_changed_is_found(package: tuple[Distribution, Path]) -> None:
    """Or is missing."""
    installed, file = package
    assert list(audit.changed([installed])) == []
    file.write_text("loud = None\n")
    assert "not what was published" in next(audit.changed([installed]))
    file.unlink()
    assert "is missing" in next(audit.changed([installed]))


def test_a_report_of_pip_audit_is_read() -> None:
    """What is vulnerable, and what nobody knows of."""
    report: dict[str, Any] = {
        "dependencies": [
            {"name": "good", "version": "1", "vulns": []},
            {"name": "bad", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]},
            {"name": "strange", "skip_reason": "not found"},
        ]
    }
    assert audit.judged(report) == (["bad 2: CVE-1, mended in: 3"], ["strange"])


@pytest.mark.parametrize(
    ("vulnerable", "gap", "strict", "code"),
    [([], "", [], 0), (["bad"], "", [], 1), ([], "away", [], 0), ([], "away", ["--strict"], 1)],
)
def test_what_was_not_checked_is_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    vulnerable: list[str],
    gap: str,
    strict: list[str],
    code: int,
) -> None:
    """And fails only where that was asked for."""
    monkeypatch.setattr(audit, "ask_pip_audit", lambda: (vulnerable, gap))
    monkeypatch.setattr(audit, "distributions", list)
    assert audit.main(strict) == code
    out = capsys.readouterr().out
    assert ("not checked" in out) is bool(gap)
    assert ("wrong" in out) is bool(vulnerable)
    assert ("ok           no known vulnerability" in out) is (not vulnerable and not gap)
