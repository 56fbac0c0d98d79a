"""Reader and writer for OpenAI Responses replies: wire -> form -> wire. Each part of a reply is written as one item."""

from dataclasses import replace
from typing import Any, assert_never

from omniroute.dialects.ir import (
    Body,
    Citation,
    Media,
    Native,
    Part,
    Reason,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    ToolName,
    ToolResult,
    Usage,
)
from omniroute.dialects.json_edit import dump
from omniroute.dialects.openai.reply import read_logprobs, write_token_logprobs
from omniroute.dialects.responses.reasoning import read_reasoning, write_signature
from omniroute.dialects.token_usage import count, details, doubted
from omniroute.dialects.tool_names import derive_id, read_input, read_own_name, write_input
from omniroute.dialects.validate import string


def read_usage(value: object) -> Usage | None:
    """Read a `usage` object; None if there is none.

    Input tokens include cached tokens, output tokens include reasoning.
    """
    if not isinstance(value, dict):
        return None
    given, output = details(value.get("input_tokens_details")), details(value.get("output_tokens_details"))
    return Usage(
        input=count(value.get("input_tokens")),
        output=count(value.get("output_tokens")),
        cache_read=count(given.get("cached_tokens")),
        cache_write=count(given.get("cache_write_tokens")),
        reasoning=count(output.get("reasoning_tokens")),
        doubted=doubted(value, given, output),
    )


UNFINISHED = ("queued", "in_progress")
TOLD_BY_OTHERS = "rs_other_"
"""Prefix of the id of a reasoning item that no provider of this dialect made, so that none knows the id."""


def read_annotation(note: Any, text: str) -> Citation | None:
    """Read a citation of a web page; None for any other annotation."""
    match note:
        case {"type": "url_citation", "url": str(url), **rest}:
            first, last = rest.get("start_index"), rest.get("end_index")
            quote = text[first:last] if isinstance(first, int) and isinstance(last, int) else ""
            return Citation(url, str(rest.get("title") or ""), quote)
        case _:
            return None


def write_annotation(citation: Citation, end: int) -> Body:
    where = {"start_index": 0, "end_index": end, "title": citation.title, "url": citation.url}
    return {"type": "url_citation"} | where


def write_usage(usage: Usage) -> Body:
    """Write usage as OpenAI counts: input tokens include cached tokens, output tokens include reasoning."""
    return {
        "input_tokens": usage.input or 0,
        "input_tokens_details": {"cached_tokens": usage.cache_read or 0, "cache_write_tokens": usage.cache_write or 0},
        "output_tokens": usage.output or 0,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": (usage.input or 0) + (usage.output or 0),
    }


def read_content(part: Any) -> Text | Refusal | None:
    """Read a part of a message; None for a kind that the form does not have.

    Raise ValueError for a part without a type.
    """
    match part:
        case {"type": "output_text"}:
            text = string(part.get("text"))
            found = (read_annotation(note, text) for note in part.get("annotations") or ())
            odds = read_logprobs(part.get("logprobs"))
            return Text(text, tuple(citation for citation in found if citation), odds=odds)
        case {"type": "refusal"}:
            return Refusal(string(part.get("refusal")))
        case {"type": str()}:
            return None
        case _:
            raise ValueError("a part of a message without its type")


def read_call(item: Body, reply_id: str | None, index: int) -> ToolCall:
    """Read a call of a function or of a custom tool. Raise ValueError for a call without a name."""
    if not isinstance(name := item.get("name"), str):
        raise ValueError("a tool call without its name")
    call_id = string(item.get("call_id")) or derive_id("call_", reply_id, index, name)
    if item["type"] == "custom_tool_call":
        return ToolCall(call_id, name, write_input(string(item.get("input"))))
    return ToolCall(call_id, name, read_arguments(item) or "{}")


def read_arguments(item: Body) -> str:
    """Read the arguments of a call as JSON text; some servers send the object itself."""
    arguments = item.get("arguments")
    return dump(arguments).decode() if isinstance(arguments, dict) else string(arguments)


def read_item(item: Any, reply_id: str | None, index: int) -> list[Part]:
    """Read an item of a reply. Raise ValueError for a malformed item."""
    match item:
        case {"type": "message", "content": list(content)}:
            return [part for body in content if (part := read_content(body)) is not None]
        case {"type": "reasoning"}:
            thought = read_reasoning(item)
            return [] if thought is None else [thought]
        case {"type": "function_call" | "custom_tool_call"}:
            return [read_call(item, reply_id, index)]
        case {"type": str(kind)} if kind != "message":
            return [Native("responses", item, needed=False)]
        case _:
            raise ValueError("an item without its type, or a message without its content")


