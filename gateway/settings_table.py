"""The table of settings in the README, made from the settings themselves.

    python -m gateway.settings_table README.md     writes it between the two markers

Owns the rendering only. **Invariant: what a reader sees is what the code reads; a test compares the two.**
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gateway.settings import Settings, env_names, secret_fields
from gateway.settings_limits import LimitSettings
from gateway.settings_sources import CONFIG_VARIABLE, NO_EXTENSIONS_VARIABLE

BEGIN = "<!-- settings: made by `make docs`, do not edit -->"
END = "<!-- /settings -->"


def render() -> str:
    """The Markdown table, one row a setting, in the order of the code; the limits come last."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    fields = Settings.model_fields
    for name in sorted(fields, key=lambda name: name in LimitSettings.model_fields):  # limits last
        field = fields[name]
        names = [f"`{env_name}`" for env_name in env_names(name)]
        if name in secret_fields():
            names.append(f"`{env_names(name)[0]}_FILE`")
        rows.append(f"| {', '.join(names)} | {_default(field.default)} | {field.description} |")
    rows.append(f"| `{CONFIG_VARIABLE}` | | TOML file with the same settings: `port = 8080` for `GATEWAY_PORT`. |")
    rows.append(f"| `{NO_EXTENSIONS_VARIABLE}` | | `1` does without what is built in C (environment only). |")
    return "\n".join(rows)


def insert(document: str) -> str:
    """The document with the present table between its markers; raises ValueError without them."""
    return between(document, BEGIN, render(), END)


def between(document: str, begin: str, text: str, end: str) -> str:
    """The document with this text between two markers; raises ValueError without them."""
    before, found_begin, rest = document.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"the document has no {begin} … {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def _default(value: Any) -> str:
    if value in (None, ()):
        return ""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text}`" if len(text) < 40 else f"“{text}”"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(insert(path.read_text(encoding="utf-8")), encoding="utf-8")
