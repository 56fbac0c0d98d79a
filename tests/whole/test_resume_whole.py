"""Streams that break off and are gone on with, through a real gateway, as the official SDKs read them."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx
import openai
import pytest
from cases import every
from google import genai
from google.genai import types
from harness import PATIENCE, Gateway, Upstream, set_deadlines, until
from scripted import replies
from shared_gateway import SharedGateway

from omniroute.catalog.pricing import Price
from omniroute.store.config import budgets, combos, keys, nodes, settings
from omniroute.store.config import prices as price_store
from omniroute.store.db.database import Store
from omniroute.store.history import usage

CLIENTS = ("openai", "claude", "responses", "gemini")
BROKEN = ("cut-late", "error-late", "hang-late", "stops")
SAY: Any = [{"role": "user", "content": "hello"}]
TEXT = replies.text("m")
PATHS = {"openai": "/v1/chat/completions", "claude": "/v1/messages", "responses": "/v1/responses"}
BODIES: dict[str, dict[str, Any]] = {
    "openai": {"messages": SAY},
    "claude": {"messages": SAY, "max_tokens": 50},
    "responses": {"input": "hello"},
}


@dataclass
class Read:
    """What an SDK made of a stream."""

    text: str
    input: int | None
    ids: set[str | None]


@dataclass
class Running:
    gateway: Gateway
    upstream: Upstream
    key: str

    def sdk(self, client: str, model: str) -> Read:
        how: Any = {"base_url": self.gateway.url, "api_key": self.key, "max_retries": 0, "timeout": PATIENCE}
        if client == "claude":
            with (
                anthropic.Anthropic(**how) as claude,
                claude.messages.stream(model=model, messages=SAY, max_tokens=50) as stream,
            ):
                message = stream.get_final_message()
                assert [block.type for block in message.content] == ["text"]
                assert message.stop_reason == "end_turn"
                return Read(message.content[0].text, _whole_input(message.usage), {message.id})
        if client == "gemini":
            with genai.Client(
                api_key=self.key,
                http_options=types.HttpOptions(base_url=self.gateway.url, timeout=int(PATIENCE * 1000)),
            ) as google:
                pieces = list(google.models.generate_content_stream(model=model, contents="hello"))
            assert pieces[-1].candidates[0].finish_reason == types.FinishReason.STOP
            text = "".join(piece.text or "" for piece in pieces)
            return Read(text, pieces[-1].usage_metadata.prompt_token_count, {piece.response_id for piece in pieces})
        with openai.OpenAI(**how | {"base_url": f"{self.gateway.url}/v1"}) as sdk:
            if client == "responses":
                with sdk.responses.stream(model=model, input="hello") as events:
                    reply = events.get_final_response()
                assert reply.status == "completed"
                return Read(reply.output_text, reply.usage and reply.usage.input_tokens, {reply.id})
            usage_too: Any = {"include_usage": True}
            chunks = list(sdk.chat.completions.create(model=model, messages=SAY, stream=True, stream_options=usage_too))
        ends = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
        assert ends == ["stop"]
        told = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        return Read(told, chunks[-1].usage and chunks[-1].usage.prompt_tokens, {chunk.id for chunk in chunks})

    def wire(self, client: str, model: str, **more: Any) -> httpx.Response:
        body = {"model": model, "stream": True, **BODIES[client], **more}
        return httpx.post(
            f"{self.gateway.url}{PATHS[client]}",
            json=body,
            timeout=PATIENCE,
            trust_env=False,
            headers={"authorization": f"Bearer {self.key}"},
        )

    def row(self, model: str, number: int = 1) -> usage.UsageRow:
        """Give the newest of the log's rows for a model, once there are so many."""

        def found() -> usage.UsageRow | None:
            rows = [row for row in usage.recent(self.gateway.store, 300) if row.model_asked == model]
            return rows[0] if len(rows) >= number else None

        return until(f"{number} log rows for {model}", found)


def _whole_input(counted: Any) -> int:
    return int(counted.input_tokens) + (counted.cache_read_input_tokens or 0)


