"""What a check says.

Owns the form of it. It must not know what is checked.
**Invariant: every finding is a sentence; what is wrong comes with what to do; a secret is never in it.**
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked."""

    level: Literal["ok", "warning", "wrong"]
    text: str
