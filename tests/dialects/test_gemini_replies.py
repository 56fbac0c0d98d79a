"""Replies of Gemini's API, whole and streamed: odd shapes understood, ends and counts mapped, nothing made up."""

import json
from typing import Any

import pytest
from cases import every
from translate_kit import compact, frames, judge_reply, judge_stream, read_stream, run, write_stream

from omniroute.dialects.fold import unfold
from omniroute.dialects.gemini.reply import read_reply, write_reply
from omniroute.dialects.hub import Stream, read_whole
from omniroute.dialects.ir import Citation, Reasoning, Reply, Text, ToolCall, Usage
from omniroute.dialects.translate import translate_reply


def whole(*parts: dict[str, Any], finish: str | None = "STOP", **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [*parts]}, "index": 0}
    return {"candidates": [candidate | ({"finishReason": finish} if finish else {})], "responseId": "r", **more}


def wire(*replies: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + compact(reply).encode() + b"\r\n\r\n" for reply in replies)


CALL = {"functionCall": {"name": "read", "args": {"path": "a"}}}


@every(
    ("word", "parts", "claude", "openai"),
    [
        ("STOP", [{"text": "x"}], "end_turn", "stop"),
        ("STOP", [CALL], "tool_use", "tool_calls"),
        ("MAX_TOKENS", [{"text": "x"}], "max_tokens", "length"),
        ("SAFETY", [{"text": "x"}], "refusal", "content_filter"),
        ("RECITATION", [], "refusal", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", [CALL], "tool_use", "tool_calls"),
        ("WHAT_COMES_NEXT_YEAR", [{"text": "x"}], "end_turn", "stop"),
        (None, [{"text": "x"}], "end_turn", "stop"),
    ],
)
def test_finish_reasons_of_gemini(word: str | None, parts: list[dict[str, Any]], claude: str, openai: str) -> None:
    body = whole(*parts, finish=word)
    assert translate_reply("claude", "gemini", body, model="m")["stop_reason"] == claude
    assert translate_reply("openai", "gemini", body, model="m")["choices"][0]["finish_reason"] == openai


@every(
    ("reason", "word"),
    [
        ("stop", "STOP"),
        ("tool_calls", "STOP"),
        ("stop_sequence", "STOP"),
        ("pause", "STOP"),
        ("length", "MAX_TOKENS"),
        ("context", "MAX_TOKENS"),
        ("filter", "SAFETY"),
    ],
)
def test_reasons_are_googles_words(reason: Any, word: str) -> None:
    body = write_reply(Reply("r", (Text("x"),), reason), model="m")
    assert judge_reply("gemini", body).candidates[0].finish_reason == word


def test_a_prompt_that_was_blocked_is_a_refusal() -> None:
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 4}}
    for reply in (read_reply(body), read_stream("gemini", wire(body))):
        assert (reply.parts, reply.reason, reply.usage.input) == ((), "filter", 4)
        assert "PROHIBITED_CONTENT" in (reply.note or "")
    assert translate_reply("claude", "gemini", body, model="m")["stop_reason"] == "refusal"


@every("word", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
@every("said", [[], [{"text": "I will read it."}], [{"text": "hm", "thought": True}]])
def test_a_call_that_the_model_could_not_make_is_a_fault(word: str, said: list[dict[str, Any]]) -> None:
    """Else the client's turn would be over where the model wanted to go on."""
    body = whole(*said, finish=word)
    assert read_whole("claude", "gemini", compact(body).encode(), model="m").fault is not None
    stream = Stream("claude", "gemini", model="m")
    stream.feed(wire(body))
    assert b"message_stop" not in stream.finish()
    assert stream.fault is not None
    assert word in stream.fault.message


def test_usage_of_gemini_is_counted_as_the_others_count() -> None:
    numbers = {"promptTokenCount": 100, "cachedContentTokenCount": 30, "toolUsePromptTokenCount": 5}
    numbers |= {"candidatesTokenCount": 20, "thoughtsTokenCount": 7, "totalTokenCount": 132}
    body = whole({"text": "x"}, usageMetadata=numbers)
    openai = translate_reply("openai", "gemini", body, model="m")["usage"]
    assert (openai["prompt_tokens"], openai["completion_tokens"], openai["total_tokens"]) == (105, 27, 132)
    assert openai["prompt_tokens_details"] == {"cached_tokens": 30}
    assert openai["completion_tokens_details"] == {"reasoning_tokens": 7}
    claude = translate_reply("claude", "gemini", body, model="m")["usage"]
    assert (claude["input_tokens"], claude["cache_read_input_tokens"], claude["output_tokens"]) == (75, 30, 27)
    said = write_reply(Reply("r", (), "stop", usage=Usage(105, 27, 30, None, 7)), model="m")["usageMetadata"]
    assert said == {
        "promptTokenCount": 105,
        "candidatesTokenCount": 20,
        "totalTokenCount": 132,
        "cachedContentTokenCount": 30,
        "thoughtsTokenCount": 7,
    }


def test_calls_without_ids_get_the_same_ones_whole_and_streamed() -> None:
    body = whole(CALL, CALL)
    calls = read_reply(body).parts
    assert calls == read_stream("gemini", wire(body)).parts
    ids = [call.id for call in calls if isinstance(call, ToolCall)]
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    "said",
    [
        [whole({"text": "a"}, finish=None), whole({"text": "b"})],
        [{"candidates": [{"content": {"parts": [{"text": "ab"}]}}]}, {"candidates": [{"finishReason": "STOP"}]}],
        [{"candidates": [{"content": {"parts": [{"text": "a"}, {"text": "b"}]}, "finishReason": "STOP"}]}],
        [
            whole({"text": "ab"}, finish=None),
            whole({"text": "", "thoughtSignature": "c2ln"}),
            {"usageMetadata": {"promptTokenCount": 0}},
        ],
        [whole({"text": "ab"}), {"candidates": []}],
    ],
)
def test_odd_ways_to_stream_a_text_are_understood(said: list[dict[str, Any]]) -> None:
    for client in ("openai", "claude"):
        out = run(client, "gemini", [wire(*said)])
        judge_stream(client, out)
        # A seal on the text is no part of it.
        assert [part for part in read_stream(client, out).parts if not isinstance(part, Reasoning)] == [Text("ab")]


