"""Writer for the conversation of a Gemini request: form -> wire."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, assert_never

import orjson

from omniroute.dialects.gemini import capabilities
from omniroute.dialects.gemini.read_contents import UNCHECKED
from omniroute.dialects.gemini.reasoning_signatures import Signer
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
from omniroute.dialects.tool_names import ToolNames, fit_id
from omniroute.dialects.validate import refuse

ID_LIMIT = 64
PROMPTS = ("system", "developer")
TYPES = {
    **{"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"},
    **{"heic": "image/heic", "heif": "image/heif", "pdf": "application/pdf", "txt": "text/plain"},
}


class Names(ToolNames):
    """Tool names fitted to Gemini's rules, by which a name must start with a letter or an underscore."""

    def fit(self, name: str) -> str:
        if name[:1] == "_" or (name[:1].isascii() and name[:1].isalpha()):
            return super().fit(name)
        return self._replace(name, f"_{name}")


def write_contents(
    messages: Sequence[Message], model: str, losses: Losses, names: ToolNames
) -> tuple[list[Body], list[Body]]:
    """Return the parts of the system prompt, and the turns.

    A later system message joins the system prompt, or becomes a user message if it follows an assistant turn: the
    part sent before must not change, so that the provider's prompt cache still matches.

    Raise BadRequest if no content is left, or for media in a system message.
    """
    mended = repair_messages(messages, partial(fit_id, limit=ID_LIMIT), losses)
    if all(message.role in PROMPTS for message in mended):
        # A system prompt alone is not a conversation in this dialect: the last one becomes a user message.
        losses.add("messages.system_position")
        mended[-1] = replace(mended[-1], role="user")
    called = {part.id: part.name for message in mended for part in message.parts if isinstance(part, ToolCall)}
    system: list[Body] = []
    turns: list[Body] = []
    answered = False
    for message in mended:
        refuse_media(message, PROMPTS)
        parts = _parts(message.parts, losses, names, called)
        extra = losses.foreign(message.extra, "gemini", "messages.")
        answered = answered or message.role == "assistant"
        if message.role in PROMPTS and not answered:
            system += parts
            if turns:
                losses.add("messages.system_position")
        elif parts:
            if message.role in PROMPTS:
                losses.add("messages.system_role")
            if message.role == "assistant" and capabilities.checks_signatures(model):
                _sign(parts)
            _add({"role": "model" if message.role == "assistant" else "user", "parts": parts} | extra, turns)
    if not turns:
        raise refuse("messages", "must hold at least one message with content")
    if any("functionCall" in part for part in turns[0]["parts"]):
        # Google rejects a call that no user turn precedes.
        losses.add("messages.first_turn")
        turns.insert(0, {"role": "user", "parts": [{"text": " "}]})
    return system, turns


def _add(turn: Body, turns: list[Body]) -> None:
    """Add a turn; join consecutive model turns, as Google rejects a call that follows a model turn."""
    if turns and turn["role"] == "model" == turns[-1]["role"]:
        turns[-1] |= turn | {"parts": turns[-1]["parts"] + turn["parts"]}
    else:
        turns.append(turn)


def _sign(parts: list[Body]) -> None:
    """Put the placeholder signature on the first call of a turn if it has none."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", UNCHECKED[0])


def _parts(parts: Iterable[Part], losses: Losses, names: ToolNames, called: Mapping[str, str]) -> list[Body]:
    """Write parts: tool results first, then their media, which are separate parts, then all others."""
    written: list[Body] = []
    shown: list[Body] = []
    said: list[Body] = []
    signer = Signer()
    for part in parts:
        if isinstance(part, ToolResult):
            written.append(_result(part, losses, names, called))
            shown += [_media(inner, losses) for inner in part.parts if isinstance(inner, Media)]
        elif isinstance(part, Reasoning):
            said += _reasoning(part, signer, losses)
        elif (body := _part(part, losses, names)) is not None:
            said.append(signer.sign(body) if "functionCall" in body else body)
    if (rest := signer.rest()) is not None:
        said.append(rest)
    return written + shown + said


def _part(part: Part, losses: Losses, names: ToolNames) -> Body | None:
    match part:
        case Text():
            return _text(part, losses)
        case Refusal(text=text):
            return _text(Text(text), losses)
        case Media():
            return _media(part, losses)
        case ToolCall(id=call_id, name=name, extra=extra):
            call = {"id": call_id, "name": names.fit(name), "args": _arguments(part, losses)}
            return {"functionCall": call} | losses.foreign(extra, "gemini", "tool_calls.")
        case ToolName(name=name, extra=extra):
            losses.foreign(extra, "gemini")
            return {"text": names.fit(name)}
        case Native(dialect="gemini") | Native(needed=True):
            return write_native(part, "gemini")
        case Native(body=body):
            losses.add(f"messages.{body.get('type') or next(iter(body), None)}")
            return None
        case ToolResult() | Reasoning():
            raise AssertionError(f"{type(part).__name__} has its own place")
        case _:
            assert_never(part)


def _text(part: Text, losses: Losses) -> Body | None:
    if part.citations:
        losses.add("citations")
    extra = losses.foreign(part.extra, "gemini")
    return {"text": part.text} | extra if part.text else None


def _reasoning(part: Reasoning, signer: Signer, losses: Losses) -> list[Body]:
    """Write thoughts that Gemini signed; any other is recorded as a loss."""
    extra = losses.foreign(part.extra, "gemini")
    if part.origin != "gemini" or not (part.signature or part.sealed):
        losses.add("messages.reasoning")
        return []
    thought: Body = {"text": part.text, "thought": True} if part.text else {}
    body = (signer.take(part) or {}) | thought
    return [body | extra] if body else []


def _media(media: Media, losses: Losses) -> Body:
    extra = losses.foreign(media.extra, "gemini")
    if media.name:
        losses.add("document.title")
    mime = "image/jpeg" if media.mime == "image/jpg" else media.mime
    if media.url is not None:
        tail = media.url.partition("?")[0].rpartition(".")[2].lower()
        mime = mime or TYPES.get(tail) or ("application/pdf" if media.kind == "document" else None)
        return {"fileData": {"fileUri": media.url} | ({"mimeType": mime} if mime else {})} | extra
    return {"inlineData": {"mimeType": mime or "", "data": media.data or ""}} | extra


def _arguments(call: ToolCall, losses: Losses) -> dict[str, Any]:
    """Return the arguments as an object; text that is not a JSON object is wrapped in one."""
    given = read_arguments(call.arguments)
    if given is None:
        losses.add("messages.tool_calls.arguments")
        return {"arguments": call.arguments}
    return given


def read_arguments(text: str) -> dict[str, Any] | None:
    """Parse the arguments of a call; None if they are not a JSON object, or incomplete."""
    if not text.strip():
        return {}
    try:
        arguments = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return arguments if isinstance(arguments, dict) else None


def _result(result: ToolResult, losses: Losses, names: ToolNames, called: Mapping[str, str]) -> Body:
    inner = [_part(part, losses, names) for part in result.parts if not isinstance(part, Media)]
    text = "\n\n".join(part["text"] for part in inner if part and "text" in part)
    name = called.get(result.call_id, result.call_id)
    body: Body = {"id": result.call_id, "name": names.fit(name)}
    body["response"] = {"error" if result.error else "output": text}
    if own := [part for part in inner if part and "text" not in part]:
        body["parts"] = own
    return {"functionResponse": body | losses.foreign(result.extra, "gemini", "messages.")}
