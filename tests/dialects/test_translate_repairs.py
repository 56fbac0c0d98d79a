"""Requests that one provider takes and another refuses: each is mended and reported, or refused before it is sent."""

import json
import time
from typing import Any

import pytest
from cases import every

from omniroute.dialects.translate import PAIRS, WrittenRequest, translate_request
from omniroute.errors import BadRequest

MODELS = {"openai": "gpt-4o", "claude": "claude-sonnet-4-5", "responses": "gpt-5.1", "gemini": "gemini-2.5-flash"}
HI = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def say(client: str, upstream: str, body: dict[str, Any], model: str | None = None, **more: Any) -> WrittenRequest:
    more = {"stream": False, "max_output": None, **more}
    return translate_request(client, upstream, body, model=model or MODELS[upstream], **more)


def refused(client: str, upstream: str, body: dict[str, Any], model: str | None = None) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        say(client, upstream, body, model)
    assert caught.value.param is not None
    assert caught.value.param in caught.value.message
    return caught.value


# Who speaks

NOTHING: dict[str, tuple[dict[str, Any], str]] = {
    "openai": ({"messages": [{"role": "user", "content": []}, {"role": "assistant", "content": ""}]}, "messages"),
    "claude": ({"max_tokens": 9, "messages": [{"role": "user", "content": ""}]}, "messages"),
    "responses": ({"input": [{"role": "user", "content": []}]}, "input"),
    "gemini": ({"contents": [{"role": "user", "parts": [{"text": ""}]}]}, "contents"),
}


@every(("client", "upstream"), sorted(PAIRS))
def test_a_conversation_in_which_nobody_says_anything_is_refused(client: str, upstream: str) -> None:
    body, field = NOTHING[client]
    if (client, upstream) == ("openai", "responses"):
        body = {"messages": body["messages"][:1]}
    assert refused(client, upstream, body).param == field


