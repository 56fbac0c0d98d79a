"""Numbers of upstreams are input: whatever stands where one should be, nothing raises and usage stays within bounds."""

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from cases import every
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.dialects.hub import Stream, read_whole
from omniroute.dialects.ir import Usage
from omniroute.dialects.json_edit import dump
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.sse import Decoder
from omniroute.dialects.token_usage import MOST, NAMES, add_usage, count, doubted, has_counts, merge, total

WIRE = Path(__file__).parents[1] / "wire"
WHOLES = {path.name.partition("-")[0]: orjson.loads(path.read_bytes()) for path in WIRE.glob("*-whole.json")}
STREAMS = [
    (path.name.partition("-")[0], [(frame.event, frame.data) for frame in Decoder().feed(path.read_bytes())])
    for path in sorted(WIRE.glob("*.sse"))
]
CLIENTS = sorted(DIALECTS)

ODD: list[Any] = [
    -1, -5, True, False, 0.5, 1e308, 1e10, 10**9 + 1, 2**63 - 1, 2**63, 2**64 - 1, 99999999999999999999999999, 10**12,
    "12", "", "NaN", [], [1], {}, {"a": 1}, None,
]  # fmt: skip
"""What stands where a number should be. JSON has no NaN, and readers refuse a number that is endless."""

type Place = tuple[str | int, ...]


