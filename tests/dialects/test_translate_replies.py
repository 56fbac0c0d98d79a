"""Whole replies between dialects: shapes as the SDKs have them, meaning kept, usage exact."""

from dataclasses import replace
from typing import Any

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st
from translate_kit import OTHER, judge_reply, replies

from omniroute.dialects.claude.reply import read_reply as read_claude
from omniroute.dialects.ir import Citation, Reasoning, Refusal, Reply, Text, ToolCall, Usage
from omniroute.dialects.openai.reply import read_reply as read_openai
from omniroute.dialects.translate import CODECS, PAIRS, translate_reply

BOTH = sorted(PAIRS)


def openai_reply(message: dict[str, Any], finish: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion", "created": 5, "model": "u", "choices": [choice], **more}


def claude_reply(*content: dict[str, Any], stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "u", "content": [*content]}
    return {**head, "stop_reason": stop, "stop_sequence": None, "usage": usage, **more}


def without_writes(reply: Reply) -> Reply:
    """Leave out what was written to a cache: Gemini has no number for it."""
    return replace(reply, usage=replace(reply.usage, cache_write=None))


@pytest.mark.parametrize("dialect", sorted(CODECS))
@given(reply=replies())
def test_what_is_written_is_read_as_the_same(dialect: str, reply: Reply) -> None:
    spoke = CODECS[dialect]
    reply = without_writes(reply) if dialect == "gemini" else reply
    body = spoke.write_reply(reply, model="m")
    judge_reply(dialect, body)
    again = spoke.read_reply(body)
    assert spoke.write_reply(again, model="m") == body
    if not any(isinstance(part, Refusal) for part in reply.parts):  # a refusal is plain text to Claude
        assert again == reply


@pytest.mark.parametrize(("client", "upstream"), BOTH)
@given(reply=replies(refusals=False))
def test_there_and_back_is_the_same_reply(client: str, upstream: str, reply: Reply) -> None:
    reply = without_writes(reply) if "gemini" in (client, upstream) else reply
    body = CODECS[upstream].write_reply(reply, model="m")
    there = translate_reply(client, upstream, body, model="m")
    judge_reply(client, there)
    assert translate_reply(upstream, client, there, model="m") == body


@pytest.mark.parametrize("dialect", sorted(CODECS))
@given(
    fresh=st.integers(0, 10**6), read=st.integers(0, 10**6), written=st.integers(0, 10**6), out=st.integers(0, 10**6)
)
def test_usage_is_counted_as_each_side_counts(dialect: str, fresh: int, read: int, written: int, out: int) -> None:
    usage = Usage(fresh + read + written, out, read, written)
    whole = CODECS[dialect].write_reply(Reply("m", (), "stop", usage=usage), model="m")
    if dialect == "gemini":
        body = whole["usageMetadata"]
        assert (body["promptTokenCount"], body["candidatesTokenCount"]) == (fresh + read + written, out)
        assert (body["cachedContentTokenCount"], body["totalTokenCount"]) == (read, fresh + read + written + out)
        return
    body = whole["usage"]
    if dialect == "responses":
        assert (body["input_tokens"], body["output_tokens"]) == (fresh + read + written, out)
        assert body["input_tokens_details"] == {"cached_tokens": read, "cache_write_tokens": written}
        assert body["total_tokens"] == fresh + read + written + out
    elif dialect == "claude":
        assert (body["input_tokens"], body["output_tokens"]) == (fresh, out)
        assert (body["cache_read_input_tokens"], body["cache_creation_input_tokens"]) == (read, written)
    else:
        assert (body["prompt_tokens"], body["completion_tokens"]) == (fresh + read + written, out)
        assert body["prompt_tokens_details"]["cached_tokens"] == read
        assert body["total_tokens"] == fresh + read + written + out


def test_reasoning_and_its_seal_pass_through_an_openai_client() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    sealed = {"type": "redacted_thinking", "data": "zzz"}
    body = translate_reply("openai", "claude", claude_reply(thought, sealed, {"type": "text", "text": "so"}), model="m")
    message = body["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("hm", "so")
    assert translate_reply("claude", "openai", body, model="m")["content"][:2] == [thought, sealed]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_of_other_providers_is_thinking_without_a_signature(key: str) -> None:
    body = translate_reply("claude", "openai", openai_reply({key: "hm", "content": "so"}), model="m")
    assert body["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "so"},
    ]
    judge_reply("claude", body)


def test_reasoning_may_be_a_part_of_the_content() -> None:
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "so"}]
    read = read_openai(openai_reply({"content": content}))
    assert read.parts == (Reasoning("hm"), Text("so"))


@every(
    ("message", "finish", "stop"),
    [
        ({"content": "x"}, "stop", "end_turn"),
        ({"content": "x"}, "length", "max_tokens"),
        ({"content": "x"}, "content_filter", "refusal"),
        ({"content": None, "refusal": "no"}, "stop", "refusal"),
        (
            {"tool_calls": [{"id": "a", "type": "function", "function": {"name": "n", "arguments": "{}"}}]},
            "stop",
            "tool_use",
        ),
        ({"content": "x"}, "eos", "end_turn"),
        ({"content": "x"}, None, "end_turn"),
    ],
)
def test_finish_reasons_have_their_stop_reasons(message: dict[str, Any], finish: str, stop: str) -> None:
    body = translate_reply("claude", "openai", openai_reply(message, finish), model="m")
    assert body["stop_reason"] == stop
    judge_reply("claude", body)


