"""All tools of a process.

Owns which tools there are, by name. It must not know sessions or how tools are run.
**Invariant: a name is one tool; a module that cannot be loaded stops the start with a sentence.**
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from gateway.errors import ConfigError
from gateway.tools.profile import Declared
from gateway.tools.schema import openapi
from gateway.tools.tool import MARK, Tool, check_name


class Tools:
    """The tools that a model is told of."""

    def __init__(self, tools: Iterable[Tool] = (), timeout_s: float = 8.0) -> None:
        self.timeout_s = timeout_s
        self._tools: dict[str, Tool] = {}
        for one in tools:
            self.add(one)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def add(self, tool: Tool) -> None:
        """One more; raises ConfigError when the name is taken."""
        if tool.name in self._tools:
            raise ConfigError(f"There are two tools with the name {tool.name}.")
        self._tools[tool.name] = tool

    def only(self, names: Collection[str]) -> Tools:
        """Those of these names."""
        return Tools((one for one in self if one.name in names), self.timeout_s)

    def get(self, name: str) -> Tool | None:
        """The tool of this name."""
        return self._tools.get(name)


def client_tool(declared: Declared) -> Tool:
    """A tool that the page answers; raises ConfigError."""
    parameters = openapi(declared.parameters, declared.name)
    return Tool(
        check_name(declared.name),
        declared.description,
        parameters,
        None,
        declared.timeout_s,
        declared.blocking,
        declared.scheduling,
        declared.show_arguments,
    )


def tools_of_modules(names: Iterable[str], search: Path | None = None) -> Iterator[Tool]:
    """The decorated functions of these modules; `search` is a directory to look in first. Raises ConfigError."""
    if search is not None and str(search) not in sys.path:
        sys.path.insert(0, str(search))
    for name in names:
        try:
            module = importlib.import_module(name)
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(
                f"The tools of {name} cannot be loaded: {type(error).__name__}: {error}. "
                "GATEWAY_TOOLS names Python modules, as `import` does."
            ) from error
        found = [vars(member)[MARK] for member in vars(module).values() if MARK in getattr(member, "__dict__", {})]
        if not found:
            raise ConfigError(f"The module {name} has no function with @tool.")
        yield from found
