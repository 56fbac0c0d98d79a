"""Reader for Chat Completions requests: wire -> form."""

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
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
from omniroute.dialects.openai.reasoning import read_call_signature, read_reasoning, read_text_signature
from omniroute.dialects.openai.write_request import FIELDS, read_own
from omniroute.dialects.tool_names import OwnName, read_custom, write_input
from omniroute.dialects.validate import expect, lift, objects, optional, refuse, required

MESSAGE = ("role", "content", "cache_control")
INNER = {
    "image_url": ("url", "detail"),
    "input_audio": ("data", "format"),
    "file": ("file_data", "file_id", "filename"),
}
"""Fields of the nested object of a content part, by part type."""
ADDRESS = re.compile("(?:https?|gs)://.", re.IGNORECASE)
AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}


def _own(fields: Mapping[str, Any]) -> Extra:
    return {"openai": fields} if fields else NO_EXTRA


def rest(body: Body, *known: str) -> Extra:
    """Return the unknown fields as `Extra`.

    `cache_control` is a field of the Claude dialect that its users send in this dialect too, so it is kept for
    Claude.
    """
    rest = {key: value for key, value in body.items() if key not in known and value is not None}
    mark = rest.pop("cache_control", None)
    return _own(rest) if mark is None else {**_own(rest), "claude": {"cache_control": mark}}


def read_message(message: Body, path: str) -> Message:
    """Read one message. Raise BadRequest, naming the field, for a missing, mistyped or unsupported field."""
    role = required(message, "role", str, path)
    content = _marked(message.get("content"), message.get("cache_control"))
    where = f"{path}.content"
    match role:
        case "system" | "developer":
            return Message(role, _parts(content, where), rest(message, *MESSAGE))
        case "user":
            return Message("user", _parts(content, where), rest(message, *MESSAGE))
        case "assistant":
            return _assistant(message, content, path)
        case "tool":
            call_id = required(message, "tool_call_id", str, path)
            parts = tuple(part for part in _parts(content, where) if isinstance(part, (Text, Media, Native)))
            extra = rest(message, *MESSAGE, "tool_call_id")
            return Message("user", (ToolResult(call_id, parts, extra=extra),))
        case "function":
            raise refuse(f"{path}.role", "`function` is the old way, which cannot be translated: use `tool`")
        case _:
            raise refuse(f"{path}.role", f"must be system, developer, user, assistant or tool, not {role!r}")


def _marked(content: Any, mark: Any) -> Any:
    """Move the `cache_control` mark of a whole message to its last part, where the Claude dialect expects it."""
    if mark is None or not content:
        return content
    if isinstance(content, str):
        return [{"type": "text", "text": content, "cache_control": mark}]
    if isinstance(content, list) and isinstance(content[-1], dict):
        return [*content[:-1], {"cache_control": mark, **content[-1]}]
    return content


def _assistant(message: Body, content: Any, path: str) -> Message:
    if message.get("function_call") is not None:
        raise refuse(f"{path}.function_call", "is the old way, which cannot be translated: use `tool_calls`")
    parts: list[Part] = [*read_reasoning(message, path)]
    parts += _parts(content, f"{path}.content")
    if (refusal := optional(message, "refusal", str, path)) is not None:
        parts.append(Refusal(refusal))
    calls = optional(message, "tool_calls", list, path) or []
    for call, where in objects(calls, f"{path}.tool_calls"):
        parts += [part for part in (read_call_signature(call), _call(call, where)) if part is not None]
    sealed = read_text_signature(message)
    parts += [] if sealed is None else [sealed]
    known = (*MESSAGE, "refusal", "tool_calls", "reasoning_content", "reasoning", "reasoning_details")
    extra = rest(message, *known, *(() if sealed is None else ("extra_content",)))
    return Message("assistant", tuple(parts), extra)


def _call(call: Body, path: str) -> ToolCall:
    if call.get("type") == "custom":
        where, custom = f"{path}.custom", required(call, "custom", dict, path)
        name, given = required(custom, "name", str, where), required(custom, "input", str, where)
        extra = rest(lift(call, "custom", "name", "input"), "id", "type", "custom", "index")
        return ToolCall(required(call, "id", str, path), name, write_input(given), extra)
    function = required(call, "function", dict, path)
    name = required(function, "name", str, f"{path}.function")
    arguments = optional(function, "arguments", str, f"{path}.function") or ""
    known = ("id", "type", "function", "index", *(("extra_content",) if read_call_signature(call) else ()))
    extra = rest(lift(call, "function", "name", "arguments"), *known)
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
    extra = rest(lift(part, kind, *INNER[kind]) if kind in INNER else part, "type", kind)
    match kind:
        case "text":
            return Text(required(part, "text", str, path), extra=extra)
        case "refusal":
            return Refusal(required(part, "refusal", str, path))
        case "image_url":
            image = required(part, "image_url", dict, path)
            url = required(image, "url", str, f"{path}.image_url")
            if (detail := optional(image, "detail", str, f"{path}.image_url")) not in {None, "auto"}:
                extra = {**extra, "openai": {**extra.get("openai", {}), "detail": detail}}
            return read_picture(url, path, f"{path}.image_url.url", extra)
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


def read_picture(url: str, path: str, where: str, extra: Extra) -> Media:
    """Read an image URL or data URL; a data URL may also hold a PDF, as some clients send it so."""
    if ADDRESS.match(url):
        return Media("image", url=url, path=path, extra=extra)
    mime, data = read_data_url(url, where)
    if mime == "application/pdf":
        return Media("document", mime, data, path=path, extra=extra)
    if not mime.startswith("image/"):
        raise refuse(where, f"must hold an image, not {mime}")
    return Media("image", mime, data, path=path, extra=extra)


def read_data_url(url: str, path: str) -> tuple[str, str]:
    """Return the MIME type and the base64 text of a data URL. Raise BadRequest if it is none."""
    head, comma, data = url.partition(",")
    scheme, _, kinds = head.partition(":")
    kind, *marks = kinds.lower().split(";")
    if not comma or scheme.lower() != "data":
        raise refuse(path, "must be a data URL such as data:image/png;base64,…")
    if "base64" not in marks:
        return kind or "text/plain", base64.b64encode(unquote_to_bytes(data)).decode()
    return kind or "text/plain", data


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
    """Read a request. Raise BadRequest, naming the field, for a missing, mistyped or unsupported field."""
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
    """Lift the unknown fields of `tool_choice` and `response_format` to flat fields, so that they are kept."""
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
    # One client repeats `name` beside `function`; it holds nothing new.
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
    """Return, by name, the encoded own name of each custom tool.

    An upstream calls custom tools as functions; the encoded name restores the call to the type the client declared.
    """
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
