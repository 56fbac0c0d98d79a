"""OpenAI Chat Completions, as a provider that shows its reasoning serves it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from scripted.frames import frame
from scripted.replies import words
from translate_kit import judge_request

from faithful import model
from faithful.model import Answer, Body, Conversation, Refused, Turn, demand

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
IMAGE = re.compile(r"data:(image/[a-z]+);base64,(.*)", re.DOTALL)
ENDS = {"stop": "stop", "length": "length", "refusal": "stop", "filter": "content_filter"}


def read(body: Body) -> Conversation:
    judge_request("openai", body)
    waiting: list[str] = []
    turns: list[Turn] = []
    for message in body["messages"]:
        demand(
            bool(waiting) == (message["role"] == "tool"),
            "an assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id', and no other messages are; waiting for {waiting}, got {message['role']!r}",
        )
        turn = _turn(message)
        if message["role"] == "tool":
            demand(message["tool_call_id"] in waiting, f"'tool_call_id' {message['tool_call_id']!r} was not called")
            waiting.remove(message["tool_call_id"])
            turn = Turn("tool", results=[" ".join(turn.texts)])
            demand(isinstance(message["content"], str) or not turn.pictures, "a tool message holds text only")
        for call in message.get("tool_calls") or ():
            demand(len(call["id"]) <= 40 and call["id"] not in waiting, f"bad id of a tool call: {call['id']!r}")
            demand(NAME.fullmatch(call["function"]["name"]), "bad name of a function")
            demand(isinstance(json.loads(call["function"]["arguments"]), dict), "arguments must be an object")
            waiting.append(call["id"])
            if call["id"].startswith("call_chat_") and body.get("reasoning_effort", "none") != "none":
                thought = model.thought(model.task(turns))
                demand(message.get("reasoning_content") == thought, f"the reasoning_content {thought!r} must come back")
        turns.append(turn)
    demand(not waiting, f"no tool messages for {waiting}")
    tools = [tool["function"]["name"] for tool in body.get("tools", ())]
    demand(all(NAME.fullmatch(name) for name in tools), f"bad name of a function: {tools}")
    demand(tools or not body.keys() & {"tool_choice", "parallel_tool_calls"}, "'tool_choice' needs 'tools'")
    if "gpt-5" in body["model"]:
        demand("max_tokens" not in body, "use 'max_completion_tokens' instead")
        demand(body.get("temperature", 1) == 1 and "stop" not in body, "this model does not take that")
    form = body.get("response_format") or {}
    schema = form["json_schema"]["schema"] if form.get("type") == "json_schema" else None
    return Conversation(turns, tools, schema, body.get("reasoning_effort", "none") != "none")


def _turn(message: Body) -> Turn:
    turn = Turn({"developer": "system"}.get(message["role"], message["role"]))
    content = message.get("content")
    if content is None:
        demand(message.get("tool_calls") or message.get("refusal"), f"{message['role']} message without content")
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content or ():
        if part["type"] == "text":
            turn.texts.append(part["text"])
        elif part["type"] == "image_url":
            demand(message["role"] == "user", "only users show images")
            found = IMAGE.fullmatch(part["image_url"]["url"])
            turn.pictures.append(model.picture(*found.groups()) if found else part["image_url"]["url"])
    return turn


def _head(body: Body) -> Body:
    return {"id": "chatcmpl-faithful", "created": 1, "model": body["model"]}


def _usage(answer: Answer) -> Body:
    return {
        "prompt_tokens": model.INPUT,
        "completion_tokens": model.OUTPUT,
        "total_tokens": model.INPUT + model.OUTPUT,
        "prompt_tokens_details": {"cached_tokens": model.CACHED},
        "completion_tokens_details": {"reasoning_tokens": model.REASONED if answer.thought else 0},
    }


def _calls(answer: Answer) -> list[Body]:
    return [
        {
            "id": f"call_chat_{number}",
            "type": "function",
            "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
        }
        for number, city in enumerate(answer.cities)
    ]


def _end(answer: Answer) -> str:
    return "tool_calls" if answer.cities else ENDS[answer.end]


def whole(body: Body, answer: Answer) -> Body:
    refuses = answer.end == "refusal"
    message: Body = {"role": "assistant", "content": None if refuses else answer.text}
    message["refusal"] = answer.text if refuses else None
    if answer.thought:
        message["reasoning_content"] = answer.thought
    if answer.cities:
        message["tool_calls"] = _calls(answer)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _end(answer)}
    return _head(body) | {"object": "chat.completion", "choices": [choice], "usage": _usage(answer)}


def stream(body: Body, answer: Answer) -> Iterator[bytes]:
    head = _head(body) | {"object": "chat.completion.chunk"}

    def chunk(delta: Body, reason: str | None = None) -> bytes:
        return frame({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})

    yield chunk({"role": "assistant", "content": ""})
    for word in words(answer.thought):
        yield chunk({"reasoning_content": word})
    key = "refusal" if answer.end == "refusal" else "content"
    for number, word in enumerate(words(answer.text)):
        if answer.breaks and number == 2:
            raise Refused("broke off in the middle", 503)
        yield chunk({key: word})
    for index, call in enumerate(_calls(answer)):
        arguments: Any = call["function"]["arguments"]
        yield chunk({"tool_calls": [{"index": index, **call, "function": {**call["function"], "arguments": ""}}]})
        for i in range(0, len(arguments), 6):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments[i : i + 6]}}]})
    yield chunk({}, _end(answer))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield frame({**head, "choices": [], "usage": _usage(answer)})
    yield b"data: [DONE]\n\n"
