"""Signals (content, usage, faults, end) of OpenAI Responses replies, read without translating them."""

import orjson

from omniroute.dialects import upstream_errors
from omniroute.dialects.dialect import CONTENT, FINISHED, NOTHING, FrameSignal, strict
from omniroute.dialects.ir import Body, Fault
from omniroute.dialects.responses.reply import read_usage
from omniroute.dialects.sse import Frame

ENDS = ("response.completed", "response.incomplete")
FAILURES = ("response.failed", "response.cancelled")
SAYING_NOTHING = ("message", "reasoning")
"""Items that start empty; any other item is a tool call or its result."""


@strict
def observe(frame: Frame) -> FrameSignal:
    """Read the signal of one stream event; ValueError if it is not a JSON object."""
    if frame.data == "[DONE]":  # not part of this dialect, but harmless, and sent by some servers
        return NOTHING
    event = orjson.loads(frame.data)
    if not isinstance(event, dict):
        raise ValueError("an event is no JSON object")
    kind = event.get("type")
    if not isinstance(kind, str):
        found = upstream_errors.find(event)
        return FrameSignal(fault=found) if found else NOTHING
    if kind.endswith(".delta"):
        return CONTENT if event.get("delta") else NOTHING
    if kind == "response.output_item.added":
        return NOTHING if event["item"].get("type") in SAYING_NOTHING else CONTENT
    if kind == "response.output_item.done":
        return CONTENT if _says(event["item"]) else NOTHING
    if kind in FAILURES or (kind in ENDS and event["response"].get("status") in ("failed", "cancelled")):
        return FrameSignal(fault=_failure(event["response"]), usage=read_usage(event["response"].get("usage")))
    if kind in ENDS:
        return _end(event["response"], reason=True)
    if kind == "error":
        return FrameSignal(fault=upstream_errors.find(event))
    return NOTHING


@strict
def read_whole(body: Body) -> FrameSignal:
    """Read the signal of a whole reply; ValueError if it has neither output nor an error."""
    if body.get("status") in ("failed", "cancelled") or body.get("error"):
        return FrameSignal(fault=_failure(body), usage=read_usage(body.get("usage")))
    if isinstance(body.get("output"), list):
        return _end(body, reason=body.get("status") in ("completed", "incomplete"))
    if found := upstream_errors.find(body):
        return FrameSignal(fault=found)
    raise ValueError("a reply has no output")


def _end(response: Body, *, reason: bool) -> FrameSignal:
    content = any(_says(item) for item in response.get("output") or ())
    usage = read_usage(response.get("usage"))
    return FrameSignal(content, usage, done=True, reason=reason) if content or usage or not reason else FINISHED


def _says(item: Body) -> bool:
    match item.get("type"):
        case "message":
            parts = item.get("content") or ()
            return any(part.get("text") or part.get("refusal") for part in parts)
        case "reasoning":
            return bool(item.get("summary") or item.get("content"))
        case _:
            return True


def _failure(response: Body) -> Fault:
    said = f"the upstream's reply ended as {response.get('status')}"
    return upstream_errors.find(response) or Fault("error", upstream_errors.one_line(said[:200]))
