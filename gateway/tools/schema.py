"""JSON Schema to the form of it that the Live API takes.

Owns the translation to OpenAPI schema (`type: "OBJECT"`, `nullable`, no references). It must not know tools.
**Invariant: what comes out has only keys that the Live API documents; what cannot be said in them is refused with a
sentence.**
"""

from __future__ import annotations

from typing import Any

from gateway.errors import ConfigError

Json = dict[str, Any]

KEPT = (
    "description",
    "enum",
    "format",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
)
FORMATS = {"enum", "date-time", "int32", "int64", "float", "double"}
DEPTH_MAX = 8  # a model fills flat arguments better; this only stops recursion


def openapi(schema: Json, name: str) -> Json:
    """The schema of a tool's arguments; raises ConfigError when it cannot be said. `name` is for the sentence."""
    return _translate(schema, schema.get("$defs", {}), name, 0)


def _translate(schema: Json, definitions: Json, name: str, depth: int) -> Json:
    if depth > DEPTH_MAX:
        raise ConfigError(f"The arguments of the tool {name} refer to themselves or are nested too deeply.")
    if "$ref" in schema:
        target = definitions.get(str(schema["$ref"]).rpartition("/")[2])
        if target is None:
            raise ConfigError(f"The arguments of the tool {name} refer to {schema['$ref']}, which is not there.")
        own = {key: value for key, value in schema.items() if key != "$ref"}
        return _translate({**target, **own}, definitions, name, depth + 1)
    if "allOf" in schema and len(schema["allOf"]) == 1:
        own = {key: value for key, value in schema.items() if key != "allOf"}
        return _translate({**schema["allOf"][0], **own}, definitions, name, depth + 1)
    if "anyOf" in schema or isinstance(schema.get("type"), list):
        return _union(schema, definitions, name, depth)
    if "const" in schema:
        schema = {"type": "string", "enum": [schema["const"]], **schema}
    kind = schema.get("type") or ("string" if "enum" in schema else "object")
    built: Json = {"type": str(kind).upper()}
    built |= {key: schema[key] for key in KEPT if key in schema and (key != "format" or schema[key] in FORMATS)}
    if "enum" in built:
        built["enum"] = [str(value) for value in built["enum"]]
    if kind == "array":
        built["items"] = _translate(schema.get("items", {"type": "string"}), definitions, name, depth + 1)
    if kind == "object":
        properties = schema.get("properties", {})
        built["properties"] = {
            key: _translate(inner, definitions, name, depth + 1) for key, inner in properties.items()
        }
        if required := [key for key in schema.get("required", []) if key in properties]:
            built["required"] = required
        if not properties:
            del built["properties"]
    return built


def _union(schema: Json, definitions: Json, name: str, depth: int) -> Json:
    """`X | None` is `nullable`; any other union cannot be said."""
    options = schema.get("anyOf") or [{**schema, "type": kind} for kind in schema["type"]]
    some = [option for option in options if option.get("type") != "null"]
    if len(some) != 1:
        raise ConfigError(f"An argument of the tool {name} may be of several types, which the Live API cannot be told.")
    own = {key: value for key, value in schema.items() if key in KEPT}
    built = _translate({**some[0], **own}, definitions, name, depth + 1)
    return {**built, "nullable": True} if len(options) > 1 else built
