"""Reader for Anthropic Messages requests: wire -> form."""

import base64
from collections.abc import Mapping
from typing import Any

from omniroute.dialects import reasoning_signatures
from omniroute.dialects.ir import (
    NO_EXTRA,
    Body,
    Extra,
    Format,
    Media,
    Message,
    Native,
    Part,
    Reasoning,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolName,
    ToolResult,
)
from omniroute.dialects.json_edit import dump
from omniroute.dialects.validate import expect, lift, objects, optional, refuse, required

READ = {
    *("model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice", "temperature", "top_p", "top_k"),
    *("stop_sequences", "thinking", "output_config", "output_format", "metadata"),
}
NEEDS = ("mcp_servers", "container", "inference_geo")
MODES: Mapping[str, Any] = {"auto": "auto", "any": "required", "none": "none", "tool": "named"}


def read_request(body: Body) -> Request:
    """Read a request. Raise BadRequest, naming the field, for a missing, mistyped or unsupported field."""
    if body.get("thread") is not None:
        raise refuse(
            "thread", "is kept by Anthropic alone: send the whole conversation", code="thread_unsupported_request"
        )
    prompt = _parts_of_role("system", body.get("system"), "system")
    system = (Message("system", prompt),) if prompt else ()
    messages = objects(required(body, "messages", list), "messages")
    if not messages:
        raise refuse("messages", "must hold at least one message")
    choice = optional(body, "tool_choice", dict)
    body = lift(body, "tool_choice", "type", "name", "disable_parallel_tool_use")
    body = lift(body, "output_format", "type", "schema")
    config = lift(optional(body, "output_config", dict) or {}, "format", "type", "schema")
    metadata = optional(body, "metadata", dict) or {}
    extra = _rest(body, *READ, *NEEDS).get("claude", {})
    extra = {**extra, **_named("metadata", metadata, "user_id"), **_named("output_config", config, "effort", "format")}
    thinking, display = read_thinking(
        optional(body, "thinking", dict), optional(config, "effort", str, "output_config")
    )
    top_k = optional(body, "top_k", int)
    return Request(
        model=optional(body, "model", str) or "",
        messages=system + tuple(_message(message, path) for message, path in messages),
        stream=optional(body, "stream", bool) or False,
        tools=tuple(_tool(tool, path) for tool, path in objects(optional(body, "tools", list) or [], "tools")),
        tool_choice=_tool_choice(choice),
        parallel=_parallel(choice),
        max_output=optional(body, "max_tokens", int),
        temperature=optional(body, "temperature", float),
        top_p=optional(body, "top_p", float),
        stop=_stop(body),
        thinking=thinking,
        format=_format(config.get("format"), "output_config.format")
        or _format(body.get("output_format"), "output_format"),
        user=optional(metadata, "user_id", str, "metadata"),
        tuning={} if top_k is None else {"top_k": top_k},
        needs=tuple(Native("claude", {key: body[key]}, key) for key in NEEDS if body.get(key)),
        extra=_extra({**extra, **display}),
    )


def _extra(fields: Mapping[str, Any]) -> Extra:
    return {"claude": fields} if fields else NO_EXTRA


def _rest(body: Body, *known: str) -> Extra:
    return _extra({key: value for key, value in body.items() if key not in known and value is not None})


def _named(name: str, body: Body, *known: str) -> dict[str, Any]:
    """Return the unknown fields of a nested object as flat fields named by their path."""
    return {f"{name}.{key}": value for key, value in body.items() if key not in known and value is not None}


def _message(message: Body, path: str) -> Message:
    role = required(message, "role", str, path)
    if role not in {"user", "assistant", "system"}:
        raise refuse(f"{path}.role", f"must be user, assistant or system, not {role!r}")
    if "content" not in message:
        raise refuse(f"{path}.content", "is missing")
    known: Any = role
    parts = _parts_of_role(role, message["content"], f"{path}.content")
    return Message(known, parts, _rest(message, "role", "content"))


def _parts_of_role(role: str, content: Any, path: str) -> tuple[Part, ...]:
    """Read content; tools are called by the assistant and answered by the user, as Anthropic itself requires."""
    parts = _parts(content, path)
    for part in parts:
        if role != "assistant" and isinstance(part, ToolCall | Reasoning):
            raise refuse(path, f"must hold no tool_use or thinking block, as its role is {role}")
        if role != "user" and isinstance(part, ToolResult):
            raise refuse(path, f"must hold no tool_result block, as its role is {role}")
    return parts


def _parts(content: Any, path: str) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),) if content else ()
    if not isinstance(content, list):
        raise refuse(path, "must be a string or a list of blocks")
    return tuple(part for block, where in objects(content, path) for part in _block(block, where))


