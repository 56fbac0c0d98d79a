"""A long stream costs as much an event as a short one: counted in calls, since clocks tell little on a busy machine."""

import sys
from collections.abc import Iterator
from itertools import product

import pytest

from omniroute.dialects import hub
from omniroute.dialects.ir import Begin, Event, Finish, PartDelta, PartStart, PartStop, Reasoning, Text, ToolCall
from omniroute.dialects.translate import SPOKES

PARTS = {"text": Text(), "reasoning": Reasoning(), "arguments": ToolCall("call_1", "write")}
SHORT, LONG = 100, 400


def wire(dialect: str, kind: str, events: int) -> Iterator[bytes]:
    pieces = [PartDelta(0, "tick ") for _ in range(events)]
    if kind == "arguments":
        pieces = [PartDelta(0, '{"text":"'), *pieces, PartDelta(0, '"}')]
    said: list[Event] = [Begin("r_1"), PartStart(0, PARTS[kind]), *pieces, PartStop(0), Finish("stop")]
    return map(SPOKES[dialect].writer(model="m", include_usage=True).write, said)


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


@pytest.mark.parametrize(("client", "upstream"), list(product(SPOKES, repeat=2)))
@pytest.mark.parametrize("kind", PARTS)
def test_an_event_costs_the_same_however_long_the_stream(client: str, upstream: str, kind: str) -> None:
    short, long = (work(client, upstream, kind, events) for events in (SHORT, LONG))
    assert long <= short * (LONG / SHORT) * 1.05
