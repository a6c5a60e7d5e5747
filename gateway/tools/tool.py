"""One tool: a function, what the model is told of it, and how it is to be treated.

Owns the decorator and the checking of arguments. It must not know sessions, links or how calls are run.
**Invariant: a tool is called with arguments of the types it declares, or not at all.**
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from gateway.errors import ConfigError
from gateway.tools.schema import openapi
from gateway.tools.thread import in_thread

Json = dict[str, Any]
Scheduling = Literal["WHEN_IDLE", "INTERRUPT", "SILENT"]

NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")  # narrower than the API's, which differs between models
MARK = "__gateway_tool__"


class WrongArguments(ValueError):
    """The model called with arguments the tool does not take; the message tells the model."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know and do beyond its arguments."""

    session_id: str
    newest_frame: bytes | None  # JPEG, as the model saw it
    send_event: Callable[[str, Json], None]  # tells the browser: (type, facts); may be called in any thread
    claims: Mapping[str, Any] = field(default_factory=dict)  # what the caller may do: `subject`, `profile`, …


Call = Callable[[Json, ToolContext], Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as the registry keeps it."""

    name: str
    description: str
    parameters: Json  # as the Live API takes it
    call: Call | None  # None: the browser answers (a client tool)
    timeout_s: float | None = None  # None: the setting
    blocking: bool = False  # the conversation waits for the result, where the model can do otherwise
    scheduling: Scheduling = "WHEN_IDLE"  # when the model speaks about the result
    show_arguments: bool = False  # to the browser and the log
    compensate: Call | None = None  # undoes a call that was cancelled


def tool(
    function: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    timeout_s: float | None = None,
    blocking: bool = False,
    scheduling: Scheduling = "WHEN_IDLE",
    show_arguments: bool = False,
    compensate: Callable[..., Any] | None = None,
) -> Any:
    """Make a tool of a typed function, sync or async. Its docstring is what the model reads.

    A parameter of the type `ToolContext` gets the context. A sync function runs in a thread: it cannot be stopped when
    its call is cancelled. `compensate` takes the same arguments and is called after a call that was cancelled.
    """

    def mark(decorated: Callable[..., Any]) -> Callable[..., Any]:
        setattr(
            decorated,
            MARK,
            from_function(
                decorated,
                name=name,
                timeout_s=timeout_s,
                blocking=blocking,
                scheduling=scheduling,
                show_arguments=show_arguments,
                compensate=compensate,
            ),
        )
        return decorated

    return mark if function is None else mark(function)


def from_function(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    compensate: Callable[..., Any] | None = None,
    **more: Any,
) -> Tool:
    """The tool of a function; raises ConfigError for what cannot be declared."""
    tool_name = name or function.__name__
    description = inspect.getdoc(function)
    if not description:
        raise ConfigError(f"The tool {tool_name} has no docstring, and the model would not know when to call it.")
    model, context_name = _arguments(function, tool_name)
    return Tool(
        check_name(tool_name),
        description,
        openapi(model.model_json_schema(), tool_name),
        _bound(function, model, context_name),
        compensate=_bound(compensate, model, context_name) if compensate else None,
        **more,
    )


def check_name(name: str) -> str:
    """The name, when the model can call it; raises ConfigError."""
    if not NAME.match(name):
        raise ConfigError(f"{name!r} cannot be the name of a tool: letters, digits and _, at most 64, no digit first.")
    return name


def _arguments(function: Callable[..., Any], name: str) -> tuple[type[BaseModel], str | None]:
    """(a model of the arguments, the name of the parameter that gets the context)."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    context_name = None
    for parameter in inspect.signature(function).parameters.values():
        if hints.get(parameter.name) is ToolContext:
            context_name = parameter.name
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.name not in hints:
            raise ConfigError(f"The parameter {parameter.name} of the tool {name} needs a type.")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    return create_model(f"{name}_arguments", __config__=ConfigDict(extra="forbid"), **fields), context_name


def _bound(function: Callable[..., Any], model: type[BaseModel], context_name: str | None) -> Call:
    async def call(args: Json, context: ToolContext) -> Any:
        try:
            checked = model.model_validate(args)
        except ValidationError as error:
            raise WrongArguments(_sentence(error)) from None
        named = {field_name: getattr(checked, field_name) for field_name in model.model_fields}
        if context_name is not None:
            named[context_name] = context
        if inspect.iscoroutinefunction(function):
            return await function(**named)
        return await in_thread(partial(function, **named))

    return call


def _sentence(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}" for problem in problems)