def test_a_call_comes_right_after_the_user_to_gemini() -> None:
    """Google refuses one that begins the conversation, or that follows a turn of the model."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    called = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "c", "content": "x"}
    cut = say("openai", "gemini", {"messages": [called, result]})
    assert [turn["role"] for turn in cut.body["contents"]] == ["user", "model", "user"]
    assert cut.dropped == ("messages.first_turn",)
    shown = {"role": "user", "content": []}
    aside = [HI, {"role": "assistant", "content": "ok"}, shown, called, result]
    turns = say("openai", "gemini", {"messages": aside}).body["contents"]
    assert [turn["role"] for turn in turns] == ["user", "model", "user"]
    assert [next(iter(part)) for part in turns[1]["parts"]] == ["text", "functionCall"]


@pytest.mark.parametrize(("upstream", "model"), [("claude", "claude-sonnet-4-5"), ("gemini", "gemini-2.5-flash")])
def test_a_prompt_after_an_answer_stays_where_it_stands(upstream: str, model: str) -> None:
    """Among the first prompts it would change what the provider has in its cache."""
    first = {"role": "system", "content": "first"}
    said = [first, HI, {"role": "assistant", "content": "ok"}, HI]
    before = say("openai", upstream, {"messages": said}, model).body
    after = say("openai", upstream, {"messages": [*said, {"role": "developer", "content": "later"}]}, model)
    assert after.dropped == ("messages.system_role",)
    assert "later" in json.dumps(after.body)
    for key in ("system", "systemInstruction"):
        assert after.body.get(key) == before.get(key)


# Tools


def openai_tool(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **more}}


@pytest.mark.parametrize("upstream", ["claude", "responses", "gemini"])
def test_no_provider_is_offered_two_tools_of_one_name(upstream: str) -> None:
    tools = [openai_tool("f"), openai_tool("g"), openai_tool("f", description="new")]
    written = say("openai", upstream, {"messages": [HI], "tools": tools})
    assert (json.dumps(written.body).count('"f"'), written.dropped) == (1, ("tools.duplicate",))
    assert "new" in json.dumps(written.body)
    same = say("openai", upstream, {"messages": [HI], "tools": [openai_tool("f"), openai_tool("f")]})
    assert (json.dumps(same.body).count('"f"'), same.dropped) == (1, ())


@every("upstream", ["claude", "responses", "gemini"])
@every("several", [False, True])
def test_a_tool_that_is_not_offered_cannot_be_chosen(upstream: str, several: bool) -> None:
    gone: dict[str, Any] = {"type": "function", "function": {"name": "gone"}}
    if several:
        gone = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [gone]}}
    body = {"messages": [HI], "tools": [openai_tool("f")], "tool_choice": gone}
    error = refused("openai", upstream, body)
    assert error.param == "tool_choice"
    assert "'gone'" in error.message


def test_names_that_gemini_gives_a_new_beginning_stay_apart() -> None:
    tools = [openai_tool("1st"), openai_tool("_1st")]
    written = say("openai", "gemini", {"messages": [HI], "tools": tools})
    names = [function["name"] for function in written.body["tools"][0]["functionDeclarations"]]
    assert len(set(names)) == 2
    assert written.names == {names[0]: "1st"}


BEGUN: dict[str, dict[str, Any]] = {
    "openai": {"messages": [HI, {"role": "assistant", "content": "I'll read it."}]},
    "responses": {"input": [HI, {"role": "assistant", "content": "I'll read it."}]},
    "gemini": {"contents": [{"role": r, "parts": [{"text": t}]} for r, t in (("user", "hi"), ("model", "I'll"))]},
}


@pytest.mark.parametrize("client", BEGUN)
def test_the_beginning_of_an_answer_is_left_out_where_claude_would_not_go_on_from_it(client: str) -> None:
    """Codex and opencode ask again so after a reply that broke off: they send what had come of it."""
    written = say(client, "claude", BEGUN[client], "claude-opus-5-5")
    assert written.body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert written.dropped == (f"{next(iter(BEGUN[client]))}.last_turn",)
    for model in ("claude-sonnet-4-5", "glm-4.6"):
        kept = say(client, "claude", BEGUN[client], model)
        assert kept.body["messages"][-1]["role"] == "assistant"
        assert kept.dropped == ()
    alone = {key: value[1:] for key, value in BEGUN[client].items()}
    assert refused(client, "claude", alone, "claude-opus-5-5").param == next(iter(alone))


# How much Claude thinks


def to_claude(model: str, thinking: dict[str, Any], **more: Any) -> tuple[Any, Any, tuple[str, ...]]:
    body: dict[str, Any] = {"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"thinkingConfig": thinking}}
    body["generationConfig"] |= more.pop("config", {})
    written = say("gemini", "claude", body | more, model)
    said = written.body.get("thinking", {})
    if "budget_tokens" in said:
        assert 1024 <= said["budget_tokens"] < written.body["max_tokens"]
    return said or None, written.body.get("output_config"), written.dropped


CONFIG = "generationConfig.thinkingConfig"


@every(
    ("model", "thinking", "limit", "said", "config", "dropped"),
    [
        ("claude-sonnet-4-5", {"thinkingBudget": 500}, 9000, 1024, None, (f"{CONFIG}.budget_tokens",)),
        ("claude-sonnet-4-5", {"thinkingBudget": 20_000}, 8000, 6000, None, (f"{CONFIG}.budget_tokens",)),
        ("claude-sonnet-4-5", {"thinkingBudget": 5000}, 8000, 5000, None, ()),
        ("claude-sonnet-4-5", {"thinkingBudget": 5000}, 1000, None, None, (CONFIG,)),
        ("claude-sonnet-4-5", {"thinkingBudget": 20_000}, None, 20_000, None, ()),
        ("claude-sonnet-4-5", {"thinkingBudget": -1}, 20_000, 8192, None, ()),
        ("claude-3-5-sonnet-20241022", {"thinkingBudget": 5000}, 8000, None, None, (CONFIG,)),
        ("claude-opus-4-6", {"thinkingBudget": 5000}, 8000, 5000, None, ()),
        ("claude-opus-4-7", {"thinkingBudget": 5000}, 8000, "adaptive", {"effort": "medium"}, ()),
        ("claude-opus-4-7", {"thinkingBudget": -1}, 8000, "adaptive", None, ()),
        (
            "claude-sonnet-4-5",
            {"thinkingBudget": 5000, "thinkingLevel": "HIGH"},
            8000,
            5000,
            None,
            (f"{CONFIG}.effort",),
        ),
    ],
)
def test_a_budget_is_one_that_the_model_takes(
    model: str, thinking: dict[str, Any], limit: int | None, said: Any, config: Any, dropped: tuple[str, ...]
) -> None:
    wanted = {"type": "enabled", "budget_tokens": said} if isinstance(said, int) else said and {"type": said}
    found = to_claude(model, thinking, config={} if limit is None else {"maxOutputTokens": limit})
    assert found == (wanted, config, dropped)


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-7"])
def test_a_forced_call_leaves_no_room_for_a_budget(model: str) -> None:
    tools = [{"functionDeclarations": [{"name": "f"}]}]
    forced = {"functionCallingConfig": {"mode": "ANY"}}
    said, _, dropped = to_claude(model, {"thinkingBudget": 5000}, tools=tools, toolConfig=forced)
    assert (said, dropped) == (None, (CONFIG,))


@pytest.mark.parametrize(
    ("model", "effort", "said"),
    [
        ("claude-opus-4-6", "xhigh", "high"),
        ("claude-opus-4-7", "xhigh", "xhigh"),
        ("claude-opus-4-6", "minimal", "low"),
    ],
)
def test_an_effort_is_one_that_the_model_knows(model: str, effort: str, said: str) -> None:
    body = {"messages": [HI], "reasoning_effort": effort}
    assert say("openai", "claude", body, model).body["output_config"] == {"effort": said}


# Pictures and files


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def picture(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@every("upstream", ["claude", "responses", "gemini"])
@every(
    "url",
    ["", "AAAA", "file:///etc/passwd", "data:text/plain;base64,AAAA", "data:;base64,AAAA", "data:image/png", "http://"],
)
def test_what_is_no_picture_is_refused_by_its_path(upstream: str, url: str) -> None:
    assert refused("openai", upstream, user(picture(url))).param == "messages[0].content[0].image_url.url"
    if upstream != "responses":
        item = {"role": "user", "content": [{"type": "input_image", "image_url": url}]}
        assert refused("responses", upstream, {"input": [item]}).param == "input[0].content[0].image_url"


def test_pictures_are_known_however_their_kind_is_spelled() -> None:
    [block] = say("openai", "claude", user(picture("DATA:image/PNG;base64,AAAA"))).body["messages"][0]["content"]
    assert block["source"] == {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    [block] = say("openai", "claude", user(picture("data:application/pdf;base64,AAAA"))).body["messages"][0]["content"]
    assert block["type"] == "document"
    [block] = say("openai", "claude", user(picture("HTTPS://e.org/a.png"))).body["messages"][0]["content"]
    assert block["source"] == {"type": "url", "url": "HTTPS://e.org/a.png"}


INLINE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
SOURCE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}


@pytest.mark.parametrize("upstream", ["openai", "claude", "responses"])
def test_a_picture_that_a_model_made_is_refused_where_models_make_none(upstream: str) -> None:
    turns = [{"role": "user", "parts": [{"text": "x"}]}, {"role": "model", "parts": [INLINE]}]
    error = refused("gemini", upstream, {"contents": [*turns, turns[0]]})
    assert error.param == "contents[1].parts[0].inlineData"


def test_a_picture_among_the_prompts_is_refused_where_prompts_are_text() -> None:
    block = {"type": "image", "source": SOURCE}
    body = {"max_tokens": 9, "system": [block], "messages": [HI]}
    for upstream in ("openai", "gemini"):
        assert refused("claude", upstream, body).param == "system[0]"
    prompt = {"role": "system", "content": [picture("https://e.org/a.png")]}
    assert refused("openai", "claude", {"messages": [prompt, HI]}).param == "messages[0].content[0]"


# What is said beside


@pytest.mark.parametrize(
    ("name", "kept"),
    [("u-1", True), ("a@e.org", False), ("+49 30 1234567", False), ("x" * 257, False), ('{"device":"d"}', True)],
)
def test_anthropic_is_not_told_who_somebody_is(name: str, kept: bool) -> None:
    written = say("openai", "claude", {"messages": [HI], "user": name})
    assert written.body.get("metadata") == ({"user_id": name} if kept else None)
    assert written.dropped == (() if kept else ("user",))


@pytest.mark.parametrize("upstream", ["claude", "gemini"])
def test_what_an_answer_is_for_is_told_in_its_schema(upstream: str) -> None:
    spec = {"name": "n", "description": "a title", "schema": SCHEMA}
    body = {"messages": [HI], "response_format": {"type": "json_schema", "json_schema": spec}}
    assert '"description": "a title"' in json.dumps(say("openai", upstream, body).body)


def test_parameters_that_are_no_object_are_reported() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}
    assert say("openai", "claude", {"messages": [HI], "tools": [tool]}).dropped == ("tools.parameters.type",)


@every(
    ("model", "effort", "said"),
    [
        ("gpt-5-codex", "minimal", "low"),
        ("gpt-5.1-codex", "none", "low"),
        ("gpt-5.1-codex", "high", "high"),
        ("gpt-5.2-codex", "xhigh", "xhigh"),
        ("gpt-5-pro", "low", "high"),
        ("gpt-5.2-pro", "none", "medium"),
        ("gpt-5.2-pro", "xhigh", "xhigh"),
    ],
)
def test_an_effort_is_one_that_the_model_of_openai_knows(model: str, effort: str, said: str) -> None:
    body = {"input": "hi", "reasoning": {"effort": effort}}
    assert say("responses", "openai", body, model).body["reasoning_effort"] == said


def test_many_prompts_take_no_more_time_each() -> None:
    prompts = [{"role": "system", "content": "x"}, HI] * 10_000
    begin = time.process_time()
    for upstream, model in (("claude", "claude-opus-4-8"), ("gemini", "gemini-2.5-flash")):
        say("openai", upstream, {"messages": [HI, {"role": "assistant", "content": "a"}, *prompts]}, model)
    assert time.process_time() - begin < 20
