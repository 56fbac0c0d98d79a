"""A conversation that another upstream has answered a turn of goes on at Anthropic."""

from typing import Any

import orjson
import pytest

from omniroute.dialects import hub

CALL = {"type": "tool_use", "id": "t", "name": "read", "input": {"signature": ""}}
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
