"""Clients that wait, through a real gateway: their own SDKs read on, and raise what came of it."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx
import openai
import pytest
from cases import every
from google import genai
from harness import PATIENCE, Gateway, Upstream, set_deadlines, until
from scripted import replies

from omniroute.dialects.registry import DIALECTS
from omniroute.store.config import combos, keys, nodes
from omniroute.store.db.database import Store
from omniroute.store.history import usage

OPTIONS = {"omniroute_keepalive": "0.1"}
SHORT = {"first_byte": 0.5, "first_content": 2}
"""Seconds for a target that hangs."""
SAY: Any = [{"role": "user", "content": "hello"}]
PATHS = {"openai": "/v1/chat/completions", "claude": "/v1/messages", "responses": "/v1/responses"}
BODIES: dict[str, dict[str, Any]] = {
    "openai": {"messages": SAY},
    "claude": {"messages": SAY, "max_tokens": 50},
    "responses": {"input": "hello"},
}
BEHAVIOURS = {"ok": "ok", "wait": "wait-headers:0.4", "slow": "slow:0.12", "hang": "hang", "limited": "429:7"}
WAITS = ["wait", "slow"]
"""Silence before the first content, and between its pieces."""
STILL = {dialect: DIALECTS[dialect].keepalive.decode() for dialect in PATHS}


@dataclass
class Running:
    gateway: Gateway
    upstream: Upstream
    key: str

    def read(self, dialect: str, model: str, *, stream: bool = True) -> httpx.Response:
        body = {"model": model, "stream": stream, **BODIES[dialect]}
        return httpx.post(f"{self.gateway.url}{PATHS[dialect]}", json=body, timeout=PATIENCE, trust_env=False)

    def sdk_says(self, dialect: str, model: str) -> str:
        """Give the text that the dialect's own SDK reads; it is told not to ask again, which would hide an error."""
        how: Any = {"base_url": self.gateway.url, "api_key": self.key, "max_retries": 0, "timeout": PATIENCE}
        if dialect == "claude":
            with (
                anthropic.Anthropic(**how) as claude,
                claude.messages.stream(model=model, messages=SAY, max_tokens=50) as stream,
            ):
                return "".join(stream.text_stream)
        with openai.OpenAI(**how | {"base_url": f"{self.gateway.url}/v1"}) as client:
            if dialect == "responses":
                events = client.responses.create(model=model, input="hello", stream=True)
                return "".join(event.delta for event in events if event.type == "response.output_text.delta")
            chunks = client.chat.completions.create(model=model, messages=SAY, stream=True)
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    def logged(self, model: str) -> usage.UsageRow:
        return until(
            f"a log row for {model}",
            lambda: next((row for row in usage.recent(self.gateway.store, 50) if row.model_asked == model), None),
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, _upstreams: Any, no_proxies: None) -> Iterator[Running]:
    upstream: Upstream = _upstreams()
    made: list[str] = []

    def setup(store: Store) -> None:
        made.append(keys.create(store, "sdk")[1])
        for dialect in (*PATHS, "gemini"):
            version = "v1beta" if dialect == "gemini" else "v1"
            for name, behaviour in BEHAVIOURS.items():
                nodes.add(store, f"{dialect}-{name}", dialect, f"{upstream.base(behaviour)}/{version}")
            set_deadlines(store, f"{dialect}-hang", SHORT)
            bad = [f"{dialect}-hang/m", f"{dialect}-limited/m"]
            combos.add(store, f"{dialect}-brave", [*bad, f"{dialect}-ok/m"])
            combos.add(store, f"{dialect}-lost", bad)

    with Gateway.start(tmp_path_factory.mktemp("waiting"), setup=setup, options=OPTIONS) as gateway:
        yield Running(gateway, upstream, made[0])


@every("wait", WAITS)
@every("upstream", ["openai", "claude"])
@every("dialect", PATHS)
def test_sdks_read_on(running: Running, dialect: str, upstream: str, wait: str) -> None:
    assert running.sdk_says(dialect, f"{upstream}-{wait}/m") == replies.text("m")


@every("wait", WAITS)
@every("dialect", PATHS)
def test_the_wire_holds_words_between_frames(running: Running, dialect: str, wait: str) -> None:
    reply = running.read(dialect, f"{dialect}-{wait}/m")
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.text.count(STILL[dialect]) >= 3
    # The upstream's stream is untouched but for what stands between its frames.
    plain = running.upstream.client.post(
        f"/b/ok{PATHS[dialect]}", json=BODIES[dialect] | {"model": "m", "stream": True}
    )
    assert reply.text.replace(STILL[dialect], "") == plain.text
    if wait == "wait":
        assert reply.text.startswith(STILL[dialect])
        assert {name for name in reply.headers if name.startswith("x-omniroute-")} == {
            "x-omniroute-request-id",
            "x-omniroute-overhead-ms",
        }


@pytest.mark.parametrize("dialect", PATHS)
def test_fallback_goes_on_behind_the_head(running: Running, dialect: str) -> None:
    assert running.sdk_says(dialect, f"{dialect}-brave") == replies.text("m")
    row = running.logged(f"{dialect}-brave")
    assert (row.status, row.model_served, len(row.attempts)) == (200, f"{dialect}-ok/m", 3)
    assert row.output == replies.OUTPUT


@pytest.mark.parametrize("dialect", PATHS)
def test_sdks_raise_what_came_of_it(running: Running, dialect: str) -> None:
    with pytest.raises((openai.APIError, anthropic.APIError)) as caught:
        running.sdk_says(dialect, f"{dialect}-lost")
    assert "every target failed" in str(caught.value)
    assert "Please try again in 7s." in str(caught.value)
    row = running.logged(f"{dialect}-lost")
    assert row.status == 503, "the log says what became of it, and not the status of the head"
    assert "every target failed" in (row.error or "")


def test_a_responses_client_reads_that_its_reply_has_failed(running: Running) -> None:
    reply = running.read("responses", "responses-lost")
    assert reply.status_code == 200
    assert reply.text.startswith(STILL["responses"])
    assert reply.text.rpartition("event: ")[2].startswith("response.failed\n")
    assert running.read("responses", "responses-lost", stream=False).status_code == 503


def test_gemini_clients_hear_nothing(running: Running) -> None:
    with genai.Client(api_key=running.key, http_options={"base_url": running.gateway.url}) as client:
        pieces = client.models.generate_content_stream(model="gemini-wait/m", contents="hello")
        assert "".join(piece.text or "" for piece in pieces) == replies.text("m")
    path = "/v1beta/models/gemini-lost:streamGenerateContent?alt=sse"
    body = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    reply = httpx.post(f"{running.gateway.url}{path}", json=body, timeout=PATIENCE, trust_env=False)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "7")


async def test_who_leaves_cancels_the_upstream(running: Running) -> None:
    before = running.upstream.stats()["cancelled"]
    body = {"model": "claude-hang/m", "stream": True, **BODIES["claude"]}
    async with (
        httpx.AsyncClient(base_url=running.gateway.url, timeout=PATIENCE, trust_env=False) as client,
        client.stream("POST", PATHS["claude"], json=body) as reply,
    ):
        with suppress(StopAsyncIteration):
            async with asyncio.timeout(PATIENCE):
                assert (await anext(reply.aiter_text())).startswith(STILL["claude"])
    until("the upstream is cancelled", lambda: running.upstream.stats()["cancelled"] == before + 1)
    assert running.logged("claude-hang/m").status == 499
