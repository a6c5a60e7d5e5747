"""Secrets of tools, by the name of an environment variable.

Owns where they are looked for. It must not know what they are for.
**Invariant: a secret is never part of a message.**
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.errors import ConfigError


def secret(variable: str, who: str, env: Mapping[str, str]) -> str:
    """The value of the variable, or of the file that VARIABLE_FILE names; `who` needs it. Raises ConfigError."""
    if env.get(variable):
        return env[variable]
    path = env.get(f"{variable}_FILE")
    if path:
        try:
            found = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"{variable}_FILE={path} cannot be read: {error.strerror}.") from None
        if found:
            return found
    raise ConfigError(f"{who} needs the secret {variable} (or {variable}_FILE) in the environment.")
