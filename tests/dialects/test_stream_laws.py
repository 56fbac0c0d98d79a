"""Whatever an upstream says, in whatever order: nothing raises, the client's stream ends well, and is bounded."""

import itertools
import json
from typing import Any

import pytest
from cases import every
from hypothesis import given, settings
from hypothesis import strategies as st
from test_translate_streams import BROKEN, letters
from translate_kit import compact, frames, pieces, replies, write_stream

from omniroute.dialects import hub
from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Begin, Fault, Finish, PartDelta, PartStart, PartStop, Reply, Text, ToolCall, Usage
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.translate import PAIRS

ABSURD = st.sampled_from(
    [
        2**63,
        -(2**63) - 1,
        -1,
        10**30,
        1e308,
        True,
        False,
        None,
        "",
        "0",
        "x" * 3000,
        [],
        [[]],
        {},
        {"a": {}},
        [None],
        0.5,
    ]
)
KEYS = (
    "index",
    "output_index",
    "content_index",
    "type",
    "id",
    "delta",
    "text",
    "content",
    "arguments",
    "name",
    "usage",
)
NUMBERS = st.lists(st.integers(0, 4000), max_size=6)


def bend(value: Any, key: str, odd: Any) -> Any:
    """Put something odd wherever this key stands."""
    if isinstance(value, dict):
        return {k: odd if k == key else bend(v, key, odd) for k, v in value.items()}
    return [bend(item, key, odd) for item in value] if isinstance(value, list) else value


@st.composite
def disorder(draw: st.DrawFn, upstream: str) -> bytes:
    """Take a good stream and leave out, repeat, swap and bend some of its frames."""
    said = [(frame.event, frame.data) for frame in frames(write_stream(upstream, pieces(draw(replies()), 3)))]
    for at in draw(NUMBERS):
        place = at % len(said)
        match draw(st.sampled_from(["drop", "twice", "swap", "bend", "cut"])):
            case "drop" if len(said) > 1:
                del said[place]
            case "twice":
                said.insert(place, said[draw(st.integers(0, len(said) - 1))])
            case "swap":
                said[place], said[0] = said[0], said[place]
            case "bend":
                name, data = said[place]
                try:
                    value = json.loads(data)
                except ValueError:
                    continue
                said[place] = name, compact(bend(value, draw(st.sampled_from(KEYS)), draw(ABSURD)))
            case _:
                said[place] = said[place][0], said[place][1][: len(said[place][1]) // 2]
    return b"".join((f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode() for name, data in said)


def end(stream: Stream, wire: list[bytes]) -> bytes:
    out = b"".join(map(stream.feed, wire)) + stream.finish()
    assert stream.done or stream.fault
    return out + (stream.fail(stream.fault) if stream.fault else b"")


@pytest.mark.parametrize(("client", "upstream"), sorted(PAIRS))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_disorder_ends_well_however_it_is_cut(client: str, upstream: str, data: st.DataObject) -> None:
    wire = data.draw(disorder(upstream))
    edges = [0, *sorted(at % (len(wire) + 1) for at in data.draw(NUMBERS)), len(wire)]
    out = end(Stream(client, upstream, model="m"), [wire])
    assert BROKEN[client].fullmatch(letters(client, out)), out
    assert end(Stream(client, upstream, model="m"), [wire[a:b] for a, b in itertools.pairwise(edges)]) == out
    if client == "gemini":
        json.loads(end(Stream(client, upstream, model="m", as_array=True), [wire]))


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_disorder_passes_or_is_a_fault(dialect: str, data: st.DataObject) -> None:
    end(Stream(dialect, dialect, model="m"), [data.draw(disorder(dialect))])


@pytest.mark.parametrize(("client", "upstream"), sorted(PAIRS))
def test_a_stream_without_an_end_is_ended(client: str, upstream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MAX_TRANSLATED", 100_000)
    reply = Reply("m", (Text("word " * 60_000),), "stop", usage=Usage(1, 2))
    wire = write_stream(upstream, pieces(reply, 5000))
    stream = Stream(client, upstream, model="m")
    told = [stream.feed(wire[at : at + 5000]) for at in range(0, len(wire), 5000)]
    assert not any(told[21:])
    assert stream.fault is not None
    assert BROKEN[client].fullmatch(letters(client, b"".join(told) + stream.fail(stream.fault)))


@every(("client", "upstream"), sorted(PAIRS))
def test_text_is_told_as_soon_as_it_is_said(client: str, upstream: str) -> None:
    stream = Stream(client, upstream, model="m")
    first = [Begin("m"), PartStart(0, Text()), *(PartDelta(0, f"<{i}>") for i in range(5))]
    writer_said = frames(write_stream(upstream, first))
    out = b"".join(
        stream.feed(b"event: %b\n" % frame.event.encode() + b"data: " + frame.data.encode() + b"\n\n")
        if frame.event
        else stream.feed(b"data: " + frame.data.encode() + b"\n\n")
        for frame in writer_said
    )
    assert all(f"<{i}>".encode() in out for i in range(5))


@every(("client", "upstream"), sorted(PAIRS))
@every("reason", ["stop", "tool_calls"])
def test_a_turn_with_calls_ends_by_them_whatever_the_upstream_calls_it(client: str, upstream: str, reason: Any) -> None:
    events = [Begin("m"), PartStart(0, ToolCall("c", "n")), PartStop(0), Finish(reason, usage=Usage(1, 2))]
    out = end(Stream(client, upstream, model="m"), [write_stream(upstream, events)])
    said = {"claude": b'"tool_use"', "openai": b'"finish_reason":"tool_calls"', "gemini": b'"args":{}'}
    assert said.get(client, b'"arguments":"{}"') in out


def test_a_fault_is_said_once_and_only_before_the_end() -> None:
    stream = Stream("claude", "openai", model="m")
    wire = write_stream("openai", pieces(Reply("m", (Text("a"),), "stop", usage=Usage(1, 1)), 1))
    assert stream.feed(wire).endswith(b'{"type":"message_stop"}\n\n')
    assert stream.fail(Fault("cut", "late")) == b""
