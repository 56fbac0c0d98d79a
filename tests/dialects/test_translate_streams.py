"""Streams between dialects: the right grammar, cut anywhere, always with an end."""

import json
import re
from typing import Any

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st
from translate_kit import (
    compact,
    frames,
    judge_reply,
    judge_stream,
    pieces,
    read_stream,
    replies,
    run,
    write_stream,
)

from omniroute.dialects import sse
from omniroute.dialects.content_blocks import Document
from omniroute.dialects.fold import fold, unfold
from omniroute.dialects.ir import Fault, Reasoning, Reply, Text, ToolCall, Usage
from omniroute.dialects.translate import CODECS, PAIRS, Translator, translate_reply

BOTH = sorted(PAIRS)

# M message_start, S/D/E block start, delta, stop, T the start of a call, U message_delta, X message_stop, F error
CLAUDE_LETTERS = {
    "message_start": "M",
    "content_block_start": "S",
    "content_block_delta": "D",
    "content_block_stop": "E",
    "message_delta": "U",
    "message_stop": "X",
    "error": "F",
}
CLAUDE = re.compile(r"M([ST]D*E)*UX")
CLAUDE_BROKEN = re.compile(r"(M([ST]D*E)*(TD*(?=F))?)?(UX|F)")
# R role, D anything said, F finish reason, U usage, X [DONE]
OPENAI = re.compile(r"RD*FUX")
OPENAI_BROKEN = re.compile(r"(RD*)?(FU|E)X")
# C created, P in progress, A item added, B part added, D anything said, d said whole, e part done, O item done,
# X the end, E error, F failed
RESPONSES_LETTERS = {
    "response.created": "C",
    "response.in_progress": "P",
    "response.output_item.added": "A",
    "response.content_part.added": "B",
    "response.reasoning_summary_part.added": "B",
    "response.output_text.annotation.added": "D",
    "response.output_text.done": "d",
    "response.refusal.done": "d",
    "response.reasoning_summary_text.done": "d",
    "response.function_call_arguments.done": "d",
    "response.custom_tool_call_input.done": "d",
    "response.content_part.done": "e",
    "response.reasoning_summary_part.done": "e",
    "response.output_item.done": "O",
    "response.completed": "X",
    "response.incomplete": "X",
    "error": "E",
    "response.failed": "F",
}
RESPONSES = re.compile(r"CP(A(BD*de|D+d)?O)*X")
RESPONSES_BROKEN = re.compile(r"(CP(A(BD*de|D+d)?O)*)?(X|(AB?D*)?EF)")


def responses_letter(frame: sse.Frame) -> str:
    body = json.loads(frame.data)
    assert body["type"] == frame.event
    return "D" if body["type"].endswith(".delta") else RESPONSES_LETTERS[body["type"]]


# D a part, F finish reason, E error: an event, and bare
GEMINI = re.compile(r"D*F")
GEMINI_BROKEN = re.compile(r"D*(F|EE)")


def letters(dialect: str, wire: bytes) -> str:
    return "".join(map(LETTERS[dialect], frames(wire)))


def gemini_letter(frame: sse.Frame) -> str:
    assert frame.event is None
    reply = json.loads(frame.data)
    if "error" in reply:
        return "E"
    [candidate] = reply["candidates"]
    assert ("usageMetadata" in reply) == ("finishReason" in candidate)
    return "F" if "finishReason" in candidate else "D"


def claude_letter(frame: sse.Frame) -> str:
    body = json.loads(frame.data)
    assert body["type"] == frame.event
    if body.get("content_block", {}).get("type") == "tool_use":
        return "T"
    return CLAUDE_LETTERS[body["type"]]


def openai_letter(frame: sse.Frame) -> str:
    if frame.data == "[DONE]":
        return "X"
    chunk = json.loads(frame.data)
    if "error" in chunk:
        return "E"
    if not chunk["choices"]:
        return "U"
    choice = chunk["choices"][0]
    if choice["finish_reason"]:
        return "F"
    return "R" if "role" in choice["delta"] else "D"


LETTERS = {
    "claude": claude_letter,
    "openai": openai_letter,
    "responses": responses_letter,
    "gemini": gemini_letter,
}
GRAMMAR = {"claude": CLAUDE, "openai": OPENAI, "responses": RESPONSES, "gemini": GEMINI}
BROKEN = {
    "claude": CLAUDE_BROKEN,
    "openai": OPENAI_BROKEN,
    "responses": RESPONSES_BROKEN,
    "gemini": GEMINI_BROKEN,
}


