"""What frames and whole replies mean to a watcher, dialect by dialect."""

import contextlib
from pathlib import Path
from typing import Any

import orjson
import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.dialect import FrameSignal
from omniroute.dialects.ir import Fault, Usage
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.sse import Decoder, Frame
from omniroute.dialects.token_usage import merge

WIRE = Path(__file__).parents[1] / "wire"

USAGE = {
    "openai": Usage(input=120, output=17, cache_read=64, reasoning=5),
    "claude": Usage(input=100, output=23, cache_read=30, cache_write=20),
    "responses": Usage(input=90, output=31, cache_read=40, reasoning=12),
    "gemini": Usage(input=70, output=20, cache_read=32, reasoning=6),
}


def watch(dialect: str, said: Any) -> FrameSignal:
    data = said if isinstance(said, str) else orjson.dumps(said).decode()
    return DIALECTS[dialect].watch(Frame(None, data, b""))


def signs_of(path: Path) -> list[FrameSignal]:
    frames = Decoder().feed(path.read_bytes())
    return [DIALECTS[path.name.partition("-")[0]].watch(frame) for frame in frames]


@every("path", sorted(WIRE.glob("*.sse")), ids=lambda path: path.stem)
def test_a_good_stream_is_read_to_its_end(path: Path) -> None:
    signs = signs_of(path)
    usage = Usage()
    for sign in signs:
        usage = merge(usage, sign.usage) if sign.usage else usage
    assert usage == USAGE[path.name.partition("-")[0]]
    assert any(sign.content for sign in signs)
    assert any(sign.done for sign in signs)
    assert not any(sign.fault for sign in signs)
    assert not any(sign.done for sign in signs[: len(signs) // 2])


@pytest.mark.parametrize("path", sorted(WIRE.glob("*-whole.json")), ids=lambda path: path.stem)
def test_a_good_whole_reply(path: Path) -> None:
    dialect = path.name.partition("-")[0]
    sign = DIALECTS[dialect].read_whole(orjson.loads(path.read_bytes()))
    assert sign == FrameSignal(content=True, usage=USAGE[dialect], done=True)


def chunk(delta: Any, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def block(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": {"type": kind, **fields}}


def delta(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **fields}}


def parts(*said: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(said), "role": "model"}, **fields}]}


@every(
    ("dialect", "said"),
    [
        ("openai", chunk({"content": "a"})),
        ("openai", chunk({"reasoning_content": "a"})),
        ("openai", chunk({"reasoning": "a", "content": ""})),
        ("openai", chunk({"refusal": "no"})),
        ("openai", chunk({"tool_calls": [{"index": 0, "id": "c"}]})),
        ("openai", chunk({"audio": {"data": "AAAA"}})),
        ("claude", delta("text_delta", text="a")),
        ("claude", delta("thinking_delta", thinking="a")),
        ("claude", delta("input_json_delta", partial_json="{")),
        ("claude", block("text", text="a")),
        ("claude", block("tool_use", id="t", name="n", input={})),
        ("claude", block("redacted_thinking", data="x")),
        ("responses", {"type": "response.output_text.delta", "delta": "a"}),
        ("responses", {"type": "response.refusal.delta", "delta": "a"}),
        ("responses", {"type": "response.reasoning_summary_text.delta", "delta": "a"}),
        ("responses", {"type": "response.output_item.added", "item": {"type": "custom_tool_call", "input": ""}}),
        ("responses", {"type": "response.output_item.done", "item": {"type": "reasoning", "summary": [{"text": "a"}]}}),
        ("gemini", parts({"text": "a"})),
        ("gemini", parts({"text": "a", "thought": True})),
        ("gemini", parts({"functionCall": {"name": "n"}, "thoughtSignature": "x"})),
        ("gemini", parts({"inlineData": {"mimeType": "image/png", "data": "A"}})),
    ],
)
def test_content(dialect: str, said: dict[str, Any]) -> None:
    assert watch(dialect, said) == FrameSignal(content=True)


