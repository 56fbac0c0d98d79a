"""Reader for the conversation of an OpenAI Responses request: wire -> form."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

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
    Tool,
    ToolCall,
    ToolResult,
)
from omniroute.dialects.openai.read_request import AUDIO, read_data_url, read_picture
from omniroute.dialects.responses.reasoning import read_reasoning
from omniroute.dialects.responses.reply import read_annotation
from omniroute.dialects.tool_names import OwnName, read_custom, write_input
from omniroute.dialects.validate import lift, objects, optional, refuse, required

OPTIONAL = ("web_search", "tool_search")
"""Type prefixes of provider tools that may be left out, as the client can do without them."""


@dataclass(slots=True)
class Tools:
    """The tools of a request, collected while it is read."""

    tools: list[Tool | Native] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """Tool name in the form -> encoded own name, for each tool that is not a plain function."""
    left_out: dict[str, Any] = field(default_factory=dict)
    """Provider tools that the client can do without, by the name under which the loss is reported."""
    _places: dict[str, tuple[int, OwnName]] = field(default_factory=dict)

    def read(self, tools: Iterable[tuple[Body, str]], namespace: str = "") -> None:
        for tool, path in tools:
            kind = required(tool, "type", str, path)
            if kind == "namespace":
                inner = required(tool, "tools", list, path)
                self.read(objects(inner, f"{path}.tools"), required(tool, "name", str, path))
                if optional(tool, "description", str, path):
                    self.left_out["tools.namespace.description"] = True
            elif kind == "function":
                own = OwnName(required(tool, "name", str, path), namespace=namespace)
                self._add(_function(tool, own, path), own, path)
            elif kind == "custom":
                own = OwnName(required(tool, "name", str, path), "custom", namespace)
                self._add(_custom(tool, own, path), own, path)
            elif kind.startswith(OPTIONAL):
                self.left_out[f"tools.{kind}"] = tool
            else:
                self.tools.append(Native("responses", tool, f"{path}.type"))

    def _add(self, tool: Tool, own: OwnName, path: str) -> None:
        """Add a tool; a later one of the same name replaces it, as upstreams reject duplicates.

        Raise BadRequest if the name collides with that of another tool.
        """
        place = self._places.setdefault(own.plain, (len(self.tools), own))
        if place[1] != own:
            raise refuse(f"{path}.name", f"{own.plain!r} is the name of another tool too, outside of its namespace")
        if place[0] == len(self.tools):
            self.tools.append(tool)
        elif self.tools[place[0]] != tool:
            self.tools[place[0]] = tool
            self.left_out["tools.duplicate"] = True
        if own.kind == "custom" or own.namespace:
            self.names[own.plain] = own.word


def rest(body: Body, *known: str) -> Extra:
    """Return the unknown fields as `Extra`."""
    found = {key: value for key, value in body.items() if key not in known and value is not None}
    return {"responses": found} if found else NO_EXTRA


def _function(tool: Body, own: OwnName, path: str) -> Tool:
    return Tool(
        own.plain,
        optional(tool, "description", str, path),
        optional(tool, "parameters", dict, path),
        optional(tool, "strict", bool, path),
        path=path,
        extra=rest(tool, "type", "name", "description", "parameters", "strict"),
    )


def _custom(tool: Body, own: OwnName, path: str) -> Tool:
    form = optional(tool, "format", dict, path) or {"type": "text"}
    extra = rest(tool, "type", "name", "description", *(() if form.get("type") == "grammar" else ("format",)))
    return replace(read_custom(own.plain, tool, form, path), extra=extra)


LABELS = ("type", "id", "status")
"""Fields that identify an item or give its status; they hold no content."""
RAN_BY_PROVIDER = (
    *("web_search_call", "file_search_call", "code_interpreter_call", "mcp_list_tools", "mcp_call"),
    *("tool_search_call", "tool_search_output"),
)
"""Items whose result is in the answer that follows them."""
DETAILS = ("low", "high")
"""Values of an image's `detail` that Chat Completions shares."""


def read_items(items: list[Any], tools: Tools) -> tuple[Message, ...]:
    """Read the items of `input`; add tools found among them to `tools`.

    Raise BadRequest, naming the field, for a missing, mistyped or unsupported field.
    """
    messages: list[Message] = []
    for item, path in objects(items, "input"):
        kind = optional(item, "type", str, path) or "message"
        if kind == "additional_tools":
            tools.read(objects(required(item, "tools", list, path), f"{path}.tools"))
        elif kind == "item_reference":
            raise refuse(path, "refers to an item that is not kept here: send the item itself")
        elif (message := _item(kind, item, path)) is not None:
            messages.append(message)
    return tuple(messages)