@given(reply=replies())
def test_folding_undoes_unfolding(reply: Reply) -> None:
    assert fold(unfold(reply)) == reply


@pytest.mark.parametrize(("client", "upstream"), BOTH)
@given(reply=replies(), size=st.integers(1, 9))
def test_a_translated_stream_is_the_translated_reply(client: str, upstream: str, reply: Reply, size: int) -> None:
    wire = write_stream(upstream, pieces(reply, size))
    said = run(client, upstream, [wire])
    assert GRAMMAR[client].fullmatch(letters(client, said))
    whole = translate_reply(client, upstream, CODECS[upstream].write_reply(reply, model="m"), model="the-model")
    assert read_stream(client, said) == CODECS[client].read_reply(whole)


@pytest.mark.parametrize(("client", "upstream"), BOTH)
@given(reply=replies(), size=st.integers(1, 9))
def test_the_sdk_puts_a_translated_stream_together(client: str, upstream: str, reply: Reply, size: int) -> None:
    snapshot = judge_stream(client, run(client, upstream, [write_stream(upstream, pieces(reply, size))]))
    whole = translate_reply(client, upstream, CODECS[upstream].write_reply(reply, model="m"), model="the-model")
    if client == "gemini":
        assert snapshot.model_version == "the-model"
        assert said_by(snapshot) == said_by(judge_reply("gemini", whole))
        assert snapshot.usage_metadata == judge_reply("gemini", whole).usage_metadata
        return
    assert snapshot.model == "the-model"
    if client == "claude":
        assert [block.model_dump(exclude_none=True) for block in snapshot.content] == whole["content"]
        assert snapshot.stop_reason == whole["stop_reason"]
        assert snapshot.usage.model_dump(exclude_none=True) == whole["usage"]
        return
    if client == "responses":
        assert snapshot.model_dump(mode="json", exclude_unset=True) == whole
        return
    message, wanted = snapshot.choices[0].message, whole["choices"][0]["message"]
    assert (message.content or None) == wanted["content"]
    assert message.refusal == wanted["refusal"]
    assert [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls or []] == [
        (c["id"], c["function"]["name"], c["function"]["arguments"]) for c in wanted.get("tool_calls", [])
    ]
    assert snapshot.choices[0].finish_reason == whole["choices"][0]["finish_reason"]
    assert snapshot.usage.model_dump(exclude_none=True) == whole["usage"]


def said_by(reply: Any) -> tuple[Any, ...]:
    """Give what the SDK tells of a reply: its text, its thoughts, its calls, its end."""
    [candidate] = reply.candidates
    parts = [part for part in candidate.content.parts if not part.function_call]
    texts = ["".join(part.text for part in parts if bool(part.thought) is thought) for thought in (False, True)]
    calls = [call.model_dump() for call in reply.function_calls or []]
    return texts, calls, [part.thought_signature for part in parts if part.thought_signature], candidate.finish_reason


SAMPLE = Reply(
    "msg_1",
    (
        Reasoning("Which öne?", "c2ln", origin="claude"),
        Text("Beide 🐈 Dateien."),
        ToolCall("call_a", "read", '{"path":"a {\\"}"}'),
        ToolCall("call_b", "read", '{"path":"b"}'),
    ),
    "tool_calls",
    usage=Usage(120, 30, 100, 10),
)


@every(("client", "upstream"), BOTH)
def test_a_stream_may_be_cut_anywhere(client: str, upstream: str) -> None:
    wire = write_stream(upstream, pieces(SAMPLE, 4))
    whole = run(client, upstream, [wire])
    assert read_stream(client, whole).parts == SAMPLE.parts
    # A translator sees frames, and no cut changes those (test_sse.py): some cuts show that it is fed nothing else.
    assert all(run(client, upstream, [wire[:i], wire[i:]]) == whole for i in range(1, len(wire), 29))


@every(("client", "upstream"), BOTH)
def test_a_stream_that_breaks_off_is_closed_before_its_fault(client: str, upstream: str) -> None:
    frames = sse.Decoder().feed(write_stream(upstream, pieces(SAMPLE, 4)))
    for i in range(len(frames)):
        translator = Translator(client, upstream, model="m", include_usage=True)
        said = b"".join(translator.feed(frame)[0] for frame in frames[:i])
        said += translator.finish()
        said += translator.fail(Fault("cut", "it broke off"))
        said += translator.fail(Fault("cut", "and again"))
        assert BROKEN[client].fullmatch(letters(client, said)), said


