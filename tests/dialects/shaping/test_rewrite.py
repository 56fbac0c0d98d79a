"""Rewriting says exactly the new object, and leaves every byte that it has no reason to touch."""

import json
from typing import Any

import orjson
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.json_edit import rewrite

NAMES = st.sampled_from(["a", "b", "ä", 'q"', "thinking", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(2, 99) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=5)
WRITTEN = st.sampled_from([{"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}, {}])


@given(BODIES, BODIES, WRITTEN)
def test_it_says_the_new_object(before: dict[str, Any], after: dict[str, Any], how: dict[str, Any]) -> None:
    raw = json.dumps(before, **how).encode()
    assert orjson.loads(rewrite(raw, before, after)) == after


@given(BODIES, WRITTEN)
def test_nothing_to_say_changes_nothing(body: dict[str, Any], how: dict[str, Any]) -> None:
    raw = json.dumps(body, **how).encode()
    assert rewrite(raw, body, orjson.loads(raw)) == raw


@given(BODIES, NAMES, VALUES)
def test_other_members_keep_their_bytes(body: dict[str, Any], name: str, value: Any) -> None:
    raw = json.dumps(body, indent=1).encode()
    made = rewrite(raw, body, body | {name: value})
    for key, other in body.items():
        if key != name:
            member = json.dumps({key: other}, indent=1).encode()[1:-2]
            assert member in made


@every(
    ("raw", "change", "made"),
    [
        (b'{ "a" : 1.0 , "b":[ 1 ] }', {"c": 2}, b'{ "a" : 1.0 , "b":[ 1 ] ,"c":2}'),
        (b" { } ", {"c": 2}, b' { "c":2} '),
        (
            b'{"s": "caf\\u00e9", "z": 1E2}',
            {"s": "be \u00e4 brief\n\ncafé"},
            '{"s": "be ä brief\\n\\ncaf\\u00e9", "z": 1E2}'.encode(),
        ),
        (b'{"m": [ {"x": 1.50} , 2 ]}', {"m": [0, {"x": 1.5}, 2]}, b'{"m": [ 0,{"x": 1.50} , 2 ]}'),
        (
            b'{"m": [{"c":"hi" , "n": 1e1}, 2e0]}',
            {"m": [{"c": "! hi", "n": 10.0}, 2.0]},
            b'{"m": [{"c":"! hi" , "n": 1e1}, 2e0]}',
        ),
        (b'{"m": []}', {"m": [1]}, b'{"m": [1]}'),
        (b'{"a": 1, "a": 2, "b": 3}', {"a": 9}, b'{"a": 1, "a": 9, "b": 3}'),
    ],
)
def test_only_what_is_new_is_written(raw: bytes, change: dict[str, Any], made: bytes) -> None:
    before = orjson.loads(raw)
    after = {key: before[key] for key in before} | change
    assert rewrite(raw, before, after) == made


@every(
    ("raw", "gone", "made"),
    [
        (b'{"a": 1, "b": 2, "c": 3}', "a", b'{"b": 2, "c": 3}'),
        (b'{"a": 1, "b": 2, "c": 3}', "b", b'{"a": 1, "c": 3}'),
        (b'{"a": 1, "b": 2, "c": 3 }', "c", b'{"a": 1, "b": 2 }'),
        (b'{"a": 1, "c": 2, "c": 3}', "c", b'{"a": 1}'),
        (b'{"c": 1, "a": 2, "c": 3}', "c", b'{"a": 2}'),
        (b'{ "c": [{}] }', "c", b"{  }"),
    ],
)
def test_what_is_gone_takes_its_comma_with_it(raw: bytes, gone: str, made: bytes) -> None:
    before = orjson.loads(raw)
    assert rewrite(raw, before, {key: value for key, value in before.items() if key != gone}) == made
