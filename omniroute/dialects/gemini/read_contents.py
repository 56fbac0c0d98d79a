"""Reader for the conversation of a Gemini request: wire -> form."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from omniroute.dialects.gemini.field_case import camel
from omniroute.dialects.gemini.reasoning_signatures import unwrap
from omniroute.dialects.ir import (
    NO_EXTRA,
    Body,
    Extra,
    Media,
    Message,
    Native,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from omniroute.dialects.json_edit import dump
from omniroute.dialects.reasoning_signatures import CALL, TEXT
from omniroute.dialects.tool_names import derive_id
from omniroute.dialects.validate import expect, lift, objects, optional, refuse, required

ROLES = {"user": "user", "function": "user", "model": "assistant"}
SAID = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
"""Kinds of parts that other dialects have too."""
FILE = ("mimeType", "mime_type", "data", "fileUri", "file_uri", "displayName", "display_name")
"""Fields of a file in both spellings."""
OWN_PLACES = ("gs://", "https://generativelanguage.googleapis.com/", "https://www.youtube.com/", "https://youtu.be/")
"""URL prefixes of files that only Google can read."""
UNCHECKED = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
"""Placeholders that Google accepts as the signature of a call that its models did not make."""
OUTPUTS = ("output", "result", "content")


class Calls:
    """Calls without a result, to which results are matched; many clients send no ids for either."""

    def __init__(self) -> None:
        self._open: list[tuple[str, str, int]] = []
        self._count = 0
        self._turn = 0

    def next_turn(self) -> None:
        self._turn += 1

    def call(self, call_id: str | None, name: str) -> str:
        """Register a call and return its id.

        A missing id is derived from the call's position, so it is the same in each turn of a growing conversation.
        """
        self._count += 1
        given = call_id or derive_id("call_", self._count, name)
        self._open.append((given, name, self._turn))
        return given

    def result(self, call_id: str | None, name: str) -> str:
        """Return the id of the call that a result belongs to.

        This is the call with the given id, or else the first call of that name in the newest turn that has one.
        """
        found = next((call for call in self._open if call[0] == call_id), None)
        if found is None and (named := [call for call in self._open if call[1] == name]):
            found = next(call for call in named if call[2] == named[-1][2])
        if found is None:
            self._count += 1
            return call_id or derive_id("call_", self._count, name)
        self._open.remove(found)
        return found[0]


def own(fields: Mapping[str, Any]) -> Extra:
    return {"gemini": fields} if fields else NO_EXTRA


def rest(body: Body, *known: str) -> Extra:
    return own({key: value for key, value in body.items() if key not in known})


def read_contents(contents: list[Any]) -> tuple[Message, ...]:
    """Read the turns. Raise BadRequest, naming the field, for a missing, mistyped or unsupported field.

    Google's own client sends a streamed answer back as one content for each piece; these are joined into one turn.
    """
    calls = Calls()
    messages: list[Message] = []
    for content, path in objects(contents, "contents"):
        content = camel(content)
        said = _role(content, path)
        goes_on = bool(messages) and messages[-1].role == said == "assistant"
        before = messages.pop() if goes_on else Message(said, ())
        if not goes_on:
            calls.next_turn()
        messages.append(_content(content, path, calls, before))
    return tuple(messages)


def read_system(instruction: Any) -> tuple[Message, ...]:
    """Read the system prompt. Raise BadRequest for a field of the wrong type."""
    if instruction is None:
        return ()
    path = "systemInstruction"
    if isinstance(instruction, str):
        return (Message("system", (Text(instruction),)),) if instruction else ()
    content = camel(expect(instruction, dict, path))
    parts = _parts(content.get("parts"), f"{path}.parts", Calls())
    parts = _settle(parts, "system", f"{path}.parts")
    return (Message("system", parts, rest(content, "role", "parts")),) if parts else ()


def _role(content: Body, path: str) -> Literal["user", "assistant"]:
    role = optional(content, "role", str, path) or "user"
    if role not in ROLES:
        raise refuse(f"{path}.role", f"must be user or model, not {role!r}")
    return "assistant" if role == "model" else "user"


def _content(content: Body, path: str, calls: Calls, before: Message) -> Message:
    """Return the turn `before`, extended by this content."""
    parts = _parts(content.get("parts"), f"{path}.parts", calls, before.parts)
    parts = _settle(parts, before.role, f"{path}.parts")
    if before.role == "assistant":
        parts = _join(parts)
    fields = {**before.extra.get("gemini", {}), **rest(content, "role", "parts").get("gemini", {})}
    return Message(before.role, parts, own(fields))


def _settle(parts: tuple[Part, ...], role: str, path: str) -> tuple[Part, ...]:
    """Reject calls and results in a turn of the wrong role; turn thoughts outside a model turn into plain text."""
    settled: list[Part] = []
    for part in parts:
        if isinstance(part, ToolCall) and role != "assistant":
            raise refuse(path, "must not hold a functionCall, which belongs to a turn of the model")
        if isinstance(part, ToolResult) and role != "user":
            raise refuse(path, "must not hold a functionResponse, which belongs to a turn of the user")
        settled.append(Text(part.text) if isinstance(part, Reasoning) and role != "assistant" else part)
    return tuple(settled)


def _parts(parts: Any, path: str, calls: Calls, before: tuple[Part, ...] = ()) -> tuple[Part, ...]:
    """Return the parts `before`, followed by these parts."""
    if parts is None:
        return before
    if isinstance(parts, dict):
        parts = [parts]
    if not isinstance(parts, list):
        raise refuse(path, "must be a list of parts")
    found = list(before)
    for body, where in objects(parts, path):
        body = camel(body)
        if "functionCall" in body:
            found = _seal(found, optional(body, "thoughtSignature", str, where))
        if (part := _part(body, where, calls)) is not None:
            found.append(part)
    return tuple(found)


def _seal(before: list[Part], signature: str | None) -> list[Part]:
    """Return the parts before a call, with the reasoning held in the call's thought signature.

    Of another provider's reasoning, the client may have kept only some parts or none; the missing ones are added, at
    the start of the turn if this is its first call.
    """
    if not signature or signature in UNCHECKED:
        return before
    if (thoughts := unwrap(signature)) is None:
        return [*before, Reasoning(signature=CALL + signature, origin="gemini")]
    told = {(part.signature, part.sealed) for part in before if isinstance(part, Reasoning)}
    missing = [part for part in thoughts if (part.signature, part.sealed) not in told]
    texts = {part.text for part in missing}
    kept = [part for part in before if not _is_bare(part, texts)]
    first = not any(isinstance(part, ToolCall) for part in before)
    return [*missing, *kept] if first else [*kept, *missing]


def _is_bare(part: Part, texts: Iterable[str]) -> bool:
    """Return whether a part is an unsigned thought whose text is in `texts`, the texts of signed thoughts."""
    return isinstance(part, Reasoning) and not part.signature and part.sealed is None and part.text in texts


def _join(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Join consecutive parts of text or of thought; some clients keep each streamed piece as a part of its own."""
    joined: list[Part] = []
    for part in parts:
        match joined[-1] if joined else None, part:
            case Text(text=before, extra=extra), Text(text=text) if not extra:
                joined[-1] = Text(before + text, extra=part.extra)
            case Reasoning(text=before, signature=None, sealed=None), Reasoning(text=text, sealed=None):
                joined[-1] = Reasoning(before + text, part.signature, origin=part.origin, extra=part.extra)
            case _:
                joined.append(part)
    return tuple(joined)


