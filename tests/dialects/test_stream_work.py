"""A long stream costs as much an event as a short one: counted in calls, since clocks tell little on a busy machine."""

import sys
import time
from collections.abc import Iterator
from itertools import product

import pytest
from cases import every

from omniroute.dialects import hub, stream_framing
from omniroute.dialects.ir import Begin, Event, Finish, PartDelta, PartStart, PartStop, Reasoning, Text, ToolCall
from omniroute.dialects.translate import CODECS

PARTS = {"text": Text(), "reasoning": Reasoning(), "arguments": ToolCall("call_1", "write")}
SHORT, LONG = 100, 400


def wire(dialect: str, kind: str, events: int) -> Iterator[bytes]:
    pieces = [PartDelta(0, "tick ") for _ in range(events)]
    if kind == "arguments":
        pieces = [PartDelta(0, '{"text":"'), *pieces, PartDelta(0, '"}')]
    said: list[Event] = [Begin("r_1"), PartStart(0, PARTS[kind]), *pieces, PartStop(0), Finish("stop")]
    return map(CODECS[dialect].writer(model="m", include_usage=True).write, said)


def work(client: str, upstream: str, kind: str, events: int) -> int:
    """Count the calls, of Python and of C, that a stream takes."""
    stream = hub.Stream(client, upstream, model="m")
    chunks = list(wire(upstream, kind, events))
    count = 0

    def note(_frame: object, event: str, _what: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for chunk in chunks:
            stream.feed(chunk)
        stream.finish()
    finally:
        sys.setprofile(before)
    assert stream.fault is None
    return count


@every(("client", "upstream"), list(product(CODECS, repeat=2)))
@every("kind", PARTS)
def test_an_event_costs_the_same_however_long_the_stream(client: str, upstream: str, kind: str) -> None:
    short, long = (work(client, upstream, kind, events) for events in (SHORT, LONG))
    assert long <= short * (LONG / SHORT) * 1.05


CROWDS = {
    "comments": b":\n",
    "blank lines": b"\n",
    "empty events": b"data:\n\n",
    "events": b"data:{}\n\n",
    "unknown fields": b"x\n",
    "carriage returns": b"x\r",
}


@every("unit", CROWDS.values(), ids=CROWDS)
@every(("client", "upstream"), [("openai", "openai"), ("claude", "openai"), ("gemini", "gemini")])
def test_a_crowded_chunk_is_read_in_pieces(client: str, upstream: str, unit: bytes) -> None:
    chunk = (unit * 70_000)[:65_536]
    stream = hub.Stream(client, upstream, model="m")
    stream.feed(b": an event stream\n\n")
    pieces = list(stream.pieces(chunk))
    assert b"".join(pieces) == chunk
    assert max(map(len, pieces)) <= stream_framing.PIECE
    for piece in pieces:
        stream.feed(piece)
    assert stream.fault is None


def test_a_crowded_array_is_read_in_pieces() -> None:
    stream = hub.Stream("gemini", "gemini", model="m")
    stream.feed(b"[")
    chunk = b"{}," * 20_000
    pieces = list(stream.pieces(chunk))
    assert b"".join(pieces) == chunk
    assert max(map(len, pieces)) <= stream_framing.PIECE


def test_an_ordinary_chunk_is_one_piece() -> None:
    stream = hub.Stream("openai", "openai", model="m")
    chunk = (
        b'data: {"choices":[{"index":0,"delta":{"content":"some words of an answer"},"finish_reason":null}]}\n\n' * 500
    )
    assert list(stream.pieces(chunk)) == [chunk]


LOGPROBS = '"logprobs":{"content":[{"token":"a","logprob":-1}]}'
NOTES = '"annotations":[{"type":"url_citation","url_citation":{"url":"u"}}]'
COLLECTED = [
    (
        "claude",
        '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"abcdefgh"}}',
    ),
    ("openai", '{"choices":[{"index":0,"delta":{},' + LOGPROBS + "}]}"),
    ("openai", '{"choices":[{"index":0,"delta":{' + NOTES + "}}]}"),
    (
        "responses",
        '{"type":"response.output_text.annotation.added","output_index":0,"content_index":0,'
        '"annotation":{"type":"url_citation","url":"u"}}',
    ),
]


@pytest.mark.parametrize(("upstream", "data"), COLLECTED)
def test_what_is_only_collected_is_not_copied_at_every_event(upstream: str, data: str) -> None:
    """Each event costs the same: a copy of all that came before at each would need gigabytes to be moved."""
    unit = b"data: " + data.encode() + b"\n\n"
    stream = hub.Stream("gemini", upstream, model="m")
    begin: list[Event] = [Begin("r_1"), PartStart(0, Text()), PartDelta(0, "t" * 100_000)]
    stream.feed(b"".join(map(CODECS[upstream].writer(model="m").write, begin)))
    before = time.process_time()
    stream.feed(unit * 200)
    first = time.process_time() - before
    stream.feed(unit * 10_000)
    before = time.process_time()
    stream.feed(unit * 200)
    assert stream.fault is None
    assert time.process_time() - before < 20 * first + 0.2
