"""Requests of Gemini's API, read and written: each thing that can be said, what is reported, and what is refused."""

import json
from typing import Any

import pytest
from cases import every
from gemini_kit import KEYWORDS, judge, judge_schema
from hypothesis import given
from hypothesis import strategies as st
from translate_kit import DATA, INPUTS, MODELS, WORDS, judge_request

from omniroute.dialects.gemini.read_request import read_request, read_schema
from omniroute.dialects.gemini.write_request import write_request
from omniroute.dialects.ir import Media, Message, Reasoning, Reply, Request, Text, ToolCall, ToolResult
from omniroute.dialects.json_schema import fit_schema
from omniroute.dialects.losses import Losses
from omniroute.dialects.translate import CODECS, WrittenRequest, translate_request
from omniroute.errors import BadRequest

HI = [{"role": "user", "parts": [{"text": "hi"}]}]
SIGNATURE = "c2lnbmF0dXJl"
MODEL = "gemini-2.5-flash"
OTHERS = ["claude", "openai"]


def out(upstream: str, body: dict[str, Any], **more: Any) -> WrittenRequest:
    asked = {"model": MODELS[upstream], "stream": False, "max_output": None} | more
    written = translate_request("gemini", upstream, {"contents": HI} | body, **asked)
    judge_request(upstream, written.body)
    return written


def into(client: str, body: dict[str, Any], model: str = MODEL, **more: Any) -> WrittenRequest:
    start = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 100}
    written = translate_request(client, "gemini", start | body, model=model, stream=True, max_output=None, **more)
    judge(written.body)
    return written


# Laws

NAMES = st.from_regex(r"[a-z_][a-zA-Z0-9_-]{0,20}", fullmatch=True)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    contents: list[dict[str, Any]] = []
    picture = st.fixed_dictionaries(
        {"inlineData": st.fixed_dictionaries({"mimeType": st.just("image/png"), "data": DATA})}
    )
    for turn in range(draw(st.integers(1, 3))):
        contents.append({"role": "user", "parts": [{"text": draw(WORDS)}, *draw(st.lists(picture, max_size=1))]})
        calls = [
            {"id": f"call_{turn}_{i}", "name": name, "args": given}
            for i, (name, given) in enumerate(draw(st.lists(st.tuples(NAMES, INPUTS), max_size=3)))
        ]
        said = [{"text": draw(WORDS)}, *({"functionCall": call} for call in calls)]
        contents.append({"role": "model", "parts": said})
        if calls:
            kind = draw(st.sampled_from(["output", "error"]))
            results = [{"id": call["id"], "name": call["name"], "response": {kind: draw(WORDS)}} for call in calls]
            contents.append({"role": "user", "parts": [{"functionResponse": result} for result in results]})
    contents.append({"role": "user", "parts": [{"text": draw(WORDS)}]})
    body: dict[str, Any] = {"contents": contents}
    if draw(st.booleans()):
        body["systemInstruction"] = {
            "parts": [{"text": text} for text in draw(st.lists(WORDS, min_size=1, max_size=3))]
        }
    if names := draw(st.lists(NAMES, max_size=3, unique=True)):
        schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
        declared = [{"name": name, "description": draw(WORDS), "parametersJsonSchema": schema} for name in names]
        body["tools"] = [{"functionDeclarations": declared}]
        choices = [
            {"mode": "AUTO"},
            {"mode": "ANY"},
            {"mode": "NONE"},
            {"mode": "ANY", "allowedFunctionNames": names[:1]},
        ]
        body["toolConfig"] = {"functionCallingConfig": draw(st.sampled_from(choices))}
    config = draw(
        st.fixed_dictionaries(
            {"maxOutputTokens": st.integers(1, 9999)},
            optional={
                "temperature": st.floats(0, 1),
                "topP": st.floats(0, 1),
                "topK": st.integers(1, 64),
                "seed": st.integers(0, 99),
                "stopSequences": st.lists(WORDS, min_size=1, max_size=4),
            },
        )
    )
    return body | {"generationConfig": config}


@given(body=bodies())
def test_what_gemini_says_is_the_same_through_the_form(body: dict[str, Any]) -> None:
    written = write_request(read_request(body))
    assert (written.dropped, written.names) == ((), {})
    assert written.body == body
    judge(body)


