"""Google Gemini."""

import json
from dataclasses import replace
from typing import Any

from omniroute.bench.vocabulary import (
    ABOUT,
    CITY,
    INPUT,
    OUTPUT,
    PNG,
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
    sse,
)

MODEL = "gemini-2.5-flash"
ENDS: dict[str, End] = {"STOP": "stop", "MAX_TOKENS": "length"}
SCHEMA = {
    "type": "OBJECT",
    "properties": {"city": {"type": "STRING"}, "degrees": {"type": "INTEGER"}},
    "required": ["city", "degrees"],
}
USAGE = {"promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT, "totalTokenCount": INPUT + OUTPUT}


def ask(asked: BenchRequest, model: str) -> tuple[str, Body]:
    """Write a request: its path and its body."""
    settings: Body = {"maxOutputTokens": asked.limit}
    names = {each.id: TOOL for turn in asked.turns for each in turn.calls}
    body: Body = {"generationConfig": settings}
    body["contents"] = [
        {"role": "model" if turn.role == "assistant" else "user", "parts": _parts(turn, names)} for turn in asked.turns
    ]
    if asked.system:
        body["systemInstruction"] = {"parts": [{"text": asked.system}]}
    if asked.tools:
        body["tools"] = [{"functionDeclarations": [{"name": TOOL, "description": ABOUT, "parameters": CITY}]}]
    if asked.thinks:
        settings["thinkingConfig"] = {"includeThoughts": True, "thinkingBudget": asked.limit // 2}
    if asked.schema:
        settings |= {"responseMimeType": "application/json", "responseSchema": SCHEMA}
    if asked.temperature is not None:
        settings["temperature"] = asked.temperature
    if asked.stop:
        settings["stopSequences"] = [asked.stop]
    verb = "streamGenerateContent?alt=sse" if asked.stream else "generateContent"
    return f"/v1beta/models/{model}:{verb}", body


def count(asked: BenchRequest, model: str) -> tuple[str, Body]:
    """Write the question how long a request is."""
    return f"/v1beta/models/{model}:countTokens", {"contents": ask(asked, model)[1]["contents"]}


def counted(body: Body) -> object:
    """Read its answer."""
    return body.get("totalTokens")


def _parts(turn: Turn, names: dict[str, str]) -> list[Body]:
    made: list[Body] = [
        {"functionResponse": {"id": each.id, "name": names.get(each.id, TOOL), "response": {"result": each.text}}}
        for each in turn.results
    ]
    if turn.text:
        made.append({"text": turn.text})
    if turn.image:
        made.append({"inlineData": {"mimeType": "image/png", "data": PNG}})
    return made + [{"functionCall": {"id": each.id, "name": TOOL, "args": {"city": each.city}}} for each in turn.calls]


def told(body: Body) -> SeenRequest:
    """Read a request. Some write its fields with underscores, which Google takes too."""
    said: dict[str, list[str]] = {"user": [], "model": []}
    images: list[str] = []
    calls: list[str] = []
    results: list[str] = []
    for content in body["contents"]:
        if text := _text(content):
            said[content.get("role") or "user"].append(text)
        for part in content["parts"]:
            if "inlineData" in part:
                images.append(part["inlineData"]["data"])
            if "functionCall" in part:
                calls.append(call_text(part["functionCall"]["name"], part["functionCall"].get("args")))
            if "functionResponse" in part:
                results.append(_result(part["functionResponse"].get("response")))
    settings = body.get("generationConfig") or {}
    thinking = settings.get("thinkingConfig") or {}
    return SeenRequest(
        system=_text(body.get("systemInstruction") or {}),
        user=tuple(said["user"]),
        assistant=tuple(said["model"]),
        images=tuple(images),
        tools=tuple(each["name"] for tool in body.get("tools") or () for each in tool.get("functionDeclarations", ())),
        calls=tuple(calls),
        results=tuple(results),
        thinks=bool(thinking.get("includeThoughts") or thinking.get("thinkingLevel")),
        schema=fields(settings.get("responseSchema") or settings.get("responseJsonSchema")),
        temperature=settings.get("temperature"),
        stop=tuple(settings.get("stopSequences") or ()),
        limit=settings.get("maxOutputTokens"),
    )


def _text(content: Body, *, thought: bool = False) -> str:
    found = [part for part in content.get("parts") or () if bool(part.get("thought")) is thought]
    return "".join(part.get("text", "") for part in found)


def _result(response: Any) -> str:
    """Read what a tool has said; it has to be an object here, whatever the tool said."""
    values = list(response.values()) if isinstance(response, dict) else []
    return str(values[0]) if len(values) == 1 else str(response)


def _chunk(said: list[Body], end: str | None = None, usage: Body | None = None) -> Body:
    candidate: Body = {"content": {"role": "model", "parts": said}, "index": 0}
    body: Body = {"candidates": [candidate], "modelVersion": MODEL, "responseId": "scripted"}
    if end:
        candidate["finishReason"] = end
    return body | {"usageMetadata": usage} if usage else body


def _calls(script: Script) -> list[Body]:
    return [{"functionCall": {"id": each.id, "name": TOOL, "args": {"city": each.city}}} for each in script.calls]


def whole(script: Script) -> Body:
    """Write an answer."""
    said: list[Body] = [{"text": script.thought, "thought": True}] if script.thought else []
    said += [{"text": script.text}] if script.text else []
    return _chunk([*said, *_calls(script)], "STOP", USAGE)


def stream(script: Script) -> list[bytes]:
    """Write an answer in pieces."""
    out = [_chunk([{"text": half, "thought": True}]) for half in halves(script.thought) if half]
    out += [_chunk([{"text": half}]) for half in halves(script.text) if half]
    if not script.breaks:
        out.append(_chunk(_calls(script) or [{"text": ""}], "STOP", USAGE))
    return [sse(each) for each in out]


def refusal(status: int, message: str) -> Body:
    """Write a refusal."""
    name = "RESOURCE_EXHAUSTED" if status == 429 else "INVALID_ARGUMENT"
    return {"error": {"code": status, "message": message, "status": name}}


def heard(body: Body) -> BenchReply:
    """Read an answer, or a piece of one."""
    if "error" in body:
        return BenchReply(fault=str(body["error"]["message"]))
    usage, candidate = body.get("usageMetadata") or {}, (body.get("candidates") or [{}])[0]
    content = candidate.get("content") or {}
    calls = [part["functionCall"] for part in content.get("parts") or () if "functionCall" in part]
    output = usage.get("candidatesTokenCount")
    return BenchReply(
        text=_text(content),
        thought=_text(content, thought=True),
        calls=tuple(call_text(each["name"], each.get("args")) for each in calls),
        end="tools" if calls else ENDS.get(candidate.get("finishReason", ""), ""),
        input=usage.get("promptTokenCount"),
        output=None if output is None else output + usage.get("thoughtsTokenCount", 0),
    )


def heard_stream(raw: bytes) -> BenchReply:
    """Read an answer in pieces."""
    whole = BenchReply()
    bare = raw.rpartition(b"\n\n")[2]  # Google says an error without `data:` before it
    said = [*frames(raw), *([json.loads(bare)] if bare.startswith(b"{") else [])]
    for piece in map(heard, said):
        whole = replace(
            whole,
            text=whole.text + piece.text,
            thought=whole.thought + piece.thought,
            calls=whole.calls + piece.calls,
            end="tools" if whole.calls + piece.calls else piece.end or whole.end,
            input=whole.input if piece.input is None else piece.input,
            output=whole.output if piece.output is None else piece.output,
            fault=whole.fault or piece.fault,
        )
    return whole