@every(
    ("dialect", "said"),
    [
        ("openai", chunk({"role": "assistant", "content": ""})),
        ("openai", chunk({"role": "assistant", "content": None, "refusal": None, "tool_calls": []})),
        ("openai", chunk(None)),
        ("openai", chunk({}, "")),
        ("openai", {"choices": [], "prompt_filter_results": []}),
        ("openai", {"x_note": 1}),
        ("claude", {"type": "ping"}),
        ("claude", {"type": "content_block_stop", "index": 0}),
        ("claude", {"type": "something_new", "error": None}),
        ("claude", block("text", text="")),
        ("claude", block("thinking", thinking="", signature="")),
        ("claude", delta("text_delta", text="")),
        ("claude", delta("signature_delta", signature="x")),
        ("responses", {"type": "response.created", "response": {"error": None}}),
        ("responses", {"type": "response.output_item.added", "item": {"type": "message", "content": []}}),
        ("responses", {"type": "response.output_item.done", "item": {"type": "reasoning", "encrypted_content": "x"}}),
        ("responses", {"type": "response.output_text.delta", "delta": ""}),
        ("responses", "[DONE]"),
        ("gemini", parts({"text": ""})),
        ("gemini", parts({"text": "", "thoughtSignature": "x"})),
        ("gemini", parts(finishReason="FINISH_REASON_UNSPECIFIED")),
        ("gemini", {"candidates": [{"index": 0}], "usageMetadata": None}),
    ],
)
def test_nothing(dialect: str, said: Any) -> None:
    assert watch(dialect, said) == FrameSignal()


@every(
    ("dialect", "said"),
    [
        ("openai", "[DONE]"),
        ("openai", chunk({}, "length")),
        ("claude", {"type": "message_stop"}),
        ("responses", {"type": "response.completed", "response": {"output": [], "usage": None}}),
        ("responses", {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max"}}}),
        ("gemini", parts(finishReason="SAFETY")),
        ("gemini", {"promptFeedback": {"blockReason": "OTHER"}}),
    ],
)
def test_done(dialect: str, said: Any) -> None:
    assert watch(dialect, said) == FrameSignal(done=True)


def test_the_last_chunk_may_say_everything_at_once() -> None:
    said = chunk({"content": "a"}, "stop") | {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    assert watch("openai", said) == FrameSignal(content=True, usage=Usage(input=3, output=1), done=True)
    response = {"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]}
    assert watch("responses", {"type": "response.completed", "response": response}) == FrameSignal(
        content=True, done=True
    )


def test_only_the_chunk_without_choices_is_only_usage() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    assert watch("openai", {"choices": [], "usage": usage}).only_usage
    assert not watch("openai", chunk({}) | {"usage": usage}).only_usage


@every(
    ("dialect", "said", "fault"),
    [
        (
            "openai",
            {"error": {"message": "no room", "type": "server_error", "code": "overloaded"}},
            Fault("server_error", "no room", "overloaded", 500),
        ),
        ("openai", {"error": {"message": "slow", "code": 429}}, Fault("too_many_requests", "slow", None, 429)),
        ("openai", chunk({"content": ""}, "error") | {"error": {"message": "x", "code": 502}}, 502),
        ("openai", {"object": "error", "message": "bad", "type": "BadRequestError", "code": 400}, 400),
        ("openai", {"detail": "not you"}, Fault("error", "not you")),
        (
            "claude",
            {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}},
            Fault("overloaded_error", "Busy", None, 529),
        ),
        ("claude", {"type": "error"}, Fault("error", "the upstream failed without saying why")),
        ("claude", {"error": {"message": "hm"}}, Fault("error", "hm")),
        (
            "responses",
            {"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": None},
            Fault("rate_limit_exceeded", "slow", "rate_limit_exceeded", 429),
        ),
        (
            "responses",
            {"type": "response.failed", "response": {"status": "failed", "error": {"code": "x", "message": "y"}}},
            Fault("x", "y", "x"),
        ),
        (
            "responses",
            {"type": "response.failed", "response": {"status": "failed", "error": None}},
            Fault("error", "the upstream's reply ended as failed"),
        ),
        (
            "gemini",
            {"error": {"code": 503, "message": "full", "status": "UNAVAILABLE"}},
            Fault("UNAVAILABLE", "full", None, 503),
        ),
    ],
)
def test_an_error_inside_a_stream(dialect: str, said: dict[str, Any], fault: Fault | int) -> None:
    sign = watch(dialect, said)
    assert sign.fault is not None
    assert not sign.done
    assert fault in (sign.fault, sign.fault.status)


@every("dialect", DIALECTS)
@every("data", ["hello", "[]", "1", '"x"', "null", '{"a":', "[DONE"])
def test_what_is_not_the_dialect(dialect: str, data: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        watch(dialect, data)


# fmt: off
NAMES = [
    "candidates", "choices", "code", "content", "content_block", "delta", "detail", "error", "finish_reason", "item",
    "message", "output", "parts", "promptFeedback", "response", "text", "type", "usage", "usageMetadata",
]
WORDS = [
    "content_block_delta", "content_block_start", "error", "message", "message_delta", "message_start",
    "response.completed", "response.failed", "response.output_item.added", "response.output_item.done", "text",
]
# fmt: on
SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 999) | st.sampled_from(["", "a", *WORDS]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*NAMES, "type"]), inner, max_size=5),
    max_leaves=12,
)


