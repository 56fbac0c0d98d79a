"""Chat Completions requests: wire -> form."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from omniroute.dialects.ir import (
    NO_EXTRA,
    Body,
    Extra,
    Format,
    Media,
    Message,
    Native,
    Part,
    Refusal,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from omniroute.dialects.openai.reasoning import read_reasoning
from omniroute.dialects.read import expect, objects, optional, refuse, required

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
    *NEEDS,
}
LEGACY = {"functions": "tools", "function_call": "tool_choice"}
MODES: Mapping[str, Any] = {"auto": "auto", "none": "none", "required": "required"}
AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}


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
        messages=tuple(_message(message, path) for message, path in objects(messages, "messages")),
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
        tuning={key: value for key, kind in TUNING.items() if (value := optional(body, key, kind)) is not None},
        needs=tuple(Native("openai", {key: body[key]}, key) for key in NEEDS if body.get(key) is not None),
        extra=_rest(body, *READ),
    )


def _extra(fields: Mapping[str, Any]) -> Extra:
    return {"openai": fields} if fields else NO_EXTRA


def _rest(body: Body, *known: str) -> Extra:
    return _extra({key: value for key, value in body.items() if key not in known and value is not None})


def _message(message: Body, path: str) -> Message:
    role = required(message, "role", str, path)
    content = message.get("content")
    where = f"{path}.content"
    match role:
        case "system" | "developer":
            return Message(role, _parts(content, where), _rest(message, "role", "content"))
        case "user":
            return Message("user", _parts(content, where), _rest(message, "role", "content"))
        case "assistant":
            return _assistant(message, path)
        case "tool":
            call_id = required(message, "tool_call_id", str, path)
            parts = tuple(part for part in _parts(content, where) if isinstance(part, (Text, Media, Native)))
            extra = _rest(message, "role", "content", "tool_call_id")
            return Message("user", (ToolResult(call_id, parts, extra=extra),))
        case "function":
            raise refuse(f"{path}.role", "`function` is the old way, which cannot be translated: use `tool`")
        case _:
            raise refuse(f"{path}.role", f"must be system, developer, user, assistant or tool, not {role!r}")


def _assistant(message: Body, path: str) -> Message:
    if message.get("function_call") is not None:
        raise refuse(f"{path}.function_call", "is the old way, which cannot be translated: use `tool_calls`")
    parts: list[Part] = [*read_reasoning(message, path)]
    if message.get("content") is not None:
        parts += _parts(message["content"], f"{path}.content")
    if (refusal := optional(message, "refusal", str, path)) is not None:
        parts.append(Refusal(refusal))
    calls = optional(message, "tool_calls", list, path) or []
    parts += [_call(call, where) for call, where in objects(calls, f"{path}.tool_calls")]
    known = ("role", "content", "refusal", "tool_calls", "reasoning_content", "reasoning", "reasoning_details")
    return Message("assistant", tuple(parts), _rest(message, *known))


def _call(call: Body, path: str) -> ToolCall:
    if call.get("type") == "custom":
        raise refuse(f"{path}.type", "`custom` cannot be translated: use functions")
    function = required(call, "function", dict, path)
    name = required(function, "name", str, f"{path}.function")
    arguments = optional(function, "arguments", str, f"{path}.function") or ""
    extra = _rest(call, "id", "type", "function", "index")
    return ToolCall(required(call, "id", str, path), name, arguments, extra)


def _parts(content: Any, path: str) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        raise refuse(path, "must be a string or a list of parts")
    return tuple(_part(part, where) for part, where in objects(content, path))


def _part(part: Body, path: str) -> Part:
    kind = required(part, "type", str, path)
    extra = _rest(part, "type", kind)
    match kind:
        case "text":
            return Text(required(part, "text", str, path), extra=extra)
        case "refusal":
            return Refusal(required(part, "refusal", str, path))
        case "image_url":
            image = required(part, "image_url", dict, path)
            url = required(image, "url", str, f"{path}.image_url")
            if (detail := optional(image, "detail", str, f"{path}.image_url")) not in {None, "auto"}:
                extra = _extra({**extra.get("openai", {}), "detail": detail})
            if not url.startswith("data:"):
                return Media("image", url=url, path=path, extra=extra)
            mime, data = read_data_url(url, f"{path}.image_url.url")
            return Media("image", mime, data, path=path, extra=extra)
        case "input_audio":
            audio = required(part, "input_audio", dict, path)
            sound = required(audio, "format", str, f"{path}.input_audio")
            data = required(audio, "data", str, f"{path}.input_audio")
            return Media("audio", AUDIO.get(sound, f"audio/{sound}"), data, path=path, extra=extra)
        case "file":
            file = required(part, "file", dict, path)
            if file.get("file_data") is None:
                return Native("openai", part, f"{path}.file")
            mime, data = read_data_url(required(file, "file_data", str, f"{path}.file"), f"{path}.file.file_data")
            name = optional(file, "filename", str, f"{path}.file")
            return Media("document", mime, data, name=name, path=path, extra=extra)
        case _:
            raise refuse(f"{path}.type", f"must be text, image_url, input_audio, file or refusal, not {kind!r}")


def read_data_url(url: str, path: str) -> tuple[str, str]:
    """Give the MIME type and the base64 text of a data URL."""
    head, comma, data = url.partition(",")
    kind, *marks = head.removeprefix("data:").split(";")
    if not comma or not head.startswith("data:"):
        raise refuse(path, "must be a data URL such as data:image/png;base64,…")
    if "base64" not in marks:
        return kind or "text/plain", base64.b64encode(unquote_to_bytes(data)).decode()
    return kind or "text/plain", data


def _tool(tool: Body, path: str) -> Tool:
    kind = optional(tool, "type", str, path) or "function"
    if kind != "function":
        raise refuse(f"{path}.type", f"{kind!r} cannot be translated: only tools of type function can")
    where = f"{path}.function"
    function = required(tool, "function", dict, path)
    # `name` beside `function` is what one client repeats there; it says nothing new.
    extra = {**_rest(tool, "type", "function", "name").get("openai", {})}
    extra |= _rest(function, "name", "description", "parameters", "strict").get("openai", {})
    return Tool(
        required(function, "name", str, where),
        optional(function, "description", str, where),
        optional(function, "parameters", dict, where),
        optional(function, "strict", bool, where),
        path=where,
        extra=_extra(extra),
    )


def _tool_choice(choice: Any) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str) and choice in MODES:
        return ToolChoice(MODES[choice])
    if isinstance(choice, dict):
        match choice.get("type"):
            case "function":
                return ToolChoice("named", _function_name(choice, "tool_choice"))
            case "allowed_tools":
                allowed = required(choice, "allowed_tools", dict, "tool_choice")
                path = "tool_choice.allowed_tools"
                mode = required(allowed, "mode", str, path)
                if mode not in {"auto", "required"}:
                    raise refuse(f"{path}.mode", "must be auto or required")
                tools = objects(required(allowed, "tools", list, path), f"{path}.tools")
                return ToolChoice(MODES[mode], allowed=tuple(_function_name(tool, where) for tool, where in tools))
    raise refuse("tool_choice", "must be none, auto, required, or an object that names a function or allowed tools")


def _function_name(holder: Body, path: str) -> str:
    return required(required(holder, "function", dict, path), "name", str, f"{path}.function")


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
