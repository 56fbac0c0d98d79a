"""JSON schemas with odd names, references and shapes, as each target takes them."""

import functools
import time
from typing import Any

import pytest
from cases import every
from gemini_kit import judge_schema
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.json_schema import FORMATS, as_object, close, find, fit_schema, has_plain_refs
from omniroute.dialects.losses import Losses
from omniroute.dialects.translate import translate_request
from omniroute.errors import BadRequest

type Body = dict[str, Any]

WORDS = (
    *("title", "format", "pattern", "$ref", "properties", "type", "required", "default", "enum", "items", "$defs"),
    *("anyOf", "allOf", "not", "const", "nullable", "additionalProperties", "minItems", "description"),
)
LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "minimum": 1},
        {"type": ["string", "null"]},
        {"type": "string", "nullable": True},
        {"enum": [1, 2]},
        {"enum": ["a", None]},
        {"const": 3},
        {"type": "string", "format": "date"},
        {"type": "string", "format": "odd"},
        {"$ref": "#/$defs/a"},
        {"$ref": "#/$defs/a", "description": "d"},
        {"$ref": "#/definitions/b"},
        {"$ref": "#"},
        {"$ref": "#/$defs/none"},
        {"allOf": [{"$ref": "#/$defs/a"}]},
        True,
        {},
    ]
)


def grow(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.dictionaries(st.sampled_from(WORDS), inner, max_size=3).map(lambda p: {"type": "object", "properties": p})
        | inner.map(lambda i: {"type": "array", "items": i})
        | st.lists(inner, min_size=1, max_size=2).map(lambda i: {"type": "array", "prefixItems": i, "items": False})
        | st.lists(inner, min_size=1, max_size=2).map(lambda i: {"anyOf": i})
        | st.lists(inner, min_size=1, max_size=2).map(lambda i: {"oneOf": i})
    )


@st.composite
def schemas(draw: st.DrawFn) -> Body:
    properties = draw(st.dictionaries(st.sampled_from(WORDS), st.recursive(LEAVES, grow, max_leaves=5), max_size=4))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True)) if properties else []
    root: Body = {"type": "object", "properties": properties, "required": required}
    root["$defs"] = {"a": draw(st.recursive(LEAVES, grow, max_leaves=3)) or {"type": "null"}}
    root["definitions"] = {"b": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}}}
    return root


def judge_answer(schema: Any) -> None:
    """Hold a schema against what anthropic-python lets through."""
    if not isinstance(schema, dict):
        return
    kept = {"type", "enum", "const", "anyOf", "properties", "required", "additionalProperties", "items", "minItems"}
    assert schema.keys() <= kept | {"$ref", "$defs", "definitions", "description", "title", "format", "default"}
    assert "$ref" not in schema or schema.keys() <= {"$ref", "$defs", "definitions"}
    assert schema.get("format", "date") in FORMATS
    assert schema.get("type") != "object" or schema["additionalProperties"] is False
    for key in ("properties", "$defs", "definitions"):
        for inner in schema.get(key, {}).values():
            judge_answer(inner)
    judge_answer(schema.get("items"))
    for inner in schema.get("anyOf", []):
        judge_answer(inner)


@given(schemas())
def test_every_schema_becomes_one_that_the_target_takes(schema: Body) -> None:
    fitted = fit_schema(schema, Losses(), "")
    judge_schema(fitted)
    closed = close(schema, Losses(), "")
    judge_answer(closed)
    assert has_plain_refs(closed)
    for said in (fitted, closed, as_object(schema, Losses())):
        assert said["properties"].keys() == schema["properties"].keys(), "names are names, whatever they are"


OBJECT: Body = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}


def losses_of(make: Any, schema: Body, *where: str) -> tuple[Any, tuple[str, ...]]:
    losses = Losses()
    return make(schema, losses, *where), losses.names


@every(
    ("inner", "fitted", "lost"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}, ()),
        ({"type": "array", "items": [{"type": "string"}]}, {"type": "array", "prefixItems": [{"type": "string"}]}, ()),
        (
            {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
            {"type": "array", "prefixItems": [{"type": "string"}], "maxItems": 1},
            (),
        ),
        ({"$ref": "#/$defs/a%20b"}, {"type": "integer"}, ()),
        ({"$ref": "#/$defs/deep/er"}, {"type": "boolean"}, ()),
        ({"$ref": "https://example.org/x.json"}, {}, ("$ref",)),
        ({"allOf": [{"$ref": "#/$defs/a b"}], "description": "d"}, {"type": "integer", "description": "d"}, ()),
    ],
)
def test_odd_shapes_for_gemini(inner: Body, fitted: Body, lost: tuple[str, ...]) -> None:
    schema = {
        "type": "object",
        "properties": {"p": inner},
        "$defs": {"a b": {"type": "integer"}, "deep": {"er": {"type": "boolean"}}},
    }
    said, names = losses_of(fit_schema, schema, "")
    assert (said["properties"]["p"], names) == (fitted, lost)


