"""Odd ways in which servers stream each dialect: nothing is lost, nothing is made up, and each stream ends."""

import json
from typing import Any

import pytest
from cases import every
from translate_kit import read_stream

from omniroute.dialects.hub import Stream, read_whole
from omniroute.dialects.ir import Part, Reason, Reasoning, Refusal, Reply, Text, ToolCall, Usage

OTHER = {"openai": "responses", "responses": "openai", "claude": "openai", "gemini": "openai"}


def wire(*said: Any, named: bool = False) -> bytes:
    frames = [one if isinstance(one, str) else json.dumps(one) for one in said]
    heads = [f"event: {one['type']}\n" if named and isinstance(one, dict) else "" for one in said]
    return "".join(f"{head}data: {frame}\n\n" for head, frame in zip(heads, frames, strict=True)).encode()


def understood(upstream: str, said: bytes) -> Reply:
    """Give what a client of another dialect reads, whatever the cut; the stream must end well."""
    client = OTHER[upstream]
    stream = Stream(client, upstream, model="m")
    out = stream.feed(said) + stream.finish()
    assert stream.fault is None
    pieces = Stream(client, upstream, model="m")
    assert b"".join(pieces.feed(said[i : i + 1]) for i in range(len(said))) + pieces.finish() == out
    return read_stream(client, out)


def parts(upstream: str, said: bytes) -> tuple[Part, ...]:
    return understood(upstream, said).parts


def broken(upstream: str, said: bytes) -> str:
    """Give what the client is told of a stream that failed."""
    stream = Stream(OTHER[upstream], upstream, model="m")
    out = stream.feed(said) + stream.finish()
    assert stream.fault is not None
    assert stream.fault.message in json.loads(json.dumps((out + stream.fail(stream.fault)).decode()))
    return stream.fault.message


# Chat Completions


def chunk(delta: Any = ..., finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": finish} | ({} if delta is ... else {"delta": delta})
    return {"id": "c1", "choices": [choice], **more}


def call(arguments: Any, **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "n", "arguments": arguments}, **more}]}


STOP = chunk({}, "stop")
SAID: list[tuple[str, list[Any], tuple[Part, ...]]] = [
    ("a delta that is missing", [chunk(), chunk({"content": "y"}), chunk(finish="stop")], (Text("y"),)),
    ("a delta that is null", [chunk(None), chunk({"content": "y"}), STOP], (Text("y"),)),
    (
        "content that is null",
        [chunk({"role": "assistant", "content": None}), chunk({"content": "y"}), STOP],
        (Text("y"),),
    ),
    (
        "chunks without choices",
        [{"choices": []}, {"id": "q"}, chunk({"content": "y"}), {"choices": None}, STOP],
        (Text("y"),),
    ),
    ("finish reasons that are empty", [chunk({"content": "x"}, ""), chunk({"content": "y"}, ""), STOP], (Text("xy"),)),
    ("text behind the finish reason", [chunk({"content": "x"}, "stop"), chunk({"content": "y"})], (Text("xy"),)),
    ("an end mark with a blank", [chunk({"content": "y"}), STOP, "[DONE] "], (Text("y"),)),
    ("text behind the end mark", [chunk({"content": "y"}), STOP, "[DONE]", chunk({"content": "z"})], (Text("y"),)),
    ("a message for a delta", [{"choices": [{"message": {"content": "y"}, "finish_reason": "stop"}]}], (Text("y"),)),
    ("arguments that are an object", [chunk(call({"a": 1})), STOP], (ToolCall("a", "n", '{"a":1}'),)),
    ("arguments that are null", [chunk(call(None)), STOP], (ToolCall("a", "n", "{}"),)),
    ("an index that is text", [chunk(call("{}", index="0")), STOP], (ToolCall("a", "n", "{}"),)),
    ("an index that is broken", [chunk(call("{}", index=0.0)), STOP], (ToolCall("a", "n", "{}"),)),
]


@every(("said", "wanted"), [pytest.param(said, wanted, id=name) for name, said, wanted in SAID])
def test_chunks_of_chat(said: list[Any], wanted: tuple[Part, ...]) -> None:
    assert parts("openai", wire(*said)) == wanted


def test_a_finish_reason_and_usage_in_every_chunk_end_nothing() -> None:
    numbers = [{"prompt_tokens": 3, "completion_tokens": i} for i in (1, 2)]
    said = [chunk({"content": text}, "stop", usage=usage) for text, usage in zip("ab", numbers, strict=True)]
    reply = understood("openai", wire(*said, "[DONE]"))
    assert (reply.parts, reply.usage.input, reply.usage.output) == ((Text("ab"),), 3, 2)


