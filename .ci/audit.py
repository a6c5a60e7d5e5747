"""What this project is built of: is it exactly what was agreed, unchanged, and known to be vulnerable?

    python .ci/audit.py [--strict]

Owns the checks of `make audit`. Three need no network: that `constraints.txt` names exact versions, that the installed
packages are those, and that their files are the ones that were published. The fourth asks pip-audit, in an environment
of its own, for known vulnerabilities.
**Invariant: what could not be checked is said, never passed over; with `--strict` it fails.**
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
TOOL = "pip-audit==2.10.1"
TOOL_HOME = ROOT / "build" / "audit"
TIMEOUT_S = 300
OURS = {"gemini-live-gateway", "pip", "setuptools", "wheel"}  # itself, and what makes environments


def canonical(name: str) -> str:
    """A name as PEP 503 compares them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lines: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """(versions by name, lines that name no exact version)."""
    versions, loose = {}, []
    for line in filter(None, (line.partition("#")[0].strip() for line in lines)):
        name, exact, version = line.partition("==")
        if exact and re.fullmatch(r"[\w.!+-]+", version):
            versions[canonical(name)] = version
        else:
            loose.append(line)
    return versions, loose


def strays(installed: Iterable[Distribution], versions: Mapping[str, str]) -> Iterator[str]:
    """Installed packages that were not agreed on."""
    for one in installed:
        name = canonical(one.name)
        if name not in OURS and versions.get(name) != one.version:
            yield f"{one.name} {one.version} is installed; constraints.txt says {versions.get(name, 'nothing of it')}"


def changed(installed: Iterable[Distribution]) -> Iterator[str]:
    """Files of packages that differ from their published digests (RECORD)."""
    for one in installed:
        if canonical(one.name) in OURS:
            continue
        # Not `one.files`, which passes over what is missing from Python 3.13 on.
        for file, published, _ in csv.reader((one.read_text("RECORD") or "").splitlines()):
            if not published:
                continue
            path = Path(str(one.locate_file(file)))
            if not path.exists():
                yield f"{one.name}: {file} is missing"
                continue
            mode, _, value = published.partition("=")
            digest = hashlib.new(mode, path.read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") != value:
                yield f"{one.name}: {file} is not what was published"


def judged(report: Any) -> tuple[list[str], list[str]]:
    """(vulnerabilities, packages that could not be judged) of a report of pip-audit."""
    found, unknown = [], []
    for one in report["dependencies"]:
        if "skip_reason" in one:
            unknown.append(one["name"])
        for vulnerability in one.get("vulns", ()):
            mended = ", ".join(vulnerability["fix_versions"]) or "none yet"
            found.append(f"{one['name']} {one['version']}: {vulnerability['id']}, mended in: {mended}")
    return found, unknown


def ask_pip_audit() -> tuple[list[str], str]:
    """(vulnerabilities, why not all could be judged)."""
    program = TOOL_HOME / "bin" / "pip-audit"
    if not program.exists():
        venv.create(TOOL_HOME, with_pip=True, clear=True)
        install = [str(TOOL_HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", TOOL]
        if subprocess.run(install, check=False, capture_output=True, timeout=TIMEOUT_S).returncode:
            return [], f"{TOOL} cannot be installed here"
    command = [str(program), "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip", "--format", "json"]
    try:
        run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
        found, unknown = judged(json.loads(run.stdout))
    except subprocess.TimeoutExpired:
        return [], f"pip-audit did not end within {TIMEOUT_S} s"
    except ValueError:
        return [], f"pip-audit did not reach its source: {(run.stderr.strip().splitlines() or ['no words'])[-1][:200]}"
    return found, f"its source knows nothing of {len(unknown)} packages" if unknown else ""


def main(arguments: list[str]) -> int:
    """Say what was checked; 1 when something is wrong."""
    versions, loose = pinned(CONSTRAINTS.read_text(encoding="utf-8").splitlines())
    installed = list(distributions())
    checks = {
        f"constraints.txt names {len(versions)} exact versions": [f"{line} is no exact version" for line in loose],
        "what is installed is what it names": list(strays(installed, versions)),
        "no file of a package was changed": list(changed(installed)),
    }
    vulnerable, gap = ask_pip_audit()
    if vulnerable or not gap:
        checks["no known vulnerability"] = vulnerable
    for words, wrong in checks.items():
        print(f"{'wrong' if wrong else 'ok':12} {words}")
        for line in wrong:
            print(f"             {line}")
    if gap:
        print(f"{'not checked':12} known vulnerabilities: {gap}")
    return int(any(checks.values()) or (bool(gap) and "--strict" in arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
