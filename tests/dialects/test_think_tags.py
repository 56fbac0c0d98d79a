"""Thinking that stands between tags in the text of a Chat Completions reply."""

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st
from translate_kit import compact, judge_stream, read_stream, run

from omniroute.dialects import hub
from omniroute.dialects.ir import Body, Reasoning, Text, ToolCall
from omniroute.dialects.openai.reply import Splitter, read_reply
from omniroute.dialects.translate import translate_reply

BITS = ["a", " ", "\n", "<", "</", "think>", "<think>", "</think>"]
TEXTS = st.lists(st.sampled_from(BITS), max_size=8).map("".join)


def split(pieces: list[str]) -> tuple[str, str]:
    splitter = Splitter()
    said = [found for piece in pieces for found in splitter.feed(piece)] + splitter.finish()
    return "".join(text for thinks, text in said if thinks), "".join(text for thinks, text in said if not thinks)


def reply(**message: object) -> Body:
    said = {"role": "assistant", **message}
    return {"id": "r", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}


def stream(*deltas: Body) -> bytes:
    chunks = [{"id": "r", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"id": "r", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return b"".join(b"data: " + compact(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


@given(st.lists(TEXTS, max_size=6))
def test_where_the_text_is_cut_changes_nothing(pieces: list[str]) -> None:
    assert split(pieces) == split(["".join(pieces)])


@given(TEXTS)
def test_what_does_not_begin_with_the_tag_is_text(text: str) -> None:
    if not text.lstrip().startswith("<think>"):
        assert split([text]) == ("", text)


@given(TEXTS.filter(lambda text: "</think>" not in text and not text[:1].isspace()), TEXTS.map(str.lstrip))
def test_what_stands_between_the_tags_is_thinking(thought: str, text: str) -> None:
    assert split([f"\n<think>\n{thought}</think>\n\n{text}"]) == (thought, text)


@every(
    ("text", "parts"),
    [
        ("<think>hm</think>so", (Reasoning("hm"), Text("so"))),
        ("\n<think>\nhm</think>\n\nso <think>x</think>", (Reasoning("hm"), Text("so <think>x</think>"))),
        ("<think>\n\n</think>\n\nso", (Text("so"),)),
        ("<think>hm", (Reasoning("hm"),)),
        ("<think>hm</thi", (Reasoning("hm</thi"),)),
        ("<thi", (Text("<thi"),)),
        ("so <think>hm</think>", (Text("so <think>hm</think>"),)),
    ],
)
@every("client", ["claude", "responses", "gemini"])
def test_other_dialects_get_it_as_reasoning(client: str, text: str, parts: tuple[object, ...]) -> None:
    assert read_reply(reply(content=text)).parts == parts
    for size in (1, 3, len(text)):
        wire = stream(*({"content": text[i : i + size]} for i in range(0, len(text), size)))
        said = run(client, "openai", [wire])
        judge_stream(client, said)
        assert read_stream(client, said).parts == parts


def test_tags_are_text_where_the_upstream_says_its_reasoning_apart() -> None:
    text = "<think>hm</think>"
    parts = (Reasoning("why"), Text(text))
    assert read_reply(reply(reasoning_content="why", content=text)).parts == parts
    assert read_stream("openai", stream({"reasoning_content": "why"}, {"content": text})).parts == parts


def test_what_is_held_back_stands_before_a_call() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    said = read_stream("openai", stream({"content": "<thi"}, {"tool_calls": [call]}))
    assert said.parts == (Text("<thi"), ToolCall("c", "read", "{}"))


def test_a_chat_client_gets_the_text_as_it_came() -> None:
    wire = stream({"content": "<think>hm</think>so"})
    passing = hub.Stream("openai", "openai", model="m")
    assert passing.feed(wire) + passing.finish() == wire


@pytest.mark.parametrize(
    "said",
    [
        {"reasoning": "hm"},
        {"reasoning_content": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]},
    ],
)
def test_each_name_of_reasoning_is_read(said: Body) -> None:
    whole = translate_reply("claude", "openai", reply(content="so", **said), model="m")
    assert [block.get("thinking") or block.get("text") for block in whole["content"]] == ["hm", "so"]
    assert read_stream("openai", stream(said, {"content": "so"})).parts == (Reasoning("hm"), Text("so"))
