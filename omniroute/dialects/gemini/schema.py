"""Schemas as Gemini's clients write them: its own upper-case types, or a JSON schema."""

from collections.abc import Mapping
from typing import Any

from omniroute.dialects.fitting import allow_null
from omniroute.dialects.gemini.spelling import camel

type Schema = Mapping[str, Any]

DEPTH = 60

COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


def read_schema(schema: Any, depth: int = 0) -> Any:
    """Read a schema of Gemini's own kind, or a JSON schema with its types in upper case, as a JSON schema."""
    if not isinstance(schema, dict) or depth > DEPTH:
        return schema
    body = camel({str(key): value for key, value in schema.items()})
    read: dict[str, Any] = {}
    for key, value in body.items():
        if key == "type":
            read[key] = _read_type(value)
        elif key in ("properties", "$defs", "definitions", "defs") and isinstance(value, dict):
            read[key] = {name: read_schema(inner, depth + 1) for name, inner in value.items()}
        elif key in ("items", "additionalProperties", "not"):
            read[key] = read_schema(value, depth + 1)
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            read[key] = [read_schema(inner, depth + 1) for inner in value]
        elif key in COUNTS and isinstance(value, str) and value.isdigit():
            read[key] = int(value)
        elif key not in ("nullable", "propertyOrdering") and (key, value) != ("format", "enum"):
            read[key] = value
    if body.get("nullable") is True:
        allow_null(read)
    return read


def _read_type(value: Any) -> Any:
    if isinstance(value, list):
        return [_read_type(item) for item in value]
    return value.lower() if isinstance(value, str) and value.isupper() else value
