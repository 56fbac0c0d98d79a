"""Signals (content, usage, faults, end) of Chat Completions replies, read without translating them."""

from typing import Any

import orjson

from omniroute.dialects import upstream_errors
from omniroute.dialects.dialect import CONTENT, DONE, FINISHED, NOTHING, FrameSignal, strict
from omniroute.dialects.ir import Body
from omniroute.dialects.openai.reply import read_usage
from omniroute.dialects.sse import Frame

CONTENT_KEYS = (
    "content",
    "tool_calls",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "refusal",
    "audio",
    "images",
    "function_call",
)
"""Fields of a delta or message that count as content when not empty; the role alone does not count."""


@strict
def observe(frame: Frame) -> FrameSignal:
    """Read the signal of one stream chunk; ValueError if it is not a JSON object."""
    if frame.data.startswith("[DONE]"):
        return DONE
    chunk = orjson.loads(frame.data)
    if not isinstance(chunk, dict):
        raise ValueError("a chunk is no JSON object")
    choices = chunk.get("choices")
    if chunk.get("error") or choices is None:
        found = upstream_errors.find(chunk, 500 if frame.event == "error" else None)
        return FrameSignal(fault=found) if found else _sign(False, False, chunk)
    content = done = False
    for choice in choices:
        content = content or _has_content(said(choice))
        done = done or bool(choice.get("finish_reason"))
    return _sign(content, done, chunk)


@strict
def read_whole(body: Body) -> FrameSignal:
    """Read the signal of a whole reply; ValueError if it has neither choices nor an error."""
    choices = body.get("choices")
    if body.get("error") or not isinstance(choices, list):
        if found := upstream_errors.find(body):
            return FrameSignal(fault=found)
        raise ValueError("a reply has no choices")
    content = any(_has_content(choice.get("message")) for choice in choices)
    reason = any(choice.get("finish_reason") for choice in choices)
    return FrameSignal(content=content, usage=read_usage(body.get("usage")), done=True, reason=reason)


def said(choice: Body) -> Any:
    """Return the delta of a stream choice, or its whole `message` from servers that do not really stream."""
    return choice.get("delta") if "delta" in choice else choice.get("message")


def _has_content(delta: dict[str, Any] | None) -> bool:
    return delta is not None and any(delta.get(key) for key in CONTENT_KEYS)


def _sign(content: bool, done: bool, chunk: Body) -> FrameSignal:
    usage = read_usage(chunk.get("usage"))
    if usage is None:
        if not done:
            return CONTENT if content else NOTHING
        return FrameSignal(content, done=True, reason=True) if content else FINISHED
    return FrameSignal(content, usage, done=done, only_usage=chunk.get("choices") == [], reason=done)
