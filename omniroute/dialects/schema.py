"""JSON schemas as the targets accept them. What is changed keeps the meaning; what cannot be kept is named."""

from collections.abc import Iterator, Mapping
from typing import Any

from omniroute.dialects.ir import Format
from omniroute.dialects.written import Losses

type Schema = Mapping[str, Any]

DEPTH = 100
MAPS = ("properties", "$defs", "definitions", "patternProperties")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLE = ("items", "not", "additionalProperties")

UNCHECKED = {
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
    *("maxItems", "uniqueItems", "minProperties", "maxProperties"),
}
"""What Claude's structured output does not take."""


def children(schema: Schema) -> Iterator[Any]:
    """Give the schemas inside a schema. The names in `properties` are names, whatever they are."""
    for key in MAPS:
        if isinstance(schema.get(key), dict):
            yield from schema[key].values()
    for key in LISTS:
        if isinstance(schema.get(key), list):
            yield from schema[key]
    for key in SINGLE:
        yield schema.get(key)


def _properties(schema: Schema) -> dict[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _required(schema: Schema) -> set[str]:
    found = schema.get("required")
    return {name for name in found if isinstance(name, str)} if isinstance(found, list) else set()


def is_strict(schema: Any, depth: int = 0) -> bool:
    """Whether OpenAI's strict mode takes it: each object closed, and each of its properties required."""
    if not isinstance(schema, dict):
        return True
    if depth > DEPTH:
        return False
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            return False
        if set(_properties(schema)) != _required(schema):
            return False
    return all(is_strict(child, depth + 1) for child in children(schema))


def close(schema: Any, losses: Losses, where: str, depth: int = 0) -> Any:
    """Give the schema as Claude's structured output takes it: objects closed, without bounds on values."""
    if not isinstance(schema, dict) or depth > DEPTH:
        return schema
    closed: dict[str, Any] = {}
    for key, value in schema.items():
        if key in UNCHECKED or (key == "minItems" and value not in (0, 1)):
            losses.add(where + key)
        elif key in MAPS and isinstance(value, dict):
            closed[key] = {name: close(child, losses, where, depth + 1) for name, child in value.items()}
        elif key in LISTS and isinstance(value, list):
            said = "anyOf" if key == "oneOf" else key
            closed[said] = [close(child, losses, where, depth + 1) for child in value]
        elif key in SINGLE:
            closed[key] = close(value, losses, where, depth + 1)
        else:
            closed[key] = value
    if closed.get("type") == "object" or "properties" in closed:
        if closed.get("additionalProperties") not in (None, False):
            losses.add(where + "additionalProperties")
        closed["additionalProperties"] = False
    return closed


def described(wanted: Format) -> dict[str, Any]:
    """Give the schema of an answer with what it is for, where a dialect has no other place to say that."""
    schema = dict(wanted.schema or {})
    return schema if wanted.description is None else {"description": wanted.description, **schema}


def as_object(schema: Schema | None, losses: Losses) -> dict[str, Any]:
    """Give the parameters of a tool as one object: choices between shapes at the top become optional fields."""
    plain = dict(schema or {})
    branches = {key: plain.pop(key) for key in ("anyOf", "oneOf", "allOf") if isinstance(plain.get(key), list)}
    for key, shapes in branches.items():
        losses.add(f"tools.parameters.{key}")
        shapes = [shape for shape in shapes if isinstance(shape, dict)]
        needed = [_required(shape) for shape in shapes]
        common = set.union(*needed) if key == "allOf" and needed else set.intersection(*needed) if needed else set()
        properties: dict[str, Any] = {}
        for shape in shapes:
            properties |= _properties(shape)
        plain["properties"] = properties | _properties(plain)
        plain["required"] = sorted(_required(plain) | common)
    if plain.get("type") != "object":
        if plain.get("type") not in (None, ["object", "null"]):
            losses.add("tools.parameters.type")
        plain["type"] = "object"
    plain.setdefault("properties", {})
    return plain
