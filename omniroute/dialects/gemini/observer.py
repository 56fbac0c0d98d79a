"""Signals (content, usage, faults, end) of Gemini replies, read without translating them.

A Gemini stream is a sequence of partial replies.
"""

import orjson

from omniroute.dialects import upstream_errors
from omniroute.dialects.dialect import CONTENT, NOTHING, FrameSignal, strict
from omniroute.dialects.gemini.usage import read_usage
from omniroute.dialects.ir import Body
from omniroute.dialects.sse import Frame

MARKS = frozenset(("text", "thought", "thoughtSignature", "thought_signature"))
"""Fields of a part that are not content by themselves."""


@strict
def observe(frame: Frame) -> FrameSignal:
    """Read the signal of one partial reply of a stream; ValueError if it is not a JSON object."""
    if frame.data.startswith("[DONE]"):  # not part of this dialect, but harmless, and sent by some servers
        return NOTHING
    reply = orjson.loads(frame.data)
    if not isinstance(reply, dict):
        raise ValueError("a part of the reply is no JSON object")
    return _read(reply)


@strict
def read_whole(body: Body) -> FrameSignal:
    """Read the signal of a whole reply; ValueError if it has no candidates, usage or error."""
    sign = _read(body)
    if sign.fault or sign.done or sign.content:
        return sign
    if "candidates" in body or "usageMetadata" in body:
        return FrameSignal(usage=sign.usage, done=True)
    raise ValueError("a reply has no candidates")


def _read(reply: Body) -> FrameSignal:
    candidates = reply.get("candidates")
    if (reply.get("error") or candidates is None) and (found := upstream_errors.find(reply)):
        return FrameSignal(fault=found)
    content = done = False
    for candidate in candidates or ():
        parts = (candidate.get("content") or {}).get("parts") or ()
        content = content or any(part.get("text") or not part.keys() <= MARKS for part in parts)
        done = done or _ended(candidate.get("finishReason"))
    done = done or _ended((reply.get("promptFeedback") or {}).get("blockReason"))
    usage = read_usage(reply.get("usageMetadata"))
    if usage is None and not done:
        return CONTENT if content else NOTHING
    return FrameSignal(content, usage, done=done, reason=done)


def _ended(reason: str | None) -> bool:
    return bool(reason) and not str(reason).endswith("_UNSPECIFIED")
