"""Where a JSON schema refers to a part of itself."""

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

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
