"""A JSON schema that refers to nothing: what it refers to put in, choices as `anyOf`, constants as `enum`.

That is the subset which Gemini documents (https://ai.google.dev/gemini-api/docs/structured-output), and what is left
of a recursive schema for those that take none.
"""

from collections.abc import Mapping
from typing import Any

from omniroute.dialects.refs import Schema, find, join
from omniroute.dialects.written import Losses

DEPTH = 60
NODES = 20_000
"""Schemas that one may grow to by putting in what it refers to, and that may be put in for one request."""

COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
KEPT = {
    *("type", "format", "title", "description", "enum", "required", "minimum", "maximum", "default", "pattern"),
    *("propertyOrdering", "example", "examples", *COUNTS),
}
INNER = ("properties", "items", "additionalProperties", "anyOf", "oneOf", "prefixItems")
SILENT = {"$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "strict", "readOnly", "writeOnly"}
"""What says nothing about values, or was put in where it is referred to."""


def allow_null(schema: dict[str, Any]) -> None:
    kind = schema.get("type")
    if isinstance(kind, str) and kind != "null":
        schema["type"] = [kind, "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]


class Fitter:
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
        if depth > DEPTH or self._nodes > NODES or self._losses.inlined > NODES:
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
        elif key not in SILENT and key not in ("allOf", "$ref", "nullable"):
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
            if target is None or ref in path or len(path) > DEPTH:
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
    return Fitter(schema, losses, where).fit()