def _block(block: Body, path: str) -> tuple[Part, ...]:
    kind = required(block, "type", str, path)
    match kind:
        case "text":
            return (Text(required(block, "text", str, path), extra=_rest(block, "type", "text")),)
        case "image" | "document":
            return (_media(block, path),)
        case "thinking":
            thought = required(block, "thinking", str, path)
            extra = _rest(block, "type", "thinking", "signature")
            if not (signature := optional(block, "signature", str, path)):
                return (Reasoning(thought, extra=extra),)
            seal, origin, _ = reasoning_signatures.unwrap(signature, "claude")
            return (Reasoning(thought, seal, origin=origin, extra=extra),)
        case "redacted_thinking":
            sealed, origin, _ = reasoning_signatures.unwrap(required(block, "data", str, path), "claude")
            return (Reasoning(sealed=sealed, origin=origin, extra=_rest(block, "type", "data")),)
        case "tool_use" | "tool_result" | "tool_reference":
            return (_tool_block(block, path),)
        case "search_result":
            # Page, title and text are all content here; only the original block marks them as a search result.
            texts = _parts(block.get("content"), f"{path}.content")
            head = "\n".join(text for key in ("title", "source") if (text := optional(block, key, str, path)))
            return (Text(head, extra=_rest(block, "type", "title", "source", "content")), *texts)
        case "compaction":
            # A summary of the conversation before it.
            return (Text(optional(block, "content", str, path) or "", extra=_rest(block, "type", "content")),)
        case "container_upload":
            return (Native("claude", block, path),)
        case _:
            # Blocks about tools that the provider ran itself; the answer based on them follows as text.
            return (Native("claude", block, path, needed=False),)


def _tool_block(block: Body, path: str) -> Part:
    match block["type"]:
        case "tool_use":
            arguments = dump(required(block, "input", dict, path)).decode()
            call_id, name = required(block, "id", str, path), required(block, "name", str, path)
            return ToolCall(call_id, name, arguments, _rest(block, "type", "id", "name", "input"))
        case "tool_reference":
            return ToolName(required(block, "tool_name", str, path), _rest(block, "type", "tool_name"))
        case _:
            return _result(block, path)


def _media(block: Body, path: str) -> Media | Native:
    where = f"{path}.source"
    source = required(block, "source", dict, path)
    extra = _rest(lift(block, "source", "type", "media_type", "data", "url"), "type", "source", "title")
    kind: Any = block["type"]
    name = optional(block, "title", str, path)
    match required(source, "type", str, where):
        case "base64":
            mime, data = required(source, "media_type", str, where), required(source, "data", str, where)
            return Media(kind, mime, data, name=name, path=path, extra=extra)
        case "url":
            url = required(source, "url", str, where)
            return Media(kind, url=url, name=name, path=path, extra=extra)
        case "text" if kind == "document":
            encoded = base64.b64encode(required(source, "data", str, where).encode()).decode()
            return Media("document", "text/plain", encoded, name=name, path=path, extra=extra)
        case _:
            return Native("claude", block, where)


def _result(block: Body, path: str) -> ToolResult:
    parts = _parts(block.get("content"), f"{path}.content")
    inner = tuple(part for part in parts if isinstance(part, (Text, Media, ToolName, Native)))
    if len(inner) < len(parts):
        raise refuse(f"{path}.content", "must hold text, images, documents or tool references only")
    error = optional(block, "is_error", bool, path) or False
    extra = _rest(block, "type", "tool_use_id", "content", "is_error")
    return ToolResult(required(block, "tool_use_id", str, path), inner, error, extra)


def _tool(tool: Body, path: str) -> Tool | Native:
    if (optional(tool, "type", str, path) or "custom") != "custom":
        return Native("claude", tool, f"{path}.type")
    return Tool(
        required(tool, "name", str, path),
        optional(tool, "description", str, path),
        required(tool, "input_schema", dict, path),
        optional(tool, "strict", bool, path),
        path=path,
        extra=_rest(tool, "type", "name", "description", "input_schema", "strict"),
    )


def _tool_choice(choice: Body | None) -> ToolChoice | None:
    if choice is None:
        return None
    kind = required(choice, "type", str, "tool_choice")
    if kind not in MODES:
        raise refuse("tool_choice.type", f"must be auto, any, tool or none, not {kind!r}")
    return ToolChoice(MODES[kind], required(choice, "name", str, "tool_choice") if kind == "tool" else None)


def _parallel(choice: Body | None) -> bool | None:
    disabled = optional(choice or {}, "disable_parallel_tool_use", bool, "tool_choice")
    return None if disabled is None else not disabled


def _stop(body: Body) -> tuple[str, ...]:
    stops = optional(body, "stop_sequences", list) or []
    return tuple(expect(stop, str, f"stop_sequences[{i}]") for i, stop in enumerate(stops))


def read_thinking(thinking: Body | None, effort: str | None) -> tuple[Thinking | None, dict[str, Any]]:
    if thinking is None:
        return (None if effort is None else Thinking(effort=effort)), {}
    kind = required(thinking, "type", str, "thinking")
    extra = _named("thinking", thinking, "type", "budget_tokens")
    match kind:
        case "enabled":
            budget = required(thinking, "budget_tokens", int, "thinking")
            return Thinking("budget", budget, effort), extra
        case "disabled":
            return Thinking("off", effort=effort), extra
        case "adaptive":
            return Thinking("adaptive", effort=effort), extra
        case _:
            return (None if effort is None else Thinking(effort=effort)), {"thinking.type": kind, **extra}


def _format(wanted: Any, path: str) -> Format | None:
    if wanted is None:
        return None
    kind = required(expect(wanted, dict, path), "type", str, path)
    if kind != "json_schema":
        raise refuse(f"{path}.type", f"must be json_schema, not {kind!r}")
    return Format(required(wanted, "schema", dict, path), strict=True)
