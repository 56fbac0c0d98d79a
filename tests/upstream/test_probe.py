"""What a probe says of every kind of provider: one sentence, true, and without the key."""

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog.endpoints import credential_headers
from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import PROVIDERS, find, node
from omniroute.config.model import Account
from omniroute.upstream.probe import Probe, ProbeResult, count_models, main_dialect, probe_body

KEY = "zz-very-secret-0123456789"
OPENAI = {"id": "x", "object": "chat.completion", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "OK"}, "finish_reason": "stop"}]}  # fmt: skip
CLAUDE = {"id": "x", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "OK"}],
    "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
RESPONSES = {"id": "x", "object": "response", "status": "completed", "output": [
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "OK"}]}]}  # fmt: skip
GEMINI = {"candidates": [{"content": {"role": "model", "parts": [{"text": "OK"}]}, "finishReason": "STOP"}]}

type Answer = Callable[[httpx.Request], httpx.Response]


def catalog(name: str) -> Provider:
    found = find(name, ())
    assert found
    return found


def probe(provider: Provider, answer: Answer, key: str | None = KEY, base_url: str | None = None) -> Probe:
    account = Account("a", provider.id, "work", base_url=base_url)
    return Probe(account, provider, key, 5.0, transport=httpx.MockTransport(answer))


def tell(provider: Provider, answer: Answer, key: str | None = KEY, model: str | None = None) -> ProbeResult:
    return asyncio.run(probe(provider, answer, key).test(model))


def only_with_key(request: httpx.Request) -> httpx.Response:
    if KEY not in " ".join(request.headers.values()):
        return httpx.Response(401, json={"error": {"message": "no key"}})
    return httpx.Response(200, json={"data": [{}, {}, {}]})


@pytest.mark.parametrize(
    ("name", "url", "header"),
    [
        ("openai", "https://api.openai.com/v1/models", "authorization"),
        ("anthropic", "https://api.anthropic.com/v1/models", "x-api-key"),
        ("groq", "https://api.groq.com/openai/v1/models", "authorization"),
        ("glm", "https://api.z.ai/api/anthropic/v1/models", "x-api-key"),
    ],
)
def test_the_list_of_models_is_read_where_it_is(name, url, header) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return only_with_key(request)

    found = tell(catalog(name), answer)
    assert (found.ok, found.status, found.models, found.detail) == (True, 200, 3, "3 models")
    assert (asked[0].method, str(asked[0].url)) == ("GET", url)
    assert KEY in asked[0].headers[header]
    assert ("anthropic-version" in asked[0].headers) == (header == "x-api-key")


def test_a_gemini_node_is_asked_too() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={"models": [{}]})

    assert tell(node("g", "gemini", "http://127.0.0.1:9"), answer, key=None).detail == "1 model"
    assert asked == ["http://127.0.0.1:9/v1beta/models"]


def test_an_open_list_does_not_prove_the_key() -> None:
    found = tell(catalog("openrouter"), lambda request: httpx.Response(200, json={"data": []}))
    assert found.ok
    assert "the key is not proven" in found.detail


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key(status) -> None:
    said = {"error": {"message": f"bad key {KEY}"}}
    found = tell(catalog("openai"), lambda request: httpx.Response(status, json=said))
    assert not found.ok
    assert found.status == status
    assert found.detail.startswith("the key was refused: bad key ")
    assert KEY not in found.detail


@pytest.mark.parametrize("status", [404, 405])
def test_without_a_list_a_known_model_is_asked(status) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status) if request.method == "GET" else httpx.Response(200, json=OPENAI)

    found = tell(catalog("perplexity"), answer)
    assert found.ok
    assert found.detail.startswith("there is no list of models at https://api.perplexity.ai/models, so a model was")
    assert f"{catalog('perplexity').models[0].id} answered" in found.detail