@pytest.mark.parametrize("upstream", OTHERS)
@given(body=bodies())
def test_what_gemini_says_is_the_same_after_the_others(upstream: str, body: dict[str, Any]) -> None:
    model = {"openai": "gpt-4o", "claude": "claude-3-5-sonnet"}[upstream]
    there = out(upstream, body, model=model)
    back = translate_request(upstream, "gemini", there.body, model=MODEL, stream=False, max_output=None).body
    assert said(back) == said(body)
    assert back.get("tools") == body.get("tools")
    kept = {key for key in body["generationConfig"] if not reported(there, f"generationConfig.{key}")}
    assert {key: back["generationConfig"][key] for key in kept} == {key: body["generationConfig"][key] for key in kept}
    assert back.get("toolConfig") == body.get("toolConfig")


def reported(written: WrittenRequest, name: str) -> bool:
    return any(lost == name or lost.startswith(f"{name}.") for lost in written.dropped)


def said(body: dict[str, Any]) -> list[Any]:
    """Give all that is said, in order, but not how it is cut into turns; an error may become plain output."""
    found: list[Any] = [[part["text"] for part in body.get("systemInstruction", {"parts": []})["parts"]]]
    found[0] = "\n\n".join(found[0])
    for turn in body["contents"]:
        for part in turn["parts"]:
            result = part.get("functionResponse")
            found.append((result["id"], result["name"], *result["response"].values()) if result else part)
    return found


@given(body=bodies())
def test_both_spellings_are_the_same(body: dict[str, Any]) -> None:
    assert read_request(snake(body)) == read_request(body)


def snake(value: Any) -> Any:
    """Spell the fields the other way; what a client names itself stays."""
    if isinstance(value, list):
        return [snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    own = ("args", "response", "parametersJsonSchema")
    spelled = {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): key for key in value}
    return {name: value[key] if key in own else snake(value[key]) for name, key in spelled.items()}


def refusal(upstream: str, body: dict[str, Any]) -> BadRequest | None:
    try:
        translate_request("gemini", upstream, body, model="m", stream=False, max_output=None)
    except BadRequest as error:
        return error
    return None


CONFIG = {
    "candidateCount": 2,
    "frequencyPenalty": 0.5,
    "presencePenalty": 0.5,
    "logprobs": 3,
    "responseLogprobs": True,
    "maxOutputTokens": 7,
    "mediaResolution": "MEDIA_RESOLUTION_LOW",
    "audioTimestamp": True,
    "speechConfig": {"languageCode": "de"},
    "responseMimeType": "application/json",
    "seed": 4,
    "stopSequences": ["x"],
    "temperature": 0.5,
    "thinkingConfig": {"thinkingBudget": 2000},
    "topK": 5,
    "topP": 0.5,
    "never_heard_of": 1,
}


@every("upstream", OTHERS)
@every(("key", "value"), CONFIG.items())
def test_no_setting_of_gemini_is_silently_lost(upstream: str, key: str, value: Any) -> None:
    written = out(upstream, {"generationConfig": {key: value}})
    assert written.body != out(upstream, {}).body or any("generationConfig" in name for name in written.dropped)


@pytest.mark.parametrize("upstream", OTHERS)
def test_what_only_google_knows_is_reported_or_refused(upstream: str) -> None:
    assert out(upstream, {"safetySettings": [{"category": "c"}], "labels": {"a": "b"}}).dropped == (
        "safetySettings",
        "labels",
    )
    modalities = {"responseModalities": ["IMAGE"]}
    for body, path in [
        ({"cachedContent": "cachedContents/x"}, "cachedContent"),
        ({"tools": [{"googleSearch": {}}]}, "tools[0].googleSearch"),
        ({"tools": [{"url_context": {}}]}, "tools[0].urlContext"),
        ({"generationConfig": modalities}, "generationConfig.responseModalities"),
        (
            {"contents": [{"parts": [{"fileData": {"fileUri": "gs://b/x.png", "mimeType": "image/png"}}]}]},
            "contents[0].parts[0].fileData",
        ),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}]}]},
            "contents[0].parts[0].inlineData",
        ),
    ]:
        with pytest.raises(BadRequest) as refused:
            out(upstream, body)
        assert refused.value.param == path


# Calls and results


def call(name: str, call_id: str | None = None, **args: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": args} | ({"id": call_id} if call_id else {})}


def result(name: str, output: str, call_id: str | None = None) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"output": output}} | ({"id": call_id} if call_id else {})}


