"""Streams of OpenAI Responses: the whole family of events in order, and every odd way of upstreams to say them."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st
from translate_kit import compact, frames, judge_reply, judge_stream, pieces, read_stream, replies, run, write_stream

from omniroute.dialects.fold import unfold
from omniroute.dialects.ir import Citation, Fault, Reasoning, Refusal, Reply, Text, ToolCall, Usage
from omniroute.dialects.tool_names import OwnName, read_input, read_own_name, write_input
from omniroute.dialects.translate import CODECS, Translator, translate_reply, translate_request

SAMPLE = Reply(
    "resp_1",
    (
        Reasoning("Which öne?", "c2ln", origin="claude"),
        Text("Beide 🐈 Dateien."),
        ToolCall("call_a", "read", '{"path":"a"}'),
        ToolCall("call_b", "patch", '{"input":"*** \\"x\\"\\n"}'),
    ),
    "tool_calls",
    usage=Usage(120, 30, 100, 10, 5),
)
NAMES = {"patch": OwnName("apply_patch", "custom").word, "read": OwnName("read", namespace="files").word}


def events(wire: bytes) -> list[dict[str, Any]]:
    return [json.loads(frame.data) for frame in frames(wire)]


def said(*bodies: dict[str, Any]) -> bytes:
    return b"".join(f"event: {body['type']}\ndata: {compact(body)}\n\n".encode() for body in bodies)


@given(reply=replies(), size=st.integers(1, 9))
def test_each_item_is_told_by_its_number_and_its_id(reply: Reply, size: int) -> None:
    told = events(write_stream("responses", pieces(reply, size)))
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    output = told[-1]["response"]["output"]
    added = [event for event in told if event["type"] == "response.output_item.added"]
    done = [event for event in told if event["type"] == "response.output_item.done"]
    assert [event["item"] for event in done] == output
    assert [(event["output_index"], event["item"]["id"]) for event in added] == [
        (index, item["id"]) for index, item in enumerate(output)
    ]
    assert len({item["id"] for item in output}) == len(output)
    for event in told:
        if "item_id" in event:
            assert event["item_id"] == output[event["output_index"]]["id"]
    for index, item in enumerate(output):
        given = "".join(e["delta"] for e in told if "delta" in e and e["output_index"] == index)
        whole = item.get("arguments") or "".join(part.get("text", part.get("refusal")) for part in texts(item))
        assert given == whole


def texts(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [*item.get("content", []), *item.get("summary", [])]


def test_the_same_reply_is_said_in_the_same_bytes() -> None:
    assert write_stream("responses", pieces(SAMPLE, 3)) == write_stream("responses", pieces(SAMPLE, 3))


@pytest.mark.parametrize("upstream", ["openai", "claude"])
def test_calls_of_custom_tools_and_of_namespaces_are_said_as_they_were_offered(upstream: str) -> None:
    wire = run("responses", upstream, [write_stream(upstream, pieces(SAMPLE, 3))], names=NAMES)
    snapshot = judge_stream("responses", wire)
    *_, read, patch = snapshot.output
    assert (read.type, read.namespace, read.name, read.arguments) == ("function_call", "files", "read", '{"path":"a"}')
    assert (patch.type, patch.call_id, patch.name) == ("custom_tool_call", "call_b", "apply_patch")
    assert patch.input == '*** "x"\n'
    told = [event for event in events(wire) if "custom_tool_call_input" in event["type"]]
    assert [event["type"].rpartition(".")[2] for event in told] == ["delta", "done"]
    assert told[0]["delta"] == told[1]["input"] == patch.input
    whole = translate_reply(
        "responses", upstream, CODECS[upstream].write_reply(SAMPLE, model="u"), model="the-model", names=NAMES
    )
    judge_reply("responses", whole)
    assert whole == snapshot.model_dump(mode="json", exclude_unset=True)


@pytest.mark.parametrize("upstream", ["openai", "claude"])
def test_a_custom_tool_goes_there_and_comes_back(upstream: str) -> None:
    tool = {"type": "custom", "name": "apply_patch", "format": {"type": "text"}}
    body = {"model": "m", "input": "hi", "tools": [{"type": "namespace", "name": "n", "tools": [tool]}]}
    sent = translate_request("responses", upstream, body, model="m", stream=False, max_output=None)
    name = CODECS[upstream].read_request(sent.body).tools[0].name  # type: ignore[union-attr]
    reply = Reply("r", (ToolCall("c", name, '{"input":"text"}'),), "tool_calls")
    answer = CODECS[upstream].write_reply(reply, model="u")
    [item] = translate_reply("responses", upstream, answer, model="m", names=sent.names)["output"]
    assert (item["type"], item["namespace"], item["name"], item["input"]) == (
        *("custom_tool_call", "n", "apply_patch"),
        "text",
    )


@given(st.text())
def test_the_input_of_a_custom_tool_survives_being_arguments(text: str) -> None:
    assert read_input(write_input(text)) == text


@given(st.text(), st.text(), st.text())
def test_any_word_is_some_name(kind: str, namespace: str, name: str) -> None:
    assert read_own_name(name).kind in {"function", "custom"}
    assert read_own_name("\x1f".join((kind, namespace, name))).name


@pytest.mark.parametrize(
    ("arguments", "text"),
    [("half {", "half {"), ('{"other":1}', '{"other":1}'), ('{"input":5}', '{"input":5}'), ("", "")],
)
def test_arguments_that_hold_no_input_are_the_input(arguments: str, text: str) -> None:
    assert read_input(arguments) == text


def test_a_fault_leaves_a_half_call_open_so_that_no_one_runs_it() -> None:
    wire = write_stream("openai", pieces(SAMPLE, 3))
    translator = Translator("responses", "openai", model="m")
    out = b""
    for frame in frames(wire):
        out += translator.feed(frame)[0]
        if b"function_call_arguments.delta" in out:
            break
    told = events(out + translator.fail(Fault("cut", "it broke off")))
    assert [event["type"] for event in told[-3:]] == [
        "response.function_call_arguments.delta",
        "error",
        "response.failed",
    ]


@every(
    ("reason", "status", "cause"),
    [
        ("stop", "completed", None),
        ("stop_sequence", "completed", None),
        ("pause", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("context", "incomplete", "max_output_tokens"),
        ("filter", "incomplete", "content_filter"),
    ],
)
def test_the_end_tells_why(reason: Any, status: str, cause: str | None) -> None:
    reply = Reply("r", (Text("x"),), reason)
    last = events(write_stream("responses", unfold(reply)))[-1]
    assert last["type"] == f"response.{status}"
    for response in (last["response"], CODECS["responses"].write_reply(reply, model="m")):
        assert response["status"] == status
        assert response["incomplete_details"] == (cause and {"reason": cause})
        assert CODECS["responses"].read_reply(response).reason in {reason, "stop", "length"}


def test_a_refusal_is_a_whole_answer() -> None:
    reply = Reply("r", (Refusal("no"),), "filter")
    snapshot = judge_stream("responses", write_stream("responses", unfold(reply)))
    assert snapshot.status == "completed"
    assert snapshot.output[0].content[0].refusal == "no"
    noted = Reply("r", (), "filter", note="not this")
    snapshot = judge_stream("responses", write_stream("responses", unfold(noted)))
    assert snapshot.output[0].content[0].refusal == "not this"
    assert CODECS["responses"].write_reply(noted, model="upstream-model") == snapshot.model_dump(
        mode="json", exclude_unset=True
    )


def test_pages_that_an_answer_rests_on_are_annotations() -> None:
    reply = Reply("r", (Text("so it is", (Citation("https://e.org", "E", "so it is"),)),), "stop", usage=PLAIN.usage)
    wire = write_stream("responses", unfold(reply))
    [added] = [e for e in events(wire) if e["type"] == "response.output_text.annotation.added"]
    where = {"type": "url_citation", "start_index": 0, "end_index": 8, "title": "E", "url": "https://e.org"}
    assert added["annotation"] == where
    assert read_stream("responses", wire) == reply
    assert CODECS["responses"].read_reply(CODECS["responses"].write_reply(reply, model="m")) == reply
    judge_stream("responses", wire)


# Upstreams that leave something out

PLAIN = Reply(
    "resp_1",
    (Reasoning("hm", "seal", origin="responses"), Text("so"), Refusal("no"), ToolCall("c", "read", '{"a":1}')),
    "tool_calls",
    usage=Usage(5, 2, 0, 0, 0),
)


def without(*kinds: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: not event["type"].endswith(kinds)


@every(
    "kept",
    [
        pytest.param(without("created"), id="no created"),
        pytest.param(without("created", "in_progress"), id="no beginning"),
        pytest.param(without("_text.done", "part.done", "arguments.done", "refusal.done"), id="no parts done"),
        pytest.param(without("item.added"), id="no items added"),
        pytest.param(without("part.added"), id="no parts added"),
        pytest.param(without("item.done"), id="no items done"),
        pytest.param(without("item.done", "part.done", "_text.done", "arguments.done"), id="nothing done"),
        pytest.param(without(".delta"), id="no deltas"),
        pytest.param(without(".delta", "part.done", "part.added"), id="items only"),
        pytest.param(without("item.added", ".delta", "part.done", "part.added", "item.done"), id="only the end"),
    ],
)
def test_events_that_are_missing_are_not_missed(kept: Callable[[dict[str, Any]], bool]) -> None:
    told = [event for event in events(write_stream("responses", pieces(PLAIN, 1))) if kept(event)]
    if not any(event["type"] == "response.output_item.added" for event in told):
        # A call needs its name: without the event that has it, its pieces mean nothing.
        told = [event for event in told if "arguments.delta" not in event["type"]]
    wire = said(*told)
    reply = read_stream("responses", wire)
    assert reply == replace(PLAIN, id=reply.id)
    assert read_stream("claude", run("claude", "responses", [wire])).parts[-1] == PLAIN.parts[-1]
    judge_stream("claude", run("claude", "responses", [wire]))


def test_numbers_ids_and_the_repeated_output_are_not_needed() -> None:
    told = events(write_stream("responses", pieces(PLAIN, 1)))
    for event in told:
        event.pop("sequence_number")
        event.pop("item_id", None)
        event.pop("output_index", None)
        event.get("item", {}).pop("id", None)
        if event["type"] == "response.completed":
            event["response"]["output"] = []
    wire = said(*told) + b"data: [DONE]\n\n"
    assert read_stream("responses", wire) == PLAIN


def test_a_stream_without_its_end_is_cut() -> None:
    told = events(write_stream("responses", pieces(PLAIN, 1)))[:-1]
    with pytest.raises(ValueError, match="without its beginning or its end"):
        read_stream("responses", said(*told))


def test_several_parts_of_a_summary_become_one_text() -> None:
    summary = [{"type": "summary_text", "text": text} for text in ("one", "two")]
    deltas = [
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": i, "delta": part["text"]}
        for i, part in enumerate(summary)
    ]
    item = {"type": "reasoning", "summary": summary, "encrypted_content": "z"}
    end = {"id": "r", "status": "completed", "output": [item]}
    wire = said(
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "summary": []}},
        *deltas,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": end},
    )
    parts = (Reasoning("one\n\ntwo", "z", origin="responses"),)
    assert read_stream("responses", wire).parts == parts
    assert CODECS["responses"].read_reply(end).parts == parts


def test_items_that_are_interleaved_come_out_one_after_the_other() -> None:
    def event(kind: str, index: int, **more: Any) -> dict[str, Any]:
        return {"type": f"response.{kind}", "output_index": index, **more}

    calls = [{"type": "function_call", "call_id": c, "name": "f", "arguments": ""} for c in "ab"]
    wire = said(
        *[event("output_item.added", i, item=call) for i, call in enumerate(calls)],
        *[event("function_call_arguments.delta", i, delta=piece) for piece in ("{", "}") for i in (1, 0)],
        *[event("output_item.done", i, item=calls[i] | {"arguments": "{}"}) for i in (1, 0)],
        {"type": "response.completed", "response": {"status": "completed", "output": []}},
    )
    reply = read_stream("responses", wire)
    assert reply.parts == (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
    assert reply.reason == "tool_calls"


def test_a_custom_tool_of_an_upstream_is_a_function_elsewhere() -> None:
    item = {"type": "custom_tool_call", "call_id": "c", "name": "exec", "input": 'say "x"'}
    for done in (True, False):
        wire = said(
            {"type": "response.output_item.added", "output_index": 0, "item": item | {"input": ""}},
            *[
                {"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": piece}
                for piece in ("say ", '"x"')
            ],
            *([{"type": "response.output_item.done", "output_index": 0, "item": item}] if done else []),
            {"type": "response.completed", "response": {"status": "completed", "output": []}},
        )
        [part] = read_stream("responses", wire).parts
        assert isinstance(part, ToolCall)
        assert json.loads(part.arguments) == {"input": 'say "x"'}


def test_what_the_provider_did_itself_is_left_out() -> None:
    search = {"type": "web_search_call", "id": "ws", "status": "completed"}
    message = {"type": "message", "content": [{"type": "output_text", "text": "so", "annotations": []}]}
    end = {"id": "r", "status": "completed", "output": [search, message]}
    body = translate_reply("openai", "responses", end, model="m")
    assert body["choices"][0]["message"]["content"] == "so"
    wire = said({"type": "response.completed", "response": end})
    assert judge_stream("openai", run("openai", "responses", [wire])).choices[0].message.content == "so"


@pytest.mark.parametrize("client", ["openai", "claude"])
def test_sealed_reasoning_reaches_a_client_and_comes_back(client: str) -> None:
    reply = Reply("r", (Reasoning("hm", "z", origin="responses"), Reasoning(sealed="y", origin="responses")), "stop")
    wire = run(client, "responses", [write_stream("responses", unfold(reply))])
    judge_stream(client, wire)
    whole = translate_reply(client, "responses", CODECS["responses"].write_reply(reply, model="u"), model="m")
    for again in (read_stream(client, wire), CODECS[client].read_reply(whole)):
        assert again.parts == reply.parts


@every(
    "body",
    [
        {},
        {"output": 5},
        {"output": [5]},
        {"output": [{"type": "message"}]},
        {"output": [{"type": "function_call"}]},
        {"output": [{"type": "function_call", "name": "n", "arguments": 5}]},
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": 5}]}]},
        {"output": [{"type": "message", "content": ["x"]}]},
        {"status": "in_progress", "output": []},
    ],
)
def test_what_is_no_reply_is_a_value_error(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the hub tells it from others by where it comes from
        translate_reply("claude", "responses", body, model="m")
