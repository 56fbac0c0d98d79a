"""The conversation of a Chat Completions request: form -> wire."""

from collections.abc import Iterable
from functools import partial

from omniroute.dialects.ir import (
    Body,
    Media,
    Message,
    Native,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolName,
    ToolResult,
)
from omniroute.dialects.names import ToolNames, fit_id
from omniroute.dialects.openai.reasoning import write_reasoning
from omniroute.dialects.openai.seals import Seals
from omniroute.dialects.read import read_base64, refuse
from omniroute.dialects.turns import mend, refuse_media
from omniroute.dialects.written import Losses, write_native

ID_LIMIT = 40
TEXT_ONLY = ("system", "developer", "assistant")
SUBTYPES = {"audio/mpeg": "mp3", "audio/wav": "wav"}


def write_messages(messages: Iterable[Message], model: str, losses: Losses, names: ToolNames) -> list[Body]:
    """Write the messages, each call of a tool followed by its result."""
    written: list[Body] = []
    for message in mend(messages, partial(fit_id, limit=ID_LIMIT), losses):
        refuse_media(message, TEXT_ONLY)
        extra = losses.foreign(message.extra, "openai", "messages.")
        match message.role:
            case "assistant":
                written.append(_assistant(message.parts, model, losses, names) | extra)
            case "user":
                written += _user(message.parts, extra, losses, names)
            case role:
                written.append({"role": role, "content": _content(message.parts, losses, names)} | extra)
    return written


def _user(parts: Iterable[Part], extra: Body, losses: Losses, names: ToolNames) -> list[Body]:
    """Write the results of tools, and after all of them what else there is: pictures may not stand in a result."""
    results: list[Body] = []
    shown: list[Part] = []
    said: list[Part] = []
    for part in parts:
        if not isinstance(part, ToolResult):
            said.append(part)
            continue
        if part.error:
            losses.add("messages.is_error")
        texts = [inner for inner in part.parts if not isinstance(inner, Media)]
        shown += [inner for inner in part.parts if isinstance(inner, Media)]
        body: Body = {"role": "tool", "tool_call_id": part.call_id, "content": _content(texts, losses, names)}
        results.append(body | losses.foreign(part.extra, "openai", "messages."))
    if shown or said or not results:
        results.append({"role": "user", "content": _content([*shown, *said], losses, names)} | extra)
    return results


def _assistant(parts: Iterable[Part], model: str, losses: Losses, names: ToolNames) -> Body:
    reasoning: list[Reasoning] = []
    texts: list[Part] = []
    refusals: list[str] = []
    calls: list[Body] = []
    seals = Seals(model)
    for part in parts:
        match part:
            case Reasoning(signature=None, sealed=None):
                reasoning.append(part)
            case Reasoning():
                if not seals.take(part):
                    losses.add("messages.thinking")
            case Refusal(text=text):
                refusals.append(text)
            case ToolCall():
                function = {"name": names.fit(part.name), "arguments": part.arguments or "{}"}
                call: Body = {"id": part.id, "type": "function", "function": function}
                calls.append(seals.sign(call | losses.foreign(part.extra, "openai", "tool_calls.")))
            case _:
                texts.append(part)
    body: Body = {"role": "assistant", "content": _content(texts, losses, names) if texts else None}
    if body["content"] is None and not calls and not refusals:
        body["content"] = ""
    if refusals:
        body["refusal"] = "".join(refusals)
    if calls:
        body["tool_calls"] = calls
    return body | write_reasoning(reasoning) | seals.said


def _content(parts: Iterable[Part], losses: Losses, names: ToolNames) -> str | list[Body]:
    """Write parts: text alone as one string, which every upstream understands."""
    bodies = [body for part in parts if (body := _part(part, losses, names)) is not None]
    if all(body.keys() == {"type", "text"} for body in bodies):
        return "\n\n".join(body["text"] for body in bodies)
    return bodies


def _part(part: Part, losses: Losses, names: ToolNames) -> Body | None:
    match part:
        case Text(text=text, citations=citations, extra=extra):
            if citations:
                losses.add("citations")
            return {"type": "text", "text": text} | losses.foreign(extra, "openai")
        case Media():
            return _media(part, losses)
        case ToolName(name=name, extra=extra):
            losses.foreign(extra, "openai")
            return {"type": "text", "text": names.fit(name)}
        case Refusal(text=text):
            return {"type": "text", "text": text}
        case Native(dialect="openai") | Native(needed=True):
            return write_native(part, "openai")
        case Native(body=body):
            losses.add(f"messages.{body.get('type') or next(iter(body), None)}")
            return None
        case _:
            raise AssertionError(f"{type(part).__name__} has no place in the content of a message")


def _media(media: Media, losses: Losses) -> Body:
    extra = losses.foreign(media.extra, "openai")
    if media.kind == "image":
        url = f"data:{media.mime};base64,{media.data}" if media.url is None else media.url
        image = {"url": url} | ({"detail": extra.pop("detail")} if "detail" in extra else {})
        return {"type": "image_url", "image_url": image} | extra
    if media.data is not None and media.kind == "document" and (media.mime or "").startswith("text/"):
        if media.name:
            losses.add("document.title")
        return {"type": "text", "text": read_base64(media.data, media.path).decode("utf-8", "replace")} | extra
    if media.data is None:
        raise refuse(media.path, "is a document by URL, which Chat Completions cannot say: send its data")
    if media.kind == "audio":
        sound = {
            "data": media.data,
            "format": SUBTYPES.get(media.mime or "", (media.mime or "").removeprefix("audio/")),
        }
        return {"type": "input_audio", "input_audio": sound} | extra
    name = media.name or ("document.pdf" if media.mime == "application/pdf" else "document")
    file = {"filename": name, "file_data": f"data:{media.mime};base64,{media.data}"}
    return {"type": "file", "file": file} | extra
