"""Anthropic Messages."""

import json
import re
from collections.abc import Iterable, Iterator

from scripted.frames import frame
from scripted.replies import words
from translate_kit import judge_request

from faithful import model
from faithful.model import Answer, Body, Conversation, Refused, Turn, demand

NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
ID = re.compile(r"[a-zA-Z0-9_-]+")
ENDS = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal", "filter": "refusal"}


def read(body: Body) -> Conversation:
    if "thread" in body:
        raise Refused("thread: not supported here", code="thread_unsupported_request")
    body = {key: value for key, value in body.items() if value is not None}
    judge_request("claude", body)
    system = body.get("system", [])
    turns = [Turn("system", texts=[system])] if isinstance(system, str) else []
    turns += [Turn("system", texts=[block["text"]]) for block in system if isinstance(block, dict)]
    waiting: list[str] = []
    before = "assistant"
    thinks = _thinking(body)
    adaptive = thinks and body["thinking"]["type"] == "adaptive"
    for message in body["messages"]:
        demand(message["role"] != before, f"messages: roles must alternate, got {before!r} again")
        before = message["role"]
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        demand(blocks, "messages: content must not be empty")
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        first = [block["type"] for block in blocks[: len(answered)]]
        demand(set(first) <= {"tool_result"}, "messages: `tool_result` blocks must come first")
        demand(sorted(answered) == sorted(waiting), f"`tool_use` ids {waiting} were answered with {answered}")
        waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
        demand(all(ID.fullmatch(one) for one in waiting) and len(set(waiting)) == len(waiting), f"bad ids: {waiting}")
        _check_thoughts(blocks, waiting, turns, thinks, adaptive)
        turns.append(_turn(message["role"], blocks))
    demand(not waiting, f"`tool_use` ids were found without `tool_result` blocks immediately after: {waiting}")
    demand(before == "user", "this model does not support assistant message prefill")
    tools = [tool["name"] for tool in body.get("tools", ())]
    demand(all(NAME.fullmatch(name) for name in tools) and len(set(tools)) == len(tools), f"tools: bad names {tools}")
    demand(tools or "tool_choice" not in body, "tool_choice: may only be specified while providing tools")
    schema = body.get("output_config", {}).get("format", {}).get("schema")
    _check_schema(schema)
    return Conversation(turns, tools, schema, thinks)


def _thinking(body: Body) -> bool:
    thinking = body.get("thinking", {"type": "disabled"})
    on = thinking["type"] != "disabled"
    if thinking["type"] == "enabled":
        demand(1024 <= thinking["budget_tokens"] < body["max_tokens"], "`max_tokens` must be greater than the budget")
    if on:
        demand(body.get("temperature", 1) == 1, "`temperature` may only be set to 1 when thinking is enabled")
        demand(body.get("tool_choice", {}).get("type") not in {"any", "tool"}, "thinking with a forced tool")
    return on


def _check_thoughts(blocks: list[Body], calls: list[str], turns: list[Turn], thinks: bool, adaptive: bool) -> None:
    for block in blocks:
        if block["type"] == "thinking":
            good = model.seal("claude", block["thinking"])
            demand(block["signature"] == good, f"Invalid `signature` in `thinking` block: {block['signature']!r}")
        demand(block["type"] != "text" or block["text"].strip(), "text content blocks must contain non-whitespace text")
    if not calls or not thinks:
        return
    # With adaptive thinking a turn of calls may begin with anything.
    demand(adaptive or blocks[0]["type"] == "thinking", f"Expected `thinking`, but found `{blocks[0]['type']}`")
    if calls[0].startswith("toolu_claude_"):
        thought = model.thought(model.task(turns))
        demand(blocks[0].get("thinking") == thought, f"the thinking {thought!r} cannot be modified")


def _turn(role: str, blocks: Iterable[Body]) -> Turn:
    turn = Turn(role)
    for block in blocks:
        match block["type"]:
            case "text":
                turn.texts.append(block["text"])
            case "image":
                source = block["source"]
                shown = model.picture(source["media_type"], source["data"]) if "data" in source else source["url"]
                turn.pictures.append(shown)
            case "tool_result":
                content = block.get("content", "")
                inner = _turn("user", [{"type": "text", "text": content}] if isinstance(content, str) else content)
                turn.results.append(("failed: " if block.get("is_error") else "") + " ".join(inner.texts))
                turn.pictures += inner.pictures
    return turn


def _check_schema(schema: object) -> None:
    """Hold a schema of an answer to the subset that is taken: closed objects, no bounds."""
    if isinstance(schema, list):
        for inner in schema:
            _check_schema(inner)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object":
        demand(schema.get("additionalProperties") is False, "For 'object' type, 'additionalProperties' must be false")
    demand(not schema.keys() & {"minimum", "maximum", "maxLength", "maxItems", "oneOf"}, f"unsupported: {schema}")
    for inner in schema.values():
        _check_schema(inner)


def _usage(output: int, answer: Answer) -> Body:
    body: Body = {
        "input_tokens": model.INPUT - model.CACHED,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": model.CACHED,
        "output_tokens": output,
    }
    return body | ({"output_tokens_details": {"thinking_tokens": model.REASONED}} if answer.thought else {})


def _blocks(answer: Answer) -> list[Body]:
    blocks: list[Body] = []
    if answer.thought:
        signature = model.seal("claude", answer.thought)
        blocks.append({"type": "thinking", "thinking": answer.thought, "signature": signature})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    blocks += [
        {"type": "tool_use", "id": f"toolu_claude_{number}", "name": "get_weather", "input": {"city": city}}
        for number, city in enumerate(answer.cities)
    ]
    return blocks


def _message(body: Body, content: list[Body], usage: Body) -> Body:
    head = {"id": "msg_faithful", "type": "message", "role": "assistant", "model": body["model"], "content": content}
    return head | {"stop_reason": None, "stop_sequence": None, "usage": usage}


def _end(answer: Answer) -> str:
    return "tool_use" if answer.cities else ENDS[answer.end]


def whole(body: Body, answer: Answer) -> Body:
    said = _message(body, _blocks(answer), _usage(model.OUTPUT, answer))
    return said | {"stop_reason": _end(answer)}


def stream(body: Body, answer: Answer) -> Iterator[bytes]:
    def event(kind: str, **rest: object) -> bytes:
        return frame({"type": kind, **rest}, kind)

    yield event("message_start", message=_message(body, [], _usage(1, Answer())))
    for index, block in enumerate(_blocks(answer)):
        match block["type"]:
            case "thinking":
                empty = {"thinking": "", "signature": ""}
                pieces = [{"type": "thinking_delta", "thinking": word} for word in words(block["thinking"])]
                pieces.append({"type": "signature_delta", "signature": block["signature"]})
            case "text":
                empty = {"text": ""}
                pieces = [{"type": "text_delta", "text": word} for word in words(block["text"])]
            case _:
                empty = {"input": {}}
                given = json.dumps(block["input"])
                cuts = [given[i : i + 6] for i in range(0, len(given), 6)]
                pieces = [{"type": "input_json_delta", "partial_json": cut} for cut in cuts]
        yield event("content_block_start", index=index, content_block=block | empty)
        yield event("ping")
        for number, delta in enumerate(pieces):
            if answer.breaks and number == 2:
                raise Refused("broke off in the middle", 529)
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    delta = {"stop_reason": _end(answer), "stop_sequence": None}
    yield event("message_delta", delta=delta, usage=_usage(model.OUTPUT, answer))
    yield event("message_stop")
