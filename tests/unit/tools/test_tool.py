"""Functions as tools."""

import threading
from typing import Annotated, Any

import pytest
from pydantic import Field

from gateway.errors import ConfigError
from gateway.tools import ToolContext, tool
from gateway.tools.tool import MARK, Tool, WrongArguments, from_function

CONTEXT = ToolContext("session", b"jpeg", lambda kind, facts: None, {"sub": "ada"})


def of(function: Any) -> Tool:
    """What the decorator has made."""
    made: Tool = getattr(function, MARK)
    return made


@tool(timeout_s=3, show_arguments=True)
async def look_up(serial: Annotated[str, Field(description="on the label")], deep: bool = False) -> str:
    """Find a device.

    Also in the cellar.
    """
    return f"{serial} {deep}"


@tool
def who(context: ToolContext) -> Any:
    """Tell who asks."""
    return [context.session_id, context.newest_frame, context.claims["sub"], threading.current_thread().name]


async def test_a_function_becomes_a_declaration() -> None:
    """Its name, its whole docstring, and its types; the function itself stays one."""
    made = of(look_up)
    assert (made.name, made.timeout_s, made.show_arguments) == ("look_up", 3, True)
    assert made.description == "Find a device.\n\nAlso in the cellar."
    assert made.parameters["properties"]["serial"] == {"type": "STRING", "description": "on the label"}
    assert made.parameters["required"] == ["serial"]
    assert await look_up("A1") == "A1 False"


async def test_arguments_are_checked_and_defaults_filled_in() -> None:
    """What the model sends has the types that are declared, or the function is not called."""
    call = of(look_up).call
    assert call is not None
    assert await call({"serial": "A1"}, CONTEXT) == "A1 False"
    assert await call({"serial": "A1", "deep": "true"}, CONTEXT) == "A1 True"
    with pytest.raises(WrongArguments, match="serial: Field required"):
        await call({}, CONTEXT)
    with pytest.raises(WrongArguments, match="rack: Extra inputs"):
        await call({"serial": "A1", "rack": 1}, CONTEXT)


async def test_a_plain_function_runs_in_a_thread_and_may_have_the_context() -> None:
    """It does not hold up anyone; the context is not an argument that the model sees."""
    made = of(who)
    assert made.call is not None
    assert "properties" not in made.parameters
    session, frame, subject, thread = await made.call({}, CONTEXT)
    assert (session, frame, subject) == ("session", b"jpeg", "ada")
    assert thread != threading.main_thread().name


def nothing_said(serial: str) -> str:  # noqa: D103 - that it has none is what is tested
    return serial


def untyped(serial) -> str:  # type: ignore[no-untyped-def]
    """Find."""
    return str(serial)


def anything(*serials: str) -> str:
    """Find."""
    return str(serials)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (nothing_said, "nothing_said has no docstring"),
        (untyped, "parameter serial of the tool untyped needs a type"),
        (anything, "parameter serials of the tool anything needs a type"),
    ],
)
def test_what_cannot_be_declared_is_refused_when_it_is_decorated(function: Any, said: str) -> None:
    """With the name of the function and what to mend."""
    with pytest.raises(ConfigError, match=said):
        from_function(function)


def test_a_name_must_be_one_that_every_model_can_call() -> None:
    """Letters, digits and underscores."""
    with pytest.raises(ConfigError, match="cannot be the name of a tool"):
        from_function(anything_else, name="look-up")


def anything_else() -> None:
    """Do."""
