"""What requests may say in their conversation and their tools: a row of the table in the docs each, in its order."""

import re

from features import BASES, DIALECTS, HI, Feature
from features_kit import KEYS, calling, calls, each, media, prompts, results, talk, text_found, tool, tools, turn

from omniroute.dialects.ir import Body

FIT = re.compile(r"fs_read[a-zA-Z0-9_-]*").fullmatch
INPUT_SCHEMA = {"properties": {"input": {"type": "string"}}}
REFS = {
    "type": "object",
    "properties": {"place": {"$ref": "#/$defs/place"}},
    "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
INLINED = {"properties": {"place": {"type": "object", "properties": {"city": {"type": "string"}}}}}
NAMED = {name: {"type": "string"} for name in ("title", "format", "pattern", "default")}
PROPERTIES = {"type": "object", "properties": NAMED}
CHOSEN = {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
CHOICE = {
    "anyOf": [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]},
    ]
}


def _middle(dialect: str) -> Body:
    return talk(dialect, turn(dialect, "system", "Be brief."))


def _result_with(kind: str, dialect: str) -> Body:
    shows = media(dialect, kind)
    if dialect == "gemini":
        return talk(dialect, calls(dialect, "c1"), results(dialect, "c1", parts=[shows]))
    return talk(dialect, calls(dialect, "c1"), results(dialect, "c1", content=[shows]))


def _beside(kind: str, dialect: str) -> Body:
    key = "parts" if dialect == "gemini" else "content"
    return {KEYS[dialect]: [{"role": "user", key: [media(dialect, kind)]}]}


def _disordered(dialect: str, *ids: str) -> Body:
    return talk(dialect, calls(dialect, "c1", "c2"), results(dialect, *ids))


CONVERSATION = [
    Feature("a system prompt", each(lambda d: prompts(d, "Be brief."))),
    Feature(
        "several system prompts",
        each(lambda d: prompts(d, "Be brief.", "Be kind.")),
        mapped={
            "openai": ("one text", prompts("openai", "Be brief.\n\nBe kind.")),
            "responses": (
                "one message",
                {
                    "input": [
                        {
                            "role": "system",
                            "content": [
                                {"type": "input_text", "text": "Be brief."},
                                {"type": "input_text", "text": "Be kind."},
                            ],
                        }
                    ]
                },
            ),
        },
    ),
    Feature(
        "`instructions`",
        {"responses": {"instructions": "Be brief."}},
        mapped={d: ("a system prompt", prompts(d, "Be brief.")) for d in DIALECTS if d != "responses"},
    ),
    Feature(
        "a system prompt between turns",
        each(_middle, "openai", "responses", "claude"),
        mapped={"gemini": ("joins the first", prompts("gemini", "Be brief."))},
        models={"claude": "claude-opus-5"},
    ),
    Feature(
        "the same, Claude models before 4.8",
        each(_middle, "openai", "responses"),
        mapped={d: ("joins the first", prompts(d, "Be brief.")) for d in ("claude", "gemini")},
    ),
    Feature(
        "a prompt of the developer",
        {
            d: {KEYS[d]: [{"role": "developer", "content": "Be brief."}, *BASES[d][KEYS[d]]]}
            for d in ("openai", "responses")
        },
        mapped={d: ("a system prompt", prompts(d, "Be brief.")) for d in ("claude", "gemini")},
    ),
    Feature("an answer that is begun", each(lambda d: talk(d, turn(d, "assistant", "The answer is")))),
    Feature(
        "the same, Claude models since 4.6",
        each(lambda d: talk(d, turn(d, "assistant", "The answer is")), "openai", "responses", "gemini"),
        models={"claude": "claude-opus-5"},
    ),
    Feature("a speaker's `name`", {"openai": {"messages": [{"role": "user", "content": HI, "name": "Ada"}]}}),
    Feature(
        "a refusal in the history",
        {
            "openai": talk("openai", {"role": "assistant", "refusal": "No."}),
            "responses": talk("responses", {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}),
        },
        mapped={d: ("text", talk(d, turn(d, "assistant", "No."))) for d in ("claude", "gemini")},
    ),
    Feature(
        "citations in the history",
        {
            "responses": talk(
                "responses",
                {
                    "role": "assistant",
                    "content": [
                        {
                            "type": "output_text",
                            "text": "So.",
                            "annotations": [
                                {
                                    "type": "url_citation",
                                    "url": "https://example.org",
                                    "title": "t",
                                    "start_index": 0,
                                    "end_index": 3,
                                }
                            ],
                        },
                    ],
                },
            ),
            "claude": talk(
                "claude",
                {
                    "role": "assistant",
                    "content": [
                        {
                            "type": "text",
                            "text": "So.",
                            "citations": [
                                {
                                    "type": "web_search_result_location",
                                    "url": "https://example.org",
                                    "title": "t",
                                    "cited_text": "So.",
                                    "encrypted_index": "x",
                                }
                            ],
                        },
                    ],
                },
            ),
            "openai": talk(
                "openai",
                {
                    "role": "assistant",
                    "content": "So.",
                    "annotations": [
                        {
                            "type": "url_citation",
                            "url_citation": {
                                "url": "https://example.org",
                                "title": "t",
                                "start_index": 0,
                                "end_index": 3,
                            },
                        },
                    ],
                },
            ),
        },
    ),
]

