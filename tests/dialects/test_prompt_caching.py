"""What clients say about prompt caches, and how others are told of it."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects import hub
from omniroute.dialects.ir import Body
from omniroute.dialects.translate import translate_request

CHAT = {"openai": "messages", "responses": "input"}
MARK = {"cache_control": {"type": "ephemeral"}}


def to(client: str, upstream: str, body: Body, model: str = "gpt-5.1") -> Any:
    base: Body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 99}
    if client == "responses":
        base = {"input": "hi"}
    return translate_request(client, upstream, base | body, model=model, stream=False, max_output=None)


OWN: Body = {
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "safety_identifier": "s",
    "service_tier": "flex",
}


@given(st.sets(st.sampled_from(sorted(OWN))), st.sampled_from(["openai", "responses"]))
def test_what_openai_has_in_both_dialects_is_kept(keys: set[str], client: str) -> None:
    upstream = {"openai": "responses", "responses": "openai"}[client]
    said = {key: OWN[key] for key in keys}
    written = to(client, upstream, said)
    assert {key: written.body[key] for key in OWN if key in written.body} == said
    assert written.dropped == ()
    elsewhere = to(client, upstream, said, "deepseek-chat")
    assert not OWN.keys() & elsewhere.body.keys()
    assert set(elsewhere.dropped) == keys


def test_verbosity_and_metadata() -> None:
    assert to("openai", "responses", {"verbosity": "low"}).body["text"] == {"verbosity": "low"}
    assert to("responses", "openai", {"text": {"verbosity": "low"}}).body["verbosity"] == "low"
    # Older models refuse it, and Chat Completions takes metadata for what it stores alone.
    assert to("responses", "openai", {"text": {"verbosity": "low"}}, "gpt-4o").dropped == ("text.verbosity",)
    assert to("openai", "responses", {"metadata": {"a": "b"}}).body["metadata"] == {"a": "b"}
    assert to("responses", "openai", {"metadata": {"a": "b"}}).dropped == ("metadata",)
    assert to("openai", "responses", {"prompt_cache_retention": "24h"}, "gpt-4o").dropped == ("prompt_cache_retention",)


def claude(turns: int, *, system: str = "Be kind.", first: str = "hi", user: str | None = None) -> Body:
    said: list[Body] = []
    for turn in range(turns):
        text = first if turn == 0 else f"turn {turn}"
        mark = MARK if turn == turns - 1 else {}  # clients move their mark along
        said.append({"role": "user", "content": [{"type": "text", "text": text} | mark]})
        said.append({"role": "assistant", "content": "yes"})
    body: Body = {"system": [{"type": "text", "text": system} | MARK], "messages": said[:-1]}
    return body | ({"metadata": {"user_id": user}} if user else {})


def key_of(body: Body, upstream: str, model: str = "gpt-5.1") -> str | None:
    key: str | None = to("claude", upstream, body, model).body.get("prompt_cache_key")
    return key


@pytest.mark.parametrize("upstream", ["openai", "responses"])
def test_marks_of_claude_become_one_key_for_each_conversation(upstream: str) -> None:
    keys = {key_of(claude(turns), upstream) for turns in (1, 2, 5)}
    others = {
        key_of(claude(1, system="Be brief."), upstream),
        key_of(claude(1, first="bye"), upstream),
        key_of(claude(1, user="ada"), upstream),
        key_of(claude(1, user="bob"), upstream),
    }
    assert len(keys) == 1
    assert len(keys | others) == 5
    assert {key_of(claude(turns, user="ada" * 99), upstream) for turns in (1, 3)} == {
        key_of(claude(1, user="ada" * 99, system="another agent of the session"), upstream)
    }
    assert all(len(key or "") <= 64 for key in keys | others)


@pytest.mark.parametrize("upstream", ["openai", "responses"])
def test_there_is_no_key_without_marks_or_for_servers_that_may_refuse_it(upstream: str) -> None:
    assert key_of({"messages": [{"role": "user", "content": "hi"}]}, upstream) is None
    assert key_of(claude(1), upstream, "openai/gpt-oss-120b") is None
    assert "cache_control" in to("claude", upstream, claude(1), "qwen3").dropped
    assert "cache_control" not in to("claude", upstream, claude(1)).dropped


# Marks that are set for clients of other dialects


def prepared(client: str, body: Body, *, wanted: bool = True) -> Body:
    raw = orjson.dumps(body)
    way: Any = {"model": "claude-sonnet-4-5", "stream": False, "stream_usage": False, "max_output": None}
    said: Body = orjson.loads(hub.prepare(client, "claude", raw, body, cache_breakpoints=wanted, **way).raw)
    return said


def chat(turns: int, *, tools: int = 2) -> Body:
    said: list[Body] = [{"role": "system", "content": "Be kind."}]
    for turn in range(turns):
        said.append({"role": "user", "content": f"turn {turn}"})
        call = {"id": f"c{turn}", "type": "function", "function": {"name": "t0", "arguments": "{}"}}
        said.append({"role": "assistant", "reasoning_content": "hm", "content": "", "tool_calls": [call]})
        said.append({"role": "tool", "tool_call_id": f"c{turn}", "content": "x"})
    said.append({"role": "user", "content": "and now"})
    offered = [{"type": "function", "function": {"name": f"t{n}", "parameters": {}}} for n in range(tools)]
    return {"model": "m", "messages": said, **({"tools": offered} if tools else {})}


def marks(body: Body) -> list[tuple[Any, ...]]:
    """Give the places of the marks."""
    found: list[tuple[Any, ...]] = [
        (k, n) for k in ("tools", "system") for n, x in enumerate(body[k]) if MARK.keys() & x
    ]
    for n, turn in enumerate(body["messages"]):
        found += [(n, turn["role"], b["type"]) for b in turn["content"] if "cache_control" in b]
    return found


def unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: unmarked(inner) for key, inner in value.items() if key != "cache_control"}
    return [unmarked(inner) for inner in value] if isinstance(value, list) else value


@given(st.integers(0, 6))
def test_the_beginning_and_the_last_turns_are_marked(turns: int) -> None:
    body = prepared("openai", chat(turns))
    found = marks(body)
    assert {("tools", 1), ("system", 0)} < set(found)
    last = len(body["messages"]) - 1
    assert (last, "user", "text") in found
    assert len(found) == min(turns + 3, 4)
    assert all(place[1] != "assistant" for place in found)
    assert unmarked(body) == prepared("openai", chat(turns), wanted=False)
    more = unmarked(prepared("openai", chat(turns + 1)))
    assert more["messages"][:last] == unmarked(body)["messages"][:last], "the prefix is the same but for the marks"


def test_what_will_hardly_be_asked_again_is_not_marked() -> None:
    assert prepared("openai", chat(0, tools=0)) == prepared("openai", chat(0, tools=0), wanted=False)
    talk = {"messages": [{"role": r, "content": "x"} for r in ("user", "assistant", "user")]}
    assert prepared("openai", talk)["messages"][0]["content"][-1]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("where", ["message", "tool"])
def test_marks_of_the_client_are_enough(where: str) -> None:
    body = chat(2)
    (body["messages"][-1] if where == "message" else body["tools"][0]).update(MARK)
    assert prepared("openai", body) == prepared("openai", body, wanted=False)


@pytest.mark.parametrize("client", ["openai", "responses", "gemini"])
def test_marks_are_set_for_every_dialect_but_claude(client: str) -> None:
    body: Body = {
        "openai": {"messages": [{"role": r, "content": "x"} for r in ("user", "assistant", "user")]},
        "responses": {"input": [{"role": r, "content": "x"} for r in ("user", "assistant", "user")]},
        "gemini": {"contents": [{"role": r, "parts": [{"text": "x"}]} for r in ("user", "model", "user")]},
    }[client]
    assert b"cache_control" in orjson.dumps(prepared(client, body))
    own = claude(1)
    own["messages"][0]["content"] = "hi"
    own["system"] = "Be kind."
    assert b"cache_control" not in orjson.dumps(prepared("claude", own))
