"""What real coding clients send at the end of a task, through a real gateway, to strict providers.

All of the task is in it: prompts, offers, calls, results, pictures and seals.
"""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from cases import every
from matrix_kit import UPSTREAMS, Matrix

WIRE = Path(__file__).resolve().parents[3] / "shared/wire"
ABSENT = f"NOT TESTED: there are no captured requests at {WIRE}"
FORMATS = {"chat": "openai", "responses": "responses", "anthropic": "claude", "gemini": "gemini"}
KNOWN_BY_TOOLS = re.compile(r"WORDPART\d=\w+|iVBORw0KGgo[\w+/=]+")
"""Words in files that were read, and pictures that were looked at."""
ENDS = {
    "openai": b"data: [DONE]",
    "claude": b"event: message_stop",
    "responses": b"event: response.completed",
    "gemini": b'"finishReason":"STOP"',
}
VERBS = ("completions", "messages", "responses", "generatecontent")
NOT_SENT = ("host", "content-length", "connection", "authorization", "x-api-key", "x-goog-api-key", "accept-encoding")
DROPPED = {
    "openai": {"temperature", "messages.system_role"},
    "claude": {
        *("cache_control", "context_management", "metadata.user_id", "thinking.display", "temperature"),
        *("messages.output_config", "messages.system_position", "messages.reasoning", "messages.thinking"),
        *("tools.defer_loading", "tools.eager_input_streaming", "tools.parameters.propertyNames"),
    },
    "responses": {
        *("client_metadata", "prompt_cache_key", "text.verbosity", "parallel_tool_calls", "detail"),
        *("reasoning.summary", "reasoning.context", "reasoning.effort", "input.reasoning", "input.thinking"),
        *("tools.format", "tools.namespace.description", "tools.tool_search", "tools.web_search"),
        "tools.parameters.encrypted",
    },
    "gemini": {
        *("generationConfig.topP", "generationConfig.topK", "generationConfig.thinkingConfig"),
        *("contents.reasoning", "contents.thinking"),
    },
}
"""What a client's requests may lose on the way, and can do without; no more than this."""


def longest_requests() -> dict[str, Path]:
    """Find the longest request of each coding client; SDKs have tests of their own."""
    found: dict[str, Path] = {}
    for path in sorted(WIRE.glob("*/*.json"), key=lambda path: path.stat().st_size):
        client = path.parent.name
        if "-python-" not in client and "-websocket-" not in client and path.stem.endswith(VERBS):
            found[client] = path
    return found


LONGEST = longest_requests()
PAIRS = [
    (client, at)
    for client, path in LONGEST.items()
    for at in UPSTREAMS
    if at != FORMATS[json.loads(path.read_text(encoding="utf-8"))["format"]]
]


def test_there_is_something_to_test(capsys: pytest.CaptureFixture[str]) -> None:
    if not WIRE.is_dir():
        with capsys.disabled():
            print(f"\n{ABSENT}")
        pytest.skip(ABSENT)
    assert len(LONGEST) > 20


def ask(matrix: Matrix, record: dict[str, Any], client: str, at: str) -> httpx.Response:
    body, path = dict(record["body"]), record["path"]
    if client == "gemini":
        verb = path.rpartition(":")[2]
        path = f"/v1beta/models/{matrix.model(at)}:{verb}"
    else:
        body["model"] = matrix.model(at)
    headers = [(name, value) for name, value in record["headers"] if name.lower() not in NOT_SENT]
    headers.append(("x-goog-api-key", matrix.key) if client == "gemini" else ("authorization", f"Bearer {matrix.key}"))
    query = f"?{record['query']}" if record["query"] else ""
    return httpx.post(
        f"{matrix.gateway.url}{path}{query}", content=json.dumps(body), headers=headers, timeout=120, trust_env=False
    )


@every(("who", "at"), PAIRS)
def test_what_a_client_sends_in_the_end(matrix: Matrix, who: str, at: str) -> None:
    record = json.loads(LONGEST[who].read_text(encoding="utf-8"))
    client = FORMATS[record["format"]]
    matrix.provider.asked.clear()
    reply = ask(matrix, record, client, at)
    assert reply.status_code == 200, reply.text
    (sent,) = matrix.provider.asked
    streams = record["body"].get("stream") or "stream" in record["path"]
    assert (ENDS[client] if streams else b"{") in reply.content
    asked, got = json.dumps(record["body"]), json.dumps(sent)
    assert all(known in got for known in KNOWN_BY_TOOLS.findall(asked))
    dropped = {name for name in reply.headers.get("x-omniroute-dropped", "").split(", ") if name}
    assert dropped <= DROPPED[client]