@pytest.fixture(scope="module")
def running(shared_gateway: SharedGateway, _upstreams: Any, no_proxies: None) -> Iterator[Running]:
    upstream: Upstream = _upstreams()
    made: list[str] = []

    def setup(store: Store) -> None:
        made.append(keys.create(store, "sdk")[1])
        settings.put(store, "resume.enabled", "on")
        settings.put(store, "cooldowns", "off")
        for dialect in CLIENTS:
            version = "v1beta" if dialect == "gemini" else "v1"
            for behaviour in (*BROKEN, "cut-tool", "ok", "500", "wait:60"):
                name = behaviour.replace(":", "-")
                nodes.add(store, f"{dialect}-{name}", dialect, f"{upstream.base(behaviour)}/{version}")
                if behaviour in BROKEN:
                    set_deadlines(store, f"{dialect}-{name}", {"idle": 0.5})
        for first in CLIENTS:
            for then in CLIENTS:
                combos.add(store, f"{first}-then-{then}", [f"{first}-cut-late/m", f"{then}-ok/m"])
            for behaviour in (*BROKEN, "cut-tool"):
                combos.add(store, f"{first}-{behaviour}", [f"{first}-{behaviour}/m", f"{first}-ok/m"])
        combos.add(store, "sinks", ["openai-cut-late/m", "openai-500/m"])
        combos.add(store, "breaks-twice", ["openai-cut-late/m", "claude-cut-late/m", "openai-ok/m"])
        combos.add(store, "lasts", ["openai-cut-late/m", "openai-wait-60/m"])

    with shared_gateway.lend(setup=setup) as gateway:
        yield Running(gateway, upstream, made[0])


@every("client", CLIENTS)
@every("first", CLIENTS)
def test_sdks_read_one_answer(running: Running, client: str, first: str) -> None:
    """The other dialect of the pair differs with each, so that all ways of going on are seen."""
    then = CLIENTS[(CLIENTS.index(client) + CLIENTS.index(first)) % 4]
    model = f"{first}-then-{then}"
    read = running.sdk(client, model)
    assert read.text == TEXT
    assert len(read.ids) == 1


@every("behaviour", BROKEN)
@every("client", CLIENTS)
def test_however_it_breaks(running: Running, client: str, behaviour: str) -> None:
    read = running.sdk(client, f"{client}-{behaviour}")
    assert read.text == TEXT
    row = running.row(f"{client}-{behaviour}")
    assert (row.status, row.model_served, row.error) == (200, f"{client}-ok/m", None)
    assert [one.outcome == "ok" for one in row.attempts] == [False, True]
    assert row.attempts[1].detail.startswith("went on after ")
    # What the first has put out nobody has counted.
    assert (row.output, row.cost) == (None, None)


@pytest.mark.parametrize("client", PATHS)
def test_the_stream_is_marked_behind_its_end(running: Running, client: str) -> None:
    reply = running.wire(client, f"{client}-cut-late")
    assert reply.text.endswith(": resumed after 27 characters\n\n")
    assert reply.text.count(": resumed") == 1
    assert running.wire(client, f"{client}-ok/m").text.count(": resumed") == 0


@pytest.mark.parametrize("client", PATHS)
def test_half_a_tool_call_is_not_gone_on_with(running: Running, client: str) -> None:
    model = f"{client}-cut-tool"
    running.upstream.clear()
    reply = running.wire(client, model)
    assert reply.status_code == 200
    assert "connection lost" in reply.text
    row = running.row(model)
    assert [one.outcome for one in row.attempts] == ["cut"]
    assert row.error
    assert len(running.upstream.asked()) == 1


def test_who_cannot_go_on_leaves_the_error_of_the_first(running: Running) -> None:
    with pytest.raises(openai.APIError, match="connection lost"):
        running.sdk("openai", "sinks")
    row = running.row("sinks")
    assert [one.outcome for one in row.attempts] == ["cut", "500"]
    assert "broke in the middle" in (row.error or "")


def test_it_is_gone_on_with_as_often_as_is_said(running: Running) -> None:
    with pytest.raises(openai.APIError, match="connection lost"):
        running.sdk("openai", "breaks-twice")
    assert len(running.row("breaks-twice").attempts) == 2
    settings.put(running.gateway.store, "resume.most", "2")
    until("three targets are asked", lambda: _whole(running, "breaks-twice"))
    until("all three are logged", lambda: len(running.row("breaks-twice").attempts) == 3)
    settings.unset(running.gateway.store, "resume.most")


