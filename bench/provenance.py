"""Where a figure comes from: the day, the commit and the machine.

Owns what every report says of itself. It must not know what is measured.
**Invariant: it is of the moment at which it is asked; ask before the work begins, or the load is the bench's own.**
"""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Provenance:
    """Of one run."""

    date: str  # ISO, UTC
    commit: str  # short; empty outside a repository
    machine: str  # processor and interpreter
    cores: int
    load: float  # average of the last minute


def provenance() -> Provenance:
    """That of a run which begins now."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return Provenance(
        datetime.now(UTC).date().isoformat(),
        commit.stdout.strip(),
        f"{platform.machine()}, CPython {platform.python_version()}",
        os.cpu_count() or 1,
        round(os.getloadavg()[0], 1),
    )
