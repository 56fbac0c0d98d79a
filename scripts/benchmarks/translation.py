"""What translation alone costs: no sockets, no processes, each pair of dialects through the door that the gateway uses.

All is processor time, so that what else runs on the machine counts little.

    request          a body of 300 KB with 60 messages and 40 tools: JSON in, JSON out
    reply            a whole reply of 300 KB: text, reasoning and calls
    text, arguments, an event of a stream of that kind, each fed on its own
    reasoning
    longer           an event in a stream of 50,000 by one in a stream of 1,000, the worst kind; 1 is linear
    1 MB line        one event of a megabyte that comes in pieces of 1 KB
    2 MB             one of two megabytes by two of these
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median

import orjson
from rich.console import Console
from rich.table import Table

from omniroute.dialects import hub
from omniroute.dialects.ir import (
    Begin,
    Event,
    Finish,
    Message,
    PartDelta,
    PartStart,
    PartStop,
    Reasoning,
    Reply,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from omniroute.dialects.translate import CODECS

MODELS = {"openai": "gpt-4o", "responses": "gpt-4o", "claude": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
KINDS = {
    "text": (Text(), "tick tock "),
    "arguments": (ToolCall("call_1", "write"), "tick tock "),
    "reasoning": (Reasoning(), "tick tock "),
}
SHORT, LONG = 1000, 50_000
PIECE = 1024
MEGABYTE = 1024 * 1024
COLUMNS = {
    # name in the JSON: what a person reads, how the number looks, the goal
    "request": ("request", "{:.1f} ms", "≤ 15 ms"),
    "reply": ("reply", "{:.1f} ms", "≤ 15 ms"),
    "text": ("text", "{:.0f} µs", "≤ 50 µs"),
    "arguments": ("arguments", "{:.0f} µs", "≤ 50 µs"),
    "reasoning": ("reasoning", "{:.0f} µs", "≤ 50 µs"),
    "longer": ("longer", "{:.2f}×", "1×"),
    "line": ("1 MB line", "{:.0f} ms", ""),
    "double": ("2 MB", "{:.2f}×", "1×"),
}


def agent() -> Request:
    """Make what a coding agent asks late in its day."""
    fields = {f"field_{i}": {"type": "string", "description": f"What number {i} is."} for i in range(20)}
    schema = {"type": "object", "properties": fields, "required": ["field_0"]}
    tools = tuple(Tool(f"tool_{i}", "It does a thing. " * 90, schema) for i in range(40))
    messages: list[Message] = [Message("system", (Text("You are of great help. " * 200),))]
    for i in range(20):
        call = ToolCall(f"call_{i}", f"tool_{i}", json.dumps({"field_0": f"Line {i}. " * 40}, separators=(",", ":")))
        messages.append(Message("user", (Text(f"Line {i} of a long talk. " * 150),)))
        messages.append(Message("assistant", (Text(f"Line {i} of an answer. " * 60), call)))
        messages.append(Message("user", (ToolResult(call.id, (Text(f"Line {i} of a file. " * 200),)),)))
    return Request("m", tuple(messages[:60]), tools=tools, max_output=4000)


def long_reply() -> Reply:
    calls = [
        ToolCall(f"call_{i}", "write", json.dumps({"text": f"Line {i}. " * 1000}, separators=(",", ":")))
        for i in range(10)
    ]
    parts = (Reasoning("Let me think about it. " * 2200), Text("Tick tock, says the clock. " * 6200), *calls)
    return Reply("r_1", parts, "tool_calls", usage=Usage(100_000, 70_000, 90_000, 0, 12_000))


def stream(dialect: str, kind: str, events: int) -> list[bytes]:
    """Say a part of this kind in so many pieces, as an upstream of the dialect does; each event on its own."""
    part, word = KINDS[kind]
    begin: list[Event] = [Begin("r_1"), PartStart(0, part)]
    middle: list[Event] = [PartDelta(0, word) for _ in range(events)]
    if kind == "arguments":
        middle = [PartDelta(0, '{"text":"'), *middle, PartDelta(0, '"}')]
    end: list[Event] = [PartStop(0), Finish("tool_calls" if kind == "arguments" else "stop", usage=Usage(9, events))]
    writer = CODECS[dialect].writer(model="m", include_usage=True)
    return [wire for event in [*begin, *middle, *end] if (wire := writer.write(event))]


def line(dialect: str, size: int) -> list[bytes]:
    """Say so much text in one event, and cut it as a network may."""
    events = [Begin("r_1"), PartStart(0, Text()), PartDelta(0, "x" * size), PartStop(0), Finish("stop")]
    writer = CODECS[dialect].writer(model="m", include_usage=True)
    wire = b"".join(map(writer.write, events))
    return [wire[start : start + PIECE] for start in range(0, len(wire), PIECE)]


def feed(client: str, upstream: str, chunks: Iterable[bytes]) -> Callable[[], None]:
    def run() -> None:
        on = hub.Stream(client, upstream, model="m")
        for chunk in chunks:
            on.feed(chunk)
        on.finish()
        assert on.fault is None, on.fault

    return run


def once(run: Callable[[], None]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def timed(run: Callable[[], None], rounds: int) -> float:
    """Give the median of the seconds that it takes, the first time not counted."""
    run()
    return median(once(run) for _ in range(rounds))


def measure(*, quick: bool) -> Iterator[tuple[str, dict[str, float]]]:
    """Give the numbers of each pair: milliseconds for bodies and lines, microseconds for events, and two ratios."""
    asked, reply = agent(), long_reply()
    requests = {d: orjson.dumps(CODECS[d].write_request(replace(asked, model=MODELS[d])).body) for d in CODECS}
    rounds, long = (3, LONG // 5) if quick else (9, LONG)
    for upstream in CODECS:
        kinds = [kind for kind in KINDS if (upstream, kind) != ("gemini", "arguments")]  # it says a call in one piece
        streams = {kind: (stream(upstream, kind, SHORT), stream(upstream, kind, long)) for kind in kinds}
        lines = line(upstream, MEGABYTE), line(upstream, 2 * MEGABYTE)
        answer = orjson.dumps(CODECS[upstream].write_reply(reply, model="m"))
        for client in CODECS:
            if client == upstream:
                continue
            note = {
                "request": timed(partial(ask, client, upstream, requests[client]), rounds) * 1e3,
                "reply": timed(partial(read, client, upstream, answer), rounds) * 1e3,
            }
            ratios = []
            for kind, (brief, lengthy) in streams.items():
                event = timed(feed(client, upstream, brief), rounds) / len(brief)
                ratios.append(once(feed(client, upstream, lengthy)) / len(lengthy) / event)
                note[kind] = event * 1e6
            single, double = (timed(feed(client, upstream, pieces), rounds) for pieces in lines)
            note |= {"longer": max(ratios), "line": single * 1e3, "double": double / single / 2}
            yield f"{client} → {upstream}", note


def ask(client: str, upstream: str, raw: bytes) -> None:
    model = MODELS[upstream]
    hub.prepare(client, upstream, raw, orjson.loads(raw), model=model, stream=True, stream_usage=True, max_output=None)


def read(client: str, upstream: str, raw: bytes) -> None:
    assert hub.read_whole(client, upstream, raw, model="m").fault is None


def show(found: dict[str, dict[str, float]]) -> None:
    table = Table(title="Translation alone (medians of processor time)")
    table.add_column("client → upstream", no_wrap=True)
    for title, _, _ in COLUMNS.values():
        table.add_column(title, justify="right")
    for pair, note in found.items():
        cells = [form.format(note[name]) if name in note else "–" for name, (_, form, _) in COLUMNS.items()]
        table.add_row(pair, *cells)
    table.add_section()
    table.add_row("goal", *(goal for _, _, goal in COLUMNS.values()))
    Console().print(table)