def _part(body: Body, path: str, calls: Calls) -> Part | None:
    kind = next((key for key in SAID if key in body), None)
    if kind == "text":
        return _text(body, path)
    if kind == "functionCall":
        body = lift(body, kind, "id", "name", "args")
        call = camel(required(body, kind, dict, path))
        where = f"{path}.functionCall"
        name = required(call, "name", str, where)
        arguments = dump(optional(call, "args", dict, where) or {}).decode()
        call_id = calls.call(optional(call, "id", str, where), name)
        return ToolCall(call_id, name, arguments, rest(body, kind, "thought", "thoughtSignature"))
    if kind == "functionResponse":
        beside = {key: value for key, value in body.items() if key != kind}
        return _result(beside | camel(required(body, kind, dict, path)), f"{path}.functionResponse", calls)
    if kind is not None:
        return _media(body, kind, path)
    if not body.keys() - {"thought", "thoughtSignature"}:
        return None
    # Code that the provider ran itself; the answer based on it follows as text.
    return Native("gemini", body, path, needed=False)


def _rest(body: Body, kind: str) -> Extra:
    extra = {key: value for key, value in body.items() if key not in (kind, "thought")}
    return own(extra)


def _text(body: Body, path: str) -> Part | None:
    text = required(body, "text", str, path)
    signature = optional(body, "thoughtSignature", str, path)
    if not optional(body, "thought", bool, path):
        if signature and not text:
            return Reasoning(sealed=TEXT + signature, origin="gemini")
        return Text(text, extra=_rest(body, "text")) if text else None
    extra = rest(body, "text", "thought", "thoughtSignature")
    if not signature:
        return Reasoning(text, extra=extra) if text else None
    [*_, found] = unwrap(signature) or [Reasoning("", signature, origin="gemini")]
    return replace(found, text=text, extra=extra)


