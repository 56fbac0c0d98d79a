"""Counting tokens: at once, dozens at a time, by nobody else."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import PATIENCE, Gateway
from shared_gateway import SharedGateway

from omniroute.store.history import usage

WIRE = Path(__file__).resolve().parents[3] / "shared/wire/claude-code-interactive-2.1.330"


@pytest.fixture(scope="module")
def running(shared_gateway: SharedGateway) -> Any:
    with shared_gateway.lend() as gateway:
        yield gateway


def count(running: Gateway, path: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{running.url}{path}", json=body, timeout=PATIENCE, trust_env=False)


def test_claude(running: Gateway) -> None:
    short = {"model": "any", "messages": [{"role": "user", "content": "foo"}]}
    long = short | {"system": "Be brief. " * 100, "tools": [{"name": "t", "input_schema": {"type": "object"}}]}
    replies = [count(running, "/v1/messages/count_tokens?beta=true", body) for body in (short, long)]
    assert [reply.status_code for reply in replies] == [200, 200]
    assert 0 < replies[0].json()["input_tokens"] < 20
    assert 240 < replies[1].json()["input_tokens"] < 300
    assert replies[0].headers["x-omniroute-estimated"] == "true"


def test_gemini(running: Gateway) -> None:
    reply = count(running, "/v1beta/models/any:countTokens", {"contents": [{"parts": [{"text": "word " * 40}]}]})
    assert 50 <= reply.json()["totalTokens"] < 70
    assert count(running, "/v1/models/any:countTokens", {"contents": []}).json() == {"totalTokens": 0}


def test_bad_bodies_are_refused_in_the_dialect(running: Gateway) -> None:
    reply = httpx.post(f"{running.url}/v1/messages/count_tokens", content=b"{", trust_env=False)
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert httpx.get(f"{running.url}/v1/messages/count_tokens", trust_env=False).status_code == 405


def test_a_context_view_asks_all_at_once(running: Gateway) -> None:
    captured = sorted(WIRE.glob("*count-tokens*.json"))
    if not captured:
        pytest.skip(f"NOT TESTED: no captured requests at {WIRE}")
    bodies = [json.loads(path.read_text("utf-8"))["body"] for path in captured]
    asked = (bodies * 36)[:36]
    with ThreadPoolExecutor(36) as pool:
        replies = list(pool.map(lambda body: count(running, "/v1/messages/count_tokens?beta=true", body), asked))
    assert all(reply.status_code == 200 and reply.json()["input_tokens"] > 0 for reply in replies)
    assert not usage.recent(running.store, 10), "counting is no use"
