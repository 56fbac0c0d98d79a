"""What a provider streams, as SSE frames in three parts, so that it can be broken before or after content."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from scripted import replies
from scripted.replies import Body

type Frames = tuple[list[bytes], list[bytes], list[bytes]]
"""What comes before content, the content, and what ends the reply."""


def frame(data: Mapping[str, Any], event: str | None = None) -> bytes:
    line = f"event: {event}\n" if event else ""
    return f"{line}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def reply(dialect: str, model: str, pieces: Iterable[str], *, usage: bool = True) -> Frames:
    pieces = list(pieces)
    match dialect:
        case "claude":
            return _claude(model, pieces)
        case "gemini":
            return (
                [],
                [frame(replies.gemini_piece(model, piece, None)) for piece in pieces],
                [frame(replies.gemini_piece(model, "", "STOP"))],
            )
        case "responses":
            return _responses(model, pieces)
        case _:
            return _openai(model, pieces, usage)


def fault(dialect: str, status: int, message: str) -> bytes:
    body = replies.error(dialect, status, message)
    match dialect:
        case "claude":
            return frame(body, "error")
        case "responses":
            code = body["error"]["type"]
            event = {"type": "error", "sequence_number": 1, "code": code, "message": message, "param": None}
            return frame(event, "error")
        case _:
            return frame(body)


def _openai(model: str, pieces: list[str], usage: bool) -> Frames:
    def chunk(delta: Body, reason: str | None = None) -> bytes:
        return frame({**base, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})

    base = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1, "model": model}
    end = [chunk({}, "stop"), b"data: [DONE]\n\n"]
    if usage:
        end.insert(1, frame({**base, "choices": [], "usage": replies.openai_usage()}))
    return [chunk({"role": "assistant", "content": ""})], [chunk({"content": piece}) for piece in pieces], end


def _claude(model: str, pieces: list[str]) -> Frames:
    def event(kind: str, **rest: object) -> bytes:
        return frame({"type": kind, **rest}, kind)

    begin = [
        event("message_start", message=replies.claude_message(model, [], None, 1)),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("ping"),
    ]
    content = [event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece}) for piece in pieces]
    end = [
        event("content_block_stop", index=0),
        event(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={
                "input_tokens": replies.INPUT - replies.CACHED,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": replies.CACHED,
                "output_tokens": replies.OUTPUT,
            },
        ),
        event("message_stop"),
    ]
    return begin, content, end


def _responses(model: str, pieces: list[str]) -> Frames:
    number = iter(range(1_000_000))

    def event(kind: str, **rest: object) -> bytes:
        return frame({"type": kind, "sequence_number": next(number), **rest}, kind)

    where = {"item_id": "msg_scripted", "output_index": 0, "content_index": 0}
    said = "".join(pieces)
    item = replies.response_item(said, "completed")
    begin = [
        event("response.created", response=replies.response_object(model, [], "in_progress")),
        event("response.in_progress", response=replies.response_object(model, [], "in_progress")),
        event("response.output_item.added", output_index=0, item=replies.response_item("", "in_progress")),
        event("response.content_part.added", **where, part={"type": "output_text", "text": "", "annotations": []}),
    ]
    content = [event("response.output_text.delta", **where, delta=piece, logprobs=[]) for piece in pieces]
    end = [
        event("response.output_text.done", **where, text=said, logprobs=[]),
        event("response.content_part.done", **where, part={"type": "output_text", "text": said, "annotations": []}),
        event("response.output_item.done", output_index=0, item=item),
        event("response.completed", response=replies.response_object(model, [item], "completed")),
    ]
    return begin, content, end
