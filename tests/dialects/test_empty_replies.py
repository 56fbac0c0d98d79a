"""A reply without content: one that gives a reason for its end was meant so, any other is a failure."""

from typing import Any

from cases import every

from omniroute.dialects.hub import Stream, read_whole
from omniroute.dialects.json_edit import dump
from omniroute.dialects.registry import DIALECTS

type Events = list[Any]


def chunk(delta: Any, reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


def candidate(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": list(parts)}, **more}]}


ROLE = chunk({"role": "assistant", "content": ""})
USAGE = {"id": "x", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 0}}
START = {"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 1}}}
STOP = {"type": "message_stop"}
CREATED = {"type": "response.created", "response": {"id": "r", "status": "in_progress", "output": []}}
COUNTED = {"usageMetadata": {"promptTokenCount": 4}}
FILTERED = {"status": "incomplete", "output": [], "incomplete_details": {"reason": "content_filter"}}
CALL = {"type": "tool_use", "id": "c", "name": "f", "input": {}}

FAILURES: list[tuple[str, Events]] = [
    ("openai", ["[DONE]"]),
    ("openai", [":", ":", "[DONE]"]),
    ("openai", [ROLE, "[DONE]"]),
    ("openai", [ROLE, ROLE]),
    ("openai", [USAGE]),
    ("openai", [USAGE, "[DONE]"]),
    ("openai", [{"choices": []}, "[DONE]"]),
    ("openai", [":", ":"]),
    ("claude", [START, STOP]),
    ("claude", [START, {"type": "ping"}, {"type": "ping"}]),
    ("claude", [{"type": "ping"}, STOP]),
    ("claude", [START, {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 0}}, STOP]),
    ("responses", [CREATED]),
    ("responses", ["[DONE]"]),
    ("responses", [CREATED, {"type": "response.in_progress", "response": {}}, "[DONE]"]),
    ("gemini", [{"candidates": []}]),
    ("gemini", [candidate()]),
    ("gemini", [COUNTED]),
    ("gemini", [candidate({"text": ""}), candidate({"text": ""}, **COUNTED)]),
    ("gemini", ["[DONE]"]),
]
MEANT: list[tuple[str, Events]] = [
    ("openai", [ROLE, chunk({}, "stop"), "[DONE]"]),
    ("openai", [ROLE, chunk({}, "content_filter"), USAGE, "[DONE]"]),
    ("openai", [ROLE, chunk({}, "length", usage={"completion_tokens": 9}), "[DONE]"]),
    ("claude", [START, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}}, STOP]),
    ("claude", [START, {"type": "message_delta", "delta": {"stop_reason": "refusal"}}, STOP]),
    ("responses", [CREATED, {"type": "response.completed", "response": {"status": "completed", "output": []}}]),
    ("responses", [CREATED, {"type": "response.incomplete", "response": FILTERED}]),
    ("gemini", [candidate(finishReason="STOP")]),
    ("gemini", [candidate(finishReason="MAX_TOKENS") | {"usageMetadata": {"thoughtsTokenCount": 50}}]),
    ("gemini", [{"promptFeedback": {"blockReason": "SAFETY"}}]),
]  # fmt: skip
CONTENT: list[tuple[str, Events]] = [
    ("openai", [chunk({"reasoning_content": "hm"}), chunk({}, "length"), "[DONE]"]),
    ("openai", [chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}),
                chunk({}, "tool_calls"), "[DONE]"]),
    ("openai", [chunk({"content": "no reason is given"}), "[DONE]"]),
    ("claude", [START, {"type": "content_block_start", "index": 0, "content_block": CALL},
                {"type": "content_block_stop", "index": 0}, STOP]),
    ("gemini", [candidate({"text": "hm", "thought": True}, finishReason="MAX_TOKENS")]),
]  # fmt: skip

WHOLE_FAILURES: list[tuple[str, dict[str, Any]]] = [
    ("openai", {"choices": []}),
    ("openai", {"choices": [{"message": {"role": "assistant", "content": ""}}]}),
    ("openai", {"choices": [{"message": {"content": None}, "finish_reason": None}], "usage": {"prompt_tokens": 1}}),
    ("claude", {"type": "message", "content": []}),
    ("claude", {"type": "message", "content": [{"type": "text", "text": ""}], "stop_reason": None}),
    ("responses", {"output": []}),
    ("responses", {"output": [], "status": "in_progress"}),
    ("gemini", {"candidates": []}),
    ("gemini", {"usageMetadata": {"promptTokenCount": 1}}),
    ("gemini", candidate()),
]
WHOLE_MEANT: list[tuple[str, dict[str, Any]]] = [
    ("openai", {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}),
    ("openai", {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}),
    ("claude", {"type": "message", "content": [], "stop_reason": "end_turn"}),
    ("responses", {"output": [], "status": "completed"}),
    ("gemini", candidate(finishReason="SAFETY")),
    ("gemini", {"promptFeedback": {"blockReason": "OTHER"}}),
]


def read(client: str, upstream: str, events: Events) -> Stream:
    stream = Stream(client, upstream, model="m")
    for event in events:
        stream.feed(
            b": waiting\n\n"
            if event == ":"
            else b"data: " + (event.encode() if isinstance(event, str) else dump(event)) + b"\n\n"
        )
    stream.finish()
    return stream


@every("client", sorted(DIALECTS))
@every(("upstream", "events"), FAILURES)
def test_a_stream_without_content_or_a_reason_is_no_answer(client: str, upstream: str, events: Events) -> None:
    stream = read(client, upstream, events)
    assert not stream.content
    assert stream.fault is not None or not stream.reason


@every("client", sorted(DIALECTS))
@every(("upstream", "events"), MEANT)
def test_a_stream_that_is_empty_on_purpose_is_an_answer(client: str, upstream: str, events: Events) -> None:
    stream = read(client, upstream, events)
    assert (stream.content, stream.reason, stream.fault) == (False, True, None)


@every("client", sorted(DIALECTS))
@every(("upstream", "events"), CONTENT)
def test_reasoning_and_calls_are_content_whatever_the_reason(client: str, upstream: str, events: Events) -> None:
    stream = read(client, upstream, events)
    assert (stream.content, stream.fault) == (True, None)


@every("client", sorted(DIALECTS))
@every(("upstream", "body"), WHOLE_FAILURES)
def test_a_whole_reply_without_content_or_a_reason_is_no_answer(
    client: str, upstream: str, body: dict[str, Any]
) -> None:
    whole = read_whole(client, upstream, dump(body), model="m")
    assert not whole.content
    assert whole.fault is not None or not whole.reason


@every("client", sorted(DIALECTS))
@every(("upstream", "body"), WHOLE_MEANT)
def test_a_whole_reply_that_is_empty_on_purpose_is_an_answer(client: str, upstream: str, body: dict[str, Any]) -> None:
    whole = read_whole(client, upstream, dump(body), model="m")
    assert (whole.content, whole.reason, whole.fault) == (False, True, None)
