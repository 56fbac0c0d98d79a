"""The conversation of a Chat Completions request: wire -> form."""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from omniroute.dialects.custom import write_input
from omniroute.dialects.ir import (
    NO_EXTRA,
    Body,
    Extra,
    Media,
    Message,
    Native,
    Part,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from omniroute.dialects.openai.reasoning import read_reasoning
from omniroute.dialects.openai.seals import read_call_seal, read_text_seal
from omniroute.dialects.read import lift, objects, optional, refuse, required

MESSAGE = ("role", "content", "cache_control")
INNER = {
    "image_url": ("url", "detail"),
    "input_audio": ("data", "format"),
    "file": ("file_data", "file_id", "filename"),
}
"""What a part holds in an object of its own."""
ADDRESS = re.compile("(?:https?|gs)://.", re.IGNORECASE)
AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}


def _own(fields: Mapping[str, Any]) -> Extra:
    return {"openai": fields} if fields else NO_EXTRA


def rest(body: Body, *known: str) -> Extra:
    """Keep what else there is. `cache_control` is Claude's word, which its users say in this dialect too."""
    rest = {key: value for key, value in body.items() if key not in known and value is not None}
    mark = rest.pop("cache_control", None)
    return _own(rest) if mark is None else {**_own(rest), "claude": {"cache_control": mark}}


def read_message(message: Body, path: str) -> Message:
    """Read one message. BadRequest names the field that is not as the dialect promises."""
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
    """Put a cache mark of a whole message where Claude has it: on the last part."""
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
        parts += [part for part in (read_call_seal(call), _call(call, where)) if part is not None]
    sealed = read_text_seal(message)
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
    known = ("id", "type", "function", "index", *(("extra_content",) if read_call_seal(call) else ()))
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
    """Read a picture by its address or as a data URL; some clients say a PDF so, too."""
    if ADDRESS.match(url):
        return Media("image", url=url, path=path, extra=extra)
    mime, data = read_data_url(url, where)
    if mime == "application/pdf":
        return Media("document", mime, data, path=path, extra=extra)
    if not mime.startswith("image/"):
        raise refuse(where, f"must hold an image, not {mime}")
    return Media("image", mime, data, path=path, extra=extra)


def read_data_url(url: str, path: str) -> tuple[str, str]:
    """Give the MIME type and the base64 text of a data URL."""
    head, comma, data = url.partition(",")
    scheme, _, kinds = head.partition(":")
    kind, *marks = kinds.lower().split(";")
    if not comma or scheme.lower() != "data":
        raise refuse(path, "must be a data URL such as data:image/png;base64,…")
    if "base64" not in marks:
        return kind or "text/plain", base64.b64encode(unquote_to_bytes(data)).decode()
    return kind or "text/plain", data
