"""JSON Schema in the form that the Live API takes."""

from enum import Enum
from typing import Any, Literal

import pytest
from google.genai import types
from pydantic import BaseModel, Field, TypeAdapter

from gateway.errors import ConfigError
from gateway.tools.schema import openapi


class Colour(Enum):
    """Two colours."""

    RED = "red"
    BLUE = "blue"


class Port(BaseModel):
    """A port of a device."""

    number: int = Field(ge=1, le=48, description="as printed")
    colour: Colour = Colour.RED
    note: str | None = None


class Rack(BaseModel):
    """Ports in a rack."""

    ports: list[Port]
    kind: Literal["a", "b"]
    ready: bool = True


class Tree(BaseModel):
    """Refers to itself."""

    children: list["Tree"] = []


def test_models_become_plain_schemas() -> None:
    """References are resolved, optional values are nullable, bounds and descriptions stay, and the SDK takes it."""
    schema = openapi(Rack.model_json_schema(), "rack")
    port = schema["properties"]["ports"]["items"]
    assert schema["type"] == "OBJECT"
    assert schema["required"] == ["ports", "kind"]
    assert port["properties"]["number"] == {"type": "INTEGER", "description": "as printed", "minimum": 1, "maximum": 48}
    assert port["properties"]["colour"]["enum"] == ["red", "blue"]
    assert port["properties"]["note"] == {"type": "STRING", "nullable": True}
    assert schema["properties"]["kind"] == {"type": "STRING", "enum": ["a", "b"]}
    types.Schema.model_validate(schema)


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        (int, {"type": "INTEGER"}),
        (float, {"type": "NUMBER"}),
        (bool, {"type": "BOOLEAN"}),
        (list[str], {"type": "ARRAY", "items": {"type": "STRING"}}),
        (Literal["x"], {"type": "STRING", "enum": ["x"]}),
        (dict[str, Any], {"type": "OBJECT"}),
    ],
)
def test_plain_types_have_their_type(type_: Any, expected: dict[str, Any]) -> None:
    """What Python says is what the model reads."""
    assert openapi(TypeAdapter(type_).json_schema(), "one") == expected


def test_what_cannot_be_said_is_refused_with_the_name_of_the_tool() -> None:
    """Unions, recursion and references to nothing."""
    with pytest.raises(ConfigError, match=r"tool mixed .* several types"):
        openapi(TypeAdapter(int | str).json_schema(), "mixed")
    with pytest.raises(ConfigError, match="tool tree refer to themselves"):
        openapi(Tree.model_json_schema(), "tree")
    with pytest.raises(ConfigError, match="which is not there"):
        openapi({"$ref": "#/$defs/Gone"}, "gone")


def test_a_list_of_types_is_a_union_too() -> None:
    """As JSON Schema of other hands writes a nullable."""
    assert openapi({"type": ["string", "null"]}, "one") == {"type": "STRING", "nullable": True}
