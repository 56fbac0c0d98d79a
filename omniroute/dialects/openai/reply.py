"""Chat Completions replies: wire -> form -> wire."""

from collections.abc import Mapping, Sequence
from typing import Any

from omniroute.dialects.custom import read_input, read_own_name
from omniroute.dialects.heard import string
from omniroute.dialects.ir import (
    Body,
    Citation,
    Odds,
    Part,
    Reason,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    Usage,
)
from omniroute.dialects.jsonish import dump
from omniroute.dialects.names import derive_id
from omniroute.dialects.openai.odds import read_odds, write_odds
from omniroute.dialects.openai.reasoning import read_reasoning, split_content, write_reasoning
from omniroute.dialects.openai.seals import find, read_call_seal, read_text_seal, write_seal
from omniroute.dialects.openai.think import Splitter
from omniroute.dialects.openai.usage import read_usage
from omniroute.dialects.seals import CALL, TEXT
from omniroute.errors import BadRequest

REASONS: Mapping[str, Reason] = {
    "stop": "stop",
    "length": "length",
    **dict.fromkeys(("max_tokens", "model_length"), "length"),  # Mistral and others
    "model_context_window_exceeded": "context",  # Z.ai
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "filter",
    "sensitive": "filter",  # Z.ai
}
BROKEN = {"error", "network_error", "insufficient_system_resource"}
"""What OpenRouter, Z.ai and DeepSeek say of a reply that broke off: it is not whole."""
SAID: Mapping[Reason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "pause": "stop",
    "length": "length",
    "context": "length",
    "tool_calls": "tool_calls",
    "filter": "content_filter",
}


def read_reason(word: str, *, calls: bool, refused: bool) -> Reason:
    """Read a finish reason. Providers that say `stop` beside tool calls mean the calls, words unknown mean an end.

    ValueError for a reply that broke off.
    """
    if word in BROKEN:
        raise ValueError(f"the upstream broke off its reply: finish reason {word!r}")
    reason = REASONS.get(word, "stop")
    if reason != "stop":
        return reason
    return "tool_calls" if calls else "filter" if refused else "stop"


def write_reason(reason: Reason, *, calls: bool) -> str:
    said = SAID[reason]
    return "tool_calls" if calls and said == "stop" else said


def read_citation(annotation: Any, text: str) -> Citation | None:
    """Read a citation of a page; None for what else an annotation may be."""
    match annotation:
        case {"type": "url_citation", "url_citation": {"url": str(url), **rest}}:
            first, last = rest.get("start_index"), rest.get("end_index")
            quote = text[first:last] if isinstance(first, int) and isinstance(last, int) else ""
            return Citation(url, str(rest.get("title") or ""), quote)
        case _:
            return None


def write_citation(citation: Citation, start: int, end: int) -> Body:
    where = {"start_index": start, "end_index": end, "title": citation.title, "url": citation.url}
    return {"type": "url_citation", "url_citation": where}


def write_logprobs(odds: Sequence[Odds]) -> Body | None:
    return {"content": write_odds(odds), "refusal": None} if odds else None


def write_usage(usage: Usage) -> Body:
    """Count as OpenAI does: cached tokens inside the prompt's, reasoning inside the completion's."""
    body: Body = {
        "prompt_tokens": usage.input or 0,
        "completion_tokens": usage.output or 0,
        "total_tokens": (usage.input or 0) + (usage.output or 0),
    }
    prompt = {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write}
    if known := {key: value for key, value in prompt.items() if value is not None}:
        body["prompt_tokens_details"] = known
    if usage.reasoning is not None:
        body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return body


