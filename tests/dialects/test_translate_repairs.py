"""Requests that one provider takes and another refuses: each is mended and reported, or refused before it is sent."""

import json
from typing import Any

import pytest

from omniroute.dialects.translate import PAIRS, Written, translate_request
from omniroute.errors import BadRequest

MODELS = {"openai": "gpt-4o", "claude": "claude-sonnet-4-5", "responses": "gpt-5.1", "gemini": "gemini-2.5-flash"}
HI = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def say(client: str, upstream: str, body: dict[str, Any], model: str | None = None, **more: Any) -> Written:
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


@pytest.mark.parametrize(("client", "upstream"), sorted(PAIRS))
def test_a_conversation_in_which_nobody_says_anything_is_refused(client: str, upstream: str) -> None:
    body, field = NOTHING[client]
    if (client, upstream) == ("openai", "responses"):
        body = {"messages": body["messages"][:1]}
    assert refused(client, upstream, body).param == field


@pytest.mark.parametrize(
    ("model", "takes"), [("claude-sonnet-4-5", True), ("claude-opus-4-6", False), ("glm-4.6", True)]
)
def test_a_beginning_of_the_answer_reaches_only_models_that_go_on_from_it(model: str, takes: bool) -> None:
    body = {"messages": [HI, {"role": "assistant", "content": "Answer:"}]}
    if takes:
        assert say("openai", "claude", body, model).body["messages"][-1]["role"] == "assistant"
    else:
        assert refused("openai", "claude", body, model).param == "messages"


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


@pytest.mark.parametrize("upstream", ["claude", "responses", "gemini"])
@pytest.mark.parametrize("several", [False, True])
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


@pytest.mark.parametrize(
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
