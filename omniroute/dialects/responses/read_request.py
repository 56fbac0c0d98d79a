"""Reader for OpenAI Responses requests: wire -> form."""

from collections.abc import Mapping
from typing import Any

from omniroute.dialects.ir import Body, Format, Message, Native, Request, Text, Thinking, ToolChoice
from omniroute.dialects.openai.write_request import FIELDS, read_own
from omniroute.dialects.responses.read_items import OPTIONAL, Tools, read_items, rest
from omniroute.dialects.tool_names import OwnName
from omniroute.dialects.validate import lift, objects, optional, refuse, required

STATE = {
    "previous_response_id": "names a reply that is not kept here: send the whole conversation as `input`",
    "conversation": "names a conversation that is not kept here: send the whole of it as `input`",
    "background": "cannot be served: ask without it, or with `stream`",
}
NEEDS = ("prompt",)
SEAL = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
READ = {
    *("model", "input", "instructions", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls"),
    *("max_output_tokens", "temperature", "top_p", "reasoning", "text", "user", "include", "store", "truncation"),
    "top_logprobs",
    *STATE,
    *NEEDS,
    *(FIELDS.keys() - {"verbosity"}),
}
MODES: Mapping[str, Any] = {"auto": "auto", "none": "none", "required": "required"}


def read_request(body: Body) -> Request:
    """Read a request. Raise BadRequest, naming the field, for a missing, mistyped or unsupported field."""
    for name, why in STATE.items():
        if body.get(name):
            raise refuse(name, why)
    tools = Tools()
    tools.read(objects(optional(body, "tools", list) or [], "tools"))
    messages = _messages(body, tools)
    body = lift(body, "tool_choice", "type", "name", "namespace", "mode", "tools")
    text = lift(optional(body, "text", dict) or {}, "format", "type", "name", "description", "schema", "strict")
    reasoning = optional(body, "reasoning", dict) or {}
    effort = optional(reasoning, "effort", str, "reasoning")
    return Request(
        model=optional(body, "model", str) or "",
        messages=messages,
        stream=optional(body, "stream", bool) or False,
        tools=tuple(tools.tools),
        tool_choice=_tool_choice(body.get("tool_choice")),
        parallel=optional(body, "parallel_tool_calls", bool),
        max_output=optional(body, "max_output_tokens", int),
        temperature=optional(body, "temperature", float),
        top_p=optional(body, "top_p", float),
        thinking=None if effort is None else Thinking("off") if effort == "none" else Thinking(effort=effort),
        format=_format(optional(text, "format", dict, "text")),
        user=optional(body, "user", str),
        tuning=_tuning(body) | read_own({**body, "verbosity": optional(text, "verbosity", str, "text")}),
        needs=tuple(Native("responses", {key: body[key]}, key) for key in NEEDS if body.get(key) is not None),
        names=tools.names,
        extra=_extra(body, text, reasoning, tools.left_out),
    )


def _tuning(body: Body) -> Body:
    top = optional(body, "top_logprobs", int)
    asked = {"logprobs": True} if LOGPROBS in (optional(body, "include", list) or []) else {}
    return asked | ({} if top is None else {"top_logprobs": top})


def _messages(body: Body, tools: Tools) -> tuple[Message, ...]:
    prompt = optional(body, "instructions", str)
    first = (Message("system", (Text(prompt),)),) if prompt else ()
    given = body.get("input")
    if isinstance(given, str):
        return (*first, Message("user", (Text(given),)))
    if not isinstance(given, list):
        raise refuse("input", "is missing" if given is None else "must be a string or a list of items")
    if not (said := read_items(given, tools)):
        raise refuse("input", "must hold at least one message")
    return (*first, *said)


def _extra(body: Body, text: Body, reasoning: Body, left_out: Body) -> Mapping[str, Mapping[str, Any]]:
    """Return the unknown fields, each by its path."""
    found = dict(rest(body, *READ).get("responses", {})) | left_out
    beside = {key: value for key, value in text.items() if key not in {"format", "verbosity"}}
    found |= {f"text.{key}": value for key, value in beside.items() if value is not None}
    found |= {f"reasoning.{key}": value for key, value in reasoning.items() if key != "effort" and value is not None}
    if include := [item for item in optional(body, "include", list) or [] if item not in (SEAL, LOGPROBS)]:
        found["include"] = include
    if optional(body, "store", bool):
        found["store"] = True
    if optional(body, "truncation", str) not in {None, "disabled"}:
        found["truncation"] = body["truncation"]
    return {"responses": found} if found else {}


def _tool_choice(choice: Any) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str) and choice in MODES:
        return ToolChoice(MODES[choice])
    if isinstance(choice, dict):
        match choice.get("type"):
            case "function" | "custom":
                return ToolChoice("named", _name(choice, "tool_choice"))
            case "allowed_tools":
                return _allowed(choice)
            case str(kind):
                raise refuse("tool_choice.type", f"{kind!r} is a tool of OpenAI alone, which cannot be translated")
    raise refuse("tool_choice", "must be none, auto, required, or an object that names a function or allowed tools")


def _allowed(choice: Body) -> ToolChoice:
    mode = required(choice, "mode", str, "tool_choice")
    if mode not in {"auto", "required"}:
        raise refuse("tool_choice.mode", "must be auto or required")
    tools = objects(required(choice, "tools", list, "tool_choice"), "tool_choice.tools")
    # Tools that are left out cannot be called, so they need not be allowed.
    names = [_name(tool, path) for tool, path in tools if not str(tool.get("type")).startswith(OPTIONAL)]
    if not names:
        raise refuse("tool_choice.tools", "must name a function or a custom tool")
    return ToolChoice(MODES[mode], allowed=tuple(names))


def _name(holder: Body, path: str) -> str:
    return OwnName(required(holder, "name", str, path), namespace=optional(holder, "namespace", str, path) or "").plain


def _format(wanted: Body | None) -> Format | None:
    if wanted is None:
        return None
    path = "text.format"
    match required(wanted, "type", str, path):
        case "text":
            return None
        case "json_object":
            return Format()
        case "json_schema":
            return Format(
                required(wanted, "schema", dict, path),
                optional(wanted, "name", str, path),
                optional(wanted, "description", str, path),
                optional(wanted, "strict", bool, path),
            )
        case kind:
            raise refuse(f"{path}.type", f"must be text, json_object or json_schema, not {kind!r}")
