"""Requests of OpenAI Responses: what is said in another dialect, what is reported, and what is refused."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cases import every
from hypothesis import given
from responses_kit import FORMAT, HI, MODELS, PARAMS, bodies, judge
from translate_kit import judge_request

from omniroute.dialects.ir import Format, Message, Reasoning, Request, Text
from omniroute.dialects.translate import CODECS, WrittenRequest, translate_request
from omniroute.errors import BadRequest

OTHERS = ["openai", "claude"]
LARK = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
PATCH = {"type": "custom", "name": "apply_patch", "description": "d", "format": LARK}
READ = {"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}, "strict": False}


def to(upstream: str, body: dict[str, Any], model: str | None = None, **more: Any) -> WrittenRequest:
    """Say a request of a Responses client as the upstream takes it."""
    body = {"model": "asked", "input": "hi", **body}
    more = {"stream": False, "max_output": None, **more}
    written = translate_request("responses", upstream, body, model=model or MODELS[upstream], **more)
    judge_request(upstream, written.body)
    return written


def back(client: str, body: dict[str, Any], model: str = MODELS["responses"], **more: Any) -> WrittenRequest:
    """Say a request of another client to a Responses upstream."""
    limit = {"max_tokens": 100} if client == "claude" else {}
    body = {"model": "asked", "messages": HI, **limit, **body}
    more = {"stream": False, "max_output": None, **more}
    written = translate_request(client, "responses", body, model=model, **more)
    judge(written.body)
    return written


def refusal(upstream: str, body: dict[str, Any]) -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        to(upstream, body)
    return refused.value


def meaning(request: Request) -> Request:
    """Forget how turns are divided, and what another dialect has no word for."""
    messages: list[Message] = []
    for message in request.messages:
        message = replace(message, role="system") if message.role == "developer" else message
        if messages and messages[-1].role == message.role:
            messages[-1] = replace(messages[-1], parts=messages[-1].parts + message.parts)
        else:
            messages.append(message)
    wanted = None if request.format is None else Format(request.format.schema)
    tools = tuple(replace(tool, strict=tool.strict or False) for tool in request.tools)  # type: ignore[type-var,union-attr]
    return replace(request, model="", messages=tuple(messages), format=wanted, tools=tools)


@pytest.mark.parametrize("upstream", OTHERS)
@given(body=bodies())
def test_what_is_said_is_the_same_after_another_dialect(upstream: str, body: dict[str, Any]) -> None:
    there = to(upstream, body)
    assert there.dropped == ()
    again = back(upstream, there.body, "gpt-4o")
    assert again.dropped == ()
    read = CODECS["responses"].read_request
    assert meaning(read(again.body)) == meaning(read(body))
    # And once more: what was said the way of both is said the same way each time.
    twice = to(upstream, again.body)
    assert json.dumps(twice.body, sort_keys=True) == json.dumps(there.body, sort_keys=True)


@given(body=bodies())
def test_what_is_said_is_the_same_through_the_form(body: dict[str, Any]) -> None:
    spoke = CODECS["responses"]
    request = spoke.read_request(body | {"model": "gpt-4o"})
    written = spoke.write_request(request)
    judge(written.body)
    assert written.dropped == ()
    assert meaning(spoke.read_request(written.body)) == meaning(request)


# The conversation


@pytest.mark.parametrize("upstream", OTHERS)
def test_instructions_and_prompts_stand_where_they_stood(upstream: str) -> None:
    body = to(upstream, {"instructions": "be kind", "input": [{"role": "developer", "content": "be brief"}, *HI]}).body
    if upstream == "openai":
        assert [(m["role"], m["content"]) for m in body["messages"]] == [
            ("system", "be kind"),
            ("developer", "be brief"),
            ("user", "hi"),
        ]
    else:
        assert [block["text"] for block in body["system"]] == ["be kind", "be brief"]


def test_a_string_is_what_the_user_says() -> None:
    assert to("openai", {"input": "hello"}).body["messages"] == [{"role": "user", "content": "hello"}]


def test_pictures_in_the_output_of_a_tool_reach_both() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "original"}
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    body = {"input": [call, {"type": "function_call_output", "call_id": "c", "output": [picture]}]}
    chat = to("openai", body)
    assert [m["role"] for m in chat.body["messages"]] == ["assistant", "tool", "user"]
    assert chat.body["messages"][2]["content"][0]["image_url"] == {"url": "data:image/png;base64,AAAA"}
    [block] = to("claude", body).body["messages"][1]["content"]
    assert block["content"][0]["source"]["data"] == "AAAA"
    assert chat.dropped == ("detail",)


def test_how_closely_to_look_is_said_alike_by_both_dialects_of_openai() -> None:
    picture = {"type": "input_image", "image_url": "https://e.org/a.png", "detail": "high"}
    chat = to("openai", {"input": [{"role": "user", "content": [picture]}]})
    assert chat.body["messages"][0]["content"][0]["image_url"]["detail"] == "high"
    again = back("openai", chat.body)
    assert again.body["input"][0]["content"] == [picture]
    assert (chat.dropped, again.dropped) == ((), ())


def test_results_of_parallel_calls_follow_their_calls_in_order() -> None:
    calls = [{"type": "function_call", "call_id": c, "name": "f", "arguments": "{}"} for c in "ab"]
    outputs = [{"type": "function_call_output", "call_id": c, "output": c} for c in "ba"]
    there = to("openai", {"input": [*HI, *calls, *outputs]}).body["messages"]
    assert [m.get("tool_call_id") for m in there[2:]] == ["a", "b"]


def test_orphans_are_mended_and_reported_by_the_names_of_the_client() -> None:
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "b", "output": "lost"}
    written = to("claude", {"input": [call, output]})
    assert written.dropped == ("input.tool_call_without_result", "input.tool_result_without_call")
    assert "lost" in json.dumps(written.body)


@every(
    ("item", "reported"),
    [
        ({"type": "web_search_call", "id": "ws", "status": "completed"}, True),
        ({"type": "mcp_call", "id": "m"}, True),
        ({"type": "compaction", "encrypted_content": "x"}, False),
        ({"type": "computer_call_output", "call_id": "c", "output": {}}, False),
        ({"type": "item_reference", "id": "msg_1"}, False),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, False),
        ({"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}, False),
    ],
)
@every("upstream", OTHERS)
def test_items_of_openai_alone_are_reported_or_refused(upstream: str, item: dict[str, Any], reported: bool) -> None:
    body = {"input": [*HI, item]}
    if reported:
        assert to(upstream, body).dropped == (f"input.{item['type']}",)
    else:
        assert str(refusal(upstream, body).param).startswith("input[1]")


# State


@pytest.mark.parametrize(
    ("field", "value"), [("previous_response_id", "resp_1"), ("conversation", {"id": "c"}), ("background", True)]
)
def test_state_that_is_not_kept_is_refused_with_what_to_do(field: str, value: Any) -> None:
    refused = refusal("openai", {field: value})
    assert refused.param == field
    assert ("send the whole" in refused.message) == (field != "background")


# Tools


@pytest.mark.parametrize("upstream", OTHERS)
def test_a_custom_tool_is_a_function_of_one_text(upstream: str) -> None:
    call = {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": '*** "x"\n'}
    output = {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"}
    choice = {"type": "custom", "name": "apply_patch"}
    written = to(upstream, {"input": [*HI, call, output], "tools": [PATCH, READ], "tool_choice": choice})
    custom, read = CODECS[upstream].read_request(written.body).tools
    assert (custom.name, read.name) == ("apply_patch", "read")  # type: ignore[union-attr]
    assert custom.parameters["required"] == ["input"]  # type: ignore[union-attr,index]
    assert "start: WORD" in custom.parameters["properties"]["input"]["description"]  # type: ignore[union-attr,index]
    again = CODECS[upstream].read_request(written.body)
    [said] = [part for m in again.messages for part in m.parts if type(part).__name__ == "ToolCall"]
    assert json.loads(said.arguments) == {"input": '*** "x"\n'}  # type: ignore[union-attr]
    assert again.tool_choice is not None
    assert again.tool_choice.name == "apply_patch"
    assert written.dropped == ("tools.format",)
    assert set(written.names) == {"apply_patch"}


def test_tools_in_namespaces_have_names_of_their_own() -> None:
    tools = [
        {"type": "namespace", "name": space, "description": "", "tools": [READ | {"name": "exec"}]}
        for space in ("one", "two")
    ]
    item = {"type": "additional_tools", "role": "developer", "tools": tools}
    call = {"type": "function_call", "call_id": "c", "name": "exec", "namespace": "two", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": "x"}
    written = to("openai", {"input": [item, *HI, call, result]})
    assert [tool["function"]["name"] for tool in written.body["tools"]] == ["one__exec", "two__exec"]
    assert written.body["messages"][1]["tool_calls"][0]["function"]["name"] == "two__exec"
    assert len(set(written.names.values())) == 2


def test_a_tool_that_is_offered_again_is_offered_once() -> None:
    again = {"type": "additional_tools", "role": "developer", "tools": [READ]}
    same = to("openai", {"input": [again, *HI, again], "tools": [READ]})
    assert ([tool["function"]["name"] for tool in same.body["tools"]], same.dropped) == (["read"], ())
    newer = to("openai", {"input": [again | {"tools": [READ | {"description": "new"}]}, *HI], "tools": [READ]})
    assert [tool["function"].get("description") for tool in newer.body["tools"]] == ["new"]
    assert newer.dropped == ("tools.duplicate",)
    space = {"type": "namespace", "name": "a", "tools": [READ]}
    assert refusal("openai", {"tools": [space, READ | {"name": "a__read"}]}).param == "tools[1].name"


@pytest.mark.parametrize("kind", ["web_search", "web_search_preview", "tool_search"])
def test_tools_that_a_client_can_do_without_are_reported(kind: str) -> None:
    written = to("claude", {"tools": [READ, {"type": kind}]})
    assert written.dropped == (f"tools.{kind}",)
    assert len(written.body["tools"]) == 1


@every("kind", ["file_search", "code_interpreter", "mcp", "image_generation", "local_shell"])
@every("upstream", OTHERS)
def test_other_tools_of_the_provider_are_refused(upstream: str, kind: str) -> None:
    refused = refusal(upstream, {"tools": [READ, {"type": kind}]})
    assert refused.param == "tools[1].type"


def test_a_tool_of_the_provider_cannot_be_chosen() -> None:
    refused = refusal("openai", {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}})
    assert refused.param == "tool_choice.type"


@pytest.mark.parametrize(
    ("choice", "chat", "claude"),
    [
        ("none", "none", {"type": "none"}),
        ("auto", "auto", {"type": "auto"}),
        ("required", "required", {"type": "any"}),
        (
            {"type": "function", "name": "read"},
            {"type": "function", "function": {"name": "read"}},
            {"type": "tool", "name": "read"},
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "read"}, {"type": "web_search"}],
            },
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "read"}}]},
            },
            {"type": "any"},
        ),
    ],
)
def test_every_choice_of_tools_both_ways(choice: Any, chat: Any, claude: Any) -> None:
    body = {"tools": [READ, READ | {"name": "write"}], "tool_choice": choice}
    there = to("openai", body)
    assert there.body["tool_choice"] == chat
    assert to("claude", body).body["tool_choice"] == claude
    again = back("openai", there.body).body["tool_choice"]
    if isinstance(choice, dict) and "tools" in choice:
        choice = choice | {"tools": choice["tools"][:1]}
    assert again == choice


def test_names_that_the_target_forbids_lead_back_to_the_tool() -> None:
    long = "n" * 70
    tool = {"type": "namespace", "name": long, "tools": [READ]}
    written = to("claude", {"tools": [tool]})
    [sent] = written.names.keys() - {f"{long}__read"}
    assert written.body["tools"][0]["name"] == sent
    assert len(sent) <= 64
    assert written.names[sent] == written.names[f"{long}__read"]


# Reasoning


def test_reasoning_goes_back_to_who_sealed_it() -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "zzz"}
    [read] = [p for m in CODECS["responses"].read_request({"input": [thought, *HI]}).messages[:1] for p in m.parts]
    assert read == Reasoning("hm", "zzz", origin="responses")
    for upstream in OTHERS:
        assert to(upstream, {"input": [*HI, thought]}).dropped == (
            ("input.thinking",) if upstream == "openai" else ("input.reasoning",)
        )
    foreign = thought | {"encrypted_content": "claude:sig"}
    said = {"role": "assistant", "content": "so"}
    body = to("claude", {"input": [*HI, foreign, said, *HI]}).body
    assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "sig"}
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "claude.sealed:data"}
    body = to("claude", {"input": [*HI, sealed, said, *HI]}).body
    assert body["messages"][1]["content"][0] == {"type": "redacted_thinking", "data": "data"}


@pytest.mark.parametrize("client", OTHERS)
def test_sealed_reasoning_of_openai_comes_back_to_it(client: str) -> None:
    parts = (Reasoning("hm", "zzz", origin="responses"), Reasoning(sealed="yyy", origin="responses"), Text("so"))
    if client == "claude":
        content = [
            {"type": "thinking", "thinking": "hm", "signature": "responses:zzz"},
            {"type": "redacted_thinking", "data": "responses:yyy"},
            {"type": "text", "text": "so"},
        ]
        message = {"role": "assistant", "content": content}
    else:
        details = [
            {"type": "reasoning.text", "text": "hm", "signature": "zzz", "format": "openai-responses-v1"},
            {"type": "reasoning.encrypted", "data": "yyy", "format": "openai-responses-v1"},
        ]
        message = {"role": "assistant", "content": "so", "reasoning_details": details}
    assert CODECS[client].read_request({"messages": [message], "max_tokens": 5}).messages[0].parts == parts
    written = back(client, {"messages": [*HI, message, *HI]})
    assert written.dropped == ()
    assert written.body["input"][1:3] == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "zzz"},
        {"type": "reasoning", "summary": [], "encrypted_content": "yyy"},
    ]


def test_reasoning_is_asked_for_sealed_where_there_is_some() -> None:
    asked = back("claude", {"thinking": {"type": "enabled", "budget_tokens": 5000}})
    assert asked.body["reasoning"] == {"effort": "medium", "summary": "auto"}
    assert asked.body["include"] == ["reasoning.encrypted_content"]
    assert asked.body["store"] is False
    assert "include" not in back("openai", {}, "gpt-4o").body
    off = back("openai", {"reasoning_effort": "none"})
    assert off.body["reasoning"] == {"effort": "none"}
    assert "include" not in off.body
    assert to("openai", {"reasoning": {"effort": "high"}}, "gpt-5.1").body["reasoning_effort"] == "high"


# Fields: mapped, reported or refused

FIELDS: dict[str, tuple[Any, tuple[str, ...] | None]] = {
    "access_programs": ({}, ("access_programs",)),
    "background_options": ({"a": 1}, ("background_options",)),
    "context_management": ([{"type": "compaction"}], ("context_management",)),
    "image": ({"a": 1}, ("image",)),
    "include": (["file_search_call.results"], ("include",)),
    "max_tool_calls": (3, ("max_tool_calls",)),
    "metadata": ({"a": "b"}, ("metadata",)),
    "moderation": ({"model": "m"}, ("moderation",)),
    "prompt": ({"id": "p"}, None),
    "prompt_cache_key": ("k", ("prompt_cache_key",)),
    "prompt_cache_options": ({"a": 1}, ("prompt_cache_options",)),
    "prompt_cache_retention": ("24h", ("prompt_cache_retention",)),
    "reasoning": ({"effort": "low", "summary": "auto"}, ("reasoning.summary",)),
    "safety_identifier": ("s", ("safety_identifier",)),
    "service_tier": ("flex", ("service_tier",)),
    "store": (True, ("store",)),
    "text": ({"verbosity": "low"}, ("text.verbosity",)),
    "top_logprobs": (3, ()),
    "truncation": ("auto", ("truncation",)),
    "client_metadata": ({"a": "b"}, ("client_metadata",)),
    "conversation": ("c", None),
    "previous_response_id": ("r", None),
    "background": (True, None),
    "temperature": (0.5, ()),
    "top_p": (0.5, ()),
    "user": ("u", ()),
    "max_output_tokens": (50, ()),
    "parallel_tool_calls": (False, ()),
    "tool_choice": ("required", ()),
    "tools": ([READ], ()),
    "instructions": ("i", ()),
    "stream_options": ({"include_obfuscation": False}, ()),
}


@every("field", sorted(FIELDS))
def test_every_field_is_mapped_reported_or_refused(field: str) -> None:
    value, dropped = FIELDS[field]
    body = {"tools": [READ], field: value}
    if dropped is None:
        assert refusal("openai", body).param == field
        return
    model = "openai/gpt-oss-120b"
    written = to("openai", body, model)
    assert written.dropped == dropped
    if not dropped and field not in {"stream_options", "tools"}:
        assert written.body != to("openai", {"tools": [READ]}, model).body


def test_no_field_of_the_sdk_is_forgotten() -> None:
    assert set(PARAMS.__annotations__) <= set(FIELDS) | {"model", "input", "stream"}


def test_what_asks_for_nothing_is_not_reported() -> None:
    neutral = {
        "store": False,
        "truncation": "disabled",
        "background": False,
        "include": ["reasoning.encrypted_content"],
    }
    assert to("claude", neutral | {"text": {"format": {"type": "text"}}}).dropped == ()


@pytest.mark.parametrize("wanted", [FORMAT, {"type": "json_object"}, {"type": "text"}])
def test_formats_of_the_answer_both_ways(wanted: dict[str, Any]) -> None:
    there = to("openai", {"text": {"format": wanted}})
    again = back("openai", there.body).body.get("text", {"format": {"type": "text"}})
    assert again == {"format": wanted}


def test_what_a_responses_upstream_cannot_be_told_is_reported() -> None:
    chat = back("openai", {"stop": ["x"], "seed": 1, "n": 1, "logprobs": True, "logit_bias": {"1": 2}}, "gpt-4o")
    assert set(chat.dropped) == {"stop", "seed", "logit_bias"}
    thinks = back("openai", {"logprobs": True, "top_logprobs": 3}, "gpt-5.1")
    assert set(thinks.dropped) == {"logprobs", "top_logprobs"}
    claude = back("claude", {"stop_sequences": ["x"], "top_k": 5, "temperature": 0.5}, "gpt-5.1")
    assert set(claude.dropped) == {"stop_sequences", "top_k", "temperature"}
    assert back("claude", {"max_tokens": 5}).body["max_output_tokens"] == 16
    assert back("claude", {"max_tokens": 5}).dropped == ("max_tokens",)


def test_a_picture_in_a_result_of_claude_stays_in_the_output() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    use = {"type": "tool_use", "id": "c", "name": "look", "input": {}}
    content = [{"type": "text", "text": "see"}, {"type": "image", "source": source}]
    result = {"type": "tool_result", "tool_use_id": "c", "content": content}
    messages = [*HI, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    item = back("claude", {"messages": messages}).body["input"][2]
    assert [part["type"] for part in item["output"]] == ["input_text", "input_image"]
    assert item["call_id"] == "c"