def test_without_a_list_and_a_known_model_it_says_so() -> None:
    found = tell(node("home", "openai", "http://127.0.0.1:9"), lambda request: httpx.Response(404))
    assert not found.ok
    assert found.detail.endswith("name a model to ask")


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (httpx.Response(200, html="<p>welcome"), "not with a list of models"),
        (httpx.Response(200, json={"hello": 1}), "not with a list of models"),
        (httpx.Response(500, text="oh no"), "status 500"),
        (httpx.Response(429, json={"error": {"message": "slow down"}}), "status 429: slow down"),
        (httpx.Response(301, headers={"location": "https://elsewhere"}), "status 301"),
    ],
)
def test_an_answer_that_is_no_list(response, says) -> None:
    found = tell(catalog("openai"), lambda request: response)
    assert not found.ok
    assert says in found.detail


@pytest.mark.parametrize(
    ("dialect", "reply", "path"),
    [
        ("openai", OPENAI, "/v1/chat/completions"),
        ("claude", CLAUDE, "/v1/messages"),
        ("responses", RESPONSES, "/v1/responses"),
        ("gemini", GEMINI, "/v1beta/models/m:generateContent"),
    ],
)
def test_a_tiny_question_in_every_dialect(dialect, reply, path) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=reply)

    found = tell(node("n", dialect, "http://127.0.0.1:9"), answer, model="m")
    assert (found.ok, found.detail) == (True, "m answered")
    assert asked[0].url.path == path
    assert "16" in asked[0].content.decode()


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (httpx.Response(200, json={"error": {"message": f"no such model, {KEY}"}}), "no such model"),
        (httpx.Response(200, json={"hello": 1}), "not in the openai dialect"),
        (httpx.Response(200, json=[]), "not in the openai dialect"),
        (httpx.Response(200, text="hello"), "not in the openai dialect"),
        (httpx.Response(404, json={"error": {"message": "no such model"}}), "status 404: no such model"),
    ],
)
def test_an_answer_that_is_none(response, says) -> None:
    found = tell(catalog("openai"), lambda request: response, model="m")
    assert not found.ok
    assert says in found.detail
    assert KEY not in found.detail


def test_a_model_that_takes_only_the_newer_limit() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "max_tokens" in json.loads(request.content):
            return httpx.Response(400, json={"error": {"message": "Use 'max_completion_tokens' instead."}})
        return httpx.Response(200, json=OPENAI)

    assert tell(catalog("openai"), answer, model="gpt-5").ok


@pytest.mark.parametrize("key", ["zz\nsecret-key-with-a-break", "zz-schlüssel-der-geheim-ist"])
def test_a_key_that_no_header_can_carry_is_not_repeated(key) -> None:
    found = asyncio.run(
        Probe(Account("a", "openai", "work", base_url="http://127.0.0.1:9"), catalog("openai"), key, 5.0).test()
    )
    assert not found.ok
    assert key[-10:] not in found.detail


def test_every_provider_can_be_asked_about_itself() -> None:
    for provider in PROVIDERS:
        assert main_dialect(provider) in provider.paths


@given(st.binary())
def test_counting_models_never_raises(body: bytes) -> None:
    assert count_models(body) is None or body.strip().startswith((b"[", b"{"))


@every(
    ("body", "count"),
    [(b'{"data": [1, 2]}', 2), (b'{"models": [1]}', 1), (b"[1, 2, 3]", 3), (b"{}", None), (b"7", None), (b"{", None)],
)
def test_lists_of_models_come_in_several_shapes(body, count) -> None:
    assert count_models(body) == count


@pytest.mark.parametrize("dialect", ["openai", "claude", "responses", "gemini"])
def test_a_question_is_small(dialect) -> None:
    assert len(json.dumps(probe_body(dialect, "m"))) < 200


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        ("bearer", {"authorization": "Bearer k"}),
        ("x-api-key", {"x-api-key": "k"}),
        ("x-goog-api-key", {"x-goog-api-key": "k"}),
        ("none", {}),
    ],
)
def test_a_credential_goes_into_one_header(auth, headers) -> None:
    provider = Provider("p", "p", "P", "http://127.0.0.1:9", {}, auth)
    assert credential_headers(provider, "k") == headers
    assert credential_headers(provider, None) == credential_headers(provider, "") == {}
