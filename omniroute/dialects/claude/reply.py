"""Reader and writer for Anthropic Messages replies: wire -> form -> wire."""

from collections.abc import Mapping
from typing import Any, assert_never

from omniroute.dialects import reasoning_signatures
from omniroute.dialects.claude.write_messages import read_arguments
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
from omniroute.dialects.token_usage import count, details, doubted, total
from omniroute.dialects.tool_names import derive_id


def read_usage(value: object) -> Usage | None:
    """Read a `usage` object; None if there is none. `input_tokens` excludes tokens read from or written to a cache."""
    if not isinstance(value, dict):
        return None
    read, written = count(value.get("cache_read_input_tokens")), count(value.get("cache_creation_input_tokens"))
    fresh, output = count(value.get("input_tokens")), details(value.get("output_tokens_details"))
    return Usage(
        input=None if fresh is None else total(fresh, read, written),
        output=count(value.get("output_tokens")),
        cache_read=read,
        cache_write=written,
        reasoning=count(output.get("thinking_tokens")),
        doubted=doubted(value, output),
    )


REASONS: Mapping[str, Reason] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context",
    "tool_use": "tool_calls",
    "refusal": "filter",
    "pause_turn": "pause",
}
SAID: Mapping[Reason, str] = {reason: word for word, reason in REASONS.items()}


def read_reason(word: Any) -> Reason:
    """Read a stop reason; an unknown one is read as `stop`."""
    return REASONS.get(str(word), "stop")


def read_note(details: Any) -> str | None:
    """Read the explanation of a refusal; None without one."""
    match details:
        case {"explanation": str(text)} if text:
            return text
        case _:
            return None


def read_citation(citation: Any) -> Citation | None:
    """Read a citation of a web page; None for a citation of a document that the client sent."""
    match citation:
        case {"type": "web_search_result_location", "url": str(url), **rest}:
            return Citation(url, str(rest.get("title") or ""), str(rest.get("cited_text") or ""), {"claude": citation})
        case _:
            return None


def write_citation(citation: Citation) -> Body:
    own = citation.extra.get("claude")
    if own is not None:
        return dict(own)
    where = {"url": citation.url, "title": citation.title, "cited_text": citation.quote, "encrypted_index": ""}
    return {"type": "web_search_result_location"} | where


def write_usage(usage: Usage) -> Body:
    """Write usage as Anthropic counts: `input_tokens` excludes cached tokens."""
    cached = (usage.cache_read or 0) + (usage.cache_write or 0)
    body: Body = {
        "input_tokens": max((usage.input or 0) - cached, 0),
        "cache_creation_input_tokens": usage.cache_write or 0,
        "cache_read_input_tokens": usage.cache_read or 0,
        "output_tokens": usage.output or 0,
    }
    if usage.reasoning is not None:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return body


def read_part(block: Any) -> Text | Reasoning | ToolCall | Native:
    """Read a content block. Raise ValueError for a malformed block."""
    match block:
        case {"type": "text", "text": str(text)}:
            found = (read_citation(citation) for citation in block.get("citations") or ())
            return Text(text, tuple(citation for citation in found if citation))
        case {"type": "thinking", "thinking": str(text)}:
            if not (signature := block.get("signature")):
                return Reasoning(text)
            seal, origin, _ = reasoning_signatures.unwrap(signature, "claude")
            return Reasoning(text, seal, origin=origin)
        case {"type": "redacted_thinking", "data": str(data)}:
            sealed, origin, _ = reasoning_signatures.unwrap(data, "claude")
            return Reasoning(sealed=sealed, origin=origin)
        case {"type": "tool_use", "id": str(call_id), "name": str(name)}:
            given = block.get("input") or {}
            return ToolCall(call_id, name, given if isinstance(given, str) else dump(given).decode())
        case {"type": "text" | "thinking" | "redacted_thinking" | "tool_use"}:
            raise ValueError(f"a block of type {block['type']} without what belongs to it")
        case {"type": str()}:
            return Native("claude", block, needed=False)
        case _:
            raise ValueError("a block of content without its type")


def write_part(part: Part) -> Body:
    """Write a part of a reply as a content block."""
    match part:
        case Text(text=text, citations=citations):
            noted = [write_citation(citation) for citation in citations]
            return {"type": "text", "text": text} | ({"citations": noted} if noted else {})
        case Refusal(text=text):
            return {"type": "text", "text": text}
        case Reasoning(sealed=str(data), origin=origin):
            return {"type": "redacted_thinking", "data": reasoning_signatures.wrap(data, origin or "claude", "claude")}
        case Reasoning(text=text, signature=signature, origin=origin):
            seal = reasoning_signatures.wrap(signature, origin or "claude", "claude") if signature else ""
            return {"type": "thinking", "thinking": text, "signature": seal}
        case ToolCall(id=call_id, name=name, arguments=text):
            given = read_arguments(text) if text.strip() else {}
            return {
                "type": "tool_use",
                "id": call_id,
                "name": name,
                "input": {"arguments": text} if given is None else given,
            }
        case Native(body=body):
            return dict(body)
        case Media() | ToolResult() | ToolName():
            raise AssertionError(f"a reply holds no {type(part).__name__}")
        case _:
            assert_never(part)


def is_sealed(part: Part) -> bool:
    """Return whether a part is redacted reasoning, without text.

    Such a block must not follow the answer: some clients take the last block for the answer.
    """
    return isinstance(part, Reasoning) and part.sealed is not None


def read_reply(body: Body) -> Reply:
    """Read a whole reply. Raise ValueError for a malformed reply."""
    content = body.get("content")
    if body.get("type") != "message" or not isinstance(content, list):
        raise ValueError("not an Anthropic message")
    stop = body.get("stop_sequence")
    return Reply(
        id=body["id"] if isinstance(body.get("id"), str) and body["id"] else None,
        parts=tuple(read_part(block) for block in content),
        reason=read_reason(body.get("stop_reason")),
        stop_sequence=stop if isinstance(stop, str) else None,
        note=read_note(body.get("stop_details")),
        usage=read_usage(body.get("usage")) or Usage(),
    )


def write_reply(reply: Reply, *, model: str, created: int = 0) -> Body:
    """Write a whole reply. The dialect has no creation time, so `created` is ignored."""
    parts = list(reply.parts)
    if not all(isinstance(part, Reasoning) for part in parts):
        while is_sealed(parts[-1]):
            parts.pop()
    body = {
        "id": reply.id or derive_id("msg_", model),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [write_part(part) for part in parts],
    }
    return body | write_end(reply.reason, reply.stop_sequence, reply.note) | {"usage": write_usage(reply.usage)}


def write_end(reason: Reason, stop_sequence: str | None, note: str | None) -> Body:
    end: Body = {"stop_reason": SAID[reason], "stop_sequence": stop_sequence}
    if note is not None:
        end["stop_details"] = {"type": "refusal", "category": None, "explanation": note}
    return end