@every(
    ("inner", "closed", "lost"),
    [
        ({"$ref": "#/$defs/a", "description": "d"}, {"type": "integer", "description": "d"}, ()),
        ({"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}, ()),
        ({"allOf": [{"$ref": "#/$defs/a"}]}, {"type": "integer"}, ()),
        ({"type": "string", "format": "odd"}, {"type": "string"}, ("format",)),
        ({"type": "string", "pattern": "a"}, {"type": "string"}, ("pattern",)),
        ({"not": {"type": "string"}}, {}, ("not",)),
        ({"type": "array", "items": [{}]}, {"type": "array"}, ("items",)),
        ({"type": "array", "prefixItems": [{}], "items": False}, {"type": "array"}, ("prefixItems", "items")),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}, ()),
    ],
)
def test_odd_shapes_for_an_answer_of_claude(inner: Body, closed: Body, lost: tuple[str, ...]) -> None:
    schema = {"type": "object", "properties": {"p": inner}, "$defs": {"a": {"type": "integer"}}}
    said, names = losses_of(close, schema, "")
    assert (said["properties"]["p"], names) == (closed, lost)


def test_an_answer_that_holds_itself_is_cut_and_reported() -> None:
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}, "x": {"type": "string"}}, "required": ["x"]}
    said, names = losses_of(close, schema, "format.schema.")
    assert names == ("format.schema.$ref",)
    assert said["properties"]["next"]["properties"]["x"] == {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "names", "required"),
    [
        ({"$ref": "#/$defs/a", "$defs": {"a": OBJECT}}, {"x"}, ["x"]),
        (
            {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "object", "properties": {"y": {}}}], "$defs": {"a": OBJECT}},
            {"x", "y"},
            [],
        ),
        ({"allOf": [{"$ref": "#/$defs/a"}, {"required": ["x"]}], "$defs": {"a": OBJECT}}, {"x"}, ["x"]),
        ({"$ref": "#"}, set(), None),
    ],
)
def test_the_parameters_of_a_tool_are_an_object_wherever_it_stands(
    schema: Body, names: set[str], required: list[str] | None
) -> None:
    said = as_object(schema, Losses())
    assert (said["type"], set(said["properties"]), said.get("required")) == ("object", names, required)


def test_references_are_found_as_json_pointers_say() -> None:
    root = {"$defs": {"a/b": {"type": "null"}, "c~d": {"type": "string"}}}
    assert find(root, "#/$defs/a~1b") == {"type": "null"}
    assert find(root, "#/%24defs/c~0d") == {"type": "string"}
    assert find(root, "#") == root
    assert find(root, "#/$defs/none") is None
    assert find(root, "other.json#/$defs/a") is None


def referring(defs: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {"type": "object", "$defs": defs, "properties": {"x": {"$ref": "#/$defs/a0"}}, **beside}


HOSTILE = {
    "doubling": referring(
        {f"a{i}": {"type": "object", "properties": {n: {"$ref": f"#/$defs/a{i + 1}"} for n in "ab"}} for i in range(60)}
        | {"a60": {"type": "string"}}
    ),
    "recursive": referring({"a0": {"type": "object", "properties": {n: {"$ref": "#/$defs/a0"} for n in "abcdef"}}}),
    "a chain": referring(
        {f"a{i}": {"$ref": f"#/$defs/a{i + 1}"} for i in range(20_000)} | {"a20000": {"type": "null"}}
    ),
    "a ring": referring({f"a{i}": {"$ref": f"#/$defs/a{(i + 1) % 5000}"} for i in range(5000)}),
    "a long allOf": {
        "type": "object",
        "allOf": [{"properties": {f"p{i}": {}}, "required": [f"p{i}"]} for i in range(20_000)],
    },
    "deep": functools.reduce(lambda inner, _: {"type": "array", "items": inner}, range(240), {"type": "string"}),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_schema_costs_little_however_often_it_comes(kind: str) -> None:
    schema = HOSTILE[kind]
    tools = 1 if len(repr(schema)) > 100_000 else 100
    messages = [{"role": "user", "content": "hi"}]
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": messages,
        "tools": [{"name": f"t{i}", "input_schema": schema} for i in range(tools)],
    }
    begun = time.process_time()
    for upstream in ("openai", "responses", "gemini"):
        try:
            translate_request("claude", upstream, body, model="m", stream=False, max_output=None)
        except BadRequest:
            continue
    asked = {
        "model": "m",
        "messages": messages,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    }
    for upstream in ("claude", "gemini"):
        translate_request("openai", upstream, asked, model="m", stream=False, max_output=None)
    assert time.process_time() - begun < 10.0  # some 0.3 s; without bounds it takes minutes
