"""Fields that nobody here knows: wherever in a request one stands, it is reported or refused, and never just gone."""

import copy
import json
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import features_requests as requests
import pytest
from cases import every
from features import DIALECTS, MODELS, Feature, body_of, prepare

from omniroute.dialects.ir import Body
from omniroute.errors import BadRequest

NEW = "newField"
FEATURES = [feature for group in requests.GROUPS.values() for feature in group]
OPAQUE = {"parameters", "parametersJsonSchema", "input_schema", "schema", "responseJsonSchema", "args", "response"}
OPAQUE |= {"metadata", "labels", "extra_content", "cache_control"}
"""Objects whose fields are the client's own, or a seal, or a mark."""
LABELS = {"reasoning", "refusal", "summary_text", "thinking", "reasoning.text", "reasoning.encrypted", "namespace"}
LABELS |= {"additional_tools"}
"""Objects of these types are a seal or a wrapping: what else is in them says nothing to anybody but who made it."""


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Find the objects in which a dialect may get a new field one day."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))
    elif isinstance(value, dict):
        if value.get("type") not in LABELS and "thought" not in value:
            yield path
        for key, inner in value.items():
            named = key == "tool_choice" or (key == "input" and isinstance(inner, dict))
            if key not in OPAQUE and not named:
                yield from places(inner, (*path, key))


def put(body: Body, path: tuple[str | int, ...]) -> Body:
    body = inner = copy.deepcopy(body)
    for step in path:
        inner = inner[step]  # type: ignore[index]
    inner[NEW] = 1
    return body


@every(("client", "upstream"), list(permutations(DIALECTS, 2)))
def test_a_new_field_is_never_just_gone(client: str, upstream: str) -> None:
    gone = [
        (feature.name, path)
        for feature in FEATURES
        if client in feature.says
        for path in _gone(feature, client, upstream)
    ]
    assert gone == []


def _gone(feature: Feature, client: str, upstream: str) -> Iterator[tuple[str | int, ...]]:
    body = json.loads(json.dumps(body_of(feature, client, upstream)))
    model = feature.models.get(upstream, MODELS[upstream])
    try:
        if prepare(client, upstream, body, model).dropped:
            return  # then a whole object may be gone, and is reported by its own name
    except BadRequest:
        return
    unoffered = upstream == "claude" and "some of the tools" in feature.name
    for path in places(body):
        if unoffered and path[:1] == ("tools",):
            continue
        try:
            prepared = prepare(client, upstream, put(body, path), model)
        except BadRequest:
            continue
        if not any(NEW in name for name in prepared.dropped) and NEW not in prepared.raw.decode():
            yield path


@pytest.mark.parametrize(
    ("client", "field", "value", "name"),
    [
        ("openai", "tool_choice", {"type": "function", "function": {"name": "look"}}, "tool_choice.newField"),
        ("openai", "response_format", {"type": "json_object"}, "response_format.newField"),
        ("responses", "tool_choice", {"type": "function", "name": "look"}, "tool_choice.newField"),
        ("claude", "tool_choice", {"type": "any"}, "tool_choice.newField"),
    ],
)
def test_it_is_named_by_its_path(client: str, field: str, value: Body, name: str) -> None:
    body = {"model": "m"} | requests.GROUPS["Tools"][0].says[client] | {field: value | {NEW: 1}}
    body |= {"messages": [{"role": "user", "content": "Hi."}], "max_tokens": 9}
    body |= {"input": "Hi."} if client == "responses" else {}
    assert name in prepare(client, "gemini", body, "gemini-3-pro").dropped
