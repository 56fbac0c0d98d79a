"""Two requests share an answer if and only if they differ in nothing that can change it."""

import copy
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from cases import every
from google.genai.types import GenerateContentConfig
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

from omniroute.dialects.request_identity import ABOUT_STREAMS, WITHOUT_EFFECT, is_certain, meaning


def fields_of(params: Any) -> set[str]:
    return {name for kind in params.__mro__ for name in getattr(kind, "__annotations__", {})} | set(
        params.__required_keys__ | params.__optional_keys__
    )


FIELDS = {
    "openai": fields_of(CompletionCreateParamsNonStreaming),
    "responses": fields_of(ResponseCreateParamsNonStreaming),
    "claude": fields_of(MessageCreateParamsNonStreaming),
    "gemini": {field.alias or name for name, field in GenerateContentConfig.model_fields.items()},
}
BODIES: dict[str, dict[str, Any]] = {
    "openai": {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": "hello"}]},
    "responses": {"model": "m", "temperature": 0, "input": "hello"},
    "claude": {"model": "m", "temperature": 0, "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]},
    "gemini": {"contents": [{"parts": [{"text": "hello"}]}], "generationConfig": {"temperature": 0}},
}
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
dialects = st.sampled_from(sorted(BODIES))


@given(dialects, st.data(), json, json)
def test_a_field_counts_unless_it_is_named(dialect: str, data: st.DataObject, one: Any, other: Any) -> None:
    known = sorted(FIELDS[dialect] | WITHOUT_EFFECT[dialect])
    name = data.draw(st.sampled_from(known) | st.text(min_size=1, max_size=12))
    base = BODIES[dialect]
    first, second = meaning(dialect, base | {name: one}), meaning(dialect, base | {name: other})
    assert (first == second) is (name in WITHOUT_EFFECT[dialect] or repr(one) == repr(other))


@given(dialects, json, json, st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4))
def test_what_stands_deeper_always_counts(dialect: str, one: Any, other: Any, path: list[str]) -> None:
    bodies = []
    for value in (one, other):
        for name in reversed(path):
            value = [{name: value, "user": 1}]
        bodies.append(meaning(dialect, BODIES[dialect] | {"tools": value}))
    assert (bodies[0] == bodies[1]) is (repr(one) == repr(other))


@given(dialects, st.randoms())
def test_the_order_of_fields_does_not_count(dialect: str, chance: Any) -> None:
    pairs = list((BODIES[dialect] | {"tools": [], "seed": 1}).items())
    before = meaning(dialect, dict(pairs))
    chance.shuffle(pairs)
    assert meaning(dialect, dict(pairs)) == before


@pytest.mark.parametrize("dialect", sorted(BODIES))
def test_every_field_without_effect_is_one_that_the_sdk_knows(dialect: str) -> None:
    unknown = WITHOUT_EFFECT[dialect] - FIELDS[dialect] - ABOUT_STREAMS
    assert not unknown, f"{unknown} has gone from the SDK: is it still without effect?"


@every("dialect", sorted(BODIES))
@every(
    ("temperature", "certain"), [(0, True), (0.0, True), (-0.0, True), (1e-9, False), (None, False), (False, False),
                                 ("0", False), ([0], False)],
)  # fmt: skip
def test_only_temperature_0_is_certain(dialect: str, temperature: Any, certain: bool) -> None:
    body = copy.deepcopy(BODIES[dialect])
    if dialect == "gemini":
        assert is_certain(dialect, {"generation_config": {"temperature": temperature}}) is certain
    (body["generationConfig"] if dialect == "gemini" else body)["temperature"] = temperature
    assert is_certain(dialect, body) is certain


@every("dialect", sorted(BODIES))
@every("config", [None, [], "x", 0, {}])
def test_a_body_that_says_nothing_is_not_certain(dialect: str, config: Any) -> None:
    assert not is_certain(dialect, {"model": "m", "generationConfig": config})