@pytest.mark.parametrize(("client", "upstream"), BOTH)
@given(
    reply=replies(),
    junk=st.sampled_from(
        [
            "{oops",
            "[]",
            "null",
            '{"choices":[{"delta":[]}]}',
            '{"choices":[{"delta":{"tool_calls":[{"index":"x"}]}}]}',
            '{"choices":[{"delta":{"content":5}}]}',
            '{"choices":{}}',
            '{"type":"content_block_delta"}',
            '{"type":"content_block_delta","index":7,"delta":{"type":"text_delta","text":"x"}}',
            '{"type":"content_block_start","index":99999999999,"content_block":{"type":"text","text":"z"}}',
            '{"type":"content_block_stop","index":3}',
            '{"type":"message_start","message":3}',
            '{"choices":[{"delta":{"tool_calls":[{"index":-5,"function":{"arguments":"{"}}]}}]}',
            '{"choices":[{"delta":{"tool_calls":[{"index":10000000000,"id":"a","function":{"name":"b"}}]}}]}',
            '{"type":"response.output_item.added","output_index":99999999999,"item":{"type":"function_call"}}',
            '{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":5}}',
            '{"type":"response.output_text.delta","output_index":"x","delta":"z"}',
            '{"type":"response.function_call_arguments.delta","output_index":7,"delta":"{"}',
            '{"type":"response.completed","response":{"output":[5]}}',
            '{"type":"response.created","response":[]}',
            '{"candidates":{}}',
            '{"candidates":[{"content":{"parts":["x"]}}]}',
            '{"candidates":[{"content":{"parts":[{"functionCall":{"args":[]}}]}}]}',
            '{"candidates":[{"index":99999999999,"content":{"parts":[{"text":"z"}]}}]}',
            '{"candidates":[{"finishReason":{}}]}',
        ]
    ),
    place=st.integers(0, 30),
    order=st.randoms(use_true_random=False),
)
def test_junk_and_disorder_end_well(
    client: str, upstream: str, reply: Reply, junk: str, place: int, order: Any
) -> None:
    said = frames(write_stream(upstream, pieces(reply, 3)))
    said.insert(place % (len(said) + 1), sse.Frame(None, junk, b""))
    if order.random() < 0.5:
        order.shuffle(said)
    translator = Translator(client, upstream, model="m", include_usage=True)
    out = b""
    try:
        for frame in said:
            out += translator.feed(frame)[0]
        out += translator.finish()
    except ValueError:
        pass
    out += translator.fail(Fault("garbage", "unreadable"))
    assert BROKEN[client].fullmatch(letters(client, out))


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "u", "choices": choices, **more}
    return b"data: " + compact(body).encode() + b"\n\n"


