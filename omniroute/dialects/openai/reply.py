"""Reader and writer for Chat Completions replies: wire -> form -> wire."""

from collections.abc import Mapping, Sequence
from typing import Any

from omniroute.dialects.ir import (
    Body,
    Citation,
    Part,
    Reason,
    Reasoning,
    Refusal,
    Reply,
    Text,
    TokenLogprob,
    ToolCall,
    Usage,
)
from omniroute.dialects.json_edit import dump
from omniroute.dialects.openai.reasoning import (
    find,
    read_call_signature,
    read_reasoning,
    read_text_signature,
    split_content,
    write_reasoning,
    write_signature,
)
from omniroute.dialects.reasoning_signatures import CALL, TEXT
from omniroute.dialects.token_usage import count, details, doubted, total
from omniroute.dialects.tool_names import derive_id, read_input, read_own_name
from omniroute.dialects.validate import string
from omniroute.errors import BadRequest


def read_usage(value: object) -> Usage | None:
    """Read a `usage` object; None if there is none.

    Cached tokens are included in `prompt_tokens`, reasoning tokens in `completion_tokens`. Some providers count
    reasoning separately; this is detected by `total_tokens`.
    """
    if not isinstance(value, dict):
        return None
    prompt = details(value.get("prompt_tokens_details"))
    completion = details(value.get("completion_tokens_details"))
    given, output = count(value.get("prompt_tokens")), count(value.get("completion_tokens"))
    reasoning = count(completion.get("reasoning_tokens"))
    if reasoning and output is not None and total(given, output, reasoning) == count(value.get("total_tokens")):
        output = total(output, reasoning)
    return Usage(
        input=given,
        output=output,
        cache_read=_first(
            prompt.get("cached_tokens"),
            value.get("prompt_cache_hit_tokens"),  # DeepSeek
            value.get("cached_tokens"),  # Kimi
        ),
        cache_write=count(prompt.get("cache_write_tokens")),
        reasoning=reasoning,
        doubted=doubted(value, prompt, completion),
    )


def _first(*values: object) -> int | None:
    return next((number for value in values if (number := count(value)) is not None), None)


LEAST = -1e6
"""Lower bound of a log probability; OpenAI writes -9999 for a practically impossible token."""


def read_logprobs(said: Any) -> tuple[TokenLogprob, ...]:
    """Read a list of token log probabilities; skip malformed items, as no reply should fail because of them."""
    return tuple(odds for one in said if (odds := _read(one))) if isinstance(said, list) else ()


def _read(one: Any) -> TokenLogprob | None:
    match one:
        case {"token": str(token), "logprob": int() | float() as logprob} if is_logprob(logprob):
            return TokenLogprob(token, logprob, _data(one.get("bytes")), read_logprobs(one.get("top_logprobs")))
        case _:
            return None


def is_logprob(number: float) -> bool:
    """Return whether a number can be a log probability: finite, within bounds, and not a bool."""
    return not isinstance(number, bool) and LEAST <= number <= -LEAST


def _data(numbers: Any) -> bytes | None:
    try:
        return bytes(numbers) if isinstance(numbers, list) and numbers else None
    except (TypeError, ValueError):
        return None


def write_token_logprobs(odds: Sequence[TokenLogprob], *, known: bool = True) -> list[Body]:
    """Write token log probabilities.

    If `known` is False, unknown bytes are derived from the token text; the Responses dialect requires bytes for each
    token.
    """
    return [_write(one, known=known) | {"top_logprobs": [_write(o, known=known) for o in one.others]} for one in odds]


def _write(one: TokenLogprob, *, known: bool) -> Body:
    data = one.data if one.data is not None or known else one.token.encode("utf-8", "surrogatepass")
    return {"token": one.token, "bytes": None if data is None else list(data), "logprob": one.logprob}


OPEN, CLOSE = "<think>", "</think>"