def turns(*parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": ("user", "model")[i % 2], "parts": said} for i, said in enumerate(parts)]


def test_results_without_ids_find_their_calls_by_name_and_order() -> None:
    body = {
        "contents": turns(
            [{"text": "go"}],
            [call("read", path="a"), call("list"), call("read", path="b")],
            [result("list", "L"), result("read", "A"), result("read", "B")],
        )
    }
    messages = out("openai", body).body["messages"]
    ids = [item["id"] for item in messages[1]["tool_calls"]]
    assert len(set(ids)) == 3
    assert [(item["tool_call_id"], item["content"]) for item in messages[2:]] == list(zip(ids, "ALB", strict=True))
    longer = {"contents": body["contents"] + turns([{"text": "x"}])}
    assert out("openai", longer).body["messages"][: len(messages)] == messages


def test_results_with_ids_go_to_their_calls_in_whatever_order() -> None:
    contents = turns([{"text": "go"}], [call("r", "a"), call("r", "b")], [result("r", "B", "b"), result("r", "A", "a")])
    messages = out("openai", {"contents": contents}).body["messages"]
    assert [(item["tool_call_id"], item["content"]) for item in messages[2:]] == [("a", "A"), ("b", "B")]


@every(
    ("response", "text", "error"),
    [
        ({"output": "x"}, "x", False),
        ({"result": "x"}, "x", False),
        ({"result": {"a": 1}}, '{"a":1}', False),
        ({"name": "n", "content": "x"}, "x", False),
        ({"error": "x"}, "x", True),
        ({"temperature": 5, "unit": "C"}, '{"temperature":5,"unit":"C"}', False),
        ({}, "", False),
    ],
)
def test_what_a_tool_said(response: dict[str, Any], text: str, error: bool) -> None:
    part = {"functionResponse": {"name": "n", "id": "c", "response": response}}
    request = read_request({"contents": turns([{"text": "go"}], [call("n", "c")], [part])})
    assert request.messages[2].parts == (ToolResult("c", (Text(text),) if text else (), error),)


def test_a_picture_of_a_tool_stands_beside_its_result() -> None:
    shown = (Text("see"), Media("image", "image/png", "AAAA"))
    messages = (
        Message("user", (Text("go"),)),
        Message("assistant", (ToolCall("c", "look", "{}"),)),
        Message("user", (ToolResult("c", shown),)),
    )
    body = write_request(Request(MODEL, messages)).body
    judge(body)
    assert [list(part) for part in body["contents"][2]["parts"]] == [["functionResponse"], ["inlineData"]]
    inner = {
        "name": "look",
        "id": "c",
        "response": {"output": "x"},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
    }
    claude = out(
        "claude", {"contents": turns([{"text": "go"}], [call("look", "c")], [{"functionResponse": inner}])}
    ).body
    assert [block["type"] for block in claude["messages"][2]["content"][0]["content"]] == ["text", "image"]


def test_pieces_of_a_streamed_answer_are_one_text() -> None:
    body = {"contents": turns([{"text": "a"}, {"text": "b"}], [{"text": "I'll "}, {"text": "read"}], [{"text": "c"}])}
    messages = out("openai", body).body["messages"]
    assert [item["content"] for item in messages] == ["a\n\nb", "I'll read", "c"]


# Thought signatures


def test_pieces_of_a_streamed_answer_are_one_turn_though_each_stands_in_its_own_content() -> None:
    def call(city: str) -> dict[str, Any]:
        return {"functionCall": {"name": "weather", "args": {"city": city}}}

    said: list[dict[str, Any]] = [{"text": "I"}, {"text": " will look."}, call("Oslo"), call("Rome")]
    results = [{"functionResponse": {"name": "weather", "response": {"result": city}}} for city in ("Oslo", "Rome")]
    together = read_request({"contents": [{"role": "model", "parts": said}, {"role": "user", "parts": results}]})
    apart = [{"role": "model", "parts": [part]} for part in said]
    assert read_request({"contents": [*apart, {"role": "user", "parts": results}]}) == together
    assert together.messages[0].parts[0] == Text("I will look.")


def test_a_signature_goes_only_to_google() -> None:
    contents = turns(
        [{"text": "go"}],
        [
            {"text": "hm", "thought": True, "thoughtSignature": SIGNATURE},
            call("n", "c") | {"thoughtSignature": SIGNATURE},
        ],
        [result("n", "x", "c")],
    )
    assert write_request(read_request({"contents": contents})).body["contents"] == contents
    for upstream in OTHERS:
        written = out(upstream, {"contents": contents})
        assert SIGNATURE not in json.dumps(written.body)
        assert {"contents.reasoning", "contents.thinking"} & set(written.dropped)


@pytest.mark.parametrize(
    ("model", "mark"), [("gemini-2.5-pro", None), ("gemini-3-pro-preview", "skip_thought_signature_validator")]
)
def test_calls_of_others_are_not_checked(model: str, mark: str | None) -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "claudes"}
    uses = [{"type": "tool_use", "id": i, "name": "n", "input": {}} for i in ("a", "b")]
    results = [{"type": "tool_result", "tool_use_id": i, "content": "x"} for i in ("a", "b")]
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [thought, *uses]},
        {"role": "user", "content": results},
    ]
    written = into("claude", {"messages": messages}, model)
    parts = written.body["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [mark, None]
    assert "claudes" not in json.dumps(written.body)
    assert "messages.reasoning" in written.dropped


def test_thoughts_of_others_that_a_gemini_client_gives_back_go_to_them_alone() -> None:
    parts = (
        Reasoning("hm", "claudes", origin="claude"),
        Reasoning(sealed="zz", origin="claude"),
        ToolCall("c", "n", "{}"),
    )
    said = CODECS["gemini"].write_reply(Reply("r", parts, "tool_calls"), model="m")["candidates"][0]["content"]
    contents = [*HI, said, {"role": "user", "parts": [result("n", "x", "c")]}]
    blocks = out("claude", {"contents": contents}).body["messages"][1]["content"]
    assert blocks[0] == {"type": "thinking", "thinking": "hm", "signature": "claudes"}
    assert blocks[1] == {"type": "redacted_thinking", "data": "zz"}
    assert "thoughtSignature" not in json.dumps(write_request(read_request({"contents": contents})).body)


# Settings


def test_system_prompts_are_kept_in_order() -> None:
    messages = [
        {"role": "system", "content": "one"},
        {"role": "developer", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "three"}]},
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "four"},
    ]
    written = into("openai", {"messages": messages})
    assert [part["text"] for part in written.body["systemInstruction"]["parts"]] == ["one", "two", "three", "four"]
    assert written.dropped == ("messages.system_position",)


