"""Chat Completions requests: wire -> form."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from omniroute.dialects.custom import OwnName, read_custom
from omniroute.dialects.ir import (
    Body,
    Format,
    Native,
    Request,
    Thinking,
    Tool,
    ToolChoice,
)
from omniroute.dialects.openai.own import FIELDS, read_own
from omniroute.dialects.openai.read_messages import read_message, rest
from omniroute.dialects.read import expect, lift, objects, optional, refuse, required

TUNING = {
    "top_k": int,
    "seed": int,
    "n": int,
    "logprobs": bool,
    "top_logprobs": int,
    "frequency_penalty": float,
    "presence_penalty": float,
}
NEEDS = ("web_search_options", "audio")
READ = {
    *("model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls", "max_tokens"),
    *("max_completion_tokens", "temperature", "top_p", "stop", "reasoning_effort", "response_format", "user"),
    *TUNING,
    *FIELDS,
    *NEEDS,
}
LEGACY = {"functions": "tools", "function_call": "tool_choice"}
MODES: Mapping[str, Any] = {"auto": "auto", "none": "none", "required": "required"}


def read_request(body: Body) -> Request:
    """Read a request. BadRequest names the field that is not as the dialect promises."""
    for old, new in LEGACY.items():
        if body.get(old) is not None:
            raise refuse(old, f"is the old way, which cannot be translated: use `{new}`")
    if not (messages := required(body, "messages", list)):
        raise refuse("messages", "must hold at least one message")
    limit = optional(body, "max_completion_tokens", int)
    legacy = optional(body, "max_tokens", int)
    effort = optional(body, "reasoning_effort", str)
    return Request(
        model=optional(body, "model", str) or "",
        messages=tuple(read_message(message, path) for message, path in objects(messages, "messages")),
        stream=optional(body, "stream", bool) or False,
        tools=tuple(_tool(tool, path) for tool, path in objects(optional(body, "tools", list) or [], "tools")),
        tool_choice=_tool_choice(body.get("tool_choice")),
        parallel=optional(body, "parallel_tool_calls", bool),
        max_output=legacy if limit is None else limit,
        temperature=optional(body, "temperature", float),
        top_p=optional(body, "top_p", float),
        stop=_stop(body.get("stop")),
        thinking=None if effort is None else Thinking("off") if effort == "none" else Thinking(effort=effort),
        format=_format(optional(body, "response_format", dict)),
        user=optional(body, "user", str),
        tuning={key: value for key, kind in TUNING.items() if (value := optional(body, key, kind)) is not None}
        | read_own(body),
        needs=tuple(Native("openai", {key: body[key]}, key) for key in NEEDS if body.get(key) is not None),
        names=_own_names(body.get("tools") or []),
        extra=rest(_lifted(body), *READ),
    )


def _lifted(body: Body) -> Body:
    """Keep what else is said in the objects that ask for a tool or a form of the answer."""
    body = lift(body, "tool_choice", "type", "function", "custom", "allowed_tools")
    body = lift(body, "response_format", "type", "json_schema")
    spec = lift(body.get("response_format") or {}, "json_schema", "name", "description", "schema", "strict")
    return body | {f"response_format.{key}": value for key, value in spec.items() if key.startswith("json_schema.")}


def _tool(tool: Body, path: str) -> Tool:
    kind = optional(tool, "type", str, path) or "function"
    if kind == "custom":
        return _custom(tool, path)
    if kind != "function":
        raise refuse(f"{path}.type", f"{kind!r} cannot be translated: only tools of type function or custom can")
    where = f"{path}.function"
    function = required(tool, "function", dict, path)
    # `name` beside `function` is what one client repeats there; it says nothing new.
    known = ("type", "function", "name", "description", "parameters", "strict")
    return Tool(
        required(function, "name", str, where),
        optional(function, "description", str, where),
        optional(function, "parameters", dict, where),
        optional(function, "strict", bool, where),
        path=where,
        extra=rest({**tool, **function}, *known),
    )


def _custom(tool: Body, path: str) -> Tool:
    where = f"{path}.custom"
    custom = required(tool, "custom", dict, path)
    form = optional(custom, "format", dict, where) or {"type": "text"}
    if form.get("type") == "grammar":
        form = {"type": "grammar"} | required(form, "grammar", dict, f"{where}.format")
    extra = rest(lift(tool, "custom", "name", "description", "format"), "type", "custom")
    return replace(read_custom(required(custom, "name", str, where), custom, form, where), extra=extra)


def _own_names(tools: list[Any]) -> dict[str, str]:
    """Give the words for the custom tools: what an upstream calls as a function is said as the client offered it."""
    names = (tool["custom"]["name"] for tool in tools if tool.get("type") == "custom")
    return {name: OwnName(name, "custom").word for name in names}


def _tool_choice(choice: Any) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str) and choice in MODES:
        return ToolChoice(MODES[choice])
    if isinstance(choice, dict):
        match choice.get("type"):
            case "function" | "custom":
                return ToolChoice("named", _tool_name(choice, "tool_choice"))
            case "allowed_tools":
                allowed = required(choice, "allowed_tools", dict, "tool_choice")
                path = "tool_choice.allowed_tools"
                mode = required(allowed, "mode", str, path)
                if mode not in {"auto", "required"}:
                    raise refuse(f"{path}.mode", "must be auto or required")
                tools = objects(required(allowed, "tools", list, path), f"{path}.tools")
                return ToolChoice(MODES[mode], allowed=tuple(_tool_name(tool, where) for tool, where in tools))
    raise refuse("tool_choice", "must be none, auto, required, or an object that names a tool or allowed tools")


def _tool_name(holder: Body, path: str) -> str:
    kind = "custom" if holder.get("type") == "custom" else "function"
    return required(required(holder, kind, dict, path), "name", str, f"{path}.{kind}")


def _stop(stop: Any) -> tuple[str, ...]:
    if stop is None:
        return ()
    if isinstance(stop, str):
        return (stop,)
    return tuple(expect(item, str, f"stop[{i}]") for i, item in enumerate(expect(stop, list, "stop")))


def _format(wanted: Body | None) -> Format | None:
    if wanted is None:
        return None
    match required(wanted, "type", str, "response_format"):
        case "text":
            return None
        case "json_object":
            return Format()
        case "json_schema":
            path = "response_format.json_schema"
            spec = required(wanted, "json_schema", dict, "response_format")
            return Format(
                optional(spec, "schema", dict, path) or {},
                optional(spec, "name", str, path),
                optional(spec, "description", str, path),
                optional(spec, "strict", bool, path),
            )
        case kind:
            raise refuse("response_format.type", f"must be text, json_object or json_schema, not {kind!r}")
