"""Requests between dialects: each thing that can be said, what is reported, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st
from translate_kit import DATA, INPUTS, MODELS, NAMES, OTHER, PARAMS, WORDS, compact, judge_request

from omniroute.dialects.ir import Format, Message, Request, Text, ToolCall, ToolResult
from omniroute.dialects.translate import CODECS, PAIRS, WrittenRequest, translate_request
from omniroute.errors import BadRequest

BOTH = sorted(PAIRS)
HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object", "properties": {}}}}
CLAUDE_TOOL = {"name": "read", "input_schema": {"type": "object", "properties": {}}}


def to_claude(body: dict[str, Any], model: str = MODELS["claude"], **more: Any) -> WrittenRequest:
    body = {"model": "asked", "messages": HI, **body}
    written = translate_request("openai", "claude", body, model=model, **{"stream": False, "max_output": None, **more})
    judge_request("claude", written.body)
    return written


def to_openai(body: dict[str, Any], model: str = MODELS["openai"], **more: Any) -> WrittenRequest:
    body = {"model": "asked", "max_tokens": 100, "messages": HI, **body}
    written = translate_request("claude", "openai", body, model=model, **{"stream": False, "max_output": None, **more})
    judge_request("openai", written.body)
    return written


# Laws over made-up conversations. Both strategies keep to what both dialects say in the same way; what one
# dialect says in its own way has its own test below.

SCHEMAS = st.builds(
    lambda names: {"type": "object", "properties": {name: {"type": "string"} for name in names}},
    st.lists(st.sampled_from(["title", "format", "pattern", "path"]), max_size=3, unique=True),
)
IMAGES = st.sampled_from(["image/png", "image/jpeg"])


@st.composite
def openai_bodies(draw: st.DrawFn) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    if draw(st.booleans()):
        messages.append({"role": draw(st.sampled_from(["system", "developer"])), "content": draw(WORDS)})
    for turn in range(draw(st.integers(1, 3))):
        messages.append({"role": "user", "content": draw(WORDS | media())})
        calls = draw(st.lists(st.tuples(NAMES, INPUTS), max_size=3))
        ids = [f"call_{turn}_{i}" for i in range(len(calls))]
        said: dict[str, Any] = {"role": "assistant", "content": draw(WORDS)}
        if calls:
            said["tool_calls"] = [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": compact(given)}}
                for call_id, (name, given) in zip(ids, calls, strict=True)
            ]
        messages.append(said)
        messages += [{"role": "tool", "tool_call_id": call_id, "content": draw(WORDS)} for call_id in ids]
    messages.append({"role": "user", "content": draw(WORDS)})
    body: dict[str, Any] = {"model": "asked", "messages": messages, "max_completion_tokens": draw(st.integers(1, 9999))}
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    if names:
        body["tools"] = [
            {"type": "function", "function": {"name": name, "description": draw(WORDS), "parameters": draw(SCHEMAS)}}
            for name in names
        ]
        named = {"type": "function", "function": {"name": names[0]}}
        body["tool_choice"] = draw(st.sampled_from(["auto", "required", named]))
        body["parallel_tool_calls"] = draw(st.booleans())
    optional: dict[str, Any] = {
        "temperature": st.floats(0, 1),
        "stop": st.lists(WORDS, min_size=1, max_size=4),
        "user": WORDS,
        "response_format": st.just(
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "strict": True,
                    "schema": {
                        "type": "object",
                        "properties": {"title": {"type": "string"}},
                        "required": ["title"],
                        "additionalProperties": False,
                    },
                },
            }
        ),
    }
    for key, values in optional.items():
        if draw(st.booleans()):
            body[key] = draw(values)
    return body


def media() -> st.SearchStrategy[list[dict[str, Any]]]:
    inline = st.builds(lambda mime, data: f"data:{mime};base64,{data}", IMAGES, DATA)
    image = st.builds(
        lambda url: {"type": "image_url", "image_url": {"url": url}}, inline | st.just("https://e.org/a.png")
    )
    pdf = st.builds(
        lambda data: {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"},
        },
        DATA,
    )
    text = st.builds(lambda text: {"type": "text", "text": text}, WORDS)
    return st.tuples(text, image | pdf).map(list)


def meaning(request: Request) -> Request:
    """Forget what the other dialect has no word for and need not have one."""
    messages: list[Message] = []
    for message in request.messages:
        message = replace(message, role="system") if message.role == "developer" else message
        # Tool results and what follows them are one turn to Claude and several messages to OpenAI.
        if messages and messages[-1].role == message.role == "user":
            messages[-1] = replace(messages[-1], parts=messages[-1].parts + message.parts)
        else:
            messages.append(message)
    wanted = request.format
    if wanted is not None:
        wanted = Format(wanted.schema)
    return replace(request, messages=tuple(messages), format=wanted)


@given(body=openai_bodies())
def test_what_openai_says_is_the_same_after_claude(body: dict[str, Any]) -> None:
    there = to_claude(body)
    assert there.dropped == ()
    back = to_openai(there.body, "gpt-4o")
    assert back.dropped == ()
    asked, again = CODECS["openai"].read_request(body), CODECS["openai"].read_request(back.body)
    assert meaning(again) == meaning(replace(asked, model=again.model))


@given(body=openai_bodies())
def test_what_openai_says_is_the_same_through_the_form(body: dict[str, Any]) -> None:
    spoke = CODECS["openai"]
    request = spoke.read_request(body | {"model": "gpt-4o"})
    written = spoke.write_request(request)
    assert written.dropped == ()
    assert spoke.read_request(written.body) == request


@given(body=openai_bodies())
def test_what_claude_says_is_the_same_through_the_form_and_after_openai(body: dict[str, Any]) -> None:
    claude = to_claude(body, stream=True).body
    spoke = CODECS["claude"]
    request = spoke.read_request(claude)
    written = spoke.write_request(request)
    assert written.dropped == ()
    assert written.body == claude
    there = translate_request("claude", "openai", claude, model="gpt-4o", stream=True, max_output=None)
    back = translate_request("openai", "claude", there.body, model=claude["model"], stream=True, max_output=None)
    assert back.body == claude


def refusal(client: str, body: dict[str, Any]) -> BadRequest | None:
    try:
        translate_request(client, OTHER[client], body, model="m", stream=False, max_output=None)
    except BadRequest as refused:
        return refused
    return None


# Every top-level field that the SDKs know is mapped, reported or refused.

SAID = {"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "system"}
OPENAI_FIELDS: dict[str, Any] = {
    "audio": {"voice": "a", "format": "mp3"},
    "frequency_penalty": 0.5,
    "function_call": "auto",
    "functions": [{"name": "f"}],
    "logit_bias": {"1": 2},
    "logprobs": True,
    "metadata": {"a": "b"},
    "modalities": ["text", "audio"],
    "moderation": {"model": "m"},
    "n": 2,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 0.5,
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h",
    "reasoning_effort": "high",
    "response_format": {"type": "json_object"},
    "safety_identifier": "s",
    "seed": 5,
    "service_tier": "flex",
    "stop": "x",
    "store": True,
    "temperature": 0.5,
    "tool_choice": "required",
    "tools": [TOOL],
    "top_logprobs": 3,
    "top_p": 0.5,
    "user": "u",
    "verbosity": "low",
    "web_search_options": {},
    "never_heard_of": 1,
}
CLAUDE_FIELDS: dict[str, Any] = {
    "cache_control": {"type": "ephemeral"},
    "container": "c",
    "diagnostics": {"previous_message_id": "m"},
    "inference_geo": "us",
    "metadata": {"user_id": "u"},
    "output_config": {"effort": "high"},
    "service_tier": "standard_only",
    "speed": "fast",
    "stop_sequences": ["x"],
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "tool_choice": {"type": "any"},
    "tools": [CLAUDE_TOOL],
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "mcp_servers": [{"name": "m"}],
    "context_management": {"edits": []},
    "thread": {"type": "create"},
    "user_profile_id": "u",
    "workspace_id": "w",
    "output_format": {"type": "json_schema", "schema": {"type": "object"}},
    "never_heard_of": 1,
}


def test_the_samples_name_each_field_that_the_sdks_know() -> None:
    assert set(PARAMS["openai"].__annotations__) - SAID <= set(OPENAI_FIELDS)
    assert set(PARAMS["claude"].__annotations__) - SAID <= set(CLAUDE_FIELDS)


@every(
    ("client", "key", "value"),
    [("openai", *item) for item in OPENAI_FIELDS.items()] + [("claude", *item) for item in CLAUDE_FIELDS.items()],
)
def test_no_field_is_silently_lost(client: str, key: str, value: Any) -> None:
    def body(more: dict[str, Any]) -> WrittenRequest:
        start = {"model": "m", "max_tokens": 4000, "messages": HI}
        upstream = OTHER[client]
        return translate_request(client, upstream, start | more, model=MODELS[upstream], stream=False, max_output=None)

    without = body({})
    if (refused := refusal(client, {"model": "m", "max_tokens": 4000, "messages": HI, key: value})) is not None:
        assert refused.param is not None
        assert refused.param.startswith(key)
        return
    written = body({key: value})
    assert written.body != without.body or any(name.split(".")[0] == key for name in written.dropped), written


@pytest.mark.parametrize(
    "neutral", [{"n": 1}, {"logprobs": False}, {"frequency_penalty": 0}, {"presence_penalty": 0.0}, {"seed": None}]
)
def test_what_asks_for_nothing_is_not_reported(neutral: dict[str, Any]) -> None:
    assert to_claude(neutral).dropped == ()


# System prompts


def test_system_prompts_of_every_kind_lead_to_claude() -> None:
    messages = [
        {"role": "system", "content": "one"},
        {"role": "developer", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "three"}]},
        *HI,
    ]
    written = to_claude({"messages": messages})
    assert [block["text"] for block in written.body["system"]] == ["one", "two", "three"]
    assert written.dropped == ()


def test_system_blocks_are_one_message_to_openai() -> None:
    blocks = [{"type": "text", "text": "one"}, {"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}]
    written = to_openai({"system": blocks})
    assert written.body["messages"][0] == {"role": "system", "content": "one\n\ntwo"}
    assert written.dropped == ()
    assert to_openai({"system": "one"}).body["messages"][0] == {"role": "system", "content": "one"}


def test_a_system_turn_of_claude_stays_where_it_stands() -> None:
    turns = [*HI, {"role": "system", "content": "be quick", "output_config": {"effort": "low"}}]
    written = to_openai({"messages": turns})
    assert [message["role"] for message in written.body["messages"]] == ["user", "system"]
    assert written.dropped == ("messages.output_config",)


@pytest.mark.parametrize(
    ("model", "stays"), [("claude-sonnet-4-5", False), ("claude-opus-4-8", True), ("claude-opus-5-5", True)]
)
def test_a_later_system_prompt_stays_where_the_model_allows_it(model: str, stays: bool) -> None:
    messages = [{"role": "system", "content": "a"}, *HI, {"role": "system", "content": "b"}]
    written = to_claude({"messages": messages}, model)
    if stays:
        assert [turn["role"] for turn in written.body["messages"]] == ["user", "system"]
        assert written.dropped == ()
    else:
        assert [block["text"] for block in written.body["system"]] == ["a", "b"]
        assert written.dropped == ("messages.system_position",)


def test_a_system_prompt_alone_becomes_the_users_turn() -> None:
    written = to_claude({"messages": [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}]})
    assert written.body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "b"}]}]
    assert [block["text"] for block in written.body["system"]] == ["a"]


MARK = {"type": "ephemeral"}


def test_cache_marks_said_by_an_openai_client_reach_claude() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "a", "cache_control": MARK}]},
        {"role": "user", "content": "b", "cache_control": MARK},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "d"},
    ]
    written = to_claude({"messages": messages, "tools": [{**TOOL, "cache_control": MARK}]})
    assert written.dropped == ()
    assert written.body["system"][0]["cache_control"] == MARK
    assert written.body["messages"][0]["content"] == [{"type": "text", "text": "b", "cache_control": MARK}]
    assert written.body["tools"][0]["cache_control"] == MARK


# Tools


@pytest.mark.parametrize(
    ("openai", "claude"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "read"}}, {"type": "tool", "name": "read"}),
    ],
)
def test_every_choice_of_tools(openai: Any, claude: dict[str, Any]) -> None:
    assert to_claude({"tools": [TOOL], "tool_choice": openai}).body["tool_choice"] == claude
    assert to_openai({"tools": [CLAUDE_TOOL], "tool_choice": claude}).body["tool_choice"] == openai
    if claude["type"] != "none":
        alone = to_claude({"tools": [TOOL], "tool_choice": openai, "parallel_tool_calls": False}).body["tool_choice"]
        assert alone == {**claude, "disable_parallel_tool_use": True}
        back = to_openai({"tools": [CLAUDE_TOOL], "tool_choice": alone}).body
        assert (back["tool_choice"], back["parallel_tool_calls"]) == (openai, False)


def test_one_call_at_a_time_without_a_choice() -> None:
    choice = to_claude({"tools": [TOOL], "parallel_tool_calls": False}).body["tool_choice"]
    assert choice == {"type": "auto", "disable_parallel_tool_use": True}


def test_allowed_tools_are_the_only_ones_that_claude_is_offered() -> None:
    other = {"type": "function", "function": {"name": "write"}}
    names = [{"type": "function", "function": {"name": "write"}}]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": names}}
    body = to_claude({"tools": [TOOL, other], "tool_choice": choice}).body
    assert [tool["name"] for tool in body["tools"]] == ["write"]
    assert body["tool_choice"] == {"type": "any"}


@pytest.mark.parametrize("client", ["openai", "claude"])
def test_a_choice_without_tools_is_left_out(client: str) -> None:
    written = to_claude({"tool_choice": "auto"}) if client == "openai" else to_openai({"tool_choice": {"type": "auto"}})
    assert "tool_choice" not in written.body


def test_the_newest_models_cannot_be_made_to_call() -> None:
    written = to_claude({"tools": [TOOL], "tool_choice": "required"}, "claude-opus-5-5")
    assert written.body["tool_choice"] == {"type": "auto"}
    assert written.dropped == ("tool_choice",)


def test_marks_on_tools_are_reported() -> None:
    tool = {**CLAUDE_TOOL, "defer_loading": True, "eager_input_streaming": True, "cache_control": {"type": "ephemeral"}}
    written = to_openai({"tools": [tool]})
    assert written.dropped == ("tools.defer_loading", "tools.eager_input_streaming")
    assert written.body["tools"][0]["function"]["name"] == "read"


@every("name", ["mcp.files/read", "näme", "x" * 65, "a b", "", "🐈" * 70])
def test_names_that_are_forbidden_are_mapped_everywhere_the_same(name: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}
    messages = [*HI, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "x"}]
    tool = {"type": "function", "function": {"name": name}}
    choice = {"type": "function", "function": {"name": name}}
    written = to_claude({"messages": messages, "tools": [tool, TOOL], "tool_choice": choice})
    said = written.body["tools"][0]["name"]
    assert said != name
    assert len(said) <= 64
    assert said.replace("_", "").replace("-", "").isalnum()
    assert said.isascii()
    assert written.body["tool_choice"]["name"] == written.body["messages"][1]["content"][0]["name"] == said
    assert written.names == {said: name}
    assert to_claude({"messages": messages, "tools": [tool]}).names == written.names


def test_names_that_look_alike_stay_apart() -> None:
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in ("a.b", "a/b", "a_b", "y" * 70, "y" * 71)]
    written = to_openai({"tools": tools})
    assert len({tool["function"]["name"] for tool in written.body["tools"]}) == 5
    assert len(written.names) == 4


def test_a_tool_without_parameters_takes_an_empty_object() -> None:
    written = to_claude({"tools": [{"type": "function", "function": {"name": "go"}}]})
    assert written.body["tools"][0]["input_schema"] == {"type": "object", "properties": {}}


def test_a_choice_between_shapes_becomes_one_object() -> None:
    shapes = [
        {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"]},
        {"properties": {"a": {"type": "string"}, "c": {"type": "string"}}, "required": ["a"]},
    ]
    tool = {"type": "function", "function": {"name": "go", "parameters": {"anyOf": shapes}}}
    written = to_claude({"tools": [tool]})
    schema = written.body["tools"][0]["input_schema"]
    assert (sorted(schema["properties"]), schema["required"]) == (["a", "b", "c"], ["a"])
    assert written.dropped == ("tools.parameters.anyOf",)


# Results of tools


def assistant(*ids: str) -> dict[str, Any]:
    calls = [{"id": i, "type": "function", "function": {"name": "read", "arguments": "{}"}} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(call_id: str, text: str = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def test_results_follow_their_calls_in_their_order() -> None:
    written = to_claude({"messages": [*HI, assistant("a", "b"), result("b", "B"), result("a", "A")]})
    said = written.body["messages"][2]
    assert [(block["tool_use_id"], block["content"]) for block in said["content"]] == [("a", "A"), ("b", "B")]
    assert written.dropped == ()


def test_text_that_came_between_a_call_and_its_result_stands_before_the_call() -> None:
    between = {"role": "assistant", "content": "reading"}
    written = to_claude({"messages": [*HI, assistant("a"), between, result("a")]})
    assert [block["type"] for block in written.body["messages"][1]["content"]] == ["text", "tool_use"]
    assert [turn["role"] for turn in written.body["messages"]] == ["user", "assistant", "user"]


def test_what_the_user_says_between_comes_after_the_result() -> None:
    said = {"role": "user", "content": "quick"}
    written = to_claude({"messages": [*HI, assistant("a"), said, result("a")]})
    assert [block["type"] for block in written.body["messages"][2]["content"]] == ["tool_result", "text"]


@pytest.mark.parametrize("end", [[], HI, [{"role": "assistant", "content": "well"}, *HI]])
def test_a_call_without_a_result_gets_an_empty_one(end: list[dict[str, Any]]) -> None:
    written = to_claude({"messages": [*HI, assistant("a", "b"), result("a"), *end]})
    results = [b for turn in written.body["messages"] for b in turn["content"] if b["type"] == "tool_result"]
    assert [(block["tool_use_id"], block.get("content")) for block in results] == [("a", "done"), ("b", None)]
    assert "messages.tool_call_without_result" in written.dropped


def test_a_result_without_a_call_is_said_by_the_user() -> None:
    written = to_claude({"messages": [*HI, result("zzz", "lost and found")]})
    assert written.body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "lost and found"}]}
    ]
    assert written.dropped == ("messages.tool_result_without_call",)


def test_calls_of_one_id_get_their_results_in_order() -> None:
    written = to_claude({"messages": [*HI, assistant("x", "x"), result("x", "A"), result("x", "B")]})
    said = written.body["messages"][2]["content"]
    assert [block["content"] for block in said] == ["A", "B"]
    assert [block["id"] for block in written.body["messages"][1]["content"]] == [block["tool_use_id"] for block in said]
    assert written.dropped == ()


@pytest.mark.parametrize("between", ["system", "assistant"])
def test_nothing_stands_between_calls_and_their_results(between: str) -> None:
    calls = [{"type": "tool_use", "id": "a", "name": "read", "input": {}}]
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "A"}]}
    turns = [*HI, {"role": "assistant", "content": calls}, {"role": between, "content": "meanwhile"}, answer]
    said = to_openai({"messages": turns}).body["messages"]
    order = ["user", "assistant", "tool", "system"] if between == "system" else ["user", "assistant", "tool"]
    assert [message["role"] for message in said] == order


def test_ids_that_a_client_counts_anew_each_turn_are_made_unique() -> None:
    written = to_claude({"messages": [*HI, assistant("0"), result("0", "A"), assistant("0"), result("0", "B")]})
    turns = written.body["messages"]
    ids = [turns[1]["content"][0]["id"], turns[3]["content"][0]["id"]]
    assert len(set(ids)) == 2
    assert [(b["tool_use_id"], b["content"]) for turn in (turns[2], turns[4]) for b in turn["content"]] == [
        (ids[0], "A"),
        (ids[1], "B"),
    ]


@pytest.mark.parametrize(("client", "upstream", "limit"), [("openai", "claude", 64), ("claude", "openai", 40)])
def test_ids_are_fitted_to_the_target_the_same_way_each_turn(client: str, upstream: str, limit: int) -> None:
    long, odd = "call_" + "x" * 80, "call:1|fc_2"
    messages = (
        Message("user", (Text("hi"),)),
        Message("assistant", (ToolCall(long, "read", "{}"), ToolCall(odd, "read", "{}"))),
        Message("user", (ToolResult(odd, (Text("x"),)), ToolResult(long, (Text("y"),)))),
    )
    body = CODECS[client].write_request(Request("m", messages)).body
    once, again = (CODECS[upstream].write_request(Request("m", messages)).body for _ in range(2))
    assert once == again
    found = [part.id for part in parts(CODECS[upstream].read_request(once)) if isinstance(part, ToolCall)]
    assert len(set(found)) == 2
    assert all(len(call_id) <= limit and call_id.replace("_", "").isalnum() for call_id in found)
    assert CODECS[client].read_request(body).model == "m"


def parts(request: Request) -> list[Any]:
    return [part for message in request.messages for part in message.parts]


PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}


def test_pictures_in_results_move_behind_all_the_results() -> None:
    uses = [{"type": "tool_use", "id": i, "name": "read", "input": {}} for i in ("a", "b")]
    results = [
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "see"}, PIXEL]},
        {"type": "tool_result", "tool_use_id": "b", "content": "plain", "is_error": True},
        {"type": "text", "text": "and now?"},
    ]
    turns = [*HI, {"role": "assistant", "content": uses}, {"role": "user", "content": results}]
    written = to_openai({"messages": turns})
    assert [message["role"] for message in written.body["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    assert [message["content"] for message in written.body["messages"][2:4]] == ["see", "plain"]
    assert [part["type"] for part in written.body["messages"][4]["content"]] == ["image_url", "text"]
    assert written.dropped == ("messages.is_error",)


def test_a_tool_that_a_search_found_is_named() -> None:
    use = {"type": "tool_use", "id": "a", "name": "search", "input": {}}
    found = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_reference", "tool_name": "Fetch"}]}
    turns = [*HI, {"role": "assistant", "content": [use]}, {"role": "user", "content": [found]}]
    written = to_openai({"messages": turns, "tools": [CLAUDE_TOOL]})
    assert written.body["messages"][2]["content"] == "Fetch"
    assert written.dropped == ()


@pytest.mark.parametrize(("arguments", "given"), [("", {}), (" ", {}), ('{"a":1}', {"a": 1})])
def test_arguments_become_an_object(arguments: str, given: dict[str, Any]) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "read", "arguments": arguments}}
    written = to_claude({"messages": [*HI, {"role": "assistant", "tool_calls": [call]}, result("a")]})
    assert written.body["messages"][1]["content"][0]["input"] == given
    assert written.dropped == ()


@pytest.mark.parametrize("arguments", ['{"half', "[1]", "5", '"x"'])
def test_arguments_that_are_no_object_are_kept_as_text_and_reported(arguments: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "read", "arguments": arguments}}
    written = to_claude({"messages": [*HI, {"role": "assistant", "tool_calls": [call]}, result("a")]})
    assert written.body["messages"][1]["content"][0]["input"] == {"arguments": arguments}
    assert written.dropped == ("messages.tool_calls.arguments",)


# Pictures and documents


def shown(*content: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}]}


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("data:image/png;base64,AAAA", {"type": "base64", "media_type": "image/png", "data": "AAAA"}),
        ("data:image/jpg;base64,AAAA", {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}),
        ("https://e.org/a.png", {"type": "url", "url": "https://e.org/a.png"}),
    ],
)
def test_pictures(url: str, source: dict[str, Any]) -> None:
    block = {"type": "image", "source": source}
    assert to_claude(shown(image(url))).body["messages"][0]["content"] == [block]
    back = to_openai(shown(block)).body["messages"][0]["content"][0]["image_url"]["url"]
    assert back == url.replace("image/jpg", "image/jpeg")


def test_the_detail_of_a_picture_is_reported() -> None:
    assert to_claude(shown(image("https://e.org/a.png", detail="high"))).dropped == ("detail",)
    assert to_claude(shown(image("https://e.org/a.png", detail="auto"))).dropped == ()


PDF = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}


def test_documents() -> None:
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}}
    block = {"type": "document", "source": PDF, "title": "a.pdf"}
    assert to_claude(shown(file)).body["messages"][0]["content"] == [block]
    assert to_openai(shown(block)).body["messages"][0]["content"] == [file]
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Größe"}}
    assert to_openai(shown(plain)).body["messages"][0]["content"] == "Größe"
    text = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,R3LDtsOfZQ=="}}
    source = to_claude(shown(text)).body["messages"][0]["content"][0]["source"]
    assert source == {"type": "text", "media_type": "text/plain", "data": "Größe"}


@every(
    ("client", "content", "path"),
    [
        ("openai", image("data:image/tiff;base64,AAAA"), "messages[0].content[0]"),
        ("openai", image("data:nonsense"), "messages[0].content[0].image_url.url"),
        ("openai", {"type": "file", "file": {"file_id": "f"}}, "messages[0].content[0].file"),
        ("openai", {"type": "input_audio", "input_audio": {"data": "A", "format": "wav"}}, "messages[0].content[0]"),
        ("openai", {"type": "video"}, "messages[0].content[0].type"),
        ("openai", {"type": "text"}, "messages[0].content[0].text"),
        ("openai", {"type": "text", "text": 5}, "messages[0].content[0].text"),
        ("openai", "text", "messages[0].content[0]"),
        ("claude", {"type": "image", "source": {"type": "file", "file_id": "f"}}, "messages[0].content[0].source"),
        ("claude", {"type": "document", "source": {"type": "url", "url": "https://e.org"}}, "messages[0].content[0]"),
        ("claude", {"type": "container_upload", "file_id": "f"}, "messages[0].content[0]"),
        ("claude", {"type": "text", "text": None}, "messages[0].content[0].text"),
        ("claude", {"text": "x"}, "messages[0].content[0].type"),
        ("claude", {"type": "tool_use", "id": "a", "name": "n"}, "messages[0].content[0].input"),
    ],
)
def test_content_that_must_not_be_lost_is_refused_by_its_path(client: str, content: Any, path: str) -> None:
    body = {"model": "m", "max_tokens": 5, **shown(content)}
    with pytest.raises(BadRequest) as refused:
        translate_request(client, OTHER[client], body, model="m", stream=False, max_output=None)
    assert refused.value.param == path
    assert path in refused.value.message


@every(
    ("client", "body", "path"),
    [
        ("openai", {"messages": []}, "messages"),
        ("openai", {"messages": "x"}, "messages"),
        ("openai", {"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        (
            "openai",
            {"messages": [*HI, {"role": "assistant", "tool_calls": [{"id": "a"}]}]},
            "messages[1].tool_calls[0].function",
        ),
        ("openai", {"messages": [{"role": "user", "content": " "}]}, "messages"),
        ("openai", {"temperature": "hot"}, "temperature"),
        ("openai", {"max_tokens": True}, "max_tokens"),
        ("openai", {"stop": ["a", 1]}, "stop[1]"),
        ("openai", {"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ("openai", {"tool_choice": "sometimes"}, "tool_choice"),
        ("openai", {"response_format": {"type": "xml"}}, "response_format.type"),
        ("openai", {"functions": [{"name": "f"}]}, "functions"),
        ("openai", {"web_search_options": {}}, "web_search_options"),
        ("claude", {"messages": [{"role": "user"}]}, "messages[0].content"),
        ("claude", {"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ("claude", {"system": 5}, "system"),
        ("claude", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ("claude", {"tools": [{"name": "x"}]}, "tools[0].input_schema"),
        ("claude", {"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ("claude", {"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ("claude", {"mcp_servers": [{"name": "m"}]}, "mcp_servers"),
        ("claude", {"container": "c"}, "container"),
    ],
)
def test_bodies_that_are_not_as_promised_are_refused_by_the_path(client: str, body: dict[str, Any], path: str) -> None:
    body = {"model": "m", "max_tokens": 5, "messages": HI, **body}
    with pytest.raises(BadRequest) as refused:
        translate_request(client, OTHER[client], body, model="m", stream=False, max_output=None)
    assert refused.value.param == path


# How much, how long, how random


@pytest.mark.parametrize(
    ("asked", "max_output", "said", "dropped"),
    [
        ({}, None, 8192, ()),
        ({}, 4096, 4096, ()),
        ({"max_tokens": 7}, None, 7, ()),
        ({"max_tokens": 7, "max_completion_tokens": 9}, None, 9, ()),
        ({"max_tokens": 9000}, 4096, 4096, ("max_tokens",)),
    ],
)
def test_claude_always_has_a_limit(
    asked: dict[str, Any], max_output: int | None, said: int, dropped: tuple[str, ...]
) -> None:
    written = to_claude(asked, max_output=max_output)
    assert (written.body["max_tokens"], written.dropped) == (said, dropped)


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("gpt-5.1", "max_completion_tokens"),
        ("o3-mini", "max_completion_tokens"),
        ("gpt-4o", "max_tokens"),
        ("deepseek-chat", "max_tokens"),
        ("openai/gpt-5", "max_completion_tokens"),
    ],
)
def test_openai_has_the_limit_by_the_name_its_model_knows(model: str, field: str) -> None:
    written = to_openai({"max_tokens": 64000}, model, max_output=1000)
    assert written.body[field] == 1000
    assert written.dropped == ("max_tokens",)


@every(
    ("model", "limit", "effort", "thinking", "config"),
    [
        ("claude-sonnet-4-5", 20_000, "minimal", {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-sonnet-4-5", 64_000, "high", {"type": "enabled", "budget_tokens": 16_384}, None),
        ("claude-sonnet-4-5", 8000, "high", {"type": "enabled", "budget_tokens": 6000}, None),
        ("claude-sonnet-4-5", 1000, "high", None, None),
        ("claude-sonnet-4-5", 8000, "none", None, None),
        ("claude-3-5-haiku-20241022", 8000, "high", None, None),
        ("claude-opus-4-6", 8000, "high", {"type": "adaptive"}, {"effort": "high"}),
        ("claude-opus-5", 8000, "minimal", {"type": "adaptive"}, {"effort": "low"}),
        ("claude-opus-5", 8000, "none", {"type": "disabled"}, None),
        ("claude-opus-5-5", 8000, "none", None, {"effort": "low"}),
        ("glm-4.6", 20_000, "low", {"type": "enabled", "budget_tokens": 2048}, None),
    ],
)
def test_effort_is_said_as_the_model_knows_it(
    model: str, limit: int, effort: str, thinking: dict[str, Any] | None, config: dict[str, Any] | None
) -> None:
    written = to_claude({"reasoning_effort": effort, "max_completion_tokens": limit}, model)
    assert written.body.get("thinking") == thinking
    assert written.body.get("output_config") == config
    lost = thinking is None and not (effort == "none" and model == "claude-sonnet-4-5")
    assert written.dropped == (("reasoning_effort",) if lost else ())
    if thinking and "budget_tokens" in thinking:
        assert 1024 <= thinking["budget_tokens"] < written.body["max_tokens"]


def test_thinking_takes_no_other_sampling_beside_it() -> None:
    asked = {"reasoning_effort": "low", "max_tokens": 9000, "temperature": 0.2, "top_p": 0.5, "top_k": 3}
    written = to_claude(asked)
    assert not {"temperature", "top_p", "top_k"} & set(written.body)
    assert written.dropped == ("temperature", "top_p", "top_k")
    assert to_claude({"reasoning_effort": "low", "max_tokens": 9000, "temperature": 1}).dropped == ()


def test_a_forced_call_leaves_no_room_for_thinking() -> None:
    asked = {"reasoning_effort": "low", "max_tokens": 9000, "tools": [TOOL], "tool_choice": "required"}
    written = to_claude(asked)
    assert "thinking" not in written.body
    assert written.dropped == ("reasoning_effort",)


def test_calls_that_came_without_signed_thinking_are_answered_without_it() -> None:
    asked: dict[str, Any] = {
        "reasoning_effort": "low",
        "max_tokens": 9000,
        "messages": [*HI, assistant("a"), result("a")],
    }
    assert "thinking" not in to_claude(asked).body
    signed = {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1"}
    asked["messages"][1]["reasoning_details"] = [signed]
    written = to_claude(asked)
    assert written.body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert written.body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "s"}


@pytest.mark.parametrize(
    "beside",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "google-gemini-v1"}
            ]
        },
    ],
)
def test_only_what_anthropic_signed_goes_back_to_it(beside: dict[str, Any]) -> None:
    written = to_claude({"messages": [*HI, {"role": "assistant", "content": "x", **beside}, *HI]})
    assert [block["type"] for block in written.body["messages"][1]["content"]] == ["text"]
    assert written.dropped == ("messages.reasoning",)


def test_thinking_goes_to_openai_only_where_it_came_from() -> None:
    def said(thought: dict[str, Any]) -> WrittenRequest:
        turn = {"role": "assistant", "content": [thought, {"type": "text", "text": "so"}]}
        return to_openai({"messages": [*HI, turn, *HI]})

    signed = said({"type": "thinking", "thinking": "hm", "signature": "s"})
    assert signed.dropped == ("messages.thinking",)
    assert signed.body["messages"][1] == {"role": "assistant", "content": "so"}
    unsigned = said({"type": "thinking", "thinking": "hm", "signature": ""})
    assert unsigned.dropped == ()
    assert unsigned.body["messages"][1]["reasoning_content"] == "hm"


@every(
    ("asked", "model", "effort", "dropped"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "gpt-5.1", "low", ()),
        ({"thinking": {"type": "enabled", "budget_tokens": 8000}}, "gpt-5.1", "medium", ()),
        ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, "gpt-5.1", "high", ()),
        ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, "gpt-4o", None, ("thinking",)),
        ({"thinking": {"type": "adaptive"}}, "gpt-5.1", None, ()),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}, "gpt-5.1", "medium", ()),
        ({"output_config": {"effort": "max"}}, "gpt-5.1", "high", ()),
        ({"output_config": {"effort": "max"}}, "gpt-5.2", "xhigh", ()),
        ({"thinking": {"type": "disabled"}}, "gpt-5.1", "none", ()),
        ({"thinking": {"type": "disabled"}}, "gpt-5", "minimal", ()),
        ({"thinking": {"type": "disabled"}}, "gpt-4o", None, ()),
        ({"thinking": {"type": "disabled"}}, "o3", None, ("thinking",)),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, "gpt-5.1", None, ("thinking.display",)),
    ],
)
def test_thinking_is_an_effort_to_openai(
    asked: dict[str, Any], model: str, effort: str | None, dropped: tuple[str, ...]
) -> None:
    written = to_openai(asked, model)
    assert (written.body.get("reasoning_effort"), written.dropped) == (effort, dropped)


def test_sampling_is_fitted_to_claude() -> None:
    hot = to_claude({"temperature": 1.7})
    assert (hot.body["temperature"], hot.dropped) == (1, ("temperature",))
    both = to_claude({"temperature": 0.3, "top_p": 0.9})
    assert ("top_p" in both.body, both.dropped) == (False, ("top_p",))
    newest = to_claude({"temperature": 0.3, "top_p": 0.9}, "claude-opus-4-7")
    assert newest.dropped == ("temperature", "top_p")
    assert to_claude({"temperature": 0.3, "top_p": 0.9}, "glm-4.6").dropped == ()


@every(
    ("model", "thinking", "kept"),
    [
        ("gpt-5", {}, False),
        ("gpt-5.1", {}, False),
        ("gpt-5.1", {"thinking": {"type": "disabled"}}, True),
        ("o3", {}, False),
        ("gpt-5-chat-latest", {}, True),
        ("gpt-4o", {}, True),
        ("openai/gpt-oss-120b", {}, True),
        ("deepseek-chat", {}, True),
    ],
)
def test_sampling_is_fitted_to_openai(model: str, thinking: dict[str, Any], kept: bool) -> None:
    asked = {"temperature": 0.2, "top_p": 0.5, "stop_sequences": ["x"], **thinking}
    written = to_openai(asked, model)
    assert {"temperature", "top_p", "stop"} & set(written.body) == ({"temperature", "top_p", "stop"} if kept else set())
    assert written.dropped == (() if kept else ("temperature", "top_p", "stop_sequences"))
    assert to_openai({"temperature": 1}, model).dropped == ()


def test_some_models_cannot_be_told_to_call_one_tool_at_a_time() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    written = to_openai({"tools": [CLAUDE_TOOL], "tool_choice": choice}, "o3")
    assert "parallel_tool_calls" not in written.body
    assert written.dropped == ("tool_choice.disable_parallel_tool_use",)


def test_what_stands_for_the_past_is_kept() -> None:
    turn = {"role": "assistant", "content": [{"type": "compaction", "content": "we did much"}]}
    assert to_openai({"messages": [turn, *HI]}).body["messages"][0] == {"role": "assistant", "content": "we did much"}


def test_stop_sequences() -> None:
    assert to_claude({"stop": "END"}).body["stop_sequences"] == ["END"]
    blank = to_claude({"stop": ["END", "\n"]})
    assert (blank.body["stop_sequences"], blank.dropped) == (["END"], ("stop",))
    many = to_openai({"stop_sequences": list("abcde")}, "gpt-4o")
    assert (many.body["stop"], many.dropped) == (list("abcd"), ("stop_sequences",))


def test_who_is_asking() -> None:
    assert to_claude({"user": "u"}).body["metadata"] == {"user_id": "u"}
    assert to_openai({"metadata": {"user_id": "u"}}).body["user"] == "u"
    long = to_openai({"metadata": {"user_id": "u" * 65}})
    assert ("user" in long.body, long.dropped) == (False, ("metadata.user_id",))


# Structured output

OPEN = {"type": "object", "properties": {"title": {"type": "string", "minLength": 3}, "n": {"type": "integer"}}}


def test_a_schema_for_the_answer_is_closed_for_claude() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "t", "schema": OPEN}}
    written = to_claude({"response_format": wanted})
    schema = written.body["output_config"]["format"]["schema"]
    assert schema == {
        "type": "object",
        "properties": {"title": {"type": "string"}, "n": {"type": "integer"}},
        "additionalProperties": False,
    }
    assert written.dropped == ("response_format.schema.minLength",)
    assert OPEN["properties"]["title"] == {"type": "string", "minLength": 3}  # type: ignore[index]


@pytest.mark.parametrize("place", ["output_config", "output_format"])
def test_a_schema_of_claude_is_strict_only_where_openai_takes_it(place: str) -> None:
    def said(schema: dict[str, Any]) -> WrittenRequest:
        wanted = {"type": "json_schema", "schema": schema}
        return to_openai({place: {"format": wanted} if place == "output_config" else wanted})

    closed = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    spec = said(closed).body["response_format"]["json_schema"]
    assert (spec["schema"], spec["strict"]) == (closed, True)
    written = said({**closed, "required": []})
    assert "strict" not in written.body["response_format"]["json_schema"]
    assert written.dropped == ("output_config.format.strict",)


def test_properties_with_the_names_of_keywords_are_kept() -> None:
    schema = {"type": "object", "properties": {"minLength": {"type": "string"}, "maxItems": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "t", "schema": schema}}
    written = to_claude({"response_format": wanted})
    assert set(written.body["output_config"]["format"]["schema"]["properties"]) == {"minLength", "maxItems"}
    assert written.dropped == ()


def test_streams_ask_openai_for_usage() -> None:
    assert to_openai({}, stream=True).body["stream_options"] == {"include_usage": True}
    assert "stream_options" not in to_openai({}).body
    assert to_claude({"stream_options": {"include_usage": True}}, stream=True).body["stream"] is True


def test_what_no_one_has_to_say_is_not_said() -> None:
    """Anthropic refuses empty texts and empty turns."""
    messages = [*HI, {"role": "assistant", "content": ""}, {"role": "user", "content": ""}, *HI]
    assert to_claude({"messages": messages}).body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "hi"}]}
    ]
    prefill = [*HI, {"role": "assistant", "content": "Answer: "}]
    assert to_claude({"messages": prefill}).body["messages"][1]["content"][0]["text"] == "Answer:"


@pytest.mark.parametrize("upstream", ["openai", "responses", "gemini"])
def test_a_tool_that_only_its_provider_runs_is_refused_by_its_name(upstream: str) -> None:
    body = {"model": "m", "messages": HI, "max_tokens": 99, "tools": [{"type": "code_execution_20250825", "name": "c"}]}
    with pytest.raises(BadRequest, match=r"tools\[0\]\.type is 'code_execution_20250825' of Anthropic Messages"):
        translate_request("claude", upstream, body, model="m", stream=False, max_output=None)


def test_no_more_answers_are_asked_for_than_are_read() -> None:
    config = {"candidateCount": 3}
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": config}
    written = translate_request("gemini", "openai", body, model="m", stream=False, max_output=None)
    assert ("n" in written.body, written.dropped) == (False, ("generationConfig.candidateCount",))
    config["candidateCount"] = 1
    assert translate_request("gemini", "openai", body, model="m", stream=False, max_output=None).dropped == ()
