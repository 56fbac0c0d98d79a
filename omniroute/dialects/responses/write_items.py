"""Writer for the conversation of an OpenAI Responses request: form -> wire."""

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
from omniroute.dialects.losses import Losses, write_native
from omniroute.dialects.message_repair import refuse_media, repair_messages
from omniroute.dialects.openai.write_request import SUBTYPES
from omniroute.dialects.tool_names import ToolNames, fit_id
from omniroute.dialects.validate import read_base64

ID_LIMIT = 64


def write_items(messages: Iterable[Message], losses: Losses, names: ToolNames) -> list[Body]:
    """Write the items, each tool call followed by its result. Raise BadRequest for media in an assistant message.

    Items have no ids, as an id would refer to an item that the provider does not store.
    """
    items: list[Body] = []
    for message in repair_messages(messages, partial(fit_id, limit=ID_LIMIT), losses):
        refuse_media(message, ("assistant",))
        extra = losses.foreign(message.extra, "responses", "messages.")
        if message.role == "assistant":
            items += [item | extra for item in _assistant(message.parts, losses, names)]
            continue
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        items += [_result(part, losses, names) for part in results]
        said = [part for part in message.parts if not isinstance(part, ToolResult)]
        if content := _content(said, losses, names):
            items.append({"type": "message", "role": message.role, "content": content} | extra)
    return items


def _assistant(parts: Iterable[Part], losses: Losses, names: ToolNames) -> Iterable[Body]:
    for part in parts:
        match part:
            case Text(text=text, citations=citations, extra=extra):
                if citations:
                    losses.add("citations")
                losses.foreign(extra, "responses")
                if text:
                    yield {"type": "message", "role": "assistant", "content": text}
            case Refusal(text=text):
                content = [{"type": "refusal", "refusal": text}]
                yield {"type": "message", "role": "assistant", "content": content}
            case Reasoning():
                yield from _reasoning(part, losses)
            case ToolCall(id=call_id, name=name, arguments=arguments):
                call = {"type": "function_call", "call_id": call_id, "name": names.fit(name)}
                own = losses.foreign(part.extra, "responses", "tool_calls.")
                yield call | {"arguments": arguments or "{}"} | own
            case Native(dialect="responses") | Native(needed=True):
                yield write_native(part, "responses")
            case Native(body=body):
                losses.add(f"messages.{body.get('type') or next(iter(body), None)}")
            case _:
                content = [body for body in [_part(part, losses, names)] if body is not None]
                yield {"type": "message", "role": "assistant", "content": content}


def _reasoning(part: Reasoning, losses: Losses) -> Iterable[Body]:
    """Write reasoning that OpenAI encrypted; it accepts no other back, which is recorded as a loss."""
    extra = losses.foreign(part.extra, "responses")
    seal = part.signature if part.sealed is None else part.sealed
    if part.origin != "responses" or not seal:
        losses.add("messages.reasoning")
        return
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    yield {"type": "reasoning", "summary": summary, "encrypted_content": seal} | extra


def _result(result: ToolResult, losses: Losses, names: ToolNames) -> Body:
    if result.error:
        losses.add("messages.is_error")
    content = _content(result.parts, losses, names)
    texts = [part["text"] for part in content if part.keys() == {"type", "text"}]
    output = "\n\n".join(texts) if len(texts) == len(content) <= 1 else content
    body = {"type": "function_call_output", "call_id": result.call_id, "output": output}
    return body | losses.foreign(result.extra, "responses", "messages.")


def _content(parts: Iterable[Part], losses: Losses, names: ToolNames) -> list[Body]:
    return [body for part in parts if (body := _part(part, losses, names)) is not None]


def _part(part: Part, losses: Losses, names: ToolNames) -> Body | None:
    match part:
        case Text(text=text, citations=citations, extra=extra):
            if citations:
                losses.add("citations")
            return {"type": "input_text", "text": text} | losses.foreign(extra, "responses")
        case Refusal(text=text):
            return {"type": "input_text", "text": text}
        case ToolName(name=name, extra=extra):
            losses.foreign(extra, "responses")
            return {"type": "input_text", "text": names.fit(name)}
        case Media():
            return _media(part, losses)
        case Native(dialect="responses") | Native(needed=True):
            return write_native(part, "responses")
        case Native(body=body):
            losses.add(f"messages.{body.get('type') or next(iter(body), None)}")
            return None
        case _:
            raise AssertionError(f"{type(part).__name__} has no place in the content of a message")


def _media(media: Media, losses: Losses) -> Body:
    shared = dict(media.extra)
    chat = dict(shared.pop("openai", {}))
    detail = chat.pop("detail", "auto")
    extra = {"detail": detail} | losses.foreign({**shared, "openai": chat}, "responses")
    inline = f"data:{media.mime};base64,{media.data}"
    if media.kind == "image":
        return {"type": "input_image", "image_url": inline if media.url is None else media.url} | extra
    del extra["detail"]
    if media.kind == "audio":
        sound = SUBTYPES.get(media.mime or "", (media.mime or "").removeprefix("audio/"))
        return {"type": "input_audio", "input_audio": {"data": media.data, "format": sound}} | extra
    if media.url is not None:
        if media.name:
            losses.add("document.title")
        return {"type": "input_file", "file_url": media.url} | extra
    if (media.mime or "").startswith("text/"):
        if media.name:
            losses.add("document.title")
        text = read_base64(media.data or "", media.path).decode("utf-8", "replace")
        return {"type": "input_text", "text": text} | extra
    name = media.name or ("document.pdf" if media.mime == "application/pdf" else "document")
    return {"type": "input_file", "filename": name, "file_data": inline} | extra
