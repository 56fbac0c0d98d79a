"""Custom tools of Chat Completions: functions of one text to other dialects, and themselves again to the client."""

import json
from typing import Any

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st
from translate_kit import frames, judge_reply, pieces, run, write_stream

from omniroute.dialects.ir import Body, Reply, Text, ToolCall
from omniroute.dialects.translate import CODECS, translate_reply, translate_request
from omniroute.errors import BadRequest

OTHERS = ["claude", "responses", "gemini"]
PATCH: Body = {"type": "custom", "custom": {"name": "patch", "description": "Patches."}}
GRAMMAR: Body = {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "x"'}}


def to(upstream: str, body: Body) -> Any:
    base = {"model": "m", "messages": [{"role": "user", "content": "go"}], "tools": [PATCH]}
    return translate_request("openai", upstream, base | body, model="m", stream=False, max_output=None)


def said(text: str) -> Reply:
    return Reply("r", (Text("So."), ToolCall("c", "patch", json.dumps({"input": text}))), "tool_calls")


@pytest.mark.parametrize("upstream", OTHERS)
@given(text=st.text(max_size=20), size=st.integers(1, 9))
def test_a_call_comes_back_as_the_text_that_the_model_gave(upstream: str, text: str, size: int) -> None:
    names = to(upstream, {}).names
    whole = translate_reply(
        "openai", upstream, CODECS[upstream].write_reply(said(text), model="m"), model="m", names=names
    )
    judge_reply("openai", whole)
    [call] = whole["choices"][0]["message"]["tool_calls"]
    assert call == {"id": "c", "type": "custom", "custom": {"name": "patch", "input": text}}
    wire = run("openai", upstream, [write_stream(upstream, pieces(said(text), size))], names)
    chunks = [json.loads(frame.data) for frame in frames(wire)[:-1]]
    found = [piece for chunk in chunks for c in chunk["choices"] for piece in c["delta"].get("tool_calls", [])]
    assert {key: found[0][key] for key in ("index", "id", "type")} == {"index": 0, "id": "c", "type": "custom"}
    assert {piece["custom"].get("name", "patch") for piece in found} == {"patch"}
    assert "".join(piece["custom"]["input"] for piece in found) == text


@pytest.mark.parametrize("upstream", OTHERS)
@given(text=st.text(max_size=20))
def test_a_call_in_the_history_is_the_functions(upstream: str, text: str) -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "patch", "input": text}}
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]
    request = CODECS[upstream].read_request(to(upstream, {"messages": messages}).body)
    [found] = [part for message in request.messages for part in message.parts if isinstance(part, ToolCall)]
    assert (found.name, json.loads(found.arguments)) == ("patch", {"input": text})


@every("upstream", OTHERS)
@every(
    "choice",
    [
        {"type": "custom", "custom": {"name": "patch"}},
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "custom", "custom": {"name": "patch"}}]},
        },
    ],
)
def test_it_may_be_the_one_that_has_to_be_called(upstream: str, choice: Body) -> None:
    request = CODECS[upstream].read_request(to(upstream, {"tool_choice": choice}).body)
    assert request.tool_choice is not None
    assert request.tool_choice.mode in {"named", "required"}
    assert [getattr(tool, "name", None) for tool in request.tools] == ["patch"]


@pytest.mark.parametrize("upstream", OTHERS)
def test_a_grammar_is_told_to_the_model(upstream: str) -> None:
    tool = {"type": "custom", "custom": PATCH["custom"] | {"format": GRAMMAR}}
    assert 'Must follow this lark grammar:\\nstart: \\"x\\"' in json.dumps(to(upstream, {"tools": [tool]}).body)


@every(
    ("body", "param"),
    [
        ({"tools": [{"type": "custom"}]}, "tools[0].custom"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].custom.name"),
        (
            {"tools": [{"type": "custom", "custom": {"name": "n", "format": {"type": "x"}}}]},
            "tools[0].custom.format.type",
        ),
        (
            {"tools": [{"type": "custom", "custom": {"name": "n", "format": {"type": "grammar"}}}]},
            "tools[0].custom.format.grammar",
        ),
        ({"tool_choice": {"type": "custom"}}, "tool_choice.custom"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ],
)
def test_what_is_no_tool_is_refused(body: Body, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        to("claude", body)
    assert refused.value.param == param
