"""The settings in `.env.example`, made from the settings themselves.

    python -m gateway.settings_env .env.example     writes them between the two markers

Owns the rendering only. **Invariant: every setting is named in the file once: above the markers, set or as an example,
or between them as a comment with its default; a test compares.**
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from gateway.settings import Settings, env_names

BEGIN = "# settings: made by `make docs`, do not edit"
END = "# /settings"


def insert(example: str) -> str:
    """The file with the present settings between its markers; raises ValueError without them."""
    before, begin, rest = example.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the file has no {BEGIN} … {END}")
    above = set(re.findall(r"(?m)^(?:# )?(\w+)=", before))
    return f"{before}{BEGIN}\n{''.join(_entries(above))}{END}{after}"


def _entries(above: set[str]) -> list[str]:
    entries = []
    for field_name, field in Settings.model_fields.items():
        name = env_names(field_name)[0]
        if name in above:
            continue
        words = textwrap.fill(str(field.description), 116, initial_indent="# ", subsequent_indent="# ")
        entries.append(f"\n{words}\n#{name}={_shown(field.default)}\n")
    return entries


def _shown(value: Any) -> str:
    if value in (None, ()):
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) and " " in value else str(value)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(insert(path.read_text(encoding="utf-8")), encoding="utf-8")
