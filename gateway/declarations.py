"""What the model is told of the tools.

Owns the step from a tool to its declaration; `live` and `tools` know nothing of each other.
**Invariant: every tool is declared, under its own name.**
"""

from __future__ import annotations

from gateway.live.messages import Declaration
from gateway.tools.registry import Tools


def declarations(tools: Tools) -> tuple[Declaration, ...]:
    """One for each tool, in their order."""
    return tuple(Declaration(one.name, one.description, one.parameters, one.blocking) for one in tools)