def _whole(running: Running, model: str) -> bool:
    try:
        return running.sdk("openai", model).text == TEXT
    except openai.APIError:
        return False


def test_the_next_target_is_asked_to_go_on(running: Running) -> None:
    running.upstream.clear()
    running.sdk("openai", "openai-cut-late")
    first, then = running.upstream.asked()
    said = json.loads(then.body)["messages"]
    assert said[: len(SAY)] == json.loads(first.body)["messages"]
    assert said[-2] == {"role": "assistant", "content": TEXT[:27]}
    assert said[-1]["role"] == "user"


def test_a_client_that_leaves_before_somebody_goes_on(running: Running) -> None:
    running.upstream.clear()
    body = json.dumps({"model": "lasts", "stream": True, **BODIES["openai"]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {running.key}\r\n"
    with socket.create_connection(("127.0.0.1", running.gateway.runtime["port"]), PATIENCE) as sock:
        sock.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        until("the second is asked", lambda: len(running.upstream.asked()) == 2)
    row = running.row("lasts")
    assert row.status == 499
    until("the second is cancelled", lambda: running.upstream.asked()[1].cancelled)


def test_what_is_known_of_the_cost_is_told_and_counted(running: Running) -> None:
    """What the first has put out nobody has counted: the client is told the rest, and a budget counts an estimate."""
    store = running.gateway.store
    for name in ("claude-cut-late", "claude-ok"):
        price_store.put(store, f"{name}/m", Price(input=1000.0, output=1000.0))
    key, secret = keys.create(store, "thrifty")
    budgets.put(store, key.id, "daily", 100.0)
    spender = Running(running.gateway, running.upstream, secret)
    until("the key may ask", lambda: spender.wire("claude", "claude-ok/m").status_code == 200)
    assert spender.sdk("claude", "claude-cut-late").input == 2 * replies.INPUT

    def rows() -> list[usage.UsageRow]:
        return [row for row in usage.recent(store, 300) if row.key_name == "thrifty"]

    row = until("it is logged", lambda: next((row for row in rows() if row.attempts[1:]), None))
    assert (row.input, row.output, row.cost) == (2 * replies.INPUT, None, None)
    alone = next(row.cost for row in rows() if row.cost)

    def spent() -> float:
        return budgets.spent(store, {"daily": (row.at - 3600, row.at + 60)})[key.id, "daily"].usd

    until("both are booked", lambda: spent() > 2 * alone + replies.INPUT / 1000)
    assert spent() < 3.2 * alone


def test_a_conversation_goes_on_from_the_whole_answer(running: Running) -> None:
    with openai.OpenAI(base_url=f"{running.gateway.url}/v1", api_key=running.key, max_retries=0) as sdk:
        with sdk.responses.stream(model="responses-then-claude", input="hello") as events:
            first = events.get_final_response()
        running.upstream.clear()
        sdk.responses.create(model="openai-ok/m", input="and then?", previous_response_id=first.id)
    (asked,) = running.upstream.asked()
    said = json.loads(asked.body)["messages"]
    assert [turn["role"] for turn in said] == ["user", "assistant", "user"]
    assert said[1]["content"] == TEXT


def test_who_asks_the_same_at_the_same_time_reads_the_same(running: Running) -> None:
    """The stream is kept as the client got it, with what it was gone on with."""
    url, body = (
        f"{running.gateway.url}/v1/chat/completions",
        {"model": "openai-hang-late", "stream": True, "messages": SAY},
    )
    headers = {"authorization": f"Bearer {running.key}", "idempotency-key": "resumed-once"}
    with ThreadPoolExecutor(4) as pool:
        asks = [
            pool.submit(httpx.post, url, json=body, headers=headers, timeout=PATIENCE, trust_env=False)
            for _ in range(4)
        ]
    texts = {each.result().text for each in asks}
    assert len(texts) == 1
    assert texts.pop().count(": resumed after 27 characters") == 1
