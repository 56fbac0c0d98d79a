"""JSON schemas as the targets accept them. What is changed keeps the meaning; what cannot be kept is named."""

from collections.abc import Iterator
from typing import Any

from omniroute.dialects.fitting import allow_null, fit_schema
from omniroute.dialects.ir import Format
from omniroute.dialects.refs import Schema, has_plain_refs, join, resolve
from omniroute.dialects.written import Losses

DEPTH = 100
MAPS = ("properties", "$defs", "definitions", "patternProperties")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLE = ("items", "not", "additionalProperties")

ANSWERED = {
    *("type", "enum", "const", "anyOf", "properties", "required", "additionalProperties", "items", "minItems"),
    *("$ref", "$defs", "definitions", "description", "title", "format", "default", "examples"),
}
"""What Claude's structured output takes. (anthropic-python, `transform_schema`, has the same.)"""
FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
SILENT = {"$schema", "$id", "$comment", "$anchor", "readOnly", "writeOnly", "deprecated", "nullable"}
"""What says nothing about values, or was said in another way."""


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


def close(schema: Schema, losses: Losses, where: str) -> dict[str, Any]:
    """Give the schema as Claude's structured output takes it: objects closed, no bounds on values, no recursion."""
    if not has_plain_refs(schema):
        schema = fit_schema(schema, losses, where)
    closed: dict[str, Any] = _Closer(schema, losses, where).close(schema)
    return closed


class _Closer:
    def __init__(self, root: Schema, losses: Losses, where: str) -> None:
        self._root = root
        self._losses = losses
        self._where = where

    def close(self, schema: Any, depth: int = 0) -> Any:
        if schema is True:
            return {}
        if not isinstance(schema, dict) or depth > DEPTH:
            return schema
        closed: dict[str, Any] = {}
        for key, value in self._plain(schema).items():
            self._put("anyOf" if key == "oneOf" else key, value, closed, depth + 1)
        if closed.get("type") == "object" or "properties" in closed:
            if closed.get("additionalProperties") not in (None, False):
                self._losses.add(f"{self._where}additionalProperties")
            closed["additionalProperties"] = False
        return closed

    def _plain(self, schema: Schema) -> Schema:
        """Join what holds together: nothing may stand beside a reference, and no reference in `allOf`."""
        if isinstance(parts := schema.get("allOf"), list):
            own = {key: value for key, value in schema.items() if key != "allOf"}
            schema = join([own, *(resolve(part, self._root) for part in parts if isinstance(part, dict))])
        beside = schema.keys() - {"$ref", "$defs", "definitions"}
        if "$ref" in schema and beside:
            schema = resolve(schema, self._root)
        if schema.get("nullable") is True:
            schema = dict(schema)
            allow_null(schema)
        return schema

    def _put(self, key: str, value: Any, closed: dict[str, Any], depth: int) -> None:
        if key in SILENT:
            return
        if key not in ANSWERED or not _is_answered(key, value):
            self._losses.add(f"{self._where}{key}")
        elif key in MAPS and isinstance(value, dict):
            closed[key] = {name: self.close(child, depth) for name, child in value.items()}
        elif key in LISTS and isinstance(value, list):
            closed[key] = [self.close(child, depth) for child in value]
        elif key in SINGLE:
            closed[key] = self.close(value, depth)
        else:
            closed[key] = value


def _is_answered(key: str, value: Any) -> bool:
    match key:
        case "minItems":
            return value in (0, 1)
        case "format":
            return isinstance(value, str) and value in FORMATS
        case "items":
            return value is not False and not isinstance(value, list)  # those are the places of a tuple
        case _:
            return True


def described(wanted: Format) -> dict[str, Any]:
    """Give the schema of an answer with what it is for, where a dialect has no other place to say that."""
    schema = dict(wanted.schema or {})
    return schema if wanted.description is None else {"description": wanted.description, **schema}


def as_object(schema: Schema | None, losses: Losses) -> dict[str, Any]:
    """Give the parameters of a tool as one object: choices between shapes at the top become optional fields."""
    root = schema or {}
    plain = dict(resolve(root, root))
    branches = {key: plain.pop(key) for key in ("anyOf", "oneOf", "allOf") if isinstance(plain.get(key), list)}
    for key, shapes in branches.items():
        losses.add(f"tools.parameters.{key}")
        shapes = [resolve(shape, root) for shape in shapes if isinstance(shape, dict)]
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