@given(st.sampled_from(sorted(DIALECTS)), SHAPES)
def test_odd_shapes_are_a_value_error_or_a_sign(dialect: str, said: Any) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(watch(dialect, said), FrameSignal)
    with contextlib.suppress(ValueError):
        assert isinstance(DIALECTS[dialect].read_whole(said), FrameSignal)


@every(
    ("dialect", "body"),
    [
        ("openai", {"choices": [{"message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]}),
        ("claude", {"type": "message", "content": []}),
        ("claude", {"type": "message", "content": [{"type": "text", "text": ""}]}),
        ("responses", {"status": "completed", "output": []}),
        ("gemini", {"candidates": [{"finishReason": "SAFETY"}]}),
        ("gemini", {"candidates": [{"content": {"role": "model"}}]}),
    ],
)
def test_a_whole_reply_may_say_nothing(dialect: str, body: dict[str, Any]) -> None:
    assert DIALECTS[dialect].read_whole(body) == FrameSignal(done=True)


@every("dialect", DIALECTS)
@every("body", [{"error": {"message": "why"}}, {"error": "why"}, {"errors": [{"message": "why"}]}, {"detail": "why"}])
def test_a_whole_reply_may_be_an_error(dialect: str, body: dict[str, Any]) -> None:
    fault = DIALECTS[dialect].read_whole(body).fault
    assert fault is not None
    assert fault.message == "why"


def test_minimax_puts_its_errors_beside_the_choices_that_are_missing() -> None:
    said = {"choices": None, "base_resp": {"status_code": 1004, "status_msg": "log in"}}
    assert DIALECTS["openai"].read_whole(said).fault == Fault("error", "log in")


@every("dialect", DIALECTS)
@every("body", [{}, {"hello": 1}, {"choices": 1, "content": 1, "output": 1}])
def test_a_whole_reply_of_another_kind(dialect: str, body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"a reply has no"):
        DIALECTS[dialect].read_whole(body)


@every(
    ("usage", "expected"),
    [
        # Reasoning beside the completion: the total gives it away.
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35, "reasoning_tokens": 20},
            Usage(input=10, output=5),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(input=10, output=25, reasoning=20),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 25,
                "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(input=10, output=25, reasoning=20),
        ),
        ({"prompt_tokens": 10, "prompt_cache_hit_tokens": 4}, Usage(input=10, cache_read=4)),
        ({"prompt_tokens": 10, "cached_tokens": 4}, Usage(input=10, cache_read=4)),
        ({"prompt_tokens": "10", "completion_tokens": -1, "prompt_tokens_details": None}, Usage()),
        ({"prompt_tokens": 10.0, "completion_tokens": True}, Usage(input=10)),
    ],
)
def test_usage_as_openai_shaped_providers_count_it(usage: dict[str, Any], expected: Usage) -> None:
    assert watch("openai", {"choices": [], "usage": usage}).usage == expected


def test_later_numbers_stand_over_earlier_ones() -> None:
    first = Usage(input=100, output=1, cache_read=60)
    assert merge(first, Usage(output=9)) == Usage(input=100, output=9, cache_read=60)
    assert merge(first, Usage(input=90, output=9, cache_read=50)) == Usage(input=90, output=9, cache_read=50)
    # Without cache numbers the later input may leave the cached tokens out.
    assert merge(first, Usage(input=40, output=9)) == Usage(input=100, output=9, cache_read=60)
    assert merge(Usage(input=0, output=1), Usage(input=40)) == Usage(input=40, output=1)
