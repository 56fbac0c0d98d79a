"""What was said before is said again in the same bytes: providers keep the beginning of a request in their caches."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects import hub
from omniroute.dialects.translate import PAIRS

MODELS = {
    "openai": ["gpt-4o", "gpt-5.1"],
    "claude": ["claude-sonnet-4-5", "claude-opus-4-8"],
    "responses": ["gpt-5.1"],
    "gemini": ["gemini-2.5-flash", "gemini-3-pro-preview"],
}
TURNS = {"openai": "messages", "claude": "messages", "responses": "input", "gemini": "contents"}
WORDS = st.text("ab \n\U0001f408.", max_size=4)
NAMES = st.sampled_from(["read", "mcp.read", "1st", "x" * 70, "näme"])
IDS = st.sampled_from(["a", "b", "call_1", "x" * 70, "ü", ""])
ARGUMENTS = st.sampled_from(["{}", '{"a":1}', '{"b":[1.50,"x"],"a":null}', "{broken", "", "[1]"])

type Round = dict[str, Any]
"""What the user says, what the assistant answers, the calls with their results, and a prompt after all that."""

CALLS = st.lists(st.tuples(IDS, NAMES, ARGUMENTS, st.none() | WORDS), max_size=3, unique_by=lambda call: call[0])
ROUNDS = st.lists(
    st.fixed_dictionaries(
        {"said": WORDS, "thought": st.sampled_from(["", "hm"]), "answer": WORDS, "calls": CALLS, "prompt": WORDS}
    ),
    min_size=1,
    max_size=4,
)


def openai(rounds: list[Round]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = [{"role": "system", "content": "s"}]
    for r in rounds:
        calls = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a, _ in r["calls"]]
        answer = {"role": "assistant", "content": r["answer"]} | ({"tool_calls": calls} if calls else {})
        answer |= {"reasoning_content": r["thought"]} if r["thought"] else {}
        turns += [{"role": "user", "content": r["said"]}, answer]
        turns += [{"role": "tool", "tool_call_id": i, "content": out} for i, _, _, out in r["calls"] if out is not None]
        turns += [{"role": "developer", "content": r["prompt"]}] if r["prompt"] else []
    return turns


def claude(rounds: list[Round]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for r in rounds:
        blocks: list[dict[str, Any]] = [{"type": "text", "text": r["answer"]}]
        blocks += [{"type": "tool_use", "id": i, "name": n, "input": {"a": a}} for i, n, a, _ in r["calls"]]
        if r["thought"]:
            blocks.insert(0, {"type": "thinking", "thinking": r["thought"], "signature": "claudes"})
        turns += [{"role": "user", "content": r["said"]}, {"role": "assistant", "content": blocks}]
        results = [
            {"type": "tool_result", "tool_use_id": i, "content": out} for i, _, _, out in r["calls"] if out is not None
        ]
        turns += [{"role": "user", "content": results}] if results else []
        turns += [{"role": "system", "content": r["prompt"]}] if r["prompt"] else []
    return turns


def responses(rounds: list[Round]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [{"role": "developer", "content": "s"}]
    for r in rounds:
        items.append({"role": "user", "content": r["said"]})
        if r["thought"]:
            summary = [{"type": "summary_text", "text": r["thought"]}]
            items.append({"type": "reasoning", "summary": summary, "encrypted_content": "zzz"})
        items.append({"role": "assistant", "content": r["answer"]})
        items += [{"type": "function_call", "call_id": i, "name": n, "arguments": a} for i, n, a, _ in r["calls"]]
        items += [
            {"type": "function_call_output", "call_id": i, "output": out}
            for i, _, _, out in r["calls"]
            if out is not None
        ]
        items += [{"role": "developer", "content": r["prompt"]}] if r["prompt"] else []
    return items


def gemini(rounds: list[Round]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for r in rounds:
        parts: list[dict[str, Any]] = [{"text": r["answer"]}]
        if r["thought"]:
            parts.insert(0, {"text": r["thought"], "thought": True, "thoughtSignature": "c2ln"})
        parts += [{"functionCall": {"name": n, "args": {"a": a}}} for _, n, a, _ in r["calls"]]
        turns += [{"role": "user", "parts": [{"text": r["said"]}]}, {"role": "model", "parts": parts}]
        results = [
            {"functionResponse": {"name": n, "response": {"output": out}}}
            for _, n, _, out in r["calls"]
            if out is not None
        ]
        turns += [{"role": "user", "parts": results}] if results else []
    return turns


WRITE = {"openai": openai, "claude": claude, "responses": responses, "gemini": gemini}
LAST: dict[str, dict[str, Any]] = {
    "openai": {"role": "user", "content": "go on"},
    "claude": {"role": "user", "content": "go on"},
    "responses": {"role": "user", "content": "go on"},
    "gemini": {"role": "user", "parts": [{"text": "go on"}]},
}


def tools(client: str) -> list[dict[str, Any]]:
    functions = [
        {"name": name, "description": "d", "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}}
        for name in ("read", "mcp.read", "1st")
    ]
    match client:
        case "openai":
            return [{"type": "function", "function": function} for function in functions]
        case "responses":
            return [{"type": "function", **function} for function in functions]
        case "claude":
            return [{"name": f["name"], "description": "d", "input_schema": f["parameters"]} for f in functions]
        case _:
            return [{"functionDeclarations": functions}]


def written(client: str, upstream: str, model: str, rounds: list[Round]) -> tuple[dict[str, Any], bytes]:
    body: dict[str, Any] = {"model": "m", TURNS[client]: [*WRITE[client](rounds), LAST[client]], "tools": tools(client)}
    body |= {"max_tokens": 9000} if client == "claude" else {}
    before = json.dumps(body)
    raw = hub.prepare(client, upstream, b"", body, model=model, stream=True, stream_usage=True, max_output=None).raw
    assert json.dumps(body) == before
    return json.loads(raw), raw


@pytest.mark.parametrize(("client", "upstream"), sorted(PAIRS))
@given(rounds=ROUNDS, calls=CALLS, data=st.data())
def test_a_longer_conversation_begins_like_the_shorter_one(
    client: str, upstream: str, rounds: list[Round], calls: list[Any], data: st.DataObject
) -> None:
    model = data.draw(st.sampled_from(MODELS[upstream]))
    shorter, raw = written(client, upstream, model, rounds)
    assert written(client, upstream, model, rounds)[1] == raw
    after = {"said": "go on", "thought": "hm", "answer": "done", "calls": calls, "prompt": "p"}
    longer, _ = written(client, upstream, model, [*rounds, after])
    turns = shorter.pop(TURNS[upstream])
    assert longer.pop(TURNS[upstream])[: len(turns)] == turns
    assert json.dumps(longer) == json.dumps(shorter)