class Splitter:
    """Splitter of streamed text at `<think>` tags. Input may be cut anywhere; each output piece has a reasoning flag.

    White space after a tag is dropped. Reasoning without its end tag extends to the end of the text.
    """

    def __init__(self) -> None:
        self._rest = ""
        """Held-back text: a possible part of a tag, or white space before one."""
        self._looks: str | None = OPEN
        """The tag that may still come; None after the last one."""
        self._skips = False

    def feed(self, piece: str) -> list[tuple[bool, str]]:
        text, self._rest = self._rest + piece, ""
        said: list[tuple[bool, str]] = []
        if self._looks == OPEN:
            text = self._enter(text)
        if self._looks == CLOSE:
            text, thought = self._leave(text)
            said = [(True, thought)] if thought else []
        if self._looks is None and (text := self._skip(text)):
            said.append((False, text))
        return said

    def finish(self) -> list[tuple[bool, str]]:
        """Return the text that was held back, as no tag can complete any more."""
        thinks = self._looks == CLOSE
        rest, self._rest = self._rest, ""
        self._looks = None
        return [(thinks, rest)] if rest else []

    def _enter(self, text: str) -> str:
        """Look for the opening tag; hold back text that may still become one."""
        bare = text.lstrip()
        if bare.startswith(OPEN):
            self._looks, self._skips = CLOSE, True
            return bare.removeprefix(OPEN)
        if OPEN.startswith(bare):
            self._rest = text
            return ""
        self._looks = None
        return text

    def _leave(self, text: str) -> tuple[str, str]:
        """Return the text after the reasoning, and the reasoning; hold back a possible start of the closing tag."""
        text = self._skip(text)
        thought, closed, after = text.partition(CLOSE)
        if closed:
            self._looks, self._skips = None, True
            return after, thought
        held = next((n for n in range(len(CLOSE) - 1, 0, -1) if text.endswith(CLOSE[:n])), 0)
        self._rest = text[len(text) - held :]
        return "", text[: len(text) - held]

    def _skip(self, text: str) -> str:
        if self._skips:
            text = text.lstrip()
            self._skips = not text
        return text


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
"""Finish reasons with which OpenRouter, Z.ai and DeepSeek mark an incomplete reply."""
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
    """Read a finish reason. `stop` with tool calls is read as `tool_calls`; an unknown reason is read as `stop`.

    Raise ValueError if the upstream broke off the reply.
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
    """Read a citation of a web page; None for any other annotation."""
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


def write_logprobs(odds: Sequence[TokenLogprob]) -> Body | None:
    return {"content": write_token_logprobs(odds), "refusal": None} if odds else None


def write_usage(usage: Usage) -> Body:
    """Write usage as OpenAI counts: cached tokens included in the prompt, reasoning tokens in the completion."""
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
    """Read the first choice of a whole reply. Raise ValueError for a malformed reply."""
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
        odds = read_logprobs(told.get("content")) if isinstance(told, dict) else ()
        parts.append(Text(text, tuple(citation for citation in found if citation), odds=odds))
    refused = string(message.get("refusal"))
    if refused:
        parts.append(Refusal(refused))
    said = message.get("tool_calls") or []
    if not said and message.get("function_call"):  # the legacy form of a single tool call
        said = [{"function": message["function_call"]}]
    calls = [_call(call, index, reply_id) for index, call in enumerate(said)]
    for call, bearer in zip(calls, said, strict=True):
        parts += [part for part in (read_call_signature(bearer), call) if part is not None]
    if (sealed := read_text_signature(message)) is not None:
        parts.append(sealed)
    word = string(choices[0].get("finish_reason"))
    reason = read_reason(word, calls=bool(calls), refused=bool(refused))
    return Reply(reply_id or None, tuple(parts), reason, usage=read_usage(body.get("usage")) or Usage())


def _reason(message: Body) -> tuple[list[Reasoning], str]:
    """Return the reasoning of a message (from its fields, its content list or `<think>` tags) and its text."""
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
    """Read the arguments of a call as JSON text; some servers send the object itself."""
    arguments = function.get("arguments")
    return dump(arguments).decode() if isinstance(arguments, dict) else string(arguments)


def write_call(name: str, arguments: str) -> Body:
    """Write a call in the form in which the client declared the tool: custom or function."""
    own = read_own_name(name)
    if own.kind == "custom":
        return {"type": "custom", "custom": {"name": own.name, "input": read_input(arguments)}}
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def write_reply(reply: Reply, *, model: str, created: int = 0) -> Body:
    """Write a whole reply; all texts are joined into one."""
    content = ""
    refusal = ""
    notes: list[Body] = []
    odds: list[TokenLogprob] = []
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
                calls.append({"id": call_id} | write_call(name, arguments) | write_signature(seal))
                seal = None
    message: Body = {"role": "assistant", "content": content or None, "refusal": refusal or reply.note or None}
    message |= write_reasoning(reasoning) | write_signature(text_seal)
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
