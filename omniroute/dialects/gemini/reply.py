"""Reader and writer for Gemini replies: wire -> form -> wire."""

from collections.abc import Mapping, Sequence
from typing import assert_never

from omniroute.dialects.fold import fold
from omniroute.dialects.gemini.read_stream import Reader
from omniroute.dialects.gemini.reasoning_signatures import Signer
from omniroute.dialects.gemini.usage import write_logprobs, write_mean, write_usage
from omniroute.dialects.gemini.write_contents import read_arguments
from omniroute.dialects.ir import (
    Body,
    Citation,
    Media,
    Native,
    Part,
    Reason,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    ToolName,
    ToolResult,
)
from omniroute.dialects.tool_names import derive_id

SAID: Mapping[Reason, str] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "pause": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "context": "MAX_TOKENS",
    "filter": "SAFETY",
}


def read_reply(body: Body) -> Reply:
    """Read the first candidate of a whole reply. Raise ValueError for a malformed reply."""
    reader = Reader()
    events = reader.take(body)
    return fold([*events, *reader.end_whole()])


def write_reply(reply: Reply, *, model: str, created: int = 0) -> Body:
    """Write a whole reply. The dialect has no creation time, so `created` is ignored."""
    signer = Signer()
    parts = [body for part in reply.parts if (body := write_part(part, signer)) is not None]
    cited = [citation for part in reply.parts if isinstance(part, Text) for citation in part.citations]
    odds = [one for part in reply.parts if isinstance(part, Text) for one in part.odds]
    probable = write_logprobs(odds) | write_mean(sum(one.logprob for one in odds), len(odds))
    return write_chunk(head(reply.id, model), parts) | {
        "candidates": [write_candidate(parts) | write_end(reply.reason, reply.note, cited) | probable],
        "usageMetadata": write_usage(reply.usage),
    }


def head(reply_id: str | None, model: str) -> Body:
    return {"modelVersion": model, "responseId": reply_id or derive_id("", model)}


def write_chunk(said: Body, parts: Sequence[Body]) -> Body:
    return {"candidates": [write_candidate(parts)]} | said


def write_candidate(parts: Sequence[Body]) -> Body:
    """Write a candidate. One without parts gets an empty text, as some clients treat it as a broken reply otherwise."""
    return {"content": {"parts": list(parts) or [{"text": ""}], "role": "model"}, "index": 0}


def write_end(reason: Reason, note: str | None, cited: Sequence[Citation]) -> Body:
    end: Body = {"finishReason": SAID[reason]}
    if note is not None:
        end["finishMessage"] = note
    if cited:
        end["groundingMetadata"] = write_grounding(cited)
    return end


def write_grounding(cited: Sequence[Citation]) -> Body:
    """Write the `groundingMetadata` that cites web pages."""
    chunks = [{"web": {"uri": citation.url, "title": citation.title}} for citation in cited]
    supports = [
        {"segment": {"text": citation.quote}, "groundingChunkIndices": [index]}
        for index, citation in enumerate(cited)
        if citation.quote
    ]
    return {"groundingChunks": chunks} | ({"groundingSupports": supports} if supports else {})


def write_part(part: Part, signer: Signer) -> Body | None:
    """Write a part of a reply; None if it is empty."""
    match part:
        case Text(text=text) | Refusal(text=text):
            return {"text": text} if text else None
        case Reasoning(text=text):
            sealed = signer.take(part)
            thought = {"text": text, "thought": True} if text else None
            return thought if sealed is None else sealed | (thought or {})
        case ToolCall(id=call_id, name=name, arguments=arguments):
            given = read_arguments(arguments)
            call = {"id": call_id, "name": name, "args": {"arguments": arguments} if given is None else given}
            return signer.sign({"functionCall": call})
        case Native(body=body):
            return dict(body)
        case Media() | ToolResult() | ToolName():
            raise AssertionError(f"a reply holds no {type(part).__name__}")
        case _:
            assert_never(part)