def test_neither_model_nor_stream_stand_in_the_body() -> None:
    assert set(into("openai", {}).body) == {"contents", "generationConfig"}


TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("auto", {"mode": "AUTO"}),
        ("required", {"mode": "ANY"}),
        ("none", {"mode": "NONE"}),
        ({"type": "function", "function": {"name": "read"}}, {"mode": "ANY", "allowedFunctionNames": ["read"]}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "read"}}]},
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["read"]},
        ),
    ],
)
def test_every_choice_of_tools_reaches_gemini_and_comes_back(choice: Any, said: dict[str, Any]) -> None:
    body = into("openai", {"tools": [TOOL], "tool_choice": choice}).body
    assert body["toolConfig"] == {"functionCallingConfig": said}
    assert out("openai", body).body["tool_choice"] == choice


@every(
    ("model", "thinking", "said"),
    [
        (
            "gemini-2.5-flash",
            {"type": "enabled", "budget_tokens": 2000},
            {"includeThoughts": True, "thinkingBudget": 2000},
        ),
        ("gemini-2.5-flash", {"type": "adaptive"}, {"includeThoughts": True, "thinkingBudget": -1}),
        ("gemini-2.5-flash", {"type": "disabled"}, {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"type": "disabled"}, {"thinkingBudget": 128}),
        ("gemini-3-flash-preview", {"type": "disabled"}, {"thinkingLevel": "MINIMAL"}),
        ("gemini-2.0-flash", {"type": "enabled", "budget_tokens": 2000}, None),
    ],
)
def test_thinking_is_said_as_the_model_knows_it(
    model: str, thinking: dict[str, Any], said: dict[str, Any] | None
) -> None:
    assert into("claude", {"thinking": thinking}, model).body["generationConfig"].get("thinkingConfig") == said


@pytest.mark.parametrize(
    ("model", "effort", "said"),
    [
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH"}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM"}),
        ("gemini-3-flash", "xhigh", {"thinkingLevel": "HIGH"}),
    ],
)
def test_effort_is_a_budget_or_a_level(model: str, effort: str, said: dict[str, Any]) -> None:
    config = into("openai", {"reasoning_effort": effort}, model).body["generationConfig"]
    assert config["thinkingConfig"] == {"includeThoughts": True} | said


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        ({"thinkingBudget": 0}, "none"),
        ({"thinking_budget": 1024, "include_thoughts": True}, "low"),
        ({"thinkingLevel": "HIGH"}, "high"),
        ({"thinkingBudget": -1}, None),
    ],
)
def test_thinking_of_gemini_is_an_effort_to_openai(thinking: dict[str, Any], effort: str | None) -> None:
    written = out("openai", {"generationConfig": {"thinkingConfig": thinking}}, model="gpt-5.1")
    assert written.body.get("reasoning_effort") == effort


