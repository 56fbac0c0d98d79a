"""Which dialect a text is in, by what no other dialect says: for people who have something and do not know what it is.

The traffic never asks this: there the path says it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import orjson

from omniroute.dialects.sse import Decoder

type Kind = Literal["request", "reply", "stream", "error"]
type Name = Literal["openai", "responses", "claude", "gemini"]

LOOKED_AT = 20
"""Frames of a stream: the first that says anything says whose it is."""
OPENAIS = frozenset((
    "stream_options", "max_completion_tokens", "response_format", "n", "stop", "seed", "functions", "logprobs",
    "frequency_penalty", "presence_penalty", "parallel_tool_calls", "reasoning_effort",
))  # fmt: skip
OPENAIS_ROLES = frozenset(("system", "developer", "tool", "function"))
CLAUDES = frozenset(("system", "stop_sequences", "thinking", "top_k", "anthropic_version", "mcp_servers"))
CLAUDES_PARTS = frozenset(("tool_use", "tool_result", "thinking", "redacted_thinking", "document", "image"))


@dataclass(frozen=True, slots=True)
class Detection:
    kind: Kind
    dialect: Name


def detect_dialect(raw: bytes) -> Detection | None:
    """Say what a text is; None where nothing tells. A request that both could have written is OpenAI's."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _stream(_data(raw))
    if isinstance(body, list):
        return _stream(iter(body[:LOOKED_AT]))
    return _whole(body) if isinstance(body, dict) else None


def _data(raw: bytes) -> Iterator[Any]:
    frames = Decoder()
    said = (frame for frame in [*frames.feed(raw), *frames.finish()] if frame.data)
    for frame in islice(said, LOOKED_AT):
        try:
            yield orjson.loads(frame.data)
        except orjson.JSONDecodeError:
            continue


def _stream(events: Iterator[Any]) -> Detection | None:
    for event in events:
        if isinstance(event, dict) and (dialect := _event(event)):
            return Detection("stream", dialect)
    return None


def _event(event: dict[str, Any]) -> Name | None:
    kind = event.get("type")
    if isinstance(kind, str):
        if kind.startswith("response."):
            return "responses"
        if kind.startswith(("message_", "content_block_")) or kind == "ping":
            return "claude"
    if "choices" in event:
        return "openai"
    return "gemini" if "candidates" in event or "promptFeedback" in event else None


def _whole(body: dict[str, Any]) -> Detection | None:
    if isinstance(body.get("error"), dict):
        return Detection("error", _refuser(body))
    if reply := _replier(body):
        return Detection("reply", reply)
    asker = _asker(body)
    return Detection("request", asker) if asker else None


def _refuser(body: dict[str, Any]) -> Name:
    if body.get("type") == "error":
        return "claude"
    return "gemini" if isinstance(body["error"].get("code"), int) and "status" in body["error"] else "openai"


def _replier(body: dict[str, Any]) -> Name | None:
    if isinstance(body.get("choices"), list):
        return "openai"
    if body.get("object") == "response" and "output" in body:
        return "responses"
    if body.get("type") == "message" and "content" in body:
        return "claude"
    return "gemini" if "candidates" in body or "promptFeedback" in body else None


def _asker(body: dict[str, Any]) -> Name | None:
    if "contents" in body:
        return "gemini"
    if "messages" in body:
        return "claude" if _is_claudes(body) else "openai"
    return "responses" if "input" in body and "model" in body else None


def _is_claudes(body: dict[str, Any]) -> bool:
    messages, tools = _objects(body["messages"]), _objects(body.get("tools"))
    openais = any("function" in tool for tool in tools) or any(
        message.get("role") in OPENAIS_ROLES or "tool_calls" in message for message in messages
    )
    if openais or OPENAIS & body.keys():
        return False
    if CLAUDES & body.keys() or any("input_schema" in tool for tool in tools):
        return True
    parts = (part for message in messages for part in _objects(message.get("content")))
    return any(part.get("type") in CLAUDES_PARTS or "cache_control" in part for part in parts)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