def test_a_call_as_it_was_said_before_there_could_be_several() -> None:
    said = [
        chunk({"function_call": {"name": "n", "arguments": '{"a"'}}),
        chunk({"function_call": {"arguments": ":1}"}}),
    ]
    reply = understood("openai", wire(*said, chunk({}, "function_call")))
    assert [(part.name, part.arguments) for part in reply.parts if isinstance(part, ToolCall)] == [("n", '{"a":1}')]
    message = {"content": None, "function_call": {"name": "n", "arguments": '{"a":1}'}}
    body = {"choices": [{"message": message, "finish_reason": "function_call"}]}
    whole = json.loads(read_whole("claude", "openai", json.dumps(body).encode(), model="m").raw)
    assert (whole["content"][0]["input"], whole["stop_reason"]) == ({"a": 1}, "tool_use")


@pytest.mark.parametrize("word", ["error", "network_error", "insufficient_system_resource"])
def test_a_reply_that_broke_off_by_its_own_word_is_a_fault(word: str) -> None:
    assert word in broken("openai", wire(chunk({"content": "a"}), chunk({}, word), "[DONE]"))
    body = {"choices": [{"message": {"content": "a"}, "finish_reason": word}]}
    assert read_whole("claude", "openai", json.dumps(body).encode(), model="m").fault


@pytest.mark.parametrize(
    ("word", "reason"),
    [("max_tokens", "length"), ("model_length", "length"), ("sensitive", "filter"), ("eos", "stop")],
)
def test_finish_reasons_of_other_servers(word: str, reason: Reason) -> None:
    assert understood("openai", wire(chunk({"content": "a"}), chunk({}, word))).reason == reason


def test_an_event_that_is_named_an_error_is_one() -> None:
    assert (
        broken("openai", wire(chunk({"content": "a"})) + b'event: error\ndata: {"message":"it burns"}\n\n')
        == "it burns"
    )


# Anthropic Messages

START = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 10, "output_tokens": 1}}}
END = {"type": "message_stop"}


def block(*said: dict[str, Any], index: int = 0, **start: Any) -> list[dict[str, Any]]:
    deltas = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in said]
    return [{"type": "content_block_start", "index": index, "content_block": start}, *deltas]


def stop(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str | None = "end_turn", **usage: int) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def text(said: str) -> dict[str, Any]:
    return {"type": "text_delta", "text": said}


SEARCH = block(
    {"type": "input_json_delta", "partial_json": '{"query":"q"}'},
    type="server_tool_use",
    id="s",
    name="web_search",
    input={},
)
BLOCKS: list[tuple[str, list[Any], tuple[Part, ...]]] = [
    ("no reason at the end", [START, *block(text("x"), type="text", text=""), stop(), END], (Text("x"),)),
    ("a reason that is null", [START, *block(text("x"), type="text", text=""), stop(), end(None), END], (Text("x"),)),
    ("blocks that begin with nothing", [START, *block(text("x"), type="text"), stop(), end(), END], (Text("x"),)),
    ("a block that is not closed", [START, *block(text("x"), type="text", text=""), end(), END], (Text("x"),)),
    (
        "a block begun in the place of another",
        [
            START,
            *block({"type": "thinking_delta", "thinking": "hm"}, type="thinking"),
            *block(text("x"), type="text", text=""),
            stop(),
            end(),
            END,
        ],
        (Reasoning("hm"), Text("x")),
    ),
    (
        "input that is text",
        [START, *block(type="tool_use", id="t", name="n", input='{"a":1}'), stop(), end("tool_use"), END],
        (ToolCall("t", "n", '{"a":1}'),),
    ),
    (
        "content in the start",
        [START | {"message": {"id": "m", "content": [{"type": "text", "text": "hello"}]}}, end(), END],
        (Text("hello"),),
    ),
    (
        "a tool of the provider's own",
        [START, *SEARCH, stop(), *block(text("x"), index=1, type="text", text=""), stop(1), end(), END],
        (Text("x"),),
    ),
]


@every("named", [True, False])
@every(("said", "wanted"), [pytest.param(said, wanted, id=name) for name, said, wanted in BLOCKS])
def test_blocks_of_claude(said: list[Any], wanted: tuple[Part, ...], named: bool) -> None:
    assert parts("claude", wire(*said, named=named)) == wanted


@pytest.mark.parametrize(
    ("last", "usage"),
    [
        ({"output_tokens": 5}, Usage(17, 5, 5, 2)),
        ({"input_tokens": 10, "output_tokens": 5}, Usage(17, 5, 5, 2)),
        (
            {"input_tokens": 40, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 5},
            Usage(47, 5, 5, 2),
        ),
    ],
)
def test_usage_of_claude_may_grow(last: dict[str, int], usage: Usage) -> None:
    first = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 1}
    first |= {"cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 0}}  # type: ignore[dict-item]
    start = {"type": "message_start", "message": {"id": "m", "usage": first}}
    said = wire(start, *block(text("x"), type="text", text=""), stop(), end(**last), END)
    stream = Stream("openai", "claude", model="m")
    assert understood("claude", said).usage == usage
    stream.feed(said)
    assert stream.usage == usage


def test_what_stands_behind_the_end_is_no_fault() -> None:
    said = wire(START, *block(text("x"), type="text", text=""), stop(), end(), END, named=True)
    stream = Stream("claude", "claude", model="m")
    assert stream.feed(said + b"data: [DONE]\n\n") + stream.finish() == said
    assert (stream.done, stream.fault) == (True, None)


# OpenAI Responses

CREATED = {"type": "response.created", "response": {"id": "r"}}
MESSAGE = {"type": "message", "content": [{"type": "output_text", "text": "hello", "annotations": []}]}
CALL = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "n", "arguments": '{"a":1}'}
READ = ToolCall("c1", "n", '{"a":1}')


