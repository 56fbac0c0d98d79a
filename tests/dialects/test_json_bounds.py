"""Bodies that are refused for their shape: before they are parsed where they are large."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects import json_bounds
from omniroute.dialects.json_bounds import JsonBounds, brackets, check, commas, scan, string_end
from omniroute.errors import BadRequest

BOUNDS = JsonBounds()
MANY = 1_000_000
SHORT = b'{"role":"user","content":"x"}'

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(alphabet='a"\\{}[],\n\u00e9', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='k"\\,{[', max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


def listed(field: str, item: bytes, *, before: bytes = b"[", after: bytes = b"]") -> bytes:
    return b'{"model":"m","%b":%b%b%b}' % (field.encode(), before, b",".join([item] * MANY), after)


CROWDED = {
    "messages": listed("messages", SHORT),
    "input": listed("input", SHORT),
    "contents": listed("contents", b'{"parts":[]}'),
    "tools": listed("tools", b"{}"),
    "content blocks": listed(
        "messages", b'{"type":"text","text":""}', before=b'[{"role":"user","content":[', after=b"]}]"
    ),
    "empty blocks": listed("messages", b"{}", before=b'[{"role":"user","content":[', after=b"]}]"),
    "parts": listed("contents", b'{"text":""}', before=b'[{"parts":[', after=b"]}]"),
    "numbers": listed("stop", b"1"),
    "strings": listed("stop", b'""'),
    "unknown": listed("x", b"[]"),
    "depth": b'{"model":"m","x":' + b"[" * MANY + b"]" * MANY + b"}",
    "tool schema": b'{"model":"m","tools":[{"input_schema":' + b'{"items":' * 100_000 + b"1" + b"}" * 100_003,
}


@pytest.mark.parametrize("kind", CROWDED)
def test_a_crowded_body_is_refused_before_it_is_parsed(kind: str) -> None:
    begun = time.process_time()
    with pytest.raises(BadRequest, match="setting server"):
        scan(CROWDED[kind] + (b"," + b"1," * MANY if kind in ("numbers", "strings") else b""), BOUNDS)
    assert time.process_time() - begun < 1.0  # it takes 20 ms; parsing, and what follows, would take many seconds


@given(VALUES, st.integers(1, 40))
def test_brackets_and_commas_are_those_outside_of_strings(value: Any, window: int) -> None:
    raw = json.dumps(value, ensure_ascii=False).encode()
    plain = []
    inside = escaped = False
    for place, byte in enumerate(raw):
        if inside:
            escaped, inside = (byte == 0x5C and not escaped), not (byte == 0x22 and not escaped)
        elif byte == 0x22:
            inside = True
        else:
            plain.append((place, byte))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_bounds, "WINDOW", window)
        assert list(brackets(raw)) == [(place, byte in b"{[") for place, byte in plain if byte in b"{}[]"]
        assert commas(raw, 10**9) == sum(byte == 0x2C for _, byte in plain)


@given(st.binary(max_size=60), st.integers(1, 9))
def test_any_bytes_are_scanned_to_an_end(raw: bytes, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_bounds, "WINDOW", window)
        assert len(list(brackets(raw))) <= len(raw)
        assert commas(raw, 10**9) <= raw.count(b",")


@pytest.mark.parametrize("raw", [b'{"a":"' + b'\\"' * MANY, b'{"a":"' + b"\\" * MANY, b'{"a":' + b'"' * MANY + b'"'])
def test_unfinished_strings_take_linear_time(raw: bytes) -> None:
    begun = time.process_time()
    for _ in brackets(raw):
        pass
    commas(raw, 10**9)
    assert string_end(raw, 5) <= len(raw)
    assert time.process_time() - begun < 5.0


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for level in range(depth - 1):
        value = [value] if level % 2 else {"a": value}
    return {"x": value}


@pytest.mark.parametrize("depth", [1, 10, 255, 256])
def test_levels_up_to_the_bound_are_taken(depth: int) -> None:
    check(body := nested(depth), json.dumps(body).encode(), BOUNDS)


@pytest.mark.parametrize("depth", [257, 900])
def test_a_level_more_is_refused(depth: int) -> None:
    with pytest.raises(BadRequest, match=r"256 levels deep.*server\.json_depth"):
        check(body := nested(depth), json.dumps(body).encode(), BOUNDS)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"messages": [{}] * 4}, "messages"),
        ({"input": ["x"] * 4}, "input"),
        ({"contents": [{}] * 4}, "contents"),
        ({"tools": [{}] * 4}, "tools"),
        ({"system": [{}] * 4}, "system"),
        ({"messages": [{"content": [{}] * 2}, {"content": [{}] * 2}]}, "messages.content"),
        ({"contents": [{"parts": [{}] * 4}]}, "contents.parts"),
        ({"tools": [{"functionDeclarations": [{}] * 4}]}, "tools.functionDeclarations"),
    ],
)
def test_each_count_is_bounded_alone(body: dict[str, Any], where: str) -> None:
    raw = json.dumps(body).encode()
    check(body, raw, JsonBounds(messages=4))
    with pytest.raises(BadRequest, match=r"server\.messages") as refused:
        check(body, raw, JsonBounds(messages=3))
    assert refused.value.param == where


def test_an_ordinary_large_body_passes() -> None:
    text = 'say "{[,]}" and, so on ' * 40
    body = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}] * 5000}
    raw = json.dumps(body).encode()
    scan(raw, BOUNDS)
    check(body, raw, BOUNDS)


def test_what_orjson_writes_has_no_more_levels_than_the_bound() -> None:
    for levels in (*range(1, 300), 1000):
        for opened, closed in (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")):
            many = levels // len(closed)
            raw = b'{"x":%b,"pad":"%b"}' % (f"{opened * many}1{closed * many}".encode(), b"[{" * BOUNDS.depth)
            body, deep = json.loads(raw), 1 + many * len(closed) > BOUNDS.depth
            assert _is_refused(body, raw, BOUNDS) is deep, (levels, opened)
            if not deep:
                assert _is_refused(body, raw, JsonBounds(depth=many * len(closed))) is True


def _is_refused(body: Any, raw: bytes, bounds: JsonBounds) -> bool:
    try:
        check(body, raw, bounds)
    except BadRequest:
        return True
    return False
