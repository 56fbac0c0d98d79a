"""A conversation that another upstream has answered a turn of goes on at Anthropic."""

from typing import Any

import orjson
import pytest
from cases import every

from omniroute.dialects import hub

CALL = {"type": "tool_use", "id": "toolu_0", "name": "read", "input": {"signature": ""}}
OWN = {"type": "thinking", "thinking": "mine", "signature": "c2lnbmVk"}


def prepared(*blocks: dict[str, Any], raw: bytes | None = None) -> hub.Prepared:
    body = {
        "model": "combo",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": list(blocks)}],
    }
    raw = raw or orjson.dumps(body)
    return hub.prepare("claude", "claude", raw, body, model="m", stream=False, stream_usage=True, max_output=None)


@pytest.mark.parametrize(
    "foreign",
    [
        {"type": "thinking", "thinking": "x", "signature": ""},
        {"type": "thinking", "thinking": "x", "signature": "responses:c2VhbGVk"},
        {"type": "redacted_thinking", "data": "responses.sealed:c2VhbGVk"},
    ],
)
def test_what_others_thought_is_taken_out_and_reported(foreign: dict[str, Any]) -> None:
    made = prepared(OWN, foreign, CALL)
    body = orjson.loads(made.raw)
    assert body["model"] == "m"
    assert body["messages"][1]["content"] == [OWN, CALL]
    assert made.dropped == ("messages.thinking",)


def test_a_message_of_nothing_else_goes_whole() -> None:
    body = orjson.loads(prepared({"type": "thinking", "thinking": "x", "signature": ""}).raw)
    assert [message["role"] for message in body["messages"]] == ["user"]


def test_without_any_the_bytes_stay() -> None:
    raw = b'{"model" : "combo", "max_tokens":9,"messages":[{"role":"assistant","content":[%b, %b]}]}' % (
        orjson.dumps(OWN),
        orjson.dumps(CALL),
    )
    body = orjson.loads(raw)
    made = hub.prepare("claude", "claude", raw, body, model="m", stream=False, stream_usage=True, max_output=None)
    assert made.raw == raw.replace(b'"combo"', b'"m"')
    assert not made.dropped


THOUGHT = {"type": "thinking", "thinking": "x", "signature": ""}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_0", "content": "so"}


@pytest.mark.parametrize(
    ("said", "thinks"),
    [([THOUGHT, CALL], False), ([{"type": "text", "text": "a"}, CALL], True), ([OWN, THOUGHT, CALL], True)],
)
def test_calls_that_lost_their_thinking_are_answered_without(said: list[dict[str, Any]], thinks: bool) -> None:
    """With a budget, Anthropic refuses results whose calls do not begin with thinking; what a client left out stays."""
    kept = {"type": "clear_tool_uses_20250919"}
    body = {
        "model": "combo",
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}, kept]},
        "messages": [{"role": "assistant", "content": said}, {"role": "user", "content": [RESULT]}],
    }
    raw = orjson.dumps(body)
    made = hub.prepare("claude", "claude", raw, body, model="m", stream=False, stream_usage=True, max_output=None)
    sent = orjson.loads(made.raw)
    assert ("thinking" in sent) is thinks
    assert ("thinking" in made.dropped) is not thinks
    assert (sent["context_management"]["edits"] == [kept]) is not thinks


ELSEWHERE = {"type": "tool_use", "id": "call_1", "name": "read", "input": {}}
OWN_CALL = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}
ASKED = {"role": "user", "content": "hi"}


def turn(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    """Say blocks with a call, and answer it."""
    result = {"type": "tool_result", "tool_use_id": blocks[-1]["id"], "content": "so"}
    return [{"role": "assistant", "content": list(blocks)}, {"role": "user", "content": [result]}]


@every(
    ("messages", "thinks"),
    [
        ([ASKED, *turn(ELSEWHERE)], False),
        ([ASKED, *turn(ELSEWHERE), *turn(OWN_CALL)], False),
        ([ASKED, *turn(OWN, OWN_CALL), *turn(ELSEWHERE)], True),
        ([ASKED, *turn(OWN, OWN_CALL), *turn(OWN_CALL)], True),
        ([ASKED, *turn(OWN_CALL)], True),
        ([ASKED, *turn(ELSEWHERE), ASKED], True),
    ],
)
def test_a_turn_that_began_at_an_upstream_without_thinking_goes_on_without(
    messages: list[dict[str, Any]], thinks: bool
) -> None:
    """Anthropic wants a turn's first message to begin with thinking where a budget is given."""
    body = {"model": "combo", "thinking": {"type": "enabled", "budget_tokens": 2000}, "messages": messages}
    raw = orjson.dumps(body)
    made = hub.prepare("claude", "claude", raw, body, model="m", stream=False, stream_usage=True, max_output=None)
    sent = orjson.loads(made.raw)
    assert ("thinking" in sent) is thinks
    assert sent["messages"] == messages
    assert made.dropped == (() if thinks else ("thinking",))
    adaptive = orjson.dumps(body | {"thinking": {"type": "adaptive"}})
    kept = hub.prepare(
        "claude",
        "claude",
        adaptive,
        orjson.loads(adaptive),
        model="m",
        stream=False,
        stream_usage=True,
        max_output=None,
    )
    assert kept.raw == adaptive.replace(b'"combo"', b'"m"')
