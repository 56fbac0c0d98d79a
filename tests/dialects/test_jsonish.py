"""JSON that orjson alone cannot write."""

import json
from typing import Any

import pytest

from omniroute.dialects import hub
from omniroute.dialects.json_edit import dump
from omniroute.errors import BadRequest


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [{"a": 2**70}, {"a": "\ud800"}, nested(300)])
def test_whatever_json_can_hold_is_written(value: Any) -> None:
    assert json.loads(dump(value)) == value


def test_what_nobody_can_read_is_refused_and_not_a_crash() -> None:
    deep = nested(100_000)
    with pytest.raises(ValueError, match="deeply"):
        dump(deep)


def test_a_body_too_deep_to_be_translated_is_the_clients_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    monkeypatch.setattr(hub, "dump", lambda _: dump(nested(100_000)))
    with pytest.raises(BadRequest, match="deeply"):
        hub.prepare("openai", "claude", b"", body, model="m", stream=False, stream_usage=True, max_output=None)
