"""Signals (content, usage, faults, end) of Anthropic Messages replies, read without translating them."""

import orjson

from omniroute.dialects import upstream_errors
from omniroute.dialects.claude.reply import read_usage
from omniroute.dialects.dialect import CONTENT, DONE, NOTHING, FrameSignal, strict
from omniroute.dialects.ir import Body
from omniroute.dialects.sse import Frame


@strict
def observe(frame: Frame) -> FrameSignal:
    """Read the signal of one stream event; ValueError if it is not a JSON object."""
    event = orjson.loads(frame.data)
    if not isinstance(event, dict):
        raise ValueError("an event is no JSON object")
    match event.get("type"):
        case "content_block_delta":
            return CONTENT if _delta_says(event["delta"]) else NOTHING
        case "content_block_start":
            return CONTENT if _says(event["content_block"]) else NOTHING
        case "message_start":
            message = event["message"]
            content = any(_says(block) for block in message.get("content") or ())
            return FrameSignal(content, read_usage(message.get("usage")))
        case "message_delta":
            delta = event.get("delta")
            reason = isinstance(delta, dict) and bool(delta.get("stop_reason"))
            return FrameSignal(usage=read_usage(event.get("usage")), reason=reason)
        case "message_stop":
            return DONE
        case "error":
            return FrameSignal(fault=upstream_errors.find(event))
        case None:
            found = upstream_errors.find(event)
            return FrameSignal(fault=found) if found else NOTHING
        case _:
            return NOTHING


@strict
def read_whole(body: Body) -> FrameSignal:
    """Read the signal of a whole reply; ValueError if it has neither a content list nor an error."""
    if body.get("type") == "error" or not isinstance(body.get("content"), list):
        if found := upstream_errors.find(body):
            return FrameSignal(fault=found)
        raise ValueError("a reply has no content list")
    content = any(_says(block) for block in body["content"])
    return FrameSignal(content, read_usage(body.get("usage")), done=True, reason=bool(body.get("stop_reason")))


def _says(block: Body) -> bool:
    kind = block.get("type")
    # Text and thinking blocks start empty; any other block is a tool call, a tool result or redacted thinking.
    return bool(block.get(kind)) if kind in ("text", "thinking") else True


def _delta_says(delta: Body) -> bool:
    match delta.get("type"):
        case "text_delta":
            return bool(delta.get("text"))
        case "thinking_delta":
            return bool(delta.get("thinking"))
        case "signature_delta":
            return False
        case _:
            return True
