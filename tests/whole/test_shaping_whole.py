"""The thinking budget and the system prompt, as the upstream hears of them, in every dialect from every dialect."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from cases import every
from faithful.server import MODELS, Provider
from harness import PATIENCE, Gateway, until
from shared_gateway import SharedGateway

from omniroute.store.config import aliases, nodes, settings
from omniroute.store.db.database import Store

type Body = dict[str, Any]
PROMPT = "Be kind — and brief."
PATHS = {"openai": "/v1/chat/completions", "responses": "/v1/responses", "claude": "/v1/messages"}
BODIES: dict[str, Body] = {
    "openai": {"messages": [{"role": "user", "content": "One."}], "reasoning_effort": "high"},
    "responses": {"input": "One.", "reasoning": {"effort": "high"}},
    "claude": {"messages": [{"role": "user", "content": "One."}], "max_tokens": 9000},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "One."}]}]},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider.start() as provider:
        yield provider


@pytest.fixture(scope="module")
def running(provider: Provider, shared_gateway: SharedGateway) -> Iterator[Gateway]:
    def setup(store: Store) -> None:
        for dialect in MODELS:
            nodes.add(store, f"at-{dialect}", dialect, provider.base(dialect))
        aliases.add(store, "fast", f"at-claude/{MODELS['claude']}")
        settings.put(store, "system_prompt", PROMPT)

    with shared_gateway.lend(setup=setup) as gateway:
        yield gateway


def ask(running: Gateway, dialect: str, model: str, *, stream: bool = False, **more: Any) -> httpx.Response:
    body = BODIES[dialect] | more
    if dialect == "gemini":
        path = f"/v1beta/models/{model}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"
    else:
        path, body = PATHS[dialect], {"model": model, "stream": stream} | body
    return httpx.post(running.url + path, json=body, timeout=PATIENCE, trust_env=False)


def set_until(running: Gateway, name: str, value: str, seen: Callable[[], bool]) -> None:
    """Set something while the gateway runs, and wait until a request shows it."""
    settings.put(running.store, name, value)
    until(f"{name} is {value}", lambda: seen() or None)


def thinking(dialect: str, body: Body) -> object:
    match dialect:
        case "claude":
            return body.get("thinking")
        case "openai":
            return body.get("reasoning_effort")
        case "responses":
            return (body.get("reasoning") or {}).get("effort")
        case _:
            config = body.get("generationConfig", {}).get("thinkingConfig", {})
            return {key: value for key, value in config.items() if key != "includeThoughts"} or None


def system(dialect: str, body: Body) -> str:
    match dialect:
        case "claude":
            return str(body["system"][0]["text"])
        case "openai":
            return str(body["messages"][0]["content"])
        case "responses":
            return str(body["instructions"])
        case _:
            return str(body["systemInstruction"]["parts"][0]["text"])


@pytest.fixture(scope="module")
def _custom(running: Gateway, provider: Provider) -> Iterator[None]:
    def seen() -> bool:
        ask(running, "responses", f"at-responses/{MODELS['responses']}")
        return thinking("responses", provider.asked[-1]) == "low"

    settings.put(running.store, "thinking.budget", "2000")
    set_until(running, "thinking.mode", "custom", seen)
    yield
    settings.put(running.store, "thinking.mode", "passthrough")


WANTED = {
    "openai": "low",
    "responses": "low",
    "claude": {"type": "enabled", "budget_tokens": 2000},
    "gemini": {"thinkingLevel": "LOW"},
}


@pytest.mark.usefixtures("_custom")
@every("stream", [False, True], ids=["whole", "stream"])
@every("at", MODELS)
@every("client", BODIES)
def test_every_dialect_is_told(running: Gateway, provider: Provider, client: str, at: str, stream: bool) -> None:
    reply = ask(running, client, f"at-{at}/{MODELS[at]}", stream=stream)
    assert reply.status_code == 200, reply.text
    told = provider.asked[-1]
    assert thinking(at, told) == WANTED[at]
    assert system(at, told).startswith(PROMPT)
    assert json.dumps(told, ensure_ascii=False).count(PROMPT) == 1


@pytest.mark.usefixtures("_custom")
def test_a_tool_loop_that_began_without_thinking_goes_on_without_it(running: Gateway, provider: Provider) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}}
    turns = [
        {"role": "user", "content": "What is the weather?"},
        {"role": "assistant", "content": [{"type": "text", "text": "I will look."}, call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}]},
    ]
    tools = [{"name": "get_weather", "input_schema": {"type": "object"}}]
    model = f"at-claude/{MODELS['claude']}"
    reply = ask(running, "claude", model, messages=turns, tools=tools, temperature=0.3)
    assert reply.status_code == 200, reply.text
    assert "thinking" not in provider.asked[-1]
    assert reply.headers["x-omniroute-dropped"] == "thinking"
    assert provider.asked[-1]["temperature"] == 0.3


@pytest.mark.parametrize("at", ["responses", "claude"])
def test_a_kept_conversation_hears_the_prompt_once_in_each_turn(running: Gateway, provider: Provider, at: str) -> None:
    previous = None
    for _ in range(3):
        reply = ask(running, "responses", f"at-{at}/{MODELS[at]}", previous_response_id=previous, instructions="Rhyme.")
        assert reply.status_code == 200, reply.text
        previous = reply.json()["id"]
        told = dict(provider.asked[-1])
        turns = told.pop("messages", None) or told.pop("input")
        if not isinstance(turns, str):  # the model repeats what it is told
            turns = [turn for turn in turns if turn.get("role") != "assistant"]
        said = json.dumps([told, turns], ensure_ascii=False)
        assert (said.count(PROMPT), said.count("Rhyme.")) == (1, 1)


def test_an_alias_may_lead_to_a_model_that_is_asked_otherwise(running: Gateway, provider: Provider) -> None:
    asked = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}

    def seen() -> bool:
        ask(running, "claude", f"at-claude/{MODELS['claude']}")
        return "thinking" not in provider.asked[-1]

    set_until(running, "thinking.mode", "passthrough", seen)
    reply = ask(running, "claude", "fast", **asked)
    assert reply.status_code == 200, reply.text
    assert provider.asked[-1]["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert "thinking" in reply.headers["x-omniroute-dropped"].split(", ")
    named = ask(running, "claude", f"at-claude/{MODELS['claude']}", **asked)
    assert {key: provider.asked[-1].get(key) for key in asked} == asked
    assert "x-omniroute-dropped" not in named.headers


def test_the_prompt_is_counted(running: Gateway) -> None:
    path = "/v1/messages/count_tokens"
    body = {"model": "fast", "messages": BODIES["claude"]["messages"]}

    def counted() -> int:
        reply = httpx.post(running.url + path, json=body, timeout=PATIENCE, trust_env=False)
        return int(reply.json()["input_tokens"])

    before = counted()
    set_until(running, "system_prompt", PROMPT + " x" * 400, lambda: counted() >= before + 200)
    set_until(running, "system_prompt", PROMPT, lambda: counted() == before)
