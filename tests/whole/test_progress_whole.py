"""Progress of real streams, as the official SDKs and a plain client get it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from cases import every
from google import genai
from harness import PATIENCE, Gateway, Upstream, until
from scripted import replies
from shared_gateway import SharedGateway

from omniroute.store.config import keys, nodes
from omniroute.store.db.database import Store
from omniroute.store.history import usage

WANTED = {"x-omniroute-progress": "true"}
SAY: Any = [{"role": "user", "content": "hello"}]
PATHS = {"openai": "/v1/chat/completions", "claude": "/v1/messages", "responses": "/v1/responses"}
BODIES: dict[str, dict[str, Any]] = {
    "openai": {"messages": SAY},
    "claude": {"messages": SAY, "max_tokens": 50},
    "responses": {"input": "hello"},
}
SAID = re.compile(r"event: progress\ndata: ([^\n]*)\n\n")


@pytest.fixture(scope="module")
def key() -> list[str]:
    return []


@pytest.fixture(scope="module")
def running(_upstreams: Any, shared_gateway: SharedGateway, no_proxies: None, key: list[str]) -> Iterator[Gateway]:
    upstream: Upstream = _upstreams()

    def setup(store: Store) -> None:
        for dialect in (*PATHS, "gemini"):
            version = "/v1beta" if dialect == "gemini" else "/v1"
            nodes.add(store, dialect[:3], dialect, upstream.base("ok") + version)
            nodes.add(store, f"slow-{dialect[:3]}", dialect, upstream.base("slow:0.4") + version)
        key.append(keys.create(store, "client")[1])

    with shared_gateway.lend(setup=setup) as gateway:
        yield gateway


def read(running: Gateway, dialect: str, model: str, **headers: str) -> httpx.Response:
    body = {"model": model, "stream": True, **BODIES[dialect]}
    return httpx.post(running.url + PATHS[dialect], json=body, headers=headers, timeout=PATIENCE, trust_env=False)


def steady(text: str) -> str:
    """Take out what no two replies share."""
    return re.sub(r'(resp|chatcmpl|msg)[-_]\w+|"created(_at)?":\d+', "", text)


@every("upstream", [*PATHS, "gemini"])
@every("client", PATHS)
def test_only_who_asks_hears_of_it(running: Gateway, client: str, upstream: str) -> None:
    model = f"{upstream[:3]}/{client}-{upstream}"
    plain, told = read(running, client, model), read(running, client, model, **WANTED)
    assert "event: progress" not in plain.text
    assert "x-omniroute-progress" not in plain.headers
    assert told.headers["x-omniroute-progress"] == "enabled"
    (last,) = map(json.loads, SAID.findall(told.text))
    assert last["done"] is True
    assert steady(SAID.sub("", told.text)) == steady(plain.text)

    def rows() -> list[usage.UsageRow]:
        return [row for row in usage.recent(running.store, 50) if row.model_asked == model]

    first, second = until("both are logged", lambda: rows() if len(rows()) == 2 else None)
    assert last["tokens_generated"] == first.output == second.output
    assert "estimated" not in last


def test_it_is_told_while_the_answer_comes(running: Gateway) -> None:
    told = read(running, "openai", "slow-ope/m", **WANTED)
    *others, last = [json.loads(data) for data in SAID.findall(told.text)]
    assert others, told.text
    assert not any(one["done"] for one in others)
    assert all(one["estimated"] and one["tokens_generated"] > 0 for one in others)
    times = [one["elapsed_ms"] for one in (*others, last)]
    assert times == sorted(times)
    assert times[0] >= 2000


def test_openais_sdk_survives_it(running: Gateway, key: list[str]) -> None:
    with openai.OpenAI(
        base_url=f"{running.url}/v1", api_key=key[0], max_retries=0, timeout=PATIENCE, default_headers=WANTED
    ) as client:
        chunks = list(client.chat.completions.create(model="slow-ope/m", messages=SAY, stream=True))
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert said == replies.text("m")
        with client.chat.completions.stream(model="ope/m", messages=SAY) as helped:
            for _ in helped:
                pass
            assert helped.get_final_completion().choices[0].message.content == replies.text("m")
        events = list(client.responses.create(model="slow-res/m", input="hello", stream=True))
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == said
        with client.responses.stream(model="res/m", input="hello") as helper:
            for _ in helper:
                pass
            assert helper.get_final_response().output_text == said


def test_anthropics_sdk_does_not_notice(running: Gateway, key: list[str]) -> None:
    with (
        anthropic.Anthropic(
            base_url=running.url, api_key=key[0], max_retries=0, timeout=PATIENCE, default_headers=WANTED
        ) as client,
        client.messages.stream(model="slow-cla/m", messages=SAY, max_tokens=50) as stream,
    ):
        assert "".join(stream.text_stream) == replies.text("m")


def test_googles_sdk_gets_none(running: Gateway, key: list[str]) -> None:
    options = genai.types.HttpOptions(base_url=running.url, headers=WANTED)
    with genai.Client(api_key=key[0], http_options=options) as client:
        pieces = client.models.generate_content_stream(model="gem/m", contents="hello")
        assert "".join(piece.text or "" for piece in pieces) == replies.text("m")
