"""Byte surgery: the one value changes, and no other byte."""

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.json_edit import add_stream_usage, asks_usage, set_model

WORDS = st.text('model"\\:{}[], ö\u2028🌧\n', max_size=12) | st.sampled_from(["model", '"model":"x"', 'a\\"model'])
KEYS = st.sampled_from(["model", "models", "stream_options", "messages", '"model', "m\\", "ö"]) | WORDS
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    SCALARS | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)
PAIRS = st.lists(st.tuples(KEYS, JSON), max_size=6)
SPACE = st.text(" \t\r\n", max_size=2)


@st.composite
def texts(draw: st.DrawFn, key: str, values: st.SearchStrategy[Any]) -> tuple[bytes, bytes, bytes]:
    """Draw an object as text, cut around the last value of `key`."""
    before, after = draw(PAIRS), [pair for pair in draw(PAIRS) if pair[0] != key]
    indent, plain = draw(st.sampled_from([None, 2])), draw(st.booleans())

    def write(value: Any) -> str:
        text = json.dumps(value, indent=indent, ensure_ascii=plain)
        return text if plain else text.encode("utf-8", "replace").decode()

    def member(name: str, value: str) -> str:
        return draw(SPACE) + write(name) + draw(SPACE) + ":" + draw(SPACE) + value + draw(SPACE)

    head = "".join(member(name, write(value)) + "," for name, value in before)
    tail = "".join("," + member(name, write(value)) for name, value in after)
    space = draw(SPACE)
    found = f"{draw(SPACE)}{write(key)}{draw(SPACE)}:{space}"
    value = write(draw(values))
    return f"{space}{{{head}{found}".encode(), value.encode(), f"{draw(SPACE)}{tail}}}{space}".encode()


@given(texts("model", WORDS | JSON), WORDS)
def test_only_the_model_changes(text: tuple[bytes, bytes, bytes], model: str) -> None:
    before, old, after = text
    body = orjson.loads(before + old + after)
    patched = set_model(before + old + after, body, model)
    assert orjson.loads(patched) == {**body, "model": model}
    if body["model"] != model:
        assert patched == before + orjson.dumps(model) + after


@given(texts("model", WORDS), WORDS, st.sampled_from([r'"\u006dodel"', r'"mod\u0065l"', r'"\u006D\u006f\u0064el"']))
def test_an_escaped_key_is_found_too(text: tuple[bytes, bytes, bytes], model: str, spelling: str) -> None:
    before, old, after = text
    at = before.rindex(b'"model"')
    before = before[:at] + spelling.encode() + before[at + len(b'"model"') :]
    body = orjson.loads(before + old + after)
    patched = set_model(before + old + after, body, model)
    assert orjson.loads(patched) == {**body, "model": model}
    assert patched in (before + orjson.dumps(model) + after, before + old + after)


@given(PAIRS.map(dict))
def test_without_a_model_nothing_changes(body: dict[str, Any]) -> None:
    body.pop("model", None)
    raw = json.dumps(body).encode()
    assert set_model(raw, body, "new") is raw


@given(PAIRS.map(dict), SPACE)
def test_the_usage_wish_is_put_at_the_end(body: dict[str, Any], space: str) -> None:
    body.pop("stream_options", None)
    raw = orjson.dumps(body) + space.encode()
    patched = add_stream_usage(raw, body)
    assert orjson.loads(patched) == {**body, "stream_options": {"include_usage": True}}
    assert patched.startswith(raw[: raw.rindex(b"}")])
    assert patched.endswith(b"}" + space.encode())


OPTIONS = st.none() | st.dictionaries(st.sampled_from(["include_usage", "a", "}"]), st.none() | st.just(False) | WORDS)


@given(texts("stream_options", OPTIONS))
def test_the_usage_wish_joins_the_options_that_are_there(text: tuple[bytes, bytes, bytes]) -> None:
    before, old, after = text
    body = orjson.loads(before + old + after)
    patched = add_stream_usage(before + old + after, body)
    options = {**(body["stream_options"] or {}), "include_usage": True}
    assert orjson.loads(patched) == {**body, "stream_options": options}
    assert patched == before + orjson.dumps(options) + after


@pytest.mark.parametrize(
    ("options", "asks"),
    [
        ({"include_usage": True}, True),
        ({"include_usage": False}, False),
        ({"include_obfuscation": False}, False),
        (None, False),
        ("nonsense", True),  # for the upstream to refuse
    ],
)
def test_who_asks_for_usage(options: object, asks: bool) -> None:
    assert asks_usage({"stream_options": options}) is asks
    assert asks_usage({}) is False


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_large_body_keeps_every_byte(place: str) -> None:
    tool = {"name": "t", "schema": {"properties": {"model": {"type": "string"}, "b": {"model": "old"}}, "x": '\\"}{'}}
    rest = {"messages": [{"content": 'say "model":"old" \\ ö\n' * 200}] * 60, "tools": [tool] * 200}
    body = {"model": "old"} | rest if place == "first" else rest | {"model": "old"}
    raw = orjson.dumps(body)
    patched = set_model(raw, body, "a/new one")
    assert orjson.loads(patched) == {**body, "model": "a/new one"}
    spot = rb'\{"model":"old","messages' if place == "first" else rb',"model":"old"\}$'
    assert patched == re.sub(spot, lambda found: found[0].replace(b"old", b"a/new one"), raw)