def read_reason(response: Body, *, calls: bool, refused: bool) -> Reason:
    """Read the finish reason; the status tells only whether the reply is complete."""
    if response.get("status") == "incomplete":
        details = response.get("incomplete_details") or {}
        return "filter" if details.get("reason") == "content_filter" else "length"
    return "tool_calls" if calls else "filter" if refused else "stop"


def read_reply(body: Body) -> Reply:
    """Read a whole reply. Raise ValueError for a malformed or unfinished reply."""
    output = body.get("output")
    if not isinstance(output, list) or body.get("status") in UNFINISHED:
        raise ValueError("not a finished response")
    reply_id = string(body.get("id")) or None
    parts = [part for index, item in enumerate(output) for part in read_item(item, reply_id, index)]
    calls = any(isinstance(part, ToolCall) for part in parts)
    refused = any(isinstance(part, Refusal) for part in parts)
    reason = read_reason(body, calls=calls, refused=refused)
    return Reply(reply_id, tuple(parts), reason, usage=read_usage(body.get("usage")) or Usage())


def write_item(part: Part, reply_id: str, index: int, status: str = "completed") -> Body:
    """Write a part of a reply as the item at `index`; item ids are derived from the reply id and the index."""
    match part:
        case Text(text=text, citations=citations, odds=odds):
            notes = [write_annotation(citation, len(text)) for citation in citations]
            content: Body = {"type": "output_text", "text": text, "annotations": notes}
            content["logprobs"] = write_token_logprobs(odds, known=False)
            return _message(content, reply_id, index, status)
        case Refusal(text=text):
            return _message({"type": "refusal", "refusal": text}, reply_id, index, status)
        case Reasoning(text=text):
            summary = [{"type": "summary_text", "text": text}] if text else []
            head = {"id": derive_id(TOLD_BY_OTHERS, reply_id, index), "type": "reasoning", "summary": summary}
            return head | {"encrypted_content": write_signature(part)}
        case ToolCall(id=call_id, arguments=arguments):
            own = read_own_name(part.name)
            item: Body = {"type": f"{own.kind}_call", "status": status, "call_id": call_id, "name": own.name}
            if own.namespace:
                item["namespace"] = own.namespace
            if own.kind == "custom":
                head = {"id": derive_id("ctc_", reply_id, index)}
                return head | item | {"type": "custom_tool_call", "input": read_input(arguments)}
            return {"id": derive_id("fc_", reply_id, index)} | item | {"arguments": arguments or "{}"}
        case Native(body=body):
            return dict(body)
        case Media() | ToolResult() | ToolName():
            raise AssertionError(f"a reply holds no {type(part).__name__}")
        case _:
            assert_never(part)


def _message(content: Body, reply_id: str, index: int, status: str) -> Body:
    head = {"id": derive_id("msg_", reply_id, index), "type": "message", "status": status}
    return head | {"role": "assistant", "content": [content]}


def write_head(reply_id: str, *, model: str, created: int) -> Body:
    """Write a response as it begins. Fields that repeat the request get defaults, as the request is not known here."""
    return {
        "id": reply_id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }


def write_end(reason: Reason, output: list[Body], usage: Usage, *, refused: bool) -> Body:
    """Write the final fields of a response. A refusal is a complete answer; a content filter makes it incomplete."""
    cause = None
    if reason in {"length", "context"}:
        cause = "max_output_tokens"
    elif reason == "filter" and not refused:
        cause = "content_filter"
    details = {"reason": cause} if cause else None
    end = {"status": "incomplete" if cause else "completed", "incomplete_details": details}
    return end | {"output": output, "usage": write_usage(usage)}


def write_reply(reply: Reply, *, model: str, created: int = 0) -> Body:
    """Write a whole reply. A note without a refusal is written as a refusal."""
    refused = any(isinstance(part, Refusal) for part in reply.parts)
    if reply.note and not refused:
        reply, refused = replace(reply, parts=(*reply.parts, Refusal(reply.note))), True
    reply_id = reply.id or derive_id("resp_", model)
    output = [write_item(part, reply_id, index) for index, part in enumerate(reply.parts)]
    head = write_head(reply_id, model=model, created=created)
    return head | write_end(reply.reason, output, reply.usage, refused=refused)