def test_names_that_gemini_forbids_are_mapped_everywhere_the_same() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("1st", "a/b", "ok")]
    calls = [{"id": "c", "type": "function", "function": {"name": "1st", "arguments": "{}"}}]
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c", "content": "y"},
    ]
    choice = {"type": "function", "function": {"name": "1st"}}
    written = into("openai", {"tools": tools, "messages": messages, "tool_choice": choice})
    first, other, same = [function["name"] for function in written.body["tools"][0]["functionDeclarations"]]
    assert written.names == {first: "1st", other: "a/b"}
    assert same == "ok"
    assert written.body["contents"][1]["parts"][0]["functionCall"]["name"] == first
    assert written.body["contents"][2]["parts"][0]["functionResponse"]["name"] == first
    assert written.body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [first]


def test_a_picture_by_its_address() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://e.org/a.png?x=1"}}
    body = into("openai", {"messages": [{"role": "user", "content": [image]}]}).body
    assert body["contents"][0]["parts"] == [
        {"fileData": {"fileUri": "https://e.org/a.png?x=1", "mimeType": "image/png"}}
    ]


# Schemas


def fitted(schema: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    losses = Losses()
    found = fit_schema(schema, losses, "")
    judge_schema(found)
    return found, losses.names


@every(
    ("schema", "wanted", "lost"),
    [
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}, {"type": "string"}, ()),
        ({"const": "x"}, {"enum": ["x"], "type": "string"}, ()),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}, ()),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["b"]}]},
            {"properties": {"a": {}, "b": {}}, "required": ["a", "b"]},
            (),
        ),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}, ()),
        ({"type": "number", "multipleOf": 2, "$schema": "x"}, {"type": "number"}, ("multipleOf",)),
        (
            {
                "properties": {
                    name: {"type": "string"} for name in ("title", "format", "pattern", "default", "$ref", "const")
                }
            },
            {
                "properties": {
                    name: {"type": "string"} for name in ("title", "format", "pattern", "default", "$ref", "const")
                }
            },
            (),
        ),
        (
            {"type": "object", "required": ["gone"], "properties": {"a": {}}},
            {"type": "object", "properties": {"a": {}}},
            (),
        ),
    ],
)
def test_schemas_are_fitted(schema: dict[str, Any], wanted: dict[str, Any], lost: tuple[str, ...]) -> None:
    assert fitted(schema) == (wanted, lost)


def test_recursion_is_cut() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    found, lost = fitted({"$ref": "#/$defs/node", "$defs": {"node": node}})
    assert found == {"type": "object", "properties": {"next": {"type": "object"}}}
    assert lost == ("$ref",)


def test_a_schema_that_grows_without_end_is_bounded() -> None:
    defs = {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 4} for i in range(30)}
    found, lost = fitted({"$ref": "#/$defs/d0", "$defs": defs})
    assert "depth" in lost
    assert len(json.dumps(found)) < 10**6


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["string", "#", "#/$defs/a", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*KEYWORDS, "$ref", "$defs", "oneOf", "allOf", "const", "a"]), inner, max_size=3
        )
    ),
)


@given(st.dictionaries(st.sampled_from(["properties", "anyOf", "items", "$ref", "$defs", "allOf", "enum"]), JUNK))
def test_no_schema_makes_it_raise(schema: dict[str, Any]) -> None:
    fit_schema(read_schema(schema), Losses(), "")


def test_geminis_own_schemas_are_read_as_json_schemas() -> None:
    own = {
        "type": "OBJECT",
        "property_ordering": ["type"],
        "properties": {
            "type": {"type": "STRING", "nullable": True, "format": "enum", "enum": ["A"]},
            "max_items": {"any_of": [{"type": "INTEGER"}, {"type": "ARRAY", "minItems": "1"}]},
        },
    }
    assert read_schema(own) == {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["A", None]},
            "max_items": {"anyOf": [{"type": "integer"}, {"type": "array", "minItems": 1}]},
        },
    }


def test_an_answer_of_a_shape_both_ways() -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
        "additionalProperties": False,
    }
    spec = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    config = into("openai", {"response_format": spec}).body["generationConfig"]
    assert (config["responseMimeType"], config["responseJsonSchema"]) == ("application/json", schema)
    back = out("openai", {"generationConfig": config}).body["response_format"]
    assert back["json_schema"]["schema"] == schema
    busy = into("openai", {"response_format": spec, "tools": [TOOL]}, "gemini-2.5-pro")
    assert busy.dropped == ("format",) or "response_format" in busy.dropped
