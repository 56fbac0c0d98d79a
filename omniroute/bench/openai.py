"""OpenAI Chat Completions."""

import json
from dataclasses import replace

from omniroute.bench.vocabulary import (
    ABOUT,
    CITY,
    INPUT,
    OUTPUT,
    PNG,
    SCHEMA,
    TOOL,
    BenchReply,
    BenchRequest,
    Body,
    End,
    Script,
    SeenRequest,
    Turn,
    call_text,
    fields,
    frames,
    halves,
    parts,
    sse,
    texts,
)

MODEL = "gpt-oss-120b"
ENDS: dict[str, End] = {"stop": "stop", "tool_calls": "tools", "length": "length"}
USAGE = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
BASE = {"id": "chatcmpl-scripted", "created": 1767225600, "model": MODEL}


def ask(asked: BenchRequest, model: str) -> tuple[str, Body]:
    """Write a request: its path and its body."""
    body: Body = {"model": model, "messages": [], "max_completion_tokens": asked.limit, "stream": asked.stream}
    if asked.system:
        body["messages"].append({"role": "system", "content": asked.system})
    for turn in asked.turns:
        body["messages"] += _messages(turn)
    if asked.tools:
        body["tools"] = [{"type": "function", "function": {"name": TOOL, "description": ABOUT, "parameters": CITY}}]
    if asked.thinks:
        body["reasoning_effort"] = "high"
    if asked.schema:
        wanted = {"name": "weather", "schema": SCHEMA, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    if asked.temperature is not None:
        body["temperature"] = asked.temperature
    if asked.stop:
        body["stop"] = [asked.stop]
    if asked.stream:
        body["stream_options"] = {"include_usage": True}
    return "/v1/chat/completions", body


def _messages(turn: Turn) -> list[Body]:
    made: list[Body] = [{"role": "tool", "tool_call_id": each.id, "content": each.text} for each in turn.results]
    if turn.image:
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
        made.append({"role": turn.role, "content": [{"type": "text", "text": turn.text}, picture]})
    elif turn.calls:
        calls = [_call(each.id, {"city": each.city}) for each in turn.calls]
        made.append({"role": turn.role, "content": turn.text or None, "tool_calls": calls})
    elif turn.text:
        made.append({"role": turn.role, "content": turn.text})
    return made


def _call(id: str, arguments: Body) -> Body:
    return {"id": id, "type": "function", "function": {"name": TOOL, "arguments": json.dumps(arguments)}}


def told(body: Body) -> SeenRequest:
    """Read a request."""
    said: dict[str, list[str]] = {"system": [], "user": [], "assistant": [], "tool": []}
    images: list[str] = []
    calls: list[str] = []
    for message in body.get("messages", []):
        role = "system" if message["role"] == "developer" else message["role"]
        content = message.get("content")
        if text := texts(content):
            said[role].append(text)
        images += [part["image_url"]["url"].partition(",")[2] for part in parts(content) if "image_url" in part]
        calls += [
            call_text(each["function"]["name"], each["function"]["arguments"])
            for each in message.get("tool_calls") or ()
        ]
    wanted = body.get("response_format") or {}
    stop = body.get("stop") or ()
    return SeenRequest(
        system="\n".join(said["system"]),
        user=tuple(said["user"]),
        assistant=tuple(said["assistant"]),
        images=tuple(images),
        tools=tuple(each["function"]["name"] for each in body.get("tools") or ()),
        calls=tuple(calls),
        results=tuple(said["tool"]),
        thinks=body.get("reasoning_effort") not in (None, "none", "minimal"),
        schema=fields(wanted.get("json_schema", {}).get("schema")),
        temperature=body.get("temperature"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        limit=body.get("max_completion_tokens") or body.get("max_tokens"),
    )


def whole(script: Script) -> Body:
    """Write an answer."""
    message: Body = {"role": "assistant", "content": script.text or None}
    if script.thought:
        message["reasoning_content"] = script.thought
    if script.cities:
        message["tool_calls"] = [_call(each.id, {"city": each.city}) for each in script.calls]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if script.cities else "stop"}
    return BASE | {"object": "chat.completion", "choices": [choice], "usage": USAGE}


def stream(script: Script) -> list[bytes]:
    """Write an answer in pieces."""

    def piece(delta: Body, end: str | None = None) -> bytes:
        return sse(base | {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]})

    base = BASE | {"object": "chat.completion.chunk"}
    out = [piece({"role": "assistant", "content": ""})]
    out += [piece({"reasoning_content": half}) for half in halves(script.thought) if half]
    out += [piece({"content": half}) for half in halves(script.text) if half]
    for at, each in enumerate(script.calls):
        call = _call(each.id, {"city": each.city})
        first, second = halves(call["function"]["arguments"])
        begun = {**call, "index": at, "function": {"name": TOOL, "arguments": first}}
        out.append(piece({"tool_calls": [begun]}))
        out.append(piece({"tool_calls": [{"index": at, "function": {"arguments": second}}]}))
    if script.breaks:
        return out
    out.append(piece({}, "tool_calls" if script.cities else "stop"))
    return [*out, sse(base | {"choices": [], "usage": USAGE}), b"data: [DONE]\n\n"]


def refusal(status: int, message: str) -> Body:
    """Write a refusal."""
    kind, code = ("requests", "rate_limit_exceeded") if status == 429 else ("invalid_request_error", None)
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def heard(body: Body) -> BenchReply:
    """Read an answer."""
    if "error" in body:
        return BenchReply(fault=str(body["error"]["message"]))
    choice, usage = body["choices"][0], body.get("usage") or {}
    message = choice["message"]
    return BenchReply(
        text=message.get("content") or "",
        thought=message.get("reasoning_content") or "",
        calls=tuple(
            call_text(each["function"]["name"], each["function"]["arguments"])
            for each in message.get("tool_calls") or ()
        ),
        end=ENDS.get(choice["finish_reason"], ""),
        input=usage.get("prompt_tokens"),
        output=usage.get("completion_tokens"),
    )


def heard_stream(raw: bytes) -> BenchReply:
    """Read an answer in pieces."""
    message: Body = {"content": "", "reasoning_content": ""}
    calls: dict[int, Body] = {}
    usage: Body = {}
    end, fault = "", ""
    for frame in frames(raw):
        if "error" in frame:
            fault = str(frame["error"]["message"])
        usage = frame.get("usage") or usage
        for choice in frame.get("choices", ()):
            delta, end = choice.get("delta") or {}, choice.get("finish_reason") or end
            for name in message:
                message[name] += delta.get(name) or ""
            for each in delta.get("tool_calls") or ():
                call = calls.setdefault(each["index"], {"name": "", "arguments": ""})
                for name in call:
                    call[name] += each.get("function", {}).get(name) or ""
    message["tool_calls"] = [{"function": call} for call in calls.values()]
    read = heard({"choices": [{"message": message, "finish_reason": end}], "usage": usage})
    return replace(read, fault=fault)
