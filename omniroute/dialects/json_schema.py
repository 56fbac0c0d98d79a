"""JSON schemas as the targets accept them. What is changed keeps the meaning; what cannot be kept is named."""

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

from omniroute.dialects.ir import Format
from omniroute.dialects.losses import Losses

type Schema = Mapping[str, Any]

DEPTH = 100
PLAIN = re.compile(r"#/(?:\$defs|definitions)/[^/%~]+")


def find(root: Schema, ref: str) -> Schema | None:
    """Give the schema that `#/$defs/name` and the like mean; None where there is none, or it is elsewhere."""
    at: Any = root
    if not ref.startswith("#"):
        return None
    for step in unquote(ref.removeprefix("#")).strip("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if name:
            at = at.get(name) if isinstance(at, Mapping) else None
    return at if isinstance(at, Mapping) else None


def resolve(schema: Schema, root: Schema) -> Schema:
    """Give a schema with what it refers to at its top put in; what stands beside the reference counts more."""
    seen: set[str] = set()
    while (
        isinstance(ref := schema.get("$ref"), str)
        and ref not in seen
        and len(seen) < DEPTH
        and (target := find(root, ref)) is not None
    ):
        seen.add(ref)
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def join(schemas: Sequence[Schema]) -> dict[str, Any]:
    """Join schemas that all hold; what an earlier one states counts more. Takes linear time."""
    joined: dict[str, Any] = {}
    for schema in reversed(schemas):
        joined.update(schema)
    for key in ("properties", "$defs"):
        maps = [schema[key] for schema in schemas if isinstance(schema.get(key), Mapping)]
        if len(maps) > 1:
            joined[key] = {}
            for each in reversed(maps):
                joined[key].update(each)
    lists = [schema["required"] for schema in schemas if isinstance(schema.get("required"), list)]
    if len(lists) > 1:
        joined["required"] = list({repr(name): name for names in lists for name in names}.values())
    return joined


def has_plain_refs(root: Schema) -> bool:
    """Whether each reference is to a definition that is there, by its name, and none leads back to itself."""
    leads: dict[str, set[str]] = {}
    for ref in set(_refs(root)):
        if not PLAIN.fullmatch(ref) or (target := find(root, ref)) is None:
            return False
        leads[ref] = set(_refs(target))
    return _is_acyclic(leads)


def _is_acyclic(leads: Mapping[str, set[str]]) -> bool:
    try:
        TopologicalSorter(leads).prepare()
    except CycleError:
        return False
    return True


def _refs(value: Any, depth: int = 0) -> Iterator[str]:
    """Give the references in a schema; a property that is called `$ref` has a schema, and no text, for its value."""
    if depth > DEPTH:
        return
    if isinstance(value, Mapping):
        if isinstance(ref := value.get("$ref"), str):
            yield ref
        for inner in value.values():
            yield from _refs(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _refs(inner, depth + 1)


FITTING_DEPTH = 60
NODES = 20_000
"""Schemas that one may grow to by putting in what it refers to, and that may be put in for one request."""

COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
KEPT = {
    *("type", "format", "title", "description", "enum", "required", "minimum", "maximum", "default", "pattern"),
    *("propertyOrdering", "example", "examples", *COUNTS),
}
INNER = ("properties", "items", "additionalProperties", "anyOf", "oneOf", "prefixItems")
FITTING_SILENT = {"$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "strict", "readOnly", "writeOnly"}
"""What says nothing about values, or was put in where it is referred to."""


def allow_null(schema: dict[str, Any]) -> None:
    kind = schema.get("type")
    if isinstance(kind, str) and kind != "null":
        schema["type"] = [kind, "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]


class SchemaFitter:
    """Fits one schema to the subset; what it cannot say is reported under `where`."""

    def __init__(self, root: Schema, losses: Losses, where: str) -> None:
        self._root = root
        self._losses = losses
        self._where = where
        self._nodes = 0

    def fit(self) -> dict[str, Any]:
        return self._fit(self._root, ())

    def _fit(self, schema: Any, path: tuple[str, ...], depth: int = 0) -> dict[str, Any]:
        self._nodes += 1
        if schema is False:
            self._lose("false")
        if not isinstance(schema, Mapping):
            return {}
        if path:
            self._losses.inlined += 1
        if depth > FITTING_DEPTH or self._nodes > NODES or self._losses.inlined > NODES:
            self._lose("depth")
            return {}
        schema, path = self._resolve(schema, path)
        if parts := _objects(schema.get("allOf")):
            schema = join([schema, *(self._resolve(part, path)[0] for part in parts)])
        fitted: dict[str, Any] = {}
        for key, value in schema.items():
            if key in INNER:
                self._put_inner(key, value, fitted, path, depth + 1)
            else:
                self._put(key, value, schema, fitted)
        if schema.get("nullable") is True:
            allow_null(fitted)
        return _settle(fitted)

    def _put(self, key: str, value: Any, schema: Schema, fitted: dict[str, Any]) -> None:
        if key == "const":
            fitted["enum"] = [value]
        elif key in ("exclusiveMinimum", "exclusiveMaximum"):
            self._bound(key, value, schema, fitted)
        elif key in KEPT:
            fitted[key] = value
        elif key not in FITTING_SILENT and key not in ("allOf", "$ref", "nullable"):
            self._lose(key)

    def _put_inner(self, key: str, value: Any, fitted: dict[str, Any], path: tuple[str, ...], depth: int) -> None:
        """Fit the schemas inside a schema."""
        if key == "properties" and isinstance(value, Mapping):
            fitted[key] = {name: self._fit(inner, path, depth) for name, inner in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, Mapping):
            fitted[key] = self._fit(value, path, depth)
        elif key == "additionalProperties":
            fitted[key] = value
        elif key in ("anyOf", "oneOf"):
            found = [self._fit(inner, path, depth) for inner in _objects(value)]
            fitted["anyOf"] = [*fitted.get("anyOf", []), *found]
        elif key == "items" and value is False:
            fitted["maxItems"] = len(fitted.get("prefixItems", ()))
        elif key == "prefixItems" or (key == "items" and isinstance(value, list)):  # the older way to say it
            fitted["prefixItems"] = [self._fit(inner, path, depth) for inner in _objects(value)]

    def _resolve(self, schema: Schema, path: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """Put in what a schema refers to; where that leads into itself, only its kind is left."""
        while isinstance(ref := schema.get("$ref"), str):
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            target = find(self._root, ref)
            if target is None or ref in path or len(path) > FITTING_DEPTH:
                self._lose("$ref")
                kind = target.get("type") if target else None
                return ({"type": kind} if isinstance(kind, str) else {}) | beside, path
            schema, path = {**target, **beside}, (*path, ref)
        return schema, path

    def _bound(self, key: str, value: Any, schema: Schema, fitted: dict[str, Any]) -> None:
        if schema.get("type") == "integer" and isinstance(value, int) and not isinstance(value, bool):
            lower = key == "exclusiveMinimum"
            fitted["minimum" if lower else "maximum"] = value + (1 if lower else -1)
        else:
            self._lose(key)

    def _lose(self, key: str) -> None:
        self._losses.add(self._where + key)


def _objects(value: Any) -> list[Schema]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _settle(schema: dict[str, Any]) -> dict[str, Any]:
    """Give values their kind where only the values are told, and nothing that would contradict it."""
    values = schema.get("enum")
    if isinstance(values, list) and "type" not in schema:
        kinds = {_kind(value) for value in values}
        if len(kinds) == 1:
            schema["type"] = kinds.pop()
    if values == [None]:
        del schema["enum"]
    if isinstance(schema.get("properties"), dict) and isinstance(schema.get("required"), list):
        schema["required"] = [
            name for name in schema["required"] if isinstance(name, str) and name in schema["properties"]
        ]
    if schema.get("required") == []:
        del schema["required"]
    return schema


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"


def fit_schema(schema: Schema, losses: Losses, where: str) -> dict[str, Any]:
    """Give a schema in the subset."""
    return SchemaFitter(schema, losses, where).fit()


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
