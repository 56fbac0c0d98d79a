"""OpenAI Responses."""

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

MODEL = "gpt-5.1"
USAGE = {
    "input_tokens": INPUT,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": OUTPUT,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": INPUT + OUTPUT,
}
BASE = {"id": "resp_scripted", "object": "response", "created_at": 1767225600, "model": MODEL}


def ask(asked: BenchRequest, model: str) -> tuple[str, Body]:
    """Write a request: its path and its body."""
    body: Body = {"model": model, "input": [], "max_output_tokens": asked.limit, "stream": asked.stream, "store": False}
    if asked.system:
        body["instructions"] = asked.system
    for turn in asked.turns:
        body["input"] += _items(turn)
    if asked.tools:
        tool = {"type": "function", "name": TOOL, "description": ABOUT, "parameters": CITY, "strict": False}
        body["tools"] = [tool]
    if asked.thinks:
        body["reasoning"] = {"effort": "high", "summary": "auto"}
    if asked.schema:
        body["text"] = {"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA, "strict": True}}
    if asked.temperature is not None:
        body["temperature"] = asked.temperature
    return "/v1/responses", body


def _items(turn: Turn) -> list[Body]:
    made: list[Body] = [
        {"type": "function_call_output", "call_id": each.id, "output": each.text} for each in turn.results
    ]
    if turn.text:
        kind = "output_text" if turn.role == "assistant" else "input_text"
        content: list[Body] = [{"type": kind, "text": turn.text}]
        if turn.image:
            content.append({"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"})
        made.append({"type": "message", "role": turn.role, "content": content})
    made += [
        {"type": "function_call", "call_id": each.id, "name": TOOL, "arguments": json.dumps({"city": each.city})}
        for each in turn.calls
    ]
    return made


def told(body: Body) -> SeenRequest:
    """Read a request."""
    said: dict[str, list[str]] = {"system": [texts(body.get("instructions"))], "user": [], "assistant": []}
    images: list[str] = []
    calls: list[str] = []
    results: list[str] = []
    given = body.get("input") or []
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        match item.get("type", "message"):
            case "message":
                role = "system" if item["role"] == "developer" else item["role"]
                if text := texts(item.get("content")):
                    said[role].append(text)
                pictures = [part for part in parts(item.get("content")) if part.get("type") == "input_image"]
                images += [part["image_url"].partition(",")[2] for part in pictures]
            case "function_call":
                calls.append(call_text(item["name"], item["arguments"]))
            case "function_call_output":
                results.append(texts(item["output"]))
    return SeenRequest(
        system="\n".join(filter(None, said["system"])),
        user=tuple(said["user"]),
        assistant=tuple(said["assistant"]),
        images=tuple(images),
        tools=tuple(each["name"] for each in body.get("tools") or ()),
        calls=tuple(calls),
        results=tuple(results),
        thinks=(body.get("reasoning") or {}).get("effort") not in (None, "none", "minimal"),
        schema=fields(((body.get("text") or {}).get("format") or {}).get("schema")),
        temperature=body.get("temperature"),
        limit=body.get("max_output_tokens"),
    )


def _output(script: Script) -> list[Body]:
    out: list[Body] = []
    if script.thought:
        summary = [{"type": "summary_text", "text": script.thought}]
        out.append({"type": "reasoning", "id": "rs_scripted", "summary": summary, "status": "completed"})
    if script.text:
        content = [{"type": "output_text", "text": script.text, "annotations": []}]
        message = {"type": "message", "id": "msg_scripted", "role": "assistant", "content": content}
        out.append({**message, "status": "completed"})
    for each in script.calls:
        named = {"type": "function_call", "id": f"fc_{each.id}", "call_id": each.id, "name": TOOL}
        out.append({**named, "arguments": json.dumps({"city": each.city}), "status": "completed"})
    return out


def whole(script: Script) -> Body:
    """Write an answer."""
    return BASE | {"status": "completed", "output": _output(script), "usage": USAGE, "error": None}


def stream(script: Script) -> list[bytes]:
    """Write an answer in pieces."""
    out: list[bytes] = []

    def event(kind: str, **rest: Any) -> None:
        out.append(sse({"type": kind, "sequence_number": len(out), **rest}, kind))

    event("response.created", response=BASE | {"status": "in_progress", "output": [], "usage": None})
    for at, item in enumerate(_output(script)):
        where = {"output_index": at, "item_id": item["id"]}
        emptied: Body = {name: [] for name in ("summary", "content") if name in item} | {"status": "in_progress"}
        event("response.output_item.added", output_index=at, item={**item, **emptied, **_unsaid(item)})
        match item["type"]:
            case "reasoning":
                part = {**where, "summary_index": 0}
                event("response.reasoning_summary_part.added", **part, part={"type": "summary_text", "text": ""})
                for half in halves(script.thought):
                    event("response.reasoning_summary_text.delta", **part, delta=half)
                event("response.reasoning_summary_text.done", **part, text=script.thought)
                event("response.reasoning_summary_part.done", **part, part=item["summary"][0])
            case "message":
                part = {**where, "content_index": 0}
                event("response.content_part.added", **part, part={**item["content"][0], "text": ""})
                for half in halves(script.text):
                    event("response.output_text.delta", **part, delta=half)
                if script.breaks:
                    return out
                event("response.output_text.done", **part, text=script.text)
                event("response.content_part.done", **part, part=item["content"][0])
            case _:
                for half in halves(item["arguments"]):
                    event("response.function_call_arguments.delta", **where, delta=half)
                event("response.function_call_arguments.done", **where, arguments=item["arguments"])
        event("response.output_item.done", output_index=at, item=item)
    event("response.completed", response=whole(script))
    return out


def _unsaid(item: Body) -> Body:
    return {"arguments": ""} if "arguments" in item else {}


def refusal(status: int, message: str) -> Body:
    """Write a refusal."""
    kind, code = ("requests", "rate_limit_exceeded") if status == 429 else ("invalid_request_error", None)
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def heard(body: Body) -> BenchReply:
    """Read an answer."""
    if error := body.get("error"):
        return BenchReply(fault=str(error["message"]))
    usage = body.get("usage") or {}
    output = body["output"]
    calls = tuple(call_text(item["name"], item["arguments"]) for item in output if item["type"] == "function_call")
    ends: dict[str, End] = {"completed": "tools" if calls else "stop", "incomplete": "length"}
    return BenchReply(
        text="".join(texts(item["content"]) for item in output if item["type"] == "message"),
        thought="".join(
            texts(item.get("summary")) or texts(item.get("content")) for item in output if item["type"] == "reasoning"
        ),
        calls=calls,
        end=ends.get(body["status"], ""),
        input=usage.get("input_tokens"),
        output=usage.get("output_tokens"),
    )


def heard_stream(raw: bytes) -> BenchReply:
    """Read an answer in pieces: what clients show while it comes, and what they keep when it is over."""
    read, text, thought = BenchReply(), "", ""
    calls: list[str] = []
    for frame in frames(raw):
        match frame.get("type"):
            case "response.output_text.delta":
                text += frame["delta"]
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                thought += frame["delta"]
            case "response.output_item.done" if frame["item"]["type"] == "function_call":
                calls.append(call_text(frame["item"]["name"], frame["item"]["arguments"]))
            case "response.completed" | "response.incomplete" | "response.failed":
                read = heard(frame["response"])
            case "error":
                read = BenchReply(fault=str(frame.get("message") or frame.get("error", {}).get("message")))
    return replace(read, text=text, thought=thought, calls=tuple(calls))