def _item(kind: str, item: Body, path: str) -> Message | None:
    match kind:
        case "message":
            return _message(item, path)
        case "function_call" | "custom_tool_call":
            return Message("assistant", (_call(kind, item, path),))
        case "function_call_output" | "custom_tool_call_output":
            return Message("user", (_result(item, path),))
        case "reasoning":
            for key in ("summary", "content"):
                objects(optional(item, key, list, path) or [], f"{path}.{key}")
            optional(item, "encrypted_content", str, path)
            part = read_reasoning(item)
            return Message("assistant", (part,)) if part is not None else None
        case _:
            return Message("assistant", (Native("responses", item, path, needed=kind not in RAN_BY_PROVIDER),))


def _message(item: Body, path: str) -> Message:
    role = required(item, "role", str, path)
    if role not in {"user", "assistant", "system", "developer"}:
        raise refuse(f"{path}.role", f"must be user, assistant, system or developer, not {role!r}")
    if "content" not in item:
        raise refuse(f"{path}.content", "is missing")
    known: Any = role
    return Message(known, _parts(item["content"], f"{path}.content"), rest(item, *LABELS, "role", "content"))


def _call(kind: str, item: Body, path: str) -> ToolCall:
    name = OwnName(required(item, "name", str, path), namespace=optional(item, "namespace", str, path) or "").plain
    call_id = required(item, "call_id", str, path)
    if kind == "custom_tool_call":
        extra = rest(item, *LABELS, "call_id", "name", "namespace", "input")
        return ToolCall(call_id, name, write_input(required(item, "input", str, path)), extra)
    extra = rest(item, *LABELS, "call_id", "name", "namespace", "arguments")
    return ToolCall(call_id, name, optional(item, "arguments", str, path) or "", extra)


def _result(item: Body, path: str) -> ToolResult:
    if "output" not in item:
        raise refuse(f"{path}.output", "is missing")
    parts = _parts(item["output"], f"{path}.output")
    inner = tuple(part for part in parts if isinstance(part, (Text, Media, Native)))
    extra = rest(item, *LABELS, "call_id", "output", "name", "namespace")
    return ToolResult(required(item, "call_id", str, path), inner, extra=extra)


def _parts(content: Any, path: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        raise refuse(path, "must be a string or a list of parts")
    return tuple(_part(part, where) for part, where in objects(content, path))


def _part(part: Body, path: str) -> Part:
    kind = required(part, "type", str, path)
    match kind:
        case "input_text" | "output_text" | "text":
            text = required(part, "text", str, path)
            notes = objects(optional(part, "annotations", list, path) or [], f"{path}.annotations")
            found = (read_annotation(note, text) for note, _ in notes)
            extra = rest(part, "type", "text", "annotations", "logprobs")
            return Text(text, tuple(citation for citation in found if citation), extra)
        case "refusal":
            return Refusal(required(part, "refusal", str, path))
        case "input_image":
            return _image(part, path)
        case "input_file":
            return _file(part, path)
        case "input_audio":
            audio = required(part, "input_audio", dict, path)
            sound = required(audio, "format", str, f"{path}.input_audio")
            data = required(audio, "data", str, f"{path}.input_audio")
            return Media(
                "audio",
                AUDIO.get(sound, f"audio/{sound}"),
                data,
                path=path,
                extra=rest(lift(part, kind, "data", "format"), "type", kind),
            )
        case _:
            return Native("responses", part, f"{path}.type")


def _image(part: Body, path: str) -> Media | Native:
    if part.get("image_url") is None and part.get("file_id") is not None:
        return Native("responses", part, f"{path}.file_id")
    url = required(part, "image_url", str, path)
    extra: Extra = rest(part, "type", "image_url", "detail")
    detail = optional(part, "detail", str, path)
    if detail in DETAILS:
        extra = {**extra, "openai": {"detail": detail}}
    elif detail not in {None, "auto"}:
        extra = {"responses": {**extra.get("responses", {}), "detail": detail}}
    return read_picture(url, path, f"{path}.image_url", extra)


def _file(part: Body, path: str) -> Media | Native:
    name = optional(part, "filename", str, path)
    extra = rest(part, "type", "filename", "file_data", "file_url") or NO_EXTRA
    if part.get("file_data") is not None:
        mime, data = read_data_url(required(part, "file_data", str, path), f"{path}.file_data")
        return Media("document", mime, data, name=name, path=path, extra=extra)
    if part.get("file_url") is not None:
        return Media("document", url=required(part, "file_url", str, path), name=name, path=path, extra=extra)
    return Native("responses", part, f"{path}.file_id")