def finished(**more: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []} | more}


def added(item: dict[str, Any], **place: int) -> dict[str, Any]:
    return {"type": "response.output_item.added", "item": item, **place}


def done(item: dict[str, Any], **place: int) -> dict[str, Any]:
    return {"type": "response.output_item.done", "item": item, **place}


def told(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "output_index": 0, **more}


EMPTY = {"type": "message", "id": "m1", "content": []}
THINKING = {"type": "reasoning", "id": "rs", "summary": []}
ITEMS: list[tuple[str, list[Any], tuple[Part, ...]]] = [
    ("only whole items", [CREATED, done(MESSAGE), done(CALL, output_index=1), finished()], (Text("hello"), READ)),
    ("whole items without numbers", [CREATED, done(MESSAGE), done(CALL), finished()], (Text("hello"), READ)),
    ("only the end", [finished(output=[MESSAGE, CALL])], (Text("hello"), READ)),
    (
        "arguments that are only told whole",
        [added(CALL | {"arguments": ""}), told("function_call_arguments.done", arguments='{"a":1}'), finished()],
        (READ,),
    ),
    ("arguments that are an object", [done(CALL | {"arguments": {"a": 1}}), finished()], (READ,)),
    (
        "text that is only told whole",
        [added(EMPTY), told("output_text.done", text="hello"), finished()],
        (Text("hello"),),
    ),
    (
        "a refusal that is only told whole",
        [added(EMPTY), told("refusal.done", refusal="no"), finished()],
        (Refusal("no"),),
    ),
    (
        "text whose pieces lack its end",
        [
            added(EMPTY, output_index=0),
            told("output_text.delta", delta="hel"),
            done(MESSAGE, output_index=0),
            finished(),
        ],
        (Text("hello"),),
    ),
    (
        "a summary that is only told whole",
        [
            added(THINKING),
            told("reasoning_summary_text.done", summary_index=0, text="a"),
            told("reasoning_summary_text.done", summary_index=1, text="b"),
            done(
                THINKING | {"summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]}
            ),
            finished(),
        ],
        (Reasoning("a\n\nb"),),
    ),
    (
        "items that are told by their ids alone",
        [
            added(CALL | {"arguments": ""}),
            added(CALL | {"id": "f2", "call_id": "c2", "arguments": ""}),
            {"type": "response.function_call_arguments.delta", "item_id": "f1", "delta": '{"a":1}'},
            {"type": "response.function_call_arguments.delta", "item_id": "f2", "delta": '{"b":2}'},
            finished(),
        ],
        (READ, ToolCall("c2", "n", '{"b":2}')),
    ),
    (
        "an item that is told twice",
        [done(MESSAGE), done(MESSAGE, output_index=0), finished(output=[MESSAGE])],
        (Text("hello"),),
    ),
]


@every(("said", "wanted"), [pytest.param(said, wanted, id=name) for name, said, wanted in ITEMS])
def test_items_of_responses(said: list[Any], wanted: tuple[Part, ...]) -> None:
    assert parts("responses", wire(*said, named=True)) == wanted


def test_a_response_that_is_completed_as_a_failure_is_a_fault() -> None:
    failed = finished(status="failed", error={"code": "server_error", "message": "it burns"})
    assert broken("responses", wire(CREATED, failed)) == "it burns"
    stream = Stream("responses", "responses", model="m")
    stream.feed(wire(CREATED, failed))
    assert (stream.done, stream.fault and stream.fault.code) == (False, "server_error")


# Gemini


def candidate(*said: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [*said]}, "finishReason": finish}]}


def test_two_calls_of_gemini_with_one_id_are_two() -> None:
    calls = [{"functionCall": {"name": "n", "args": {"a": i}, "id": "1"}} for i in range(2)]
    found = [part for part in parts("gemini", wire(candidate(*calls, finish="STOP"))) if isinstance(part, ToolCall)]
    assert [part.arguments for part in found] == ['{"a":0}', '{"a":1}']
    assert len({part.id for part in found}) == 2


@pytest.mark.parametrize("client", ["claude", "gemini"])
def test_an_end_mark_that_is_not_of_the_dialect_is_harmless(client: str) -> None:
    stream = Stream(client, "gemini", model="m")
    out = stream.feed(wire(candidate({"text": "a"}, finish="STOP"), "[DONE]")) + stream.finish()
    assert (stream.done, stream.fault) == (True, None)
    assert b'"a"' in out
