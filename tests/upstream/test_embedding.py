"""What an embedding model is asked in each dialect, and what of its answer is believed."""

import json
from typing import Any

import httpx
import pytest
from cases import every

from omniroute.catalog.provider import DialectName
from omniroute.catalog.providers import node
from omniroute.config.model import Account
from omniroute.routing.target import RoutePath, Target
from omniroute.upstream.embeddings import MOST_NUMBERS, Embedding, EmbeddingFailed, embed

KEY = "sk-of-an-embedder-123"
VALUES = [0.5, -1, 2]
OPENAI = {"data": [{"embedding": VALUES}], "usage": {"prompt_tokens": 7}}
GEMINI = {"embedding": {"values": VALUES}}


async def ask(dialect: DialectName, base: str, answer: Any) -> tuple[list[httpx.Request], Embedding]:
    heard: list[httpx.Request] = []

    def say(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    target = Target(Account("a", "em", "main"), node("em", dialect, base), "e5", dialect, RoutePath("asked for"), "")
    async with httpx.AsyncClient(transport=httpx.MockTransport(say), timeout=5) as client:
        return heard, await embed(client, target, KEY, "hello")


@pytest.mark.parametrize(
    ("dialect", "base", "answer", "url", "tokens"),
    [
        ("openai", "http://h", OPENAI, "http://h/v1/embeddings", 7),
        ("openai", "http://h/api/v2", OPENAI, "http://h/api/v2/embeddings", 7),
        ("openai", "http://h/v1/chat/completions", OPENAI, "http://h/v1/embeddings", 7),
        ("responses", "http://h/v1", OPENAI, "http://h/v1/embeddings", 7),
        ("gemini", "http://h", GEMINI, "http://h/v1beta/models/e5:embedContent", None),
    ],
)
async def test_each_dialect_is_asked_in_its_own_way(
    dialect: DialectName, base: str, answer: Any, url: str, tokens: int | None
) -> None:
    heard, found = await ask(dialect, base, answer)
    assert found == Embedding(VALUES, tokens)
    assert str(heard[0].url) == url
    gemini = {"content": {"parts": [{"text": "hello"}]}}
    assert json.loads(heard[0].content) == (gemini if dialect == "gemini" else {"model": "e5", "input": "hello"})
    assert any(KEY in value for value in heard[0].headers.values())


async def test_who_embeds_nothing_is_not_asked() -> None:
    with pytest.raises(EmbeddingFailed, match="nothing is embedded"):
        await ask("claude", "http://h", {})


@every(
    "odd",
    [
        *([], {}, None, 7, {"data": [{}]}, {"data": [{"embedding": "AAAA"}]}, {"data": [{"embedding": []}]}),
        *({"data": [{"embedding": [1] * (MOST_NUMBERS + 1)}]}, {"data": [{"embedding": [None]}]}, {"embedding": [1]}),
        httpx.Response(200, content=b'{"data":[{"embedding":[1e999]}]}'),
        httpx.Response(200, content=b"[" * 100_000),
        *({"data": [{"embedding": [1, odd]}]} for odd in (True, 1e300, -1e300, 10**15, "1")),
    ],
    ids=range(17),
)
async def test_what_is_no_vector_is_said_to_be_none(odd: Any) -> None:
    with pytest.raises(EmbeddingFailed, match="not with an embedding"):
        await ask("openai", "http://h", odd)


@every("usage", [None, [], "x", {"prompt_tokens": -1}, {"prompt_tokens": 10**12}, {"prompt_tokens": True}])
async def test_a_count_that_cannot_be_is_unknown(usage: Any) -> None:
    _, found = await ask("openai", "http://h", {"data": [{"embedding": VALUES}], "usage": usage})
    assert found == Embedding(VALUES, None)


@pytest.mark.parametrize(("status", "ours"), [(400, True), (413, True), (401, False), (429, False), (500, False)])
async def test_a_refusal_says_whose_fault_it_is_and_no_secret(status: int, ours: bool) -> None:
    with pytest.raises(EmbeddingFailed) as raised:
        await ask("openai", "http://h", httpx.Response(status, json={"error": {"message": f"the key {KEY} is bad"}}))
    assert raised.value.ours is ours
    assert KEY not in str(raised.value)