def read_reply(body: Body) -> Reply:
    """Read a whole reply; of several choices the first. ValueError for what is not one."""
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError("a chat completion without choices")
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise ValueError("a choice without its message")
    reply_id = body.get("id") if isinstance(body.get("id"), str) else None
    reasoning, text = _reason(message)
    parts: list[Part] = [*reasoning]
    if text:
        notes = message.get("annotations") or []
        found = (read_citation(note, text) for note in notes) if isinstance(notes, list) else ()
        told = choices[0].get("logprobs")
        odds = read_odds(told.get("content")) if isinstance(told, dict) else ()
        parts.append(Text(text, tuple(citation for citation in found if citation), odds=odds))
    refused = string(message.get("refusal"))
    if refused:
        parts.append(Refusal(refused))
    said = message.get("tool_calls") or []
    if not said and message.get("function_call"):  # how calls were said before there could be several
        said = [{"function": message["function_call"]}]
    calls = [_call(call, index, reply_id) for index, call in enumerate(said)]
    for call, bearer in zip(calls, said, strict=True):
        parts += [part for part in (read_call_seal(bearer), call) if part is not None]
    if (sealed := read_text_seal(message)) is not None:
        parts.append(sealed)
    word = string(choices[0].get("finish_reason"))
    reason = read_reason(word, calls=bool(calls), refused=bool(refused))
    return Reply(reply_id or None, tuple(parts), reason, usage=read_usage(body.get("usage")) or Usage())


def _reason(message: Body) -> tuple[list[Reasoning], str]:
    """Give the reasoning of a message, however it is said, and its text."""
    try:
        reasoning = read_reasoning(message, "message")
    except BadRequest as error:
        raise ValueError(error.message) from error
    thought, text = split_content(message.get("content"))
    if not reasoning and not thought:
        splitter = Splitter()
        pieces = [*splitter.feed(text), *splitter.finish()]
        thought = "".join(said for thinks, said in pieces if thinks)
        text = "".join(said for thinks, said in pieces if not thinks)
    return reasoning + ([Reasoning(thought)] if thought else []), text


def _call(call: Any, index: int, reply_id: str | None) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError("a tool call without the name of its function")
    call_id = string(call.get("id")) or derive_id("call_", reply_id, index, function["name"])
    return ToolCall(call_id, function["name"], read_arguments(function) or "{}")


def read_arguments(function: Mapping[str, Any]) -> str:
    """Read the arguments of a call; some servers give the object itself."""
    arguments = function.get("arguments")
    return dump(arguments).decode() if isinstance(arguments, dict) else string(arguments)


def write_call(name: str, arguments: str) -> Body:
    """Write a call as the client offered the tool."""
    own = read_own_name(name)
    if own.kind == "custom":
        return {"type": "custom", "custom": {"name": own.name, "input": read_input(arguments)}}
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def write_reply(reply: Reply, *, model: str, created: int = 0) -> Body:
    """Write a whole reply; texts become one."""
    content = ""
    refusal = ""
    notes: list[Body] = []
    odds: list[Odds] = []
    calls: list[Body] = []
    reasoning: list[Reasoning] = []
    seal = text_seal = None
    for part in reply.parts:
        match part:
            case Text(text=text, citations=citations):
                odds += part.odds
                notes += [write_citation(item, len(content), len(content) + len(text)) for item in citations]
                content += text
            case Refusal(text=text):
                refusal += text
            case Reasoning():
                on_call, on_text = find(part, CALL), find(part, TEXT)
                seal, text_seal = on_call or seal, on_text or text_seal
                reasoning.append(Reasoning(part.text) if on_call or on_text else part)
            case ToolCall(id=call_id, name=name, arguments=arguments):
                calls.append({"id": call_id} | write_call(name, arguments) | write_seal(seal))
                seal = None
    message: Body = {"role": "assistant", "content": content or None, "refusal": refusal or reply.note or None}
    message |= write_reasoning(reasoning) | write_seal(text_seal)
    if notes:
        message["annotations"] = notes
    if calls:
        message["tool_calls"] = calls
    reason = write_reason(reply.reason, calls=bool(calls))
    return {
        "id": reply.id or derive_id("chatcmpl-", model),
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": write_logprobs(odds), "finish_reason": reason}],
        "usage": write_usage(reply.usage),
    }
