"""What pydantic finds wrong with input, in one sentence.

Owns the words. It must not know what the input is for.
**Invariant: the sentence names fields and never repeats values, which may be secret.**
"""

from __future__ import annotations

from pydantic import ValidationError


def mistakes(error: ValidationError) -> str:
    """`field: what is wrong; field.inner: what is wrong`, without a full stop."""
    found = []
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(map(str, problem["loc"])) or "it"
        words = problem["msg"].removeprefix("Value error, ")
        found.append(f"{where}: {words[0].lower()}{words[1:]}")
    return "; ".join(found)