def test_usage_that_comes_after_the_end_still_lands() -> None:
    late = {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2}}
    out = run("claude", "gemini", [wire(whole({"text": "x"}), late)])
    assert json.loads(frames(out)[-2].data)["usage"]["output_tokens"] == 2


def test_of_several_candidates_the_first_is_taken() -> None:
    body = whole({"text": "a"})
    body["candidates"].append({"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"})
    assert read_reply(body).parts == (Text("a"),)


def test_thoughts_end_where_their_signature_stands() -> None:
    signed = {"text": "b", "thought": True, "thoughtSignature": "c2ln"}
    body = whole({"text": "a", "thought": True}, signed, {"text": "c", "thought": True}, {"text": "so"})
    parts = (Reasoning("ab", "c2ln", origin="gemini"), Reasoning("c"), Text("so"))
    assert read_reply(body).parts == read_stream("gemini", wire(body)).parts == parts
    assert read_reply(write_reply(read_reply(body), model="m")).parts == parts


def test_what_google_did_by_itself_is_no_part_of_another_dialect() -> None:
    body = whole({"executableCode": {"code": "1"}}, {"text": "so"})
    assert translate_reply("claude", "gemini", body, model="m")["content"] == [{"type": "text", "text": "so"}]
    assert read_stream("openai", run("openai", "gemini", [wire(body)])).parts == (Text("so"),)


def test_pages_that_an_answer_rests_on_are_named_by_gemini_and_to_it() -> None:
    cited = Reply("r", (Text("so it is", (Citation("https://e.org", "E", "it is"),)),), "stop")
    body = write_reply(cited, model="m")
    judge_reply("gemini", body)
    assert read_reply(body).parts == cited.parts
    assert read_stream("gemini", write_stream("gemini", unfold(cited))).parts == cited.parts


def test_a_call_goes_out_whole() -> None:
    reply = Reply("r", (ToolCall("c", "n", '{"a": [1]}'), ToolCall("d", "n", '{"half')), "length")
    said = [json.loads(frame.data) for frame in frames(write_stream("gemini", unfold(reply)))]
    calls = [
        part["functionCall"]
        for chunk in said
        for part in chunk["candidates"][0]["content"]["parts"][:1]
        if part != {"text": ""}
    ]
    assert calls == [
        {"id": "c", "name": "n", "args": {"a": [1]}},
        {"id": "d", "name": "n", "args": {"arguments": '{"half'}},
    ]
    assert "finishReason" in said[-1]["candidates"][0]


def test_a_gemini_client_is_served_by_an_array_upstream_or_another_dialect() -> None:
    body = whole({"text": "x"})
    stream = Stream("claude", "gemini", model="m")
    out = stream.feed(b"[" + compact(body).encode() + b"]") + stream.finish()
    assert (stream.fault, read_stream("claude", out).parts) == (None, (Text("x"),))
    back = Stream("gemini", "claude", model="m")
    said = back.feed(out) + back.finish()
    assert back.fault is None
    assert judge_stream("gemini", said).text == "x"


@every(
    "body",
    [
        {},
        {"candidates": 5},
        {"candidates": ["x"]},
        whole({"functionCall": {}}),
        whole({"functionCall": {"name": "n", "args": 5}}),
        whole({"text": 5}),
        {"candidates": [{"content": "x"}]},
    ],
)
def test_what_is_no_reply_of_gemini_is_a_value_error(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the hub tells it from others by where it comes from
        translate_reply("claude", "gemini", body, model="m")