def _media(body: Body, kind: str, path: str) -> Media | Native:
    where = f"{path}.{kind}"
    blob = camel(required(body, kind, dict, path))
    body = lift(body, kind, *FILE)
    mime = optional(blob, "mimeType", str, where)
    name = optional(blob, "displayName", str, where)
    family = _family(mime)
    extra = _rest(body, kind)
    if kind == "inlineData":
        data = required(blob, "data", str, where)
        if mime is None:
            raise refuse(f"{where}.mimeType", "is missing")
        # Google's libraries write web-safe base64 in JSON; other dialects accept only standard base64.
        data = data.replace("-", "+").replace("_", "/")
        return Native("gemini", body, where) if family is None else Media(family, mime, data, None, name, where, extra)
    url = required(blob, "fileUri", str, where)
    if family is None or mime is None or url.startswith(OWN_PLACES):
        return Native("gemini", body, where)
    return Media(family, mime, url=url, name=name, path=where, extra=extra)


def _family(mime: str | None) -> Literal["image", "document", "audio"] | None:
    match (mime or "").partition("/")[0]:
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return None
        case _:
            return "document"


def _result(result: Body, path: str, calls: Calls) -> ToolResult:
    name = optional(result, "name", str, path) or ""
    response = optional(result, "response", dict, path) or {}
    call_id = calls.result(optional(result, "id", str, path), name)
    text, error = _outcome(response, name)
    parts: list[Text | Media | Native] = [Text(text)] if text else []
    shown = objects(optional(result, "parts", list, path) or [], f"{path}.parts")
    for body, where in shown:
        body = camel(body)
        kind = next((key for key in ("inlineData", "fileData") if key in body), None)
        parts.append(_media(body, kind, where) if kind else Native("gemini", body, where))
    return ToolResult(call_id, tuple(parts), error, rest(result, "id", "name", "response", "parts"))


def _outcome(response: Body, name: str) -> tuple[str, bool]:
    """Return the output of a tool as text, and whether it is an error.

    A field that only repeats the tool's name is ignored.
    """
    fields = {key: value for key, value in response.items() if (key, value) != ("name", name)}
    if len(fields) == 1:
        [(key, value)] = fields.items()
        if key == "error":
            return (value if isinstance(value, str) else dump(value).decode()), True
        if key in OUTPUTS:
            return (value if isinstance(value, str) else dump(value).decode()), False
    return (dump(fields).decode() if fields else ""), False
