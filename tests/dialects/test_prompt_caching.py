"""What clients say about prompt caches, and how others are told of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
