"""Writer for the conversation of an Anthropic Messages request: form -> wire."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, assert_never

import orjson

from omniroute.dialects.claude import capabilities
from omniroute.dialects.ir import (
    Body,
    Media,
    Message,
    Native,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolName,
    ToolResult,
)
from omniroute.dialects.losses import Losses, write_native
from omniroute.dialects.message_repair import refuse_media, repair_messages
from omniroute.dialects.tool_names import ToolNames, fit_id
from omniroute.dialects.validate import read_base64, refuse

ID_LIMIT = 64
PROMPTS = ("system", "developer")
IMAGES = {"image/jpeg", "image/png", "image/gif", "image/webp"}


def write_turns(
    messages: Sequence[Message], losses: Losses, names: ToolNames, *, system_turns: bool
) -> tuple[list[Body], list[Body]]:
    """Return the system prompt, and the alternating user and assistant turns.

    With `system_turns`, a system message after a user turn stays in place. Otherwise it joins the system prompt, or
    becomes a user message if it follows an assistant turn: the part sent before must not change, so that the
    provider's prompt cache still matches.

    Raise BadRequest if no content is left, or for media where only text is allowed.
    """
    mended = repair_messages(messages, partial(fit_id, limit=ID_LIMIT), losses)
    if all(message.role in PROMPTS for message in mended):
        # A system prompt alone is not a conversation in this dialect: the last one becomes a user message.
        losses.add("messages.system_position")
        mended[-1] = replace(mended[-1], role="user")
    system: list[Body] = []
    turns: list[Body] = []
    stands = _may_stand(mended) if system_turns else set()
    answered = False
    for place, message in enumerate(mended):
        answered = answered or message.role == "assistant"
        refuse_media(message, (*PROMPTS, "assistant"))
        blocks = _blocks(message.parts, losses, names)
        extra = losses.foreign(message.extra, "claude", "messages.")
        role = "system" if message.role in PROMPTS else message.role
        if role == "system" and not (turns and place in stands):
            if not answered:
                system += blocks
                if turns:
                    losses.add("messages.system_position")
                continue
            losses.add("messages.system_role")
            role = "user"
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks} | extra)
    if not turns:
        raise refuse("messages", "must hold at least one message with content")
    if turns[-1]["role"] == "assistant" and (last := turns[-1]["content"][-1])["type"] == "text":
        last["text"] = last["text"].rstrip()
    return system, turns


def _may_stand(messages: Sequence[Message]) -> set[int]:
    """Return the indices of system messages between a user message and the assistant's answer.

    The answer may be in the conversation already or still to come.
    """
    found: set[int] = set()
    waiting: list[int] = []
    before = None
    for place, message in enumerate(messages):
        if message.role in PROMPTS:
            waiting.append(place)
            continue
        if before == "user" and message.role == "assistant":
            found.update(waiting)
        waiting.clear()
        before = message.role
    return found.union(waiting) if before == "user" else found


def _blocks(parts: Iterable[Part], losses: Losses, names: ToolNames) -> list[Body]:
    """Write parts; tool calls go last, since their results have to follow them immediately."""
    blocks = [block for part in parts if (block := _block(part, losses, names)) is not None]
    return sorted(blocks, key=lambda block: block["type"] == "tool_use")


def _block(part: Part, losses: Losses, names: ToolNames) -> Body | None:
    match part:
        case Text():
            return _text(part, losses)
        case Refusal(text=text):
            return {"type": "text", "text": text} if text.strip() else None
        case Reasoning():
            return _reasoning(part, losses)
        case Media():
            return _media(part, losses)
        case ToolCall(id=call_id, name=name, extra=extra):
            call = {"type": "tool_use", "id": call_id, "name": names.fit(name), "input": _input(part, losses)}
            return call | losses.foreign(extra, "claude", "tool_calls.")
        case ToolResult():
            return _result(part, losses, names)
        case ToolName(name=name, extra=extra):
            return {"type": "tool_reference", "tool_name": names.fit(name)} | losses.foreign(extra, "claude")
        case Native(dialect="claude") | Native(needed=True):
            return write_native(part, "claude")
        case Native(body=body):
            losses.add(f"messages.{body.get('type') or next(iter(body), None)}")
            return None
        case _:
            assert_never(part)


def _text(part: Text, losses: Losses) -> Body | None:
    if part.citations:
        losses.add("citations")  # Anthropic accepts only its own citations, each with its encrypted index
    block = {"type": "text", "text": part.text} | losses.foreign(part.extra, "claude")
    return block if part.text.strip() else None


def _reasoning(part: Reasoning, losses: Losses) -> Body | None:
    """Write reasoning that Anthropic signed; it rejects any other, which is recorded as a loss."""
    extra = losses.foreign(part.extra, "claude")
    if part.origin == "claude" and part.sealed is not None:
        return {"type": "redacted_thinking", "data": part.sealed} | extra
    if part.origin == "claude" and part.signature:
        return {"type": "thinking", "thinking": part.text, "signature": part.signature} | extra
    losses.add("messages.reasoning")
    return None


def _media(media: Media, losses: Losses) -> Body:
    extra = losses.foreign(media.extra, "claude")
    if media.kind == "audio":
        raise refuse(media.path, "is audio, which the chosen model's provider does not take")
    if media.kind == "document" and media.name:
        extra["title"] = media.name
    mime = "image/jpeg" if media.mime == "image/jpg" else media.mime or ""
    if media.url is not None:
        source = {"type": "url", "url": media.url}
    elif media.kind == "document" and mime.startswith("text/"):
        text = read_base64(media.data or "", media.path).decode("utf-8", "replace")
        source = {"type": "text", "media_type": "text/plain", "data": text}
    elif mime in (IMAGES if media.kind == "image" else {"application/pdf"}):
        source = {"type": "base64", "media_type": mime, "data": media.data or ""}
    else:
        takes = "JPEG, PNG, GIF and WebP" if media.kind == "image" else "PDF and text"
        raise refuse(media.path, f"is {mime!r}, but the chosen model's provider takes {takes} only")
    return {"type": media.kind, "source": source} | extra


def _input(call: ToolCall, losses: Losses) -> dict[str, Any]:
    """Return the arguments as an object; text that is not a JSON object is wrapped in one."""
    if not call.arguments.strip():
        return {}
    arguments = read_arguments(call.arguments)
    if arguments is None:
        losses.add("messages.tool_calls.arguments")
        return {"arguments": call.arguments}
    return arguments


def read_arguments(text: str) -> dict[str, Any] | None:
    """Parse the arguments of a call; None if they are not a JSON object, or incomplete."""
    try:
        arguments = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return arguments if isinstance(arguments, dict) else None


def _result(result: ToolResult, losses: Losses, names: ToolNames) -> Body:
    blocks = _blocks(result.parts, losses, names)
    block: Body = {"type": "tool_result", "tool_use_id": result.call_id}
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        block["content"] = blocks[0]["text"]
    elif blocks:
        block["content"] = blocks
    if result.error:
        block["is_error"] = True
    return block | losses.foreign(result.extra, "claude", "messages.")


LEAST_BUDGET = 1024
LEAST_TOP_P = 0.95
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_000, "max": 64_000}


def write_thinking(thinking: Thinking, model: str, body: Body, losses: Losses) -> None:
    """Write `thinking` and the effort as the model supports them and as the rest of the body allows."""
    effort = thinking.effort
    if thinking.mode == "off":
        if capabilities.always_thinks(model):
            losses.add("thinking")
            effort = effort or "low"
        elif capabilities.thinks_unasked(model):
            body["thinking"] = {"type": "disabled"}
    elif _forced(body) or not capabilities.thinks(model):
        if thinking.mode is not None or not capabilities.takes_effort(model):
            losses.add("thinking")
    elif capabilities.thinks_adaptively(model) and (thinking.mode != "budget" or not capabilities.takes_budget(model)):
        body["thinking"] = {"type": "adaptive"}
        effort = effort or (thinking.budget and _named(thinking.budget)) or None
    else:
        _write_budget(thinking, body, losses)
    if effort is not None and capabilities.takes_effort(model):
        body["output_config"] = {"effort": capabilities.effort(model, effort)}
    elif effort is not None and thinking.mode is not None:
        losses.add("thinking.effort")


def _named(budget: int) -> str:
    return next((name for name, limit in BUDGETS.items() if budget <= limit), "max")


def _write_budget(thinking: Thinking, body: Body, losses: Losses) -> None:
    """Write a thinking budget within the provider's limits that leaves room for the answer in `max_tokens`."""
    wanted = thinking.budget or BUDGETS.get(thinking.effort or "", BUDGETS["medium"])
    budget = max(wanted, LEAST_BUDGET)
    if thinking.budget is None or budget >= body["max_tokens"]:
        budget = min(budget, body["max_tokens"] * 3 // 4)
    if budget < LEAST_BUDGET or _unsigned(body["messages"]):
        losses.add("thinking")
        return
    if thinking.budget is not None and budget != thinking.budget:
        losses.add("thinking.budget_tokens")
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _forced(body: Body) -> bool:
    """Return whether a forced tool call or a prefilled answer excludes thinking."""
    return body.get("tool_choice", {}).get("type") in {"any", "tool"} or body["messages"][-1]["role"] == "assistant"


def _unsigned(turns: list[Body]) -> bool:
    """Return whether tool calls without signed thinking are being answered; Anthropic requires it before them."""
    if len(turns) < 2 or _begins(turns[-1]) != "tool_result":
        return False
    return _begins(turns[-2]) not in {"thinking", "redacted_thinking"}


def _begins(turn: Body) -> str:
    content = turn["content"]
    return "text" if isinstance(content, str) else str(content[0]["type"])


def settle_sampling(model: str, body: Body, losses: Losses) -> None:
    """Remove the sampling fields that Anthropic rejects, and record them as losses.

    Most are rejected beside thinking; some models also reject `top_p` beside `temperature`.
    """
    thinking = body.get("thinking", {}).get("type") in {"enabled", "adaptive"}
    fixed = not capabilities.takes_sampling(model)
    if fixed or (thinking and body.get("temperature", 1) != 1):
        _leave_out("temperature", body, losses, neutral=1)
    if fixed or (thinking and body.get("top_p", 1) < LEAST_TOP_P):
        _leave_out("top_p", body, losses, neutral=1)
    if fixed or thinking:
        _leave_out("top_k", body, losses)
    if "temperature" in body and capabilities.takes_one_sampling(model):
        _leave_out("top_p", body, losses, neutral=1)


def _leave_out(key: str, body: Body, losses: Losses, neutral: int | None = None) -> None:
    if key in body and body.pop(key) != neutral:
        losses.add(key)