def call(index: int | None = 0, arguments: str = "", **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | {key: more.pop(key) for key in ["name"] if key in more}
    place = {} if index is None else {"index": index}
    return {"tool_calls": [{**place, "function": function, **more}]}


DONE = b"data: [DONE]\n\n"
A, B = '{"path":"a"}', '{"path":"b"}'
TWO = [("call_a", "read", A), ("call_b", "read", B)]


@every(
    "said",
    [
        pytest.param(
            [call(0, "", id="call_a", name="read"), call(1, "", id="call_b", name="read")]
            + [call(i, piece) for pair in zip(A, B, strict=True) for i, piece in enumerate(pair)],
            id="interleaved",
        ),
        pytest.param([call(0, A, id="call_a", name="read"), call(0, B, id="call_b", name="read")], id="one index"),
        pytest.param([call(None, A, id="call_a", name="read"), call(None, B, id="call_b", name="read")], id="no index"),
        pytest.param(
            [
                call(i, piece, id=call_id, name="read")
                for i, (call_id, text) in enumerate([("call_a", A), ("call_b", B)])
                for piece in (text[:3], text[3:])
            ],
            id="everything repeated",
        ),
        pytest.param(
            [call(0, A, id="call_a"), call(0, name="read"), call(1, B, id="call_b", name="read")], id="name comes late"
        ),
        pytest.param(
            [call(2**60, A, id="call_a", name="read"), call(-1, B, id="call_b", name="read")], id="absurd indexes"
        ),
    ],
)
def test_odd_ways_to_stream_two_calls_are_understood(said: list[dict[str, Any]]) -> None:
    wire = b"".join(map(chunk, said)) + chunk({}, "tool_calls") + DONE
    out = run("claude", "openai", [wire])
    assert CLAUDE.fullmatch(letters("claude", out))
    reply = read_stream("claude", out)
    assert [(part.id, part.name, part.arguments) for part in reply.parts if isinstance(part, ToolCall)] == TWO
    assert judge_stream("claude", out).content[1].input == {"path": "b"}


def test_a_call_goes_out_as_it_comes_though_another_follows() -> None:
    """Only a piece of another part that is not closed waits: the usual order is never held back."""
    translator = Translator("claude", "openai", model="m")
    for said, frame in [
        (chunk(call(0, A[:5], id="call_a", name="read")), "input_json_delta"),
        (chunk(call(0, A[5:])), "input_json_delta"),
        (chunk(call(1, B[:5], id="call_b", name="read")), "input_json_delta"),
    ]:
        out = translator.feed(frames(said)[0])[0]
        assert json.loads(frames(out)[-1].data)["delta"]["type"] == frame


@every(
    ("end", "usage"),
    [
        ([chunk({}, "stop"), chunk(usage={"prompt_tokens": 9, "completion_tokens": 2}), DONE], (9, 2)),
        ([chunk({}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 2}), DONE], (9, 2)),
        ([chunk({}, "stop", usage=None), DONE], (0, 0)),
        ([chunk({}, "stop")], (0, 0)),
        ([DONE], (0, 0)),
        ([chunk({}, "stop"), chunk(usage={"prompt_tokens": 9, "completion_tokens": 2})], (9, 2)),
    ],
)
def test_usage_that_comes_late_still_lands(end: list[bytes], usage: tuple[int, int]) -> None:
    out = run("claude", "openai", [chunk({"content": "x"}), *end])
    assert CLAUDE.fullmatch(letters("claude", out))
    final = json.loads(frames(out)[-2].data)
    assert (final["usage"]["input_tokens"], final["usage"]["output_tokens"]) == usage
    assert final["delta"]["stop_reason"] == "end_turn"


@every(
    "deltas",
    [
        [{"reasoning_content": "h"}, {"reasoning_content": "m"}, {"content": "so"}],
        [{"reasoning": "h", "reasoning_content": "h"}, {"reasoning": "m"}, {"content": "so"}],
        [{"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, {"content": "so"}],
        [{"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": None}]}, {"content": "so"}],
        [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}, {"content": "so"}],
        [{"content": "", "reasoning_content": "hm"}, {"content": "so", "reasoning_content": None}],
    ],
)
def test_reasoning_is_thinking_however_it_is_streamed(deltas: list[dict[str, Any]]) -> None:
    out = run("claude", "openai", [*map(chunk, deltas), chunk({}, "stop"), DONE])
    assert CLAUDE.fullmatch(letters("claude", out))
    assert read_stream("claude", out).parts == (Reasoning("hm"), Text("so"))


def claude_events(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {e['type']}\ndata: {compact(e)}\n\n".encode() for e in events)


def test_input_that_stands_in_the_start_of_a_block_is_not_lost() -> None:
    out = run(
        "openai",
        "claude",
        [
            claude_events(
                {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}},
                {
                    "type": "content_block_start",
                    "index": 0,
                    "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}},
                },
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}},
                {"type": "message_stop"},
            )
        ],
    )
    assert read_stream("openai", out).parts == (ToolCall("t", "n", '{"a":1}'),)


def test_blocks_of_claude_that_are_interleaved_come_out_one_after_the_other() -> None:
    def delta(index: int, text: str) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}

    start = [
        {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}
        for index in (0, 1, 2)
    ]
    said = [delta(2, "c"), delta(0, "a"), delta(1, "b"), delta(0, "A"), delta(1, "B"), delta(2, "C")]
    stop = [{"type": "content_block_stop", "index": index} for index in (1, 0, 2)]
    wire = claude_events(
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}},
        *start,
        *said,
        *stop,
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    )
    assert read_stream("claude", wire).parts == (Text("aA"), Text("bB"), Text("cC"))
    assert judge_stream("openai", run("openai", "claude", [wire])).choices[0].message.content == "aAbBcC"


