"""A profile: a named persona with its model, voice, instruction and tools, in one TOML file.

Owns the shape of the file. It must not know how tools are run.
**Invariant: a profile that was read is complete; a mistake in it is a sentence with the file's name.**
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import ConfigError
from gateway.mistakes import mistakes
from gateway.tools.tool import Scheduling


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Declared(_Part):
    """A tool that is described instead of written; `parameters` is a JSON Schema of an object."""

    name: str
    description: str = Field(min_length=1)
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    timeout_s: float | None = Field(None, gt=0)
    blocking: bool = False
    scheduling: Scheduling = "WHEN_IDLE"
    show_arguments: bool = False


class _WithSecret(_Part):
    secret_header: str | None = None  # name of an HTTP header whose value …
    secret_env: str | None = None  # … is this environment variable, or the file that VARIABLE_FILE names

    @model_validator(mode="after")
    def _secret_is_whole(self) -> Self:
        if (self.secret_header is None) != (self.secret_env is None):
            raise ValueError("secret_header and secret_env belong together")
        return self


class HttpTool(Declared, _WithSecret):
    """A tool that is an HTTP request: arguments as JSON body (POST, PUT, PATCH) or query (GET, DELETE)."""

    url: str
    method: str = Field("POST", pattern="^(GET|POST|PUT|PATCH|DELETE)$")


class McpServer(_WithSecret):
    """A server of the Model Context Protocol: a command (stdio) or a URL (streamable HTTP)."""

    name: str
    command: tuple[str, ...] = ()
    url: str | None = None
    env: dict[str, str] = Field(default_factory=dict)
    only: tuple[str, ...] = ()  # names of the tools that are taken; empty: all

    @model_validator(mode="after")
    def _one_way(self) -> McpServer:
        if bool(self.command) == bool(self.url):
            raise ValueError("an MCP server has either a command or a url")
        return self


class Profile(_Part):
    """One persona; what is not said comes from the settings."""

    name: str = "default"
    model: str | None = None
    voice: str | None = None
    system_instruction: str | None = None
    tools: tuple[str, ...] = ()
    http_tool: tuple[HttpTool, ...] = ()
    client_tool: tuple[Declared, ...] = ()
    mcp: tuple[McpServer, ...] = ()


def read_profile(path: Path) -> Profile:
    """The profile of a file; raises ConfigError."""
    try:
        with path.open("rb") as file:
            return Profile(**tomllib.load(file))
    except OSError as error:
        raise ConfigError(f"The profile {path} cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The profile {path} is not TOML: {error}.") from None
    except ValidationError as error:
        raise ConfigError(f"The profile {path} has a mistake: {mistakes(error)}.") from None


def mcp_servers(declared: Iterable[Mapping[str, Any]]) -> tuple[McpServer, ...]:
    """The servers of a setting; raises ConfigError."""
    try:
        return tuple(McpServer.model_validate(one) for one in declared)
    except ValidationError as error:
        raise ConfigError(f"GATEWAY_MCP_SERVERS has a mistake: {mistakes(error)}.") from None
