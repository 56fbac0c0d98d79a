"""Writer for Chat Completions requests: form -> wire."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from omniroute.dialects.ir import (
    Body,
    Format,
    Media,
    Message,
    Native,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolName,
    ToolResult,
)
from omniroute.dialects.json_schema import is_strict
from omniroute.dialects.losses import Losses, WrittenRequest, write_native
from omniroute.dialects.message_repair import refuse_media, repair_messages
from omniroute.dialects.openai import capabilities
from omniroute.dialects.openai.reasoning import SignatureCollector, write_reasoning
from omniroute.dialects.tool_names import ToolNames, derive_id, fit_id
from omniroute.dialects.validate import optional, read_base64, refuse

ID_LIMIT = 40
TEXT_ONLY = ("system", "developer", "assistant")
SUBTYPES = {"audio/mpeg": "mp3", "audio/wav": "wav"}


def write_messages(messages: Iterable[Message], model: str, losses: Losses, names: ToolNames) -> list[Body]:
    """Write the messages, each tool call followed by its result.

    Raise BadRequest for media where only text is allowed.
    """
    written: list[Body] = []
    for message in repair_messages(messages, partial(fit_id, limit=ID_LIMIT), losses):
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
    """Write tool results, then all other parts and the media of the results, which a `tool` message cannot hold."""
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
    seals = SignatureCollector(model)
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
    """Write content parts; text alone becomes one string, which every upstream understands."""
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


FIELDS: dict[str, type] = {
    **dict.fromkeys(("prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier"), str),
    **{"verbosity": str, "metadata": dict},
}
FIRST_EXTENDED_CACHE = (4, 1)
FIRST_VERBOSE = (5, 0)


def read_own(body: Body) -> dict[str, Any]:
    """Read the fields listed in `FIELDS`. Raise BadRequest for a value of the wrong type."""
    return {key: value for key, kind in FIELDS.items() if (value := optional(body, key, kind)) is not None}


def write_own(request: Request, losses: Losses, *, metadata: bool) -> Body:
    """Return the fields in `FIELDS` that the model accepts, and record the others as losses.

    `metadata` tells whether metadata may be sent; it may not together with `store: false`.
    """
    number = capabilities.version(request.model) or (0, 0)
    takes = dict.fromkeys(FIELDS, capabilities.is_openais(request.model))
    takes["metadata"] &= metadata
    takes["prompt_cache_retention"] &= number >= FIRST_EXTENDED_CACHE
    takes["verbosity"] &= number >= FIRST_VERBOSE and not capabilities.chats(request.model)
    body: Body = {}
    for key in FIELDS:
        if (value := request.tuning.get(key)) is not None and takes[key]:
            body[key] = value
        elif value is not None:
            losses.add(key)
    if losses.has("cache_control") and takes["prompt_cache_key"]:
        # OpenAI caches automatically and routes requests with the same key to the machine that holds their prefix.
        body.setdefault("prompt_cache_key", _cache_key(request))
        losses.forget("cache_control")
    return body


def _cache_key(request: Request) -> str:
    """Derive a cache key that all turns of a conversation share.

    It is derived from `user`, which names the session for Claude Code, or else from the start of the conversation.
    """
    if request.user is not None:
        return derive_id("", request.user)
    prompt = next((message for message in request.messages if message.role in {"system", "developer"}), None)
    said = next((message for message in request.messages if message.role == "user"), None)
    return derive_id("", _text(prompt), _text(said))


def _text(message: Message | None) -> str:
    parts = () if message is None else message.parts
    return "\n".join(part.text for part in parts if isinstance(part, Text))


STOPS = 4
USER_LIMIT = 64
ALWAYS = ("seed",)
NEUTRAL = {"n": 1, "temperature": 1, "top_p": 1, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0}
"""Values equal to the default: leaving them out loses nothing."""
KNOWN = {*ALWAYS, *NEUTRAL, "stop", "top_logprobs"} - {"n"}
"""Accepted tuning fields. `n` is left out: the form holds one reply only, and all of them would be billed."""
BUDGETS = ((2048, "low"), (10_000, "medium"))
"""Reasoning effort by upper limit of the token budget; a larger budget is `high`."""


def write_request(request: Request, *, max_output: int | None = None) -> WrittenRequest:
    """Write a request. Raise BadRequest if something that must not be lost cannot be written in this dialect."""
    losses, names = Losses(), ToolNames()
    body: Body = {"model": request.model, "messages": write_messages(request.messages, request.model, losses, names)}
    for need in request.needs:
        body |= write_native(need, "openai")
    if tools := [_tool(tool, losses, names) for tool in request.tools]:
        body["tools"] = tools
    _write_choice(request, body, losses, names)
    _write_limit(request, body, max_output, losses)
    if request.thinking is not None:
        _write_thinking(request.thinking, request.model, body, losses)
    _write_tuning(request, body, losses)
    if request.format is not None:
        body["response_format"] = _format(request.format, losses)
    if request.user is not None and len(request.user) <= USER_LIMIT:
        body["user"] = request.user
    elif request.user is not None:
        losses.add("user")
    if request.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    body |= losses.foreign(request.extra, "openai")
    return WrittenRequest(write_own(request, losses, metadata=False) | body, losses.names, names.back)


def _tool(tool: Tool | Native, losses: Losses, names: ToolNames) -> Body:
    if isinstance(tool, Native):
        return write_native(tool, "openai")
    function: Body = {"name": names.fit(tool.name)}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = dict(tool.parameters)
    if tool.strict and not is_strict(tool.parameters):
        losses.add("tools.strict")
    elif tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function | losses.foreign(tool.extra, "openai", "tools.")}


def _write_choice(request: Request, body: Body, losses: Losses, names: ToolNames) -> None:
    """Write the tool choice and `parallel_tool_calls`; upstreams reject both fields if there are no tools."""
    choice = request.tool_choice
    if not request.tools:
        if request.parallel is not None:
            losses.add("parallel")
        if choice is not None and choice.mode != "none":
            losses.add("tool_choice")
        return
    if request.parallel is False and not capabilities.takes_parallel(request.model):
        losses.add("parallel")
    elif request.parallel is not None:
        body["parallel_tool_calls"] = request.parallel
    if choice is None:
        return
    if choice.allowed:
        tools = [_named(name, names) for name in choice.allowed]
        body["tool_choice"] = {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": tools}}
    elif choice.name is not None:
        body["tool_choice"] = _named(choice.name, names)
    else:
        body["tool_choice"] = choice.mode


def _named(name: str, names: ToolNames) -> Body:
    return {"type": "function", "function": {"name": names.fit(name)}}


def _write_limit(request: Request, body: Body, max_output: int | None, losses: Losses) -> None:
    if (limit := request.max_output) is None:
        return
    if max_output is not None and limit > max_output:
        losses.add("max_output")
        limit = max_output
    body["max_completion_tokens" if capabilities.limits_all_output(request.model) else "max_tokens"] = limit


def _write_tuning(request: Request, body: Body, losses: Losses) -> None:
    wanted = {"temperature": request.temperature, "top_p": request.top_p, "stop": list(request.stop[:STOPS]) or None}
    if len(request.stop) > STOPS:
        losses.add("stop")
    samples = capabilities.takes_sampling(request.model, body.get("reasoning_effort"))
    for key, value in {**wanted, **request.tuning}.items():
        if key in FIELDS:
            continue
        if key not in KNOWN:
            if value != NEUTRAL.get(key):
                losses.add(key)
        elif samples or key in ALWAYS:
            body |= {} if value is None else {key: value}
        elif value is not None and value != NEUTRAL.get(key):
            losses.add(key)


def _write_thinking(thinking: Thinking, model: str, body: Body, losses: Losses) -> None:
    wanted = thinking.effort
    if thinking.mode == "off":
        wanted = "off"
    elif wanted is None and thinking.budget is not None:
        wanted = next((name for limit, name in BUDGETS if thinking.budget <= limit), "high")
    if wanted is None:
        return
    said = capabilities.effort(model, wanted)
    if said is not None:
        body["reasoning_effort"] = said
    elif wanted != "off" or capabilities.reasons(model):
        losses.add("thinking")


def _format(wanted: Format, losses: Losses) -> Body:
    if wanted.schema is None:
        return {"type": "json_object"}
    spec: Body = {"name": wanted.name or "answer", "schema": dict(wanted.schema)}
    if wanted.description is not None:
        spec["description"] = wanted.description
    if wanted.strict and not is_strict(wanted.schema):
        losses.add("format.strict")
    elif wanted.strict is not None:
        spec["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": spec}
