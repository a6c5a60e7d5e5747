"""Where the settings come from.

Owns the sources, first wins: arguments, environment, `*_FILE` secrets, the TOML file named by `GATEWAY_CONFIG`. It must
not know what a setting means, and it opens nothing but the files it is told to read.
**Invariant: whatever cannot be read or is wrong stops the start with a sentence that names the variable or the file.**
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, SettingsError

from gateway.errors import ConfigError
from gateway.settings import PREFIX, Settings, env_names, secret_fields

CONFIG_VARIABLE = "GATEWAY_CONFIG"
NO_EXTENSIONS_VARIABLE = "GATEWAY_NO_EXTENSIONS"  # no setting: it is looked at while modules are imported


def load_settings(
    env: Mapping[str, str], config: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Build the settings of a process; raises ConfigError with one sentence for each thing that is wrong.

    `env` is usually `os.environ`; `config` is a TOML file whose keys are the attribute names (default: the one that
    `GATEWAY_CONFIG` names); `overrides` are the command line's.
    """
    if config is None and env.get(CONFIG_VARIABLE):
        config = Path(env[CONFIG_VARIABLE])
    values = {
        **(_read_toml(config) if config else {}),
        **_read_env(env),
        **_read_secret_files(env),
        **(overrides or {}),
    }
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigError("; ".join(_sentence(problem) for problem in error.errors(include_url=False))) from None


def unknown_variables(env: Mapping[str, str]) -> dict[str, str | None]:
    """Variables that begin with `GATEWAY_` and mean nothing here, with the name that was probably meant.

    They are reported and not refused: container platforms add variables of their own for a service named `gateway`.
    """
    known = {CONFIG_VARIABLE, NO_EXTENSIONS_VARIABLE}
    for field_name in Settings.model_fields:
        known.update(env_names(field_name))
    known |= {name + "_FILE" for field_name in secret_fields() for name in env_names(field_name)}
    unknown = sorted(name for name in env if name.startswith(PREFIX) and name not in known)
    return {name: next(iter(difflib.get_close_matches(name, known, n=1)), None) for name in unknown}


class _MappingEnvSource(EnvSettingsSource):
    """Pydantic's environment source over a mapping that was handed in instead of the process's own."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._mapping = env
        super().__init__(Settings, case_sensitive=True)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name: value for name, value in self._mapping.items() if value.strip()}

    def _extract_field_info(
        self, field: FieldInfo, field_name: str, model_config: Mapping[str, Any] | None = None
    ) -> list[tuple[str, str, bool]]:
        return [(field_name, name, False) for name in env_names(field_name)]


def _read_env(env: Mapping[str, str]) -> dict[str, Any]:
    try:
        return _MappingEnvSource(env)()
    except SettingsError as error:
        for field_name in Settings.model_fields:
            if f'"{field_name}"' in str(error):
                raise ConfigError(f"{env_names(field_name)[0]} is not valid JSON: {error.__cause__}") from None
        raise ConfigError(str(error)) from None
    except RecursionError:
        raise ConfigError("A setting is JSON that is nested too deeply.") from None


def _read_secret_files(env: Mapping[str, str]) -> dict[str, str]:
    secrets: dict[str, str] = {}
    for field_name in secret_fields():
        for name in env_names(field_name):
            variable = name + "_FILE"
            if not env.get(variable):
                continue
            try:
                secret = Path(env[variable]).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not text"
                raise ConfigError(f"{variable}={env[variable]} cannot be read: {reason}.") from None
            if not secret:
                raise ConfigError(f"{variable}={env[variable]} is blank: put the secret into it, or unset {variable}.")
            if any(env.get(other, "").strip() for other in env_names(field_name)):
                raise ConfigError(f"{variable} and {name} are both set: keep one, so that it is clear which is used.")
            secrets.setdefault(field_name, secret)
    return secrets


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"The settings file {path} is not TOML: it is not text.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"The settings file {path} is not TOML: {error}.") from None
    for key in table:
        if key not in Settings.model_fields:
            meant = difflib.get_close_matches(key, Settings.model_fields, n=1)
            hint = f" (was {meant[0]} meant?)" if meant else ""
            raise ConfigError(f"The settings file {path} has an unknown key {key}{hint}.")
    return table


def _sentence(problem: Mapping[str, Any]) -> str:
    """One readable clause for one pydantic error."""
    message = str(problem["msg"]).removeprefix("Value error, ")
    location = problem["loc"]
    if not location:
        return message
    field_name = next((name for name in Settings.model_fields if location[0] in (name, *env_names(name))), None)
    name = env_names(field_name)[0] if field_name else str(location[0])
    value = "" if field_name in secret_fields() else f"={problem['input']!r}"
    return f"{name}{value}: {message[0].lower()}{message[1:]}"
