"""A tool call instead of text, for the dialects in which coding clients live."""

import json
from collections.abc import Callable

from scripted import frames, replies
from scripted.replies import Body

NAME, ARGUMENTS = "look_up", '{"word":"kumquat"}'


def openai(model: str) -> tuple[Body, list[bytes]]:
    body = replies.whole("openai", model, "")
    call = {"id": "call_scripted", "type": "function", "function": {"name": NAME, "arguments": ARGUMENTS}}
    body["choices"][0] |= {"message": {"role": "assistant", "content": None, "tool_calls": [call]}}
    body["choices"][0]["finish_reason"] = "tool_calls"
    base = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1, "model": model}

    def chunk(piece: Body | None, reason: str | None = None) -> bytes:
        delta = {"tool_calls": [{"index": 0, **piece}]} if piece else {}
        return frames.frame({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    begin = chunk({"id": "call_scripted", "type": "function", "function": {"name": NAME, "arguments": ""}})
    pieces = [chunk({"function": {"arguments": ARGUMENTS[i : i + 6]}}) for i in range(0, len(ARGUMENTS), 6)]
    return body, [begin, *pieces, chunk(None, "tool_calls"), b"data: [DONE]\n\n"]


def claude(model: str) -> tuple[Body, list[bytes]]:
    block = {"type": "tool_use", "id": "toolu_scripted", "name": NAME}
    body = replies.claude_message(model, [{**block, "input": json.loads(ARGUMENTS)}], "tool_use", replies.OUTPUT)
    start, _, _ = frames.reply("claude", model, [])
    _, _, end = frames.reply("claude", model, [])

    def event(kind: str, **rest: object) -> bytes:
        return frames.frame({"type": kind, "index": 0, **rest}, kind)

    begin = event("content_block_start", content_block={**block, "input": {}})
    pieces = [
        event("content_block_delta", delta={"type": "input_json_delta", "partial_json": ARGUMENTS[i : i + 6]})
        for i in range(0, len(ARGUMENTS), 6)
    ]
    stop = [frame.replace(b'"end_turn"', b'"tool_use"') for frame in end]
    return body, [start[0], begin, *pieces, *stop]


def responses(model: str) -> tuple[Body, list[bytes]]:
    """The call comes after sealed reasoning, whose id means something to this provider alone."""
    thought = {"id": "rs_scripted", "type": "reasoning", "summary": []}
    item = {"id": "fc_scripted", "type": "function_call", "status": "completed", "call_id": "call_scripted"}
    call = {**item, "name": NAME, "arguments": ARGUMENTS}
    body = replies.response_object(model, [thought, call], "completed")
    events = [
        {"type": "response.created", "response": replies.response_object(model, [], "in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": thought},
        {"type": "response.output_item.done", "output_index": 0, "item": thought},
        {"type": "response.output_item.added", "output_index": 1, "item": {**call, "arguments": ""}},
        *(
            {
                "type": "response.function_call_arguments.delta",
                "item_id": "fc_scripted",
                "output_index": 1,
                "delta": ARGUMENTS[i : i + 6],
            }
            for i in range(0, len(ARGUMENTS), 6)
        ),
        {"type": "response.output_item.done", "output_index": 1, "item": call},
        {"type": "response.completed", "response": body},
    ]
    return body, [frames.frame({**event, "sequence_number": n}, str(event["type"])) for n, event in enumerate(events)]


def gemini(model: str) -> tuple[Body, list[bytes]]:
    body = replies.gemini_piece(model, "", "STOP")
    body["candidates"][0]["content"]["parts"] = [{"functionCall": {"name": NAME, "args": json.loads(ARGUMENTS)}}]
    return body, [frames.frame(body)]


TOOLS: dict[str, Callable[[str], tuple[Body, list[bytes]]]] = {
    "openai": openai,
    "claude": claude,
    "responses": responses,
    "gemini": gemini,
}
