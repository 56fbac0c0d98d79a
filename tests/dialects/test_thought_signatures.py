"""Google's thought signatures come back to the parts that bore them, through clients of every other dialect."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from translate_kit import compact, frames, judge_reply, judge_stream, run, write_stream

from omniroute.dialects import hub
from omniroute.dialects.fold import unfold
from omniroute.dialects.gemini.foreign_reasoning import without_foreign_thinking
from omniroute.dialects.ir import Body, Reasoning, Reply, Text, ToolCall
from omniroute.dialects.translate import CODECS, translate_reply, translate_request

MODEL = "gemini-3-pro-preview"
UNCHECKED = "skip_thought_signature_validator"
SEALS = st.none() | st.from_regex(r"[A-Za-z0-9+/]{4,12}={0,2}", fullmatch=True)


@st.composite
def answers(draw: st.DrawFn) -> Body:
    """What Gemini says: thoughts, a text, calls of which some are signed."""
    parts: list[Body] = [{"text": "hm", "thought": True}] if draw(st.booleans()) else []
    if draw(st.booleans()):
        parts.append({"text": "I read."})
    for number in range(draw(st.integers(1, 3))):
        seal = draw(SEALS)
        call = {"functionCall": {"id": f"c{number}", "name": "read", "args": {"n": number}}}
        parts.append(call | ({"thoughtSignature": seal} if seal else {}))
    return {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}], "responseId": "r"}


def signatures(parts: list[Body]) -> dict[str, str]:
    """Give the signature of each call, but for the one that stands for none."""
    return {
        part["functionCall"]["id"]: part["thoughtSignature"]
        for part in parts
        if "functionCall" in part and part.get("thoughtSignature", UNCHECKED) != UNCHECKED
    }


def echo(client: str, reply: Body) -> Body:
    """Answer a reply as clients do: the whole conversation again, and the results of its calls."""
    if client == "openai":
        said = {key: value for key, value in reply["choices"][0]["message"].items() if value is not None}
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "x"} for call in said["tool_calls"]]
        return {"model": "m", "messages": [{"role": "user", "content": "go"}, said, *results]}
    if client == "claude":
        uses = [block for block in reply["content"] if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": use["id"], "content": "x"} for use in uses]
        turns = [("user", "go"), ("assistant", reply["content"]), ("user", results)]
        return {"model": "m", "max_tokens": 9, "messages": [{"role": role, "content": said} for role, said in turns]}
    if client == "gemini":
        said = reply["candidates"][0]["content"]
        calls = [part["functionCall"] for part in said["parts"] if "functionCall" in part]
        results = [{"functionResponse": {"id": call["id"], "name": "read", "response": {}}} for call in calls]
        return {"contents": [{"role": "user", "parts": [{"text": "go"}]}, said, {"role": "user", "parts": results}]}
    outputs = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "x"}
        for item in reply["output"]
        if item["type"] == "function_call"
    ]
    return {"model": "m", "input": [{"role": "user", "content": "go"}, *reply["output"], *outputs]}


def fold_wire(client: str, wire: bytes) -> Body:
    """Put a stream together with the official SDK, and give the reply as its client keeps it."""
    folded = judge_stream(client, wire)
    return json.loads(folded.model_dump_json(by_alias=True, exclude_none=True))


def to(upstream: str, client: str, body: Body, model: str) -> Body:
    return translate_request(client, upstream, body, model=model, stream=False, max_output=None).body


def calls_of(body: Body) -> list[Body]:
    return body["contents"][1]["parts"]


@pytest.mark.parametrize("client", ["openai", "claude", "responses"])
@given(answer=answers())
def test_each_signature_comes_back_on_its_call(client: str, answer: Body) -> None:
    asked = signatures(answer["candidates"][0]["content"]["parts"])
    reply = translate_reply(client, "gemini", answer, model="m")
    judge_reply(client, reply)
    assert signatures(calls_of(to("gemini", client, echo(client, reply), MODEL))) == asked


@pytest.mark.parametrize("client", ["claude", "responses"])
@settings(deadline=None)  # the SDK makes its types when it is first used
@given(answer=answers())
def test_each_signature_comes_back_from_a_stream(client: str, answer: Body) -> None:
    asked = signatures(answer["candidates"][0]["content"]["parts"])
    reply = fold_wire(client, run(client, "gemini", [b"data: " + compact(answer).encode() + b"\n\n"]))
    assert signatures(calls_of(to("gemini", client, echo(client, reply), MODEL))) == asked


def test_chat_streams_bear_a_signature_on_the_first_piece_of_its_call() -> None:
    parts = [{"functionCall": {"id": "c", "name": "read", "args": {}}, "thoughtSignature": "c2ln"}]
    wire = compact({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}).encode()
    said = run("openai", "gemini", [b"data: " + wire + b"\n\n"])
    chunks = [json.loads(frame.data) for frame in frames(said)[:-1]]
    pieces = [call for chunk in chunks for c in chunk["choices"] for call in c["delta"].get("tool_calls", [])]
    assert pieces[0]["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    assert not any("extra_content" in piece for piece in pieces[1:])


def test_a_client_that_gives_nothing_back_has_its_first_call_unchecked() -> None:
    calls = [{"id": i, "type": "function", "function": {"name": "read", "arguments": "{}"}} for i in ("a", "b")]
    results = [{"role": "tool", "tool_call_id": i, "content": "x"} for i in ("a", "b")]
    body = {"messages": [{"role": "user", "content": "go"}, {"role": "assistant", "tool_calls": calls}, *results]}
    parts = calls_of(to("gemini", "openai", body, MODEL))
    assert [part.get("thoughtSignature") for part in parts] == [UNCHECKED, None]


@pytest.mark.parametrize("parts", [[{"text": "so", "thoughtSignature": "c2ln"}], [{"text": "so"}, {"text": ""}]])
def test_the_signature_of_a_text_passes_a_chat_client(parts: list[Body]) -> None:
    parts[-1]["thoughtSignature"] = "c2ln"
    answer = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    reply = translate_reply("openai", "gemini", answer, model="m")
    message = reply["choices"][0]["message"]
    assert message["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    streamed = run("openai", "gemini", [b"data: " + compact(answer).encode() + b"\n\n"])
    assert any(b'"extra_content"' in frame.data.encode() for frame in frames(streamed))
    body = {"messages": [{"role": "user", "content": "go"}, message, {"role": "user", "content": "on"}]}
    said = to("gemini", "openai", body, MODEL)["contents"][1]["parts"]
    assert said == [{"text": "so"}, {"text": "", "thoughtSignature": "c2ln"}]


def test_an_answer_of_claude_does_not_end_in_a_seal() -> None:
    parts = (Reasoning(sealed="a", origin="claude"), Text("so"), Reasoning(sealed="b", origin="gemini"))
    reply = Reply("r", parts, "stop")
    whole = CODECS["claude"].write_reply(reply, model="m")
    streamed = judge_stream("claude", write_stream("claude", unfold(reply)))
    kinds = ["redacted_thinking", "text"]
    assert [block["type"] for block in whole["content"]] == [block.type for block in streamed.content] == kinds
    kept = Reply("r", (*parts, ToolCall("c", "n", "{}")), "tool_calls")
    streamed = judge_stream("claude", write_stream("claude", unfold(kept)))
    assert [block.type for block in streamed.content] == [*kinds, "redacted_thinking", "tool_use"]


# The seals of others, through a client that keeps calls but no thoughts (Gemini CLI)


THOUGHTS = (Reasoning("hm", "c2ln", origin="claude"), Reasoning(sealed="zz", origin="claude"))


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("streamed", [True, False])
def test_claudes_thinking_comes_back_through_a_gemini_client(keeps: bool, streamed: bool) -> None:
    calls = (ToolCall("c", "read", "{}"), ToolCall("d", "read", "{}"))
    reply = Reply("r", (*THOUGHTS, Text("I read."), *calls), "tool_calls")
    if streamed:
        body = fold_wire("gemini", write_stream("gemini", unfold(reply)))
    else:
        body = CODECS["gemini"].write_reply(reply, model="m")
    content = body["candidates"][0]["content"]
    if not keeps:
        content["parts"] = [part for part in content["parts"] if not part.get("thought")]
    said = to("claude", "gemini", echo("gemini", body), "claude-sonnet-4-5")["messages"][1]["content"]
    assert said[:2] == [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "zz"},
    ]
    assert [block["type"] for block in said[2:]] == ["text", "tool_use", "tool_use"]


# Upstreams that speak Chat Completions and serve Gemini


@pytest.mark.parametrize("client", ["claude", "responses"])
@pytest.mark.parametrize(("model", "at"), [("gemini-3-pro", "google"), ("google/gemini-3-pro", "openrouter")])
def test_a_chat_upstream_of_gemini_gets_its_signature_back(client: str, model: str, at: str) -> None:
    call: Body = {"id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    detail = {"type": "reasoning.encrypted", "data": "c2ln", "id": "c", "format": "google-gemini-v1", "index": 0}
    if at == "google":
        call["extra_content"] = {"google": {"thought_signature": "c2ln"}}
    message: Body = {"role": "assistant", "content": None, "tool_calls": [call]}
    if at == "openrouter":
        message["reasoning_details"] = [detail]
    answer = {"id": "r", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    delta = message | {"tool_calls": [call | {"index": 0}]}
    chunk = answer | {"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]}
    wire = b"data: " + compact(chunk).encode() + b"\n\ndata: [DONE]\n\n"
    for reply in (
        translate_reply(client, "openai", answer, model="m"),
        fold_wire(client, run(client, "openai", [wire])),
    ):
        said = to("openai", client, echo(client, reply), model)["messages"][1]
        assert said["tool_calls"][0].get("extra_content") == call.get("extra_content")
        assert said.get("reasoning_details") == message.get("reasoning_details")
        other = to("openai", client, echo(client, reply), "gpt-5.1")["messages"][1]
        assert "c2ln" not in json.dumps(other)
        assert signatures(calls_of(to("gemini", client, echo(client, reply), MODEL))) == {"c": "c2ln"}


# A fallback to the dialect's own provider must not end the conversation


def prepared(dialect: str, body: Body, model: str) -> hub.Prepared:
    raw = orjson.dumps(body)
    return hub.prepare(dialect, dialect, raw, body, model=model, stream=False, stream_usage=False, max_output=None)


@pytest.mark.parametrize(("model", "mark"), [(MODEL, UNCHECKED), ("gemini-2.5-pro", None)])
def test_google_is_not_shown_signatures_of_others(model: str, mark: str | None) -> None:
    reply = Reply("r", (*THOUGHTS, ToolCall("c", "read", "{}")), "tool_calls")
    body = echo("gemini", CODECS["gemini"].write_reply(reply, model="m"))
    sent = prepared("gemini", body, model)
    assert sent.dropped == ("contents.thoughtSignature",)
    [part] = json.loads(sent.raw)["contents"][1]["parts"]
    assert (part["functionCall"]["id"], part.get("thoughtSignature")) == ("c", mark)
    own = {"contents": [{"role": "model", "parts": [{"text": "x", "thoughtSignature": "b21uaQ=="}]}]}
    assert without_foreign_thinking(orjson.dumps(own), own, model) is None


def test_openai_is_not_shown_seals_of_others() -> None:
    reply = Reply("r", (*THOUGHTS, Reasoning("without a seal"), ToolCall("c", "read", "{}")), "tool_calls")
    body = echo("responses", CODECS["responses"].write_reply(reply, model="m"))
    own = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}
    body["input"].append(own)
    sent = prepared("responses", body, "gpt-5.1")
    kinds = [item.get("type") for item in json.loads(sent.raw)["input"]]
    assert kinds == [None, "function_call", "function_call_output", "reasoning"]
    assert sent.dropped == ("input.reasoning",)
    untouched: dict[str, Any] = {"model": "gpt-5.1", "input": [own]}
    assert prepared("responses", untouched, "gpt-5.1").raw == orjson.dumps(untouched)
