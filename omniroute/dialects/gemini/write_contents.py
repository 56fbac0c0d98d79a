"""The conversation of a Gemini request: form -> wire."""

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
    """Fits the names of tools to Gemini's rule: they begin with a letter or an underscore, too."""

    def fit(self, name: str) -> str:
        if name[:1] == "_" or (name[:1].isascii() and name[:1].isalpha()):
            return super().fit(name)
        return self._replace(name, f"_{name}")


def write_contents(
    messages: Sequence[Message], model: str, losses: Losses, names: ToolNames
) -> tuple[list[Body], list[Body]]:
    """Give the parts of the system prompt, and the turns.

    A later prompt joins the first; but after an answer it becomes what the user says, for what was sent before must
    begin the same each time: that is what providers keep in their caches.
    """
    mended = repair_messages(messages, partial(fit_id, limit=ID_LIMIT), losses)
    if all(message.role in PROMPTS for message in mended):
        # A prompt alone is no conversation here: the last one becomes what the user says.
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
        # Google refuses a call that follows nothing that was said to the model.
        losses.add("messages.first_turn")
        turns.insert(0, {"role": "user", "parts": [{"text": " "}]})
    return system, turns


def _add(turn: Body, turns: list[Body]) -> None:
    """Add a turn; two of the model are one, since Google refuses a call that follows the model's own words."""
    if turns and turn["role"] == "model" == turns[-1]["role"]:
        turns[-1] |= turn | {"parts": turns[-1]["parts"] + turn["parts"]}
    else:
        turns.append(turn)


def _sign(parts: list[Body]) -> None:
    """Mark the first call of a turn as not to be checked, where it bears no signature."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", UNCHECKED[0])


def _parts(parts: Iterable[Part], losses: Losses, names: ToolNames, called: Mapping[str, str]) -> list[Body]:
    """Write parts: the results of tools before what they show, which stands beside them."""
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
    """Write what Gemini can check: thoughts of another provider are none of its own."""
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
    """Give the arguments as the object that is asked for; what is none is kept as text inside one."""
    given = read_arguments(call.arguments)
    if given is None:
        losses.add("messages.tool_calls.arguments")
        return {"arguments": call.arguments}
    return given


def read_arguments(text: str) -> dict[str, Any] | None:
    """Read the arguments of a call; None where they are no object, or not whole."""
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
