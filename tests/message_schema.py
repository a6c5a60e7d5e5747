"""What the gateway and its clients say, against docs/events.schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

ROOT = Path(__file__).parents[1]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/events.schema.json").read_text(encoding="utf-8"))


def types_of(part: str) -> dict[str, dict[str, Any]]:
    """The schema of each `type` that the messages of a part (`fromGateway`, `fromClient`) have."""
    found: dict[str, dict[str, Any]] = {}
    for one in SCHEMA["$defs"][part]["oneOf"]:
        schema = SCHEMA["$defs"][one["$ref"].removeprefix("#/$defs/")]
        kind = schema["properties"]["type"]
        found |= dict.fromkeys(kind.get("enum", [kind.get("const")]), schema)
    return found


BY_TYPE = {part: types_of(part) for part in ("fromGateway", "fromClient")}


def problem(message: Any, part: Literal["fromGateway", "fromClient", "stream"]) -> str | None:
    """What is wrong with a message, in a sentence; None when it is as the schema says."""
    kind = message.get("type")
    schema = SCHEMA["$defs"][part] if part == "stream" else BY_TYPE[part].get(kind)
    if schema is None:
        return f"there is no type {kind!r}"
    validator = Draft202012Validator({**schema, "$defs": SCHEMA["$defs"]})
    error = best_match(validator.iter_errors(message))
    return None if error is None else f"{error.json_path}: {error.message}"


def check(message: Any, part: Literal["fromGateway", "fromClient", "stream"] = "fromGateway") -> None:
    """Raise AssertionError for a message that is not as the schema says."""
    found = problem(message, part)
    assert found is None, f"{found} in {message}"