def test_a_call_without_arguments_is_an_empty_object_for_openai() -> None:
    events = unfold(Reply("m", (ToolCall("t", "n"),), "tool_calls"))
    for wire in [write_stream("openai", events), run("openai", "claude", [write_stream("claude", events)])]:
        message = judge_stream("openai", wire).choices[0].message
        assert message.tool_calls[0].function.arguments == "{}"


@every(
    ("word", "calls", "finish"),
    [
        ("end_turn", False, "stop"),
        ("stop_sequence", False, "stop"),
        ("pause_turn", False, "stop"),
        ("max_tokens", False, "length"),
        ("model_context_window_exceeded", False, "length"),
        ("refusal", False, "content_filter"),
        ("tool_use", True, "tool_calls"),
        ("end_turn", True, "tool_calls"),
        ("max_tokens", True, "length"),
        ("what_comes_next_year", False, "stop"),
    ],
)
def test_stop_reasons_have_their_finish_reasons(word: str, calls: bool, finish: str) -> None:
    block = {"type": "tool_use", "id": "t", "name": "n", "input": {}} if calls else {"type": "text", "text": ""}
    out = run(
        "openai",
        "claude",
        [
            claude_events(
                {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}},
                {"type": "ping"},
                {"type": "content_block_start", "index": 0, "content_block": block},
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": word}, "usage": {"output_tokens": 3}},
                {"type": "message_stop"},
            )
        ],
    )
    assert json.loads(frames(out)[-3].data)["choices"][0]["finish_reason"] == finish


def test_why_claude_declined_reaches_an_openai_client() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "not this"}
    out = run(
        "openai",
        "claude",
        [
            claude_events(
                {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}},
                {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}, "usage": {}},
                {"type": "message_stop"},
            )
        ],
    )
    choice = judge_stream("openai", out).choices[0]
    assert (choice.message.refusal, choice.finish_reason) == ("not this", "content_filter")


def test_usage_is_said_only_to_who_asked() -> None:
    wire = write_stream("claude", unfold(SAMPLE))
    translator = Translator("openai", "claude", model="m")
    out = b"".join(translator.feed(frame)[0] for frame in frames(wire)) + translator.finish()
    assert b"usage" not in out
    assert out.count(b"[DONE]") == 1


@every(("client", "upstream"), BOTH)
def test_names_of_tools_come_back_as_the_client_knows_them(client: str, upstream: str) -> None:
    out = run(client, upstream, [write_stream(upstream, unfold(SAMPLE))], names={"read": "mcp.files/read"})
    found = [part.name for part in read_stream(client, out).parts if isinstance(part, ToolCall)]
    assert found == ["mcp.files/read"] * 2


def test_what_a_provider_did_by_itself_is_no_part_of_another_dialect() -> None:
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    page = {"url": "https://e.org", "title": "E", "cited_text": "so", "encrypted_index": "x"}
    cited = {"type": "citations_delta", "citation": {"type": "web_search_result_location", **page}}
    out = run(
        "openai",
        "claude",
        [
            claude_events(
                {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}},
                {"type": "content_block_start", "index": 0, "content_block": block},
                {"type": "content_block_stop", "index": 0},
                {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
                {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "so it is"}},
                {"type": "content_block_delta", "index": 1, "delta": cited},
                {"type": "content_block_stop", "index": 1},
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
                {"type": "message_stop"},
            )
        ],
    )
    assert OPENAI.fullmatch(letters("openai", out))
    assert b"web_search" not in out
    [notes] = [delta["annotations"] for f in frames(out)[:-2] if (delta := first(f)) and "annotations" in delta]
    where = {"start_index": 0, "end_index": 8, "title": "E", "url": "https://e.org"}
    assert notes == [{"type": "url_citation", "url_citation": where}]


def first(frame: sse.Frame) -> dict[str, Any]:
    delta: dict[str, Any] = json.loads(frame.data)["choices"][0]["delta"]
    return delta


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.dictionaries(st.text(), inner)), st.data())
def test_a_document_is_whole_at_its_last_bracket_and_not_before(value: Any, data: st.DataObject) -> None:
    text = compact({"a": value})
    cut = data.draw(st.integers(0, len(text) - 1))
    document = Document()
    document.feed(text[:cut])
    assert not document.whole
    document.feed(text[cut:])
    assert document.whole