def places(value: Any, *place: str | int) -> Iterator[Place]:
    """Find where numbers stand, and the objects that hold them."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        if isinstance(inner, int | float | dict | list):
            yield (*place, step)
        yield from places(inner, *place, step)


def spoil(value: Any, place: Place, odd: Any) -> Any:
    """Put something odd in one place."""
    value = copy.deepcopy(value)
    holder = value
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = odd
    return value


def check(usage: Usage) -> None:
    for name in NAMES:
        tokens = getattr(usage, name)
        assert tokens is None or (type(tokens) is int and 0 <= tokens <= MOST), (name, tokens)


def read_stream(client: str, upstream: str, wire: bytes) -> bytes:
    stream = Stream(client, upstream, model="m")
    out = stream.feed(wire) + stream.finish()
    assert stream.done or stream.fault
    if stream.fault:
        out += stream.fail(stream.fault)
    check(stream.usage)
    check(stream.known)
    return out


def written(frames: list[tuple[str | None, str]]) -> bytes:
    return b"".join(
        (b"event: %b\n" % name.encode() if name else b"") + b"data: " + data.encode() + b"\n\n" for name, data in frames
    )


@pytest.mark.parametrize("upstream", sorted(WHOLES))
def test_a_whole_reply_with_any_number_spoiled_is_read(upstream: str) -> None:
    body = WHOLES[upstream]
    for place, odd in itertools.product(list(places(body)), ODD):
        raw = dump(spoil(body, place, odd))
        for client in CLIENTS:
            whole = read_whole(client, upstream, raw, model="m")
            check(whole.usage)
            assert whole.fault or orjson.loads(whole.raw)


@pytest.mark.parametrize("upstream", sorted(WHOLES))
def test_a_number_spoiled_in_the_usage_costs_no_answer(upstream: str) -> None:
    body = WHOLES[upstream]
    key = "usageMetadata" if upstream == "gemini" else "usage"
    for place, odd in itertools.product([p for p in places(body) if p[0] == key], ODD):
        for client in CLIENTS:
            whole = read_whole(client, upstream, dump(spoil(body, place, odd)), model="m")
            assert whole.content, (place, odd)
            assert whole.fault is None


@every(("upstream", "frames"), STREAMS)
def test_a_stream_with_any_number_spoiled_ends_well(upstream: str, frames: list[tuple[str | None, str]]) -> None:
    """Every place with a few values, and every value in a few places: all of both would take minutes."""
    turn = itertools.count()
    for at, (name, data) in enumerate(frames):
        if not data.startswith("{"):
            continue
        body = orjson.loads(data)
        for place in places(body):
            for odd in (ODD[next(turn) % len(ODD)], 10**12):
                wire = written([*frames[:at], (name, dump(spoil(body, place, odd)).decode()), *frames[at + 1 :]])
                read_stream(CLIENTS[next(turn) % len(CLIENTS)], upstream, wire)


@pytest.mark.parametrize(("upstream", "frames"), STREAMS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_stream_with_many_numbers_spoiled_ends_well(
    upstream: str, frames: list[tuple[str | None, str]], data: st.DataObject
) -> None:
    bent = []
    for name, text in frames:
        body = orjson.loads(text) if text.startswith("{") else None
        if body is not None and data.draw(st.booleans()):
            for place in [place for place in places(body) if data.draw(st.integers(0, 5)) == 0]:
                try:
                    body = spoil(body, place, data.draw(st.sampled_from(ODD)))
                except (LookupError, TypeError):
                    continue  # what held it is spoiled already
            text = dump(body).decode()
        bent.append((name, text))
    read_stream(data.draw(st.sampled_from(CLIENTS)), upstream, written(bent))


NUMBERS = st.none() | st.integers(0, MOST)
USAGES = st.builds(Usage, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)


@given(USAGES, USAGES)
def test_sums_of_usage_stay_within_bounds(one: Usage, other: Usage) -> None:
    for made in (merge(one, other), add_usage(one, other), has_counts(one, other)):
        check(made)


@given(st.lists(NUMBERS, max_size=4))
def test_a_total_is_the_sum_or_unknown(values: list[int | None]) -> None:
    known = [value for value in values if value is not None]
    assert total(*values) == (sum(known) if known and sum(known) <= MOST else None)


@given(st.integers() | st.floats() | st.booleans() | st.text())
def test_only_whole_numbers_within_bounds_count(value: Any) -> None:
    believed = not isinstance(value, bool | str) and 0 <= value <= MOST and value == int(value)
    assert count(value) == (value if believed else None)


@pytest.mark.parametrize(
    ("dialect", "usage"),
    [
        ("openai", {"prompt_tokens": -1, "completion_tokens": 3}),
        ("openai", {"prompt_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 1e300}}),
        ("claude", {"input_tokens": 2**63 - 1, "output_tokens": 1}),
        ("responses", {"input_tokens": 1, "input_tokens_details": {"cached_tokens": True}}),
        ("gemini", {"promptTokenCount": "7"}),
    ],
)
def test_numbers_that_are_not_believed_are_named(dialect: str, usage: dict[str, Any]) -> None:
    key = "usageMetadata" if dialect == "gemini" else "usage"
    given_usage = read_whole(dialect, dialect, dump(WHOLES[dialect] | {key: usage}), model="m").usage
    assert len(given_usage.doubted) == 1
    assert merge(Usage(1, 2), given_usage).doubted == given_usage.doubted


def test_names_of_doubted_fields_are_few_and_plain() -> None:
    odd = {f"\x1b[2J{i}tokens": -1 for i in range(100)} | {"x" * 10_000 + "tokens": -1}
    assert doubted(odd) == ()
    assert len(doubted({f"f{i}_tokens": -1 for i in range(100)})) == 8


@pytest.mark.parametrize("upstream", CLIENTS)
def test_an_index_however_large_takes_no_room(upstream: str) -> None:
    """An index is a name here: nothing is as long as it says."""
    far = 10**12
    call = {"type": "function_call", "call_id": "c", "name": "f"}
    function = {"name": "f", "arguments": "{}"}
    block = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    wires: dict[str, list[Any]] = {
        "openai": [
            {"choices": [{"delta": {"tool_calls": [{"index": far, "id": "c", "function": function}]}}]},
            {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
        ],
        "claude": [
            {"type": "message_start", "message": {"id": "m", "usage": {}}},
            {"type": "content_block_start", "index": far, "content_block": block},
            {"type": "content_block_stop", "index": far},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
            {"type": "message_stop"},
        ],
        "responses": [
            {"type": "response.output_item.added", "output_index": far, "item": call},
            {"type": "response.output_item.done", "output_index": far, "item": call | {"arguments": "{}"}},
            {"type": "response.completed", "response": {"status": "completed", "output": []}},
        ],
        "gemini": [
            {
                "candidates": [
                    {
                        "content": {"parts": [{"functionCall": {"name": "f"}}]},
                        "finishReason": "STOP",
                        "groundingMetadata": {"groundingSupports": [{"groundingChunkIndices": [far]}]},
                    }
                ]
            },
        ],
    }
    wire = written([(None, dump(body).decode()) for body in wires[upstream]])
    for client in CLIENTS:
        out = read_stream(client, upstream, wire)
        assert b'"f"' in out
        assert len(out) < 20_000
        assert client == upstream or str(far).encode() not in out


@pytest.mark.parametrize("upstream", ["openai", "claude", "responses", "gemini"])
def test_the_parts_of_a_reply_are_bounded(upstream: str) -> None:
    unit = {
        "openai": '{"choices":[{"delta":{"tool_calls":[{"index":%d,"id":"c%d","function":{"name":"f"}}]}}]}',
        "claude": '{"type":"content_block_start","index":%d,"content_block":{"type":"tool_use","id":"c%d","name":"f"}}',
        "responses": '{"type":"response.output_item.added","output_index":%d,"item":{"type":"function_call",'
        '"call_id":"c%d","name":"f"}}',
        "gemini": '{"candidates":[{"index":0,"content":{"parts":[{"functionCall":{"name":"f%d%d"}}]}}]}',
    }
    stream = Stream("openai" if upstream != "openai" else "claude", upstream, model="m")
    for number in range(5000):
        stream.feed(b"data: " + (unit[upstream] % (number, number)).encode() + b"\n\n")
    assert stream.fault is not None
    assert "parts" in stream.fault.message
