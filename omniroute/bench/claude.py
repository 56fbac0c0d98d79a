"""Anthropic Messages."""

import json
from dataclasses import replace
from typing import Any

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

MODEL = "claude-sonnet-4-5"
ENDS: dict[str, End] = {"end_turn": "stop", "tool_use": "tools", "max_tokens": "length", "stop_sequence": "stop"}
SEAL = "c2NyaXB0ZWQ="


def ask(asked: BenchRequest, model: str) -> tuple[str, Body]:
    """Write a request: its path and its body."""
    body: Body = {"model": model, "max_tokens": asked.limit, "stream": asked.stream}
    body["messages"] = [{"role": turn.role, "content": _content(turn)} for turn in asked.turns]
    if asked.system:
        body["system"] = asked.system
    if asked.tools:
        body["tools"] = [{"name": TOOL, "description": ABOUT, "input_schema": CITY}]
    if asked.thinks:
        body["thinking"] = {"type": "enabled", "budget_tokens": asked.limit // 2}
    if asked.schema:
        body["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
    if asked.temperature is not None:
        body["temperature"] = asked.temperature
    if asked.stop:
        body["stop_sequences"] = [asked.stop]
    return "/v1/messages", body


def count(asked: BenchRequest, model: str) -> tuple[str, Body]:
    """Write the question how long a request is."""
    _, body = ask(asked, model)
    return "/v1/messages/count_tokens", {name: body[name] for name in ("model", "messages", "system") if name in body}


def counted(body: Body) -> object:
    """Read its answer."""
    return body.get("input_tokens")


def _content(turn: Turn) -> list[Body]:
    made: list[Body] = [{"type": "tool_result", "tool_use_id": each.id, "content": each.text} for each in turn.results]
    if turn.image:
        made.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}})
    if turn.text:
        made.append({"type": "text", "text": turn.text})
    return made + [
        {"type": "tool_use", "id": each.id, "name": TOOL, "input": {"city": each.city}} for each in turn.calls
    ]


def told(body: Body) -> SeenRequest:
    """Read a request."""
    said: dict[str, list[str]] = {"user": [], "assistant": []}
    found: dict[str, list[Body]] = {}
    for message in body["messages"]:
        if text := texts([part for part in parts(message["content"]) if part["type"] == "text"]):
            said[message["role"]].append(text)
        for part in parts(message["content"]):
            found.setdefault(part["type"], []).append(part)
    return SeenRequest(
        system=texts(body.get("system")),
        user=tuple(said["user"]),
        assistant=tuple(said["assistant"]),
        images=tuple(part["source"]["data"] for part in found.get("image", ())),
        tools=tuple(each["name"] for each in body.get("tools") or ()),
        calls=tuple(call_text(part["name"], part["input"]) for part in found.get("tool_use", ())),
        results=tuple(texts(part.get("content")) for part in found.get("tool_result", ())),
        thinks=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        schema=fields(((body.get("output_config") or {}).get("format") or {}).get("schema")),
        temperature=body.get("temperature"),
        stop=tuple(body.get("stop_sequences") or ()),
        limit=body.get("max_tokens"),
    )


def _blocks(script: Script) -> list[Body]:
    out: list[Body] = []
    if script.thought:
        out.append({"type": "thinking", "thinking": script.thought, "signature": SEAL})
    if script.text:
        out.append({"type": "text", "text": script.text})
    return out + [
        {"type": "tool_use", "id": each.id, "name": TOOL, "input": {"city": each.city}} for each in script.calls
    ]


def _message(content: list[Body], end: str | None, output: int) -> Body:
    usage = {"input_tokens": INPUT, "output_tokens": output}
    return {
        "id": "msg_scripted", "type": "message", "role": "assistant", "model": MODEL, "content": content,
        "stop_reason": end, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def whole(script: Script) -> Body:
    """Write an answer."""
    return _message(_blocks(script), "tool_use" if script.cities else "end_turn", OUTPUT)


def stream(script: Script) -> list[bytes]:
    """Write an answer in pieces."""
    out: list[bytes] = []

    def event(kind: str, **rest: Any) -> None:
        out.append(sse({"type": kind, **rest}, kind))

    event("message_start", message=_message([], None, 1))
    for at, block in enumerate(_blocks(script)):
        match block["type"]:
            case "thinking":
                empty: Body = {"type": "thinking", "thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": half} for half in halves(script.thought)]
                deltas.append({"type": "signature_delta", "signature": SEAL})
            case "text":
                empty = {"type": "text", "text": ""}
                deltas = [{"type": "text_delta", "text": half} for half in halves(script.text)]
            case _:
                said = json.dumps(block["input"])
                empty = {**block, "input": {}}
                deltas = [{"type": "input_json_delta", "partial_json": half} for half in halves(said)]
        event("content_block_start", index=at, content_block=empty)
        for delta in deltas:
            event("content_block_delta", index=at, delta=delta)
        if script.breaks:
            return out
        event("content_block_stop", index=at)
    end = {"stop_reason": "tool_use" if script.cities else "end_turn", "stop_sequence": None}
    event("message_delta", delta=end, usage={"output_tokens": OUTPUT})
    event("message_stop")
    return out


def refusal(status: int, message: str) -> Body:
    """Write a refusal."""
    kind = "rate_limit_error" if status == 429 else "invalid_request_error"
    return {"type": "error", "error": {"type": kind, "message": message}}


def heard(body: Body) -> BenchReply:
    """Read an answer."""
    if body.get("type") == "error":
        return BenchReply(fault=str(body["error"]["message"]))
    usage, content = body["usage"], body["content"]
    return BenchReply(
        text="".join(block["text"] for block in content if block["type"] == "text"),
        thought="".join(block["thinking"] for block in content if block["type"] == "thinking"),
        calls=tuple(call_text(block["name"], block["input"]) for block in content if block["type"] == "tool_use"),
        end=ENDS.get(body["stop_reason"], ""),
        input=_input(usage),
        output=usage.get("output_tokens"),
    )


def _input(usage: Body) -> int | None:
    """Add up what was sent: what a cache had, or was given, is counted beside the rest here."""
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(usage.get(name) or 0 for name in names) if "input_tokens" in usage else None


def heard_stream(raw: bytes) -> BenchReply:
    """Read an answer in pieces."""
    message: Body = {"content": [], "stop_reason": None, "usage": {}}
    blocks: dict[int, Body] = {}
    given: dict[int, str] = {}
    fault, ended = "", False
    for frame in frames(raw):
        match frame.get("type"):
            case "message_start":
                message["usage"] |= frame["message"]["usage"]
            case "content_block_start":
                blocks[frame["index"]] = {**frame["content_block"]}
            case "content_block_delta":
                at, delta = frame["index"], frame["delta"]
                given[at] = given.get(at, "") + delta.get("partial_json", "")
                for name in {"text", "thinking"} & delta.keys():
                    blocks[at][name] += delta[name]
            case "message_delta":
                message["stop_reason"] = frame["delta"].get("stop_reason")
                message["usage"] |= {name: count for name, count in frame["usage"].items() if count is not None}
            case "message_stop":
                ended = True
            case "error":
                fault = str(frame["error"]["message"])
    for at, said in given.items():
        blocks[at]["input"] = json.loads(said or "{}") if ended else said
    message["content"] = [blocks[at] for at in sorted(blocks)]
    return replace(heard(message), fault=fault)
