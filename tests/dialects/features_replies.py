"""What replies may say: a row of the table in the docs each, in the order of the table."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from features import DIALECTS, at, found
from translate_kit import write_stream

from omniroute.dialects import hub
from omniroute.dialects.fold import fold, unfold
from omniroute.dialects.ir import Body
from omniroute.dialects.stream_framing import Framing
from omniroute.dialects.translate import CODECS

type Fragment = Body | Callable[[str], Body]
NEVER: Body = {"never": "seen"}
SEAL = "c2VhbA=="
URL = "https://example.org"


@dataclass(frozen=True)
class Said:
    """One thing that a reply may say."""

    name: str
    says: Mapping[str, Body]
    """How an upstream of each dialect says it."""
    sees: Mapping[str, Fragment] = field(default_factory=dict)
    """How a client reads it, where that is not `says`."""
    mapped: Mapping[str, tuple[str, Fragment]] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    """Clients whose dialect has no words for it: a reply has no place for a report, so each is named here."""


def whole(client: str, upstream: str, body: Body) -> Body:
    done = hub.read_whole(client, upstream, json.dumps(body).encode(), model="m")
    assert done.fault is None, done.fault
    read: Body = json.loads(done.raw)
    return read


def streamed(client: str, upstream: str, body: Body) -> Body:
    """Let the same reply come as a stream, and put together what the client reads."""
    stream = hub.Stream(client, upstream, model="m")
    wire = stream.feed(write_stream(upstream, unfold(CODECS[upstream].read_reply(body)))) + stream.finish()
    assert stream.fault is None, stream.fault
    framing, reader = Framing(arrays=False), CODECS[client].reader()
    frames = [frame for frame in [*framing.feed(wire), *framing.finish()] if frame.data]
    events = [event for frame in frames for event in reader.feed(frame)]
    return CODECS[client].write_reply(fold([*events, *reader.finish()]), model="m")


def classify_reply(said: Said, client: str, upstream: str, read: Callable[[str, str, Body], Body] = whole) -> str:
    """Say what a client reads of it; an AssertionError where it disappears and no one said that it may."""
    if upstream not in said.says:
        return "–"
    body = read(client, upstream, said.says[upstream])
    kept = {**said.says, **said.sees}.get(client)
    if kept is not None and found(at(kept, upstream), body):
        return "kept"
    if client in said.mapped and found(at(said.mapped[client][1], upstream), body):
        return f"mapped: {said.mapped[client][0]}"
    lost = f"{said.name} is silently lost from {upstream} to {client}"
    assert client in said.lacks, f"{lost}:\n{json.dumps(said.says[upstream])}\n{json.dumps(body)}"
    return "left out"


def openai(message: Body | None = None, reason: str = "stop", **more: Any) -> Body:
    return _openai({"role": "assistant", "content": "So."} if message is None else message, reason) | more


def _openai(message: Body, reason: str) -> Body:
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}]}


def responses(*output: Body, **more: Any) -> Body:
    return {"status": "completed", "output": list(output or [_message(_output_text("So."))])} | more


def _message(*content: Body) -> Body:
    return {"type": "message", "role": "assistant", "content": list(content)}


def _output_text(text: str, **more: Any) -> Body:
    return {"type": "output_text", "text": text} | more


def claude(*content: Body, reason: str = "end_turn", **more: Any) -> Body:
    blocks = list(content or [{"type": "text", "text": "So."}])
    return {"type": "message", "role": "assistant", "content": blocks, "stop_reason": reason} | more


def gemini(*parts: Body, reason: str = "STOP", **more: Any) -> Body:
    content = {"parts": list(parts or [{"text": "So."}]), "role": "model"}
    return {"candidates": [{"content": content, "finishReason": reason, **more.pop("candidate", {})}]} | more


def _calls(dialect: str, *ids: str) -> Body:
    match dialect:
        case "openai":
            function = {"name": "look", "arguments": '{"at":1}'}
            return openai(
                {"content": None, "tool_calls": [{"id": i, "type": "function", "function": function} for i in ids]},
                "tool_calls",
            )
        case "responses":
            return responses(
                *({"type": "function_call", "call_id": i, "name": "look", "arguments": '{"at":1}'} for i in ids)
            )
        case "claude":
            return claude(
                *({"type": "tool_use", "id": i, "name": "look", "input": {"at": 1}} for i in ids), reason="tool_use"
            )
        case _:
            return gemini(*({"functionCall": {"id": i, "name": "look", "args": {"at": 1}}} for i in ids))


def _usage(dialect: str, *, read: int = 0, write: int = 0, reasoning: int = 0) -> Body:
    """Say that 100 tokens came in and 50 went out, some of them special."""
    match dialect:
        case "openai":
            prompt = {"cached_tokens": read} if read else {"cache_write_tokens": write} if write else None
            numbers: Body = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
            numbers |= {"prompt_tokens_details": prompt} if prompt else {}
            numbers |= {"completion_tokens_details": {"reasoning_tokens": reasoning}} if reasoning else {}
            return openai(usage=numbers)
        case "responses":
            numbers = {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}
            given = {"cached_tokens": read} if read else {"cache_write_tokens": write} if write else None
            numbers |= {"input_tokens_details": given} if given else {}
            numbers |= {"output_tokens_details": {"reasoning_tokens": reasoning}} if reasoning else {}
            return responses(usage=numbers)
        case "claude":
            numbers = {"input_tokens": 100 - read - write, "output_tokens": 50}
            numbers |= {"cache_read_input_tokens": read} if read else {}
            numbers |= {"cache_creation_input_tokens": write} if write else {}
            numbers |= {"output_tokens_details": {"thinking_tokens": reasoning}} if reasoning else {}
            return claude(usage=numbers)
        case _:
            numbers = {"promptTokenCount": 100, "candidatesTokenCount": 50 - reasoning, "totalTokenCount": 150}
            numbers |= {"cachedContentTokenCount": read} if read else {}
            numbers |= {"thoughtsTokenCount": reasoning} if reasoning else {}
            return gemini(usageMetadata=numbers)


def _has(text: str) -> Callable[[Any], bool]:
    return lambda said: isinstance(said, str) and text in said


RATED = {"web": {"uri": URL, "title": "t"}}
FILTERED: Mapping[str, Body] = {
    "openai": openai(reason="content_filter"),
    "responses": responses(status="incomplete", incomplete_details={"reason": "content_filter"}),
    "claude": claude(reason="refusal"),
    "gemini": gemini(reason="SAFETY"),
}
LIMITED: Mapping[str, Body] = {
    "openai": openai(reason="length"),
    "responses": responses(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    "claude": claude(reason="max_tokens"),
    "gemini": gemini(reason="MAX_TOKENS"),
}
ENDED: Mapping[str, Body] = {
    "openai": openai(),
    "responses": responses(),
    "claude": claude(),
    "gemini": gemini(),
}
RUNS: Mapping[str, Body] = {
    "responses": responses(
        {"type": "web_search_call", "id": "ws_1", "status": "completed"}, _message(_output_text("So."))
    ),
    "claude": claude(
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "text", "text": "So."},
    ),
    "gemini": gemini({"executableCode": {"code": "1", "language": "PYTHON"}}, {"text": "So."}),
}
THOUGHT = "Let me see."

REPLIES = [
    Said("text", {"openai": openai(), "responses": responses(), "claude": claude(), "gemini": gemini()}),
    Said(
        "several texts",
        {
            "responses": responses(_message(_output_text("One.")), _message(_output_text("Two."))),
            "claude": claude({"type": "text", "text": "One."}, {"type": "text", "text": "Two."}),
        },
        mapped={
            "openai": ("one text", openai({"content": "One.Two."})),
            "gemini": ("one text", gemini({"text": _has("Two.")})),
        },
    ),
    Said("a call of a tool", {d: _calls(d, "c1") for d in DIALECTS}),
    Said("parallel calls", {d: _calls(d, "c1", "c2") for d in DIALECTS}),
    Said(
        "arguments that are no whole JSON",
        {
            "openai": openai(
                {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":'}}]},
                "length",
            ),
            "responses": responses(
                {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at":'},
                status="incomplete",
                incomplete_details={"reason": "max_output_tokens"},
            ),
        },
        mapped={
            "claude": (
                "their text",
                claude({"type": "tool_use", "input": {"arguments": '{"at":'}}, reason="max_tokens"),
            ),
            "gemini": ("their text", gemini({"functionCall": {"args": {"arguments": '{"at":'}}}, reason="MAX_TOKENS")),
        },
    ),
    Said(
        "reasoning",
        {
            "openai": openai({"content": "So.", "reasoning_content": THOUGHT}),
            "responses": responses(
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": THOUGHT}]},
                _message(_output_text("So.")),
            ),
            "claude": claude(
                {"type": "thinking", "thinking": THOUGHT, "signature": ""}, {"type": "text", "text": "So."}
            ),
            "gemini": gemini({"text": THOUGHT, "thought": True}, {"text": "So."}),
        },
    ),
    Said(
        "reasoning as `<think>` in the text",
        {"openai": openai({"content": f"<think>{THOUGHT}</think>So."})},
        sees={
            "responses": responses(
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": THOUGHT}]},
                _message(_output_text("So.")),
            ),
            "claude": claude({"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": "So."}),
            "gemini": gemini({"text": THOUGHT, "thought": True}, {"text": "So."}),
        },
    ),
    Said(
        "its signature, to be given back",
        {
            "responses": responses(
                {
                    "type": "reasoning",
                    "summary": [{"type": "summary_text", "text": THOUGHT}],
                    "encrypted_content": SEAL,
                },
                _message(_output_text("So.")),
            ),
            "claude": claude(
                {"type": "thinking", "thinking": THOUGHT, "signature": SEAL}, {"type": "text", "text": "So."}
            ),
            "gemini": gemini({"text": THOUGHT, "thought": True, "thoughtSignature": SEAL}, {"text": "So."}),
        },
        sees={
            "openai": openai({"reasoning_details": [{"signature": SEAL}]}),
            "responses": lambda d: responses({"type": "reasoning", "encrypted_content": f"{d}:{SEAL}"}),
            "claude": lambda d: claude({"type": "thinking", "signature": f"{d}:{SEAL}"}, reason="end_turn"),
            "gemini": gemini({"thought": True, "thoughtSignature": lambda seal: len(seal) > len(SEAL)}),
        },
    ),
    Said(
        "sealed reasoning, to be given back",
        {
            "responses": responses(
                {"type": "reasoning", "summary": [], "encrypted_content": SEAL}, _message(_output_text("So."))
            ),
            "claude": claude({"type": "redacted_thinking", "data": SEAL}, {"type": "text", "text": "So."}),
        },
        sees={
            "openai": openai({"reasoning_details": [{"type": "reasoning.encrypted", "data": SEAL}]}),
            "responses": lambda d: responses({"type": "reasoning", "encrypted_content": f"{d}.sealed:{SEAL}"}),
            "claude": lambda d: claude({"type": "redacted_thinking", "data": f"{d}:{SEAL}"}),
            "gemini": gemini({"thoughtSignature": lambda seal: len(seal) > len(SEAL)}),
        },
    ),
    Said(
        "a call's `thoughtSignature`",
        {"gemini": gemini({"functionCall": {"id": "c1", "name": "look", "args": {}}, "thoughtSignature": SEAL})},
        mapped={
            "openai": (
                "`extra_content` of the call",
                openai({"tool_calls": [{"extra_content": {"google": {"thought_signature": SEAL}}}]}, "tool_calls"),
            ),
            "claude": (
                "thinking before it",
                claude({"type": "thinking", "signature": _has(SEAL)}, {"type": "tool_use"}, reason="tool_use"),
            ),
            "responses": (
                "reasoning before it",
                responses({"type": "reasoning", "encrypted_content": _has(SEAL)}, {"type": "function_call"}),
            ),
        },
    ),
    Said(
        "a refusal in words",
        {
            "openai": openai({"content": None, "refusal": "No."}),
            "responses": responses(_message({"type": "refusal", "refusal": "No."})),
            "claude": claude(reason="refusal", stop_details={"type": "refusal", "explanation": "No."}),
        },
        sees={"gemini": gemini({"text": "No."}, reason="SAFETY")},
        mapped={
            "claude": ("text", claude({"type": "text", "text": "No."}, reason="refusal")),
            "openai": ("`refusal`", openai({"refusal": "No."}, "content_filter")),
            "responses": ("`refusal`", responses(_message({"type": "refusal", "refusal": "No."}))),
            "gemini": ("`finishMessage`", gemini(reason="SAFETY", candidate={"finishMessage": "No."})),
        },
    ),
    Said(
        "citations of pages",
        {
            "openai": openai(
                {
                    "content": "So.",
                    "annotations": [
                        {
                            "type": "url_citation",
                            "url_citation": {"url": URL, "title": "t", "start_index": 0, "end_index": 3},
                        }
                    ],
                }
            ),
            "responses": responses(
                _message(
                    _output_text(
                        "So.",
                        annotations=[
                            {"type": "url_citation", "url": URL, "title": "t", "start_index": 0, "end_index": 3}
                        ],
                    )
                )
            ),
            "claude": claude(
                {
                    "type": "text",
                    "text": "So.",
                    "citations": [
                        {"type": "web_search_result_location", "url": URL, "title": "t", "cited_text": "So."}
                    ],
                }
            ),
            "gemini": gemini(
                candidate={
                    "groundingMetadata": {
                        "groundingChunks": [RATED],
                        "groundingSupports": [{"segment": {"text": "So."}, "groundingChunkIndices": [0]}],
                    }
                }
            ),
        },
    ),
    Said("what the provider's own tools did", RUNS, lacks=DIALECTS),
    Said(
        "pictures",
        {
            "gemini": gemini({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, {"text": "So."}),
            "responses": responses(
                {"type": "image_generation_call", "id": "ig_1", "result": "AAAA"}, _message(_output_text("So."))
            ),
        },
        lacks=DIALECTS,
    ),
    Said(
        "several answers, of which the first is read",
        {
            "openai": {
                "choices": [*openai()["choices"], {"index": 1, "message": {"content": "Or."}, "finish_reason": "stop"}]
            },
            "gemini": {"candidates": [*gemini()["candidates"], {"index": 1, "content": {"parts": [{"text": "Or."}]}}]},
        },
        lacks=DIALECTS,
    ),
    Said(
        "log probabilities",
        {
            "openai": {
                "choices": [
                    openai()["choices"][0]
                    | {"logprobs": {"content": [{"token": "So.", "logprob": -0.5, "top_logprobs": []}]}}
                ]
            },
            "responses": responses(
                _message(_output_text("So.", logprobs=[{"token": "So.", "logprob": -0.5, "top_logprobs": []}]))
            ),
            "gemini": gemini(
                candidate={"logprobsResult": {"chosenCandidates": [{"token": "So.", "logProbability": -0.5}]}}
            ),
        },
        lacks=("claude",),
    ),
]

ENDS = [
    Said("the end", ENDED),
    Said(
        "a stop sequence, and which",
        {"claude": claude(reason="stop_sequence", stop_sequence="END")},
        mapped={d: ("the end", ENDED[d]) for d in DIALECTS if d != "claude"},
    ),
    Said("calls of tools", {d: _calls(d, "c1") for d in DIALECTS}),
    Said("the most tokens", LIMITED),
    Said(
        "the context window is full",
        {"claude": claude(reason="model_context_window_exceeded")},
        mapped={d: ("the most tokens", LIMITED[d]) for d in DIALECTS if d != "claude"},
    ),
    Said("a content filter", FILTERED),
    Said(
        "declined by the model (`refusal`)",
        {"claude": claude(reason="refusal")},
        mapped={d: ("a content filter", FILTERED[d]) for d in DIALECTS if d != "claude"},
    ),
    Said(
        "a pause (`pause_turn`)",
        {"claude": claude(reason="pause_turn")},
        mapped={d: ("the end", ENDED[d]) for d in DIALECTS if d != "claude"},
    ),
]

USAGE = [
    Said("in and out", {d: _usage(d) for d in DIALECTS}),
    Said("read from a cache", {d: _usage(d, read=30) for d in DIALECTS}),
    Said(
        "written to a cache",
        {d: _usage(d, write=30) for d in DIALECTS if d != "gemini"},
        mapped={"gemini": ("counted as plain input", _usage("gemini"))},
    ),
    Said("reasoning", {d: _usage(d, reasoning=20) for d in DIALECTS}),
]

GROUPS = {"What is said": REPLIES, "Why it ends": ENDS, "Tokens": USAGE}
