"""Each dialect's client at an upstream of each dialect, through a real gateway."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cases import every
from google import genai
from harness import PATIENCE, Gateway, Upstream, until
from shared_gateway import SharedGateway

from omniroute.store.config import keys, nodes
from omniroute.store.db.database import Store
from omniroute.store.history import usage

DIALECTS = ("openai", "claude", "responses", "gemini")
QUESTION = "What is there to say today?"
BODIES: dict[str, dict[str, Any]] = {
    "openai": {"messages": [{"role": "user", "content": QUESTION}]},
    "claude": {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 100},
    "responses": {"input": QUESTION},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]},
}
PATHS = {"openai": "/v1/chat/completions", "claude": "/v1/messages", "responses": "/v1/responses"}
REQUEST_IDS = {"openai": "x-request-id", "responses": "x-request-id", "claude": "request-id"}
ENDS = {"openai": "data: [DONE]", "claude": '"message_stop"', "responses": '"response.completed"', "gemini": '"STOP"'}


@pytest.fixture(scope="module")
def running(shared_gateway: SharedGateway, _upstreams: Any) -> Iterator[tuple[Gateway, Upstream]]:
    upstream: Upstream = _upstreams()

    def setup(store: Store) -> None:
        for dialect in DIALECTS:
            base = f"{upstream.base('ok')}/{'v1beta' if dialect == 'gemini' else 'v1'}"
            nodes.add(store, f"at-{dialect}", dialect, base)

    with shared_gateway.lend(setup=setup) as gateway:
        yield gateway, upstream


def ask(gateway: Gateway, client: str, upstream: str, stream: bool, query: str = "?alt=sse") -> httpx.Response:
    model, body = f"at-{upstream}/m", BODIES[client]
    if client == "gemini":
        verb = f"streamGenerateContent{query}" if stream else "generateContent"
        path = f"/v1beta/models/{model}:{verb}"
    else:
        path, body = PATHS[client], body | {"model": model} | ({"stream": True} if stream else {})
    return httpx.post(f"{gateway.url}{path}", json=body, timeout=PATIENCE, trust_env=False)


def said(client: str, reply: httpx.Response, stream: bool) -> str:
    """Join what a client would show."""
    if not stream:
        body = reply.json()
        match client:
            case "openai":
                return body["choices"][0]["message"]["content"]
            case "claude":
                return "".join(block.get("text", "") for block in body["content"])
            case "responses":
                return "".join(p["text"] for o in body["output"] if o["type"] == "message" for p in o["content"])
            case _:
                return "".join(part.get("text", "") for part in body["candidates"][0]["content"]["parts"])
    text = ""
    for line in reply.text.splitlines():
        if not line.startswith("data: {"):
            continue
        event = json.loads(line[6:])
        match client:
            case "openai":
                text += "".join(choice["delta"].get("content") or "" for choice in event["choices"])
            case "claude":
                text += event.get("delta", {}).get("text", "")
            case "responses":
                text += event["delta"] if event["type"] == "response.output_text.delta" else ""
            case _:
                parts = [p for c in event.get("candidates", []) for p in c.get("content", {}).get("parts", [])]
                text += "".join(part.get("text", "") for part in parts if not part.get("thought"))
    return text


@every("stream", [False, True], ids=["whole", "stream"])
@every(("client", "upstream"), [*itertools.product(DIALECTS, repeat=2)])
def test_any_client_at_any_upstream(
    running: tuple[Gateway, Upstream], client: str, upstream: str, stream: bool
) -> None:
    gateway, provider = running
    provider.clear()
    reply = ask(gateway, client, upstream, stream)
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-omniroute-route"] == f"at-{upstream}/m"
    assert "nothing else to say today" in said(client, reply, stream)
    if stream:
        assert ENDS[client] in reply.text
        assert reply.headers["content-type"].startswith("text/event-stream")
    (asked,) = provider.asked()
    assert QUESTION in asked.body.decode()
    mine = reply.headers["x-omniroute-request-id"]
    if (name := REQUEST_IDS.get(client)) and client != upstream:
        assert reply.headers[name] == mine
    row = until("the log row", lambda: next((r for r in usage.recent(gateway.store, 3) if r.id == mine), None))
    assert (row.client_dialect, row.upstream_dialect) == (client, upstream)
    assert (row.input, row.output) == (137, 43)


@pytest.mark.parametrize("upstream", ["openai", "claude", "responses"])
def test_who_does_not_ask_for_events_gets_a_json_array(running: tuple[Gateway, Upstream], upstream: str) -> None:
    gateway, _ = running
    reply = ask(gateway, "gemini", upstream, stream=True, query="")
    assert reply.headers["content-type"].startswith("application/json")
    parts = [part for chunk in reply.json() for part in chunk["candidates"][0]["content"]["parts"]]
    assert "nothing else to say today" in "".join(part.get("text", "") for part in parts)
    assert reply.json()[-1]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("upstream", DIALECTS)
def test_googles_own_client(running: tuple[Gateway, Upstream], upstream: str) -> None:
    gateway, _ = running
    options = genai.types.HttpOptions(base_url=gateway.url, timeout=int(PATIENCE * 1000))
    _, key = keys.create(gateway.store, f"google-{upstream}")
    until("the key is known", lambda: httpx.get(f"{gateway.url}/v1/models", headers={"x-goog-api-key": key}).is_success)
    client = genai.Client(api_key=key, http_options=options)
    try:
        reply = client.models.generate_content(model=f"at-{upstream}/m", contents=QUESTION)
        assert "nothing else to say today" in (reply.text or "")
        chunks = list(client.models.generate_content_stream(model=f"at-{upstream}/m", contents=QUESTION))
        assert "nothing else to say today" in "".join(chunk.text or "" for chunk in chunks)
    finally:
        client.close()