def test_a_refusal_is_text_to_claude() -> None:
    body = translate_reply("claude", "openai", openai_reply({"content": None, "refusal": "no"}), model="m")
    assert body["content"] == [{"type": "text", "text": "no"}]


def test_why_claude_declined_is_kept_both_ways() -> None:
    details = {"type": "refusal", "category": None, "explanation": "not this"}
    asked = claude_reply(stop="refusal", stop_details=details)
    body = translate_reply("openai", "claude", asked, model="m")
    assert body["choices"][0]["message"]["refusal"] == "not this"
    assert body["choices"][0]["finish_reason"] == "content_filter"
    assert CODECS["claude"].write_reply(read_claude(asked), model="m")["stop_details"] == details


def test_arguments_that_are_no_object_are_kept_as_text() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "n", "arguments": '{"half'}}
    body = translate_reply("claude", "openai", openai_reply({"tool_calls": [call]}, "length"), model="m")
    assert body["content"][0]["input"] == {"arguments": '{"half'}


def test_missing_ids_are_derived_and_stay_the_same() -> None:
    calls = [{"type": "function", "function": {"name": "n", "arguments": "{}"}}] * 2
    body = openai_reply({"tool_calls": calls}, "tool_calls")
    first, second = (translate_reply("claude", "openai", body, model="m") for _ in range(2))
    assert first == second
    ids = [block["id"] for block in first["content"]]
    assert len(set(ids)) == 2
    assert all(ids)


@every(("client", "upstream"), BOTH)
def test_the_names_of_tools_go_back_to_the_clients_own(client: str, upstream: str) -> None:
    reply = Reply("m", (ToolCall("a", "sent", "{}"), ToolCall("b", "other", "{}")), "tool_calls")
    body = CODECS[upstream].write_reply(reply, model="m")
    back = CODECS[client].read_reply(translate_reply(client, upstream, body, model="m", names={"sent": "mcp/own"}))
    assert [part.name for part in back.parts if isinstance(part, ToolCall)] == ["mcp/own", "other"]


def test_the_model_and_the_time_are_the_ones_that_are_given() -> None:
    body = translate_reply("openai", "claude", claude_reply(), model="asked/for", created=1234)
    assert (body["model"], body["created"]) == ("asked/for", 1234)


def test_pages_that_an_answer_rests_on_are_named() -> None:
    note = {
        "type": "url_citation",
        "url_citation": {"url": "https://e.org", "title": "E", "start_index": 3, "end_index": 5},
    }
    read = read_openai(openai_reply({"content": "so it is", "annotations": [note, {"type": "odd"}]}))
    assert read.parts == (Text("so it is", (Citation("https://e.org", "E", "it"),)),)
    [block] = translate_reply(
        "claude", "openai", openai_reply({"content": "so it is", "annotations": [note]}), model="m"
    )["content"]
    assert block["citations"][0]["cited_text"] == "it"
    back = translate_reply("openai", "claude", claude_reply({"type": "text", "text": "And "}, block), model="m")
    judge_reply("openai", back)
    where = back["choices"][0]["message"]["annotations"][0]["url_citation"]
    assert (where["url"], where["start_index"], where["end_index"]) == ("https://e.org", 4, 12)


def test_several_texts_become_one_and_what_the_provider_did_itself_is_left_out() -> None:
    used = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    parts = {"type": "text", "text": "a"}, used, {"type": "text", "text": "b"}
    body = translate_reply("openai", "claude", claude_reply(*parts), model="m")
    assert body["choices"][0]["message"]["content"] == "ab"
    assert "tool_calls" not in body["choices"][0]["message"]


@every(
    ("upstream", "body"),
    [
        ("openai", {}),
        ("openai", {"choices": []}),
        ("openai", {"choices": [{}]}),
        ("openai", {"choices": [{"message": "x"}]}),
        ("openai", openai_reply({"content": 5})),
        ("openai", openai_reply({"tool_calls": [{"id": "a"}]})),
        ("openai", openai_reply({"tool_calls": {"a": 1}})),
        ("openai", openai_reply({"tool_calls": 5})),
        ("openai", openai_reply({"reasoning_content": 5})),
        ("openai", openai_reply({"content": "x"}, finish=["stop"])),  # type: ignore[arg-type]
        ("claude", {}),
        ("claude", {"type": "message"}),
        ("claude", claude_reply({"type": "text"})),
        ("claude", claude_reply({"type": "tool_use", "id": "a"})),
        ("claude", claude_reply({"text": "x"})),
        ("claude", {**claude_reply(), "content": ["x"]}),
    ],
)
def test_what_is_no_reply_is_a_value_error(upstream: str, body: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the hub tells it from others by where it comes from
        translate_reply(OTHER[upstream], upstream, body, model="m")


def test_unsigned_reasoning_has_no_origin() -> None:
    assert read_claude(claude_reply({"type": "thinking", "thinking": "x", "signature": ""})).parts == (Reasoning("x"),)