TOOLS = [
    Feature("tools with their schemas", each(tools)),
    Feature(
        "a tool that is offered twice, differently",
        each(lambda d: {"tools": [tool(d, schema=REFS), tool(d)]}, "openai", "responses", "claude"),
        mapped={d: ("as it was offered last", {"tools": [tool(d)]}) for d in DIALECTS},
    ),
    Feature("`strict` tools", {d: {"tools": [tool(d, strict=True)]} for d in ("openai", "responses", "claude")}),
    Feature(
        "a schema with `$ref`",
        each(lambda d: {"tools": [tool(d, schema=REFS)]}),
        mapped={d: ("put in its place", {"tools": [tool(d, schema=INLINED)]}) for d in DIALECTS},
    ),
    Feature("properties called `title`, `format`, …", each(lambda d: {"tools": [tool(d, schema=PROPERTIES)]})),
    Feature(
        "a choice at the top of a schema",
        each(lambda d: {"tools": [tool(d, schema=CHOICE)]}),
        mapped={"claude": ("optional fields", {"tools": [tool("claude", schema=CHOSEN)]})},
    ),
    Feature(
        "types in Google's capitals",
        {
            "gemini": {
                "tools": [
                    {
                        "functionDeclarations": [
                            {
                                "name": "look",
                                "parameters": {"type": "OBJECT", "properties": {"at": {"type": "INTEGER"}}},
                            }
                        ]
                    }
                ]
            }
        },
        mapped={
            d: (
                "JSON Schema",
                {"tools": [tool(d, schema={"type": "object", "properties": {"at": {"type": "integer"}}})]},
            )
            for d in DIALECTS
            if d != "gemini"
        },
    ),
    Feature(
        "a name with a dot",
        each(lambda d: {"tools": [tool(d, "fs.read")]}),
        mapped={d: ("another name, both ways", {"tools": [tool(d, FIT)]}) for d in DIALECTS},
    ),
    Feature(
        "a name that begins with a digit",
        each(lambda d: {"tools": [tool(d, "7zip")]}, "openai", "responses", "claude"),
        mapped={"gemini": ("another name, both ways", {"tools": [tool("gemini", text_found("_7zip"))]})},
    ),
    Feature(
        "choice: automatic",
        {
            "openai": tools("openai", tool_choice="auto"),
            "responses": tools("responses", tool_choice="auto"),
            "claude": tools("claude", tool_choice={"type": "auto"}),
            "gemini": tools("gemini") | calling(mode="AUTO"),
        },
    ),
    Feature(
        "choice: none",
        {
            "openai": tools("openai", tool_choice="none"),
            "responses": tools("responses", tool_choice="none"),
            "claude": tools("claude", tool_choice={"type": "none"}),
            "gemini": tools("gemini") | calling(mode="NONE"),
        },
    ),
    Feature(
        "choice: any tool",
        {
            "openai": tools("openai", tool_choice="required"),
            "responses": tools("responses", tool_choice="required"),
            "claude": tools("claude", tool_choice={"type": "any"}),
            "gemini": tools("gemini") | calling(mode="ANY"),
        },
    ),
    Feature(
        "choice: this tool",
        {
            "openai": tools("openai", tool_choice={"type": "function", "function": {"name": "look"}}),
            "responses": tools("responses", tool_choice={"type": "function", "name": "look"}),
            "claude": tools("claude", tool_choice={"type": "tool", "name": "look"}),
            "gemini": tools("gemini") | calling(mode="ANY", allowedFunctionNames=["look"]),
        },
    ),
    Feature(
        "choice: only some of the tools",
        {
            "openai": tools(
                "openai",
                "look",
                "find",
                "move",
                tool_choice={
                    "type": "allowed_tools",
                    "allowed_tools": {
                        "mode": "required",
                        "tools": [{"type": "function", "function": {"name": n}} for n in ("look", "find")],
                    },
                },
            ),
            "responses": tools(
                "responses",
                "look",
                "find",
                "move",
                tool_choice={
                    "type": "allowed_tools",
                    "mode": "required",
                    "tools": [{"type": "function", "name": n} for n in ("look", "find")],
                },
            ),
            "gemini": tools("gemini", "look", "find", "move")
            | calling(mode="ANY", allowedFunctionNames=["look", "find"]),
        },
        mapped={
            "claude": (
                "only these are offered",
                {
                    "tools": lambda said: [each["name"] for each in said] == ["look", "find"],
                    "tool_choice": {"type": "any"},
                },
            )
        },
    ),
    Feature(
        "one call at a time",
        {
            "openai": tools("openai", parallel_tool_calls=False),
            "responses": tools("responses", parallel_tool_calls=False),
            "claude": tools("claude", tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
        },
    ),
    Feature("calls and their results", each(lambda d: talk(d, calls(d, "c1"), results(d, "c1")))),
    Feature(
        "parallel calls, results in another order",
        each(lambda d: _disordered(d, "c2", "c1")),
        mapped={d: ("put in order", _disordered(d, "c1", "c2")) for d in DIALECTS},
    ),
    Feature(
        "a call without its result",
        each(lambda d: talk(d, calls(d, "c1"), turn(d, "user", "Go on."))),
        mapped={
            "openai": ("an empty result", {"messages": [{"role": "tool", "tool_call_id": "c1"}]}),
            "responses": ("an empty result", {"input": [{"type": "function_call_output", "call_id": "c1"}]}),
            "claude": ("an empty result", {"messages": [{"content": [{"type": "tool_result", "tool_use_id": "c1"}]}]}),
            "gemini": ("an empty result", {"contents": [{"parts": [{"functionResponse": {"id": "c1"}}]}]}),
        },
    ),
    Feature(
        "a result without its call",
        each(lambda d: talk(d, results(d, "c9"))),
        mapped={
            "openai": ("text", {"messages": [{"role": "user", "content": [{"text": text_found("seen c9")}]}]}),
            "responses": ("text", {"input": [{"role": "user", "content": [{"text": "seen c9"}]}]}),
            "claude": ("text", {"messages": [{"role": "user", "content": [{"text": "seen c9"}]}]}),
            "gemini": ("text", {"contents": [{"role": "user", "parts": [{"text": "seen c9"}]}]}),
        },
    ),
    Feature(
        "a result that is an error",
        {
            "claude": talk("claude", calls("claude", "c1"), results("claude", "c1", content="gone", is_error=True)),
            "gemini": talk("gemini", calls("gemini", "c1"), results("gemini", "c1", content={"error": "gone"})),
        },
        mapped={
            d: ("its text", talk(d, calls(d, "c1"), results(d, "c1", content=text_found("gone"))))
            for d in ("openai", "responses")
        },
    ),
    Feature(
        "a result with an image",
        each(lambda d: _result_with("image", d), "responses", "claude", "gemini"),
        mapped={d: ("beside the result", _beside("image", d)) for d in ("openai", "gemini")},
    ),
    Feature(
        "a result with a PDF",
        each(lambda d: _result_with("document", d), "responses", "claude", "gemini"),
        mapped={d: ("beside the result", _beside("document", d)) for d in ("openai", "gemini")},
    ),
    Feature(
        "custom tools",
        {
            "openai": {"tools": [{"type": "custom", "custom": {"name": "patch"}}]},
            "responses": {"tools": [{"type": "custom", "name": "patch"}]},
        },
        mapped={d: ("a function of one text", {"tools": [tool(d, "patch", INPUT_SCHEMA)]}) for d in DIALECTS},
    ),
    Feature(
        "calls of custom tools in the history",
        {
            "openai": talk(
                "openai",
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "look", "input": "raw"}}],
                },
                results("openai", "c1"),
            ),
            "responses": talk(
                "responses",
                {"type": "custom_tool_call", "call_id": "c1", "name": "look", "input": "raw"},
                {"type": "custom_tool_call_output", "call_id": "c1", "output": "seen"},
            ),
        },
        mapped={
            "openai": (
                "a function's",
                {"messages": [{"tool_calls": [{"function": {"arguments": '{"input":"raw"}'}}]}]},
            ),
            "responses": ("a function's", {"input": [{"type": "function_call", "arguments": '{"input":"raw"}'}]}),
            "claude": ("a function's", {"messages": [{"content": [{"type": "tool_use", "input": {"input": "raw"}}]}]}),
            "gemini": ("a function's", {"contents": [{"parts": [{"functionCall": {"args": {"input": "raw"}}}]}]}),
        },
    ),
    Feature(
        "namespaces of tools",
        {
            "responses": {
                "tools": [{"type": "namespace", "name": "mcp", "description": "", "tools": [tool("responses")]}]
            }
        },
        mapped={
            d: ("a longer name, both ways", {"tools": [tool(d, "mcp__look")]}) for d in DIALECTS if d != "responses"
        },
    ),
    Feature(
        "`additional_tools`",
        {
            "responses": {
                "input": [{"type": "additional_tools", "tools": [tool("responses")]}, {"role": "user", "content": HI}]
            }
        },
        mapped={d: ("among the tools", {"tools": [tool(d)]}) for d in DIALECTS if d != "responses"},
    ),
    Feature(
        "names of tools that a search found",
        {
            "claude": talk(
                "claude",
                calls("claude", "c1"),
                results("claude", "c1", content=[{"type": "tool_reference", "tool_name": "find"}]),
            )
        },
        mapped={
            d: (
                "text",
                talk(d, calls(d, "c1"), results(d, "c1", content={"output": "find"} if d == "gemini" else "find")),
            )
            for d in DIALECTS
            if d != "claude"
        },
    ),
    Feature("tools that are loaded later", {"claude": {"tools": [tool("claude", defer_loading=True)]}}),
    Feature(
        "the provider's tool search",
        {
            "responses": tools("responses") | {"tools": [tool("responses"), {"type": "tool_search"}]},
            "claude": {"tools": [{"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}]},
        },
    ),
    Feature(
        "the provider's web search",
        {
            "openai": {"web_search_options": {}},
            "responses": {"tools": [tool("responses"), {"type": "web_search"}]},
            "claude": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            "gemini": {"tools": [{"googleSearch": {}}]},
        },
        sees={d: {"never": "seen"} for d in DIALECTS},
    ),
    Feature(
        "the provider's other tools",
        {
            "responses": {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]},
            "claude": {"tools": [{"type": "code_execution_20250522", "name": "code_execution"}]},
            "gemini": {"tools": [{"codeExecution": {}}]},
        },
        sees={d: {"never": "seen"} for d in DIALECTS},
    ),
]
