"""Every way of choosing in a real gateway, with an upstream that counts who was asked with which key."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from harness import PATIENCE, Gateway, Upstream, until
from shared_gateway import SharedGateway

from omniroute.catalog.provider import Model
from omniroute.cli import main
from omniroute.config.settings import ACCOUNT_STRATEGIES, COMBO_STRATEGIES, RetrySettings
from omniroute.store.config import accounts, aliases, chains, combos, custom_models, nodes, settings
from omniroute.store.db.database import Store
from omniroute.store.history import usage
from omniroute.store.state import strategy_state

KEYS = ("key-of-a", "key-of-b", "key-of-c")
LETTERS = {f"Bearer {key}": key[-1] for key in KEYS}
MANY = 60
"""Requests after which a fair draw has left out one of three less than once in ten thousand million runs."""
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def fill(store: Store, upstream: Upstream) -> None:
    """Set up a node with three accounts for each strategy of accounts, a combo for each strategy of combos."""
    settings.put(store, "cooldowns", "off")  # these tests are about orders alone
    for strategy in ACCOUNT_STRATEGIES:
        nodes.add(store, strategy, "openai", f"{upstream.base('ok')}/v1")
        for key in KEYS:
            accounts.add(store, strategy, api_key=key, name=key[-1])
        settings.put(store, f"strategy.{strategy}", strategy)
    nodes.add(store, "up", "openai", f"{upstream.base('ok')}/v1")
    for strategy in COMBO_STRATEGIES:
        combos.add(store, f"by-{strategy}", ["up/a", "up/b", "up/c"], strategy, {"up/a": 0.0, "up/c": 3.0})
    for behaviour in ("500", "hang"):
        nodes.add(store, f"bad-{behaviour}", "openai", f"{upstream.base(behaviour)}/v1")
    nodes.add(store, "flaky", "openai", f"{upstream.base('503,503,ok')}/v1")
    combos.add(store, "inner", ["up/i", "up/j"])
    combos.add(store, "outer", ["bad-500/x", "inner"])
    combos.add(store, "patient", ["flaky/x", "up/last"], tries=RetrySettings(2, 0.05))
    combos.add(store, "hasty", ["bad-hang/x", "up/last"], tries=RetrySettings(deadlines={"first_content": 2}))
    aliases.add(store, "quick", "by-priority")
    aliases.add(store, "gpt-*", "up/wild")
    aliases.add(store, "gpt-5*", "up/wilder")
    chains.add(store, "rescue", ["bad-500/y", "up/saved"], ["bad-*", "sad"])
    custom_models.add(store, "up", Model("blind", images=False, context=64_000, max_output=999))
    custom_models.add(store, "up", Model("bare", tools=False))
    combos.add(store, "shy", ["up/blind", "up/sees"])
    combos.add(store, "sad", ["bad-500/z"])


@pytest.fixture(scope="module")
def there(_upstreams: Callable[..., Upstream], shared_gateway: SharedGateway) -> Iterator[Gateway]:
    upstream = _upstreams()
    with shared_gateway.lend(setup=lambda store: fill(store, upstream)) as gateway:
        yield gateway


def ask(gateway: Gateway, model: str, path: str = "/v1/chat/completions", **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}
    return httpx.post(f"{gateway.url}{path}", json=body, timeout=PATIENCE, trust_env=False)


def route(gateway: Gateway, model: str, **more: Any) -> str:
    reply = ask(gateway, model, **more)
    assert reply.status_code == 200, reply.text
    return str(reply.headers["x-omniroute-route"])


def who(upstream: Upstream, gateway: Gateway, model: str, times: int, **more: Any) -> str:
    """Ask so often, and give the accounts that the upstream saw, a letter each."""
    upstream.clear()
    for _ in range(times):
        assert ask(gateway, model, **more).status_code == 200
    return "".join(LETTERS[asked.headers["authorization"]] for asked in upstream.asked())


@pytest.mark.parametrize(
    ("strategy", "sequence"),
    [
        ("fill-first", "aaaaa"),
        ("cost-optimized", "aaaaa"),
        ("round-robin", "aaabbbcccaaab"),
        ("least-used", "abcabca"),
    ],
)
def test_accounts_take_turns(there: Gateway, upstream: Upstream, strategy: str, sequence: str) -> None:
    assert who(upstream, there, f"{strategy}/m", len(sequence)) == sequence


@pytest.mark.parametrize("strategy", ["random", "p2c"])
def test_accounts_are_drawn(there: Gateway, upstream: Upstream, strategy: str) -> None:
    drawn = Counter(who(upstream, there, f"{strategy}/m", MANY))
    assert set(drawn) == set("abc")
    assert max(drawn.values()) < 45, drawn


@pytest.mark.parametrize(
    ("strategy", "sequence"),
    [("priority", "aaa"), ("round-robin", "abcab"), ("least-used", "abcab"), ("cost-optimized", "aaa")],
)
def test_combos_take_turns(there: Gateway, strategy: str, sequence: str) -> None:
    asked = "".join(route(there, f"by-{strategy}")[-1] for _ in sequence)
    assert asked == sequence


def test_combos_are_drawn(there: Gateway) -> None:
    assert {route(there, "by-random")[-1] for _ in range(MANY)} == set("abc")
    drawn = Counter(route(there, "by-weighted")[-1] for _ in range(MANY))
    assert drawn["a"] == 0
    assert drawn["c"] > drawn["b"] > 0


def test_turns_outlive_a_restart(upstream: Upstream, tmp_path, gateway) -> None:
    running = gateway(setup=lambda store: fill(store, upstream))
    assert who(upstream, running, "round-robin/m", 4) == "aaab"
    assert route(running, "by-round-robin") == "up/a"
    running.stop()
    again = gateway()
    assert who(upstream, again, "round-robin/m", 3) == "bbc"
    assert route(again, "by-round-robin") == "up/b"


def test_a_kill_forgets_a_moment_at_most(upstream: Upstream, gateway) -> None:
    running = gateway(setup=lambda store: fill(store, upstream))
    assert who(upstream, running, "round-robin/m", 4) == "aaab"
    assert route(running, "by-round-robin") == "up/a"
    until("all of it is saved", lambda: strategy_state.load(running.store).turn("by-round-robin") == 1)
    running.kill()
    again = gateway()
    assert who(upstream, again, "round-robin/m", 3) == "bbc"
    assert route(again, "by-round-robin") == "up/b"


def test_a_conversation_stays_on_its_account(there: Gateway, upstream: Upstream) -> None:
    turn = [
        {"role": "user", "content": "the first thing that is said in this conversation"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "go on"},
    ]
    [first] = who(upstream, there, "least-used/m", 1, messages=turn[:1])
    assert who(upstream, there, "least-used/m", 5, messages=turn) == first * 5
    named = {"prompt_cache_key": "session-1"}
    assert len(set(who(upstream, there, "least-used/m", 4, **named))) == 1
    assert len(set(who(upstream, there, "least-used/m", 3))) == 3, "others go on taking turns"


def test_names_mean_what_resolution_says(there: Gateway) -> None:
    assert route(there, "quick") == "up/a"
    assert route(there, "gpt-4") == "up/wild"
    assert route(there, "gpt-5-mini") == "up/wilder"
    assert route(there, "outer") == "up/i"
    reply = ask(there, "gtp-4")
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "model_not_found"


def test_a_chain_comes_after_all_else(there: Gateway) -> None:
    assert route(there, "bad-500/x") == "up/saved"
    assert route(there, "sad") == "up/saved"
    row = logged(there, "sad")
    assert [attempt.target for attempt in row.attempts] == ["bad-500/z", "bad-500/y", "up/saved"]


def logged(gateway: Gateway, model: str) -> usage.UsageRow:
    """Give the newest row of a request for a model."""

    def look() -> usage.UsageRow | None:
        return next((row for row in usage.recent(gateway.store, 20) if row.model_asked == model), None)

    return until("the row is written", look)


def test_a_combo_asks_again_as_often_as_it_says(there: Gateway) -> None:
    reply = ask(there, "patient")
    assert (reply.headers["x-omniroute-route"], reply.headers["x-omniroute-attempts"]) == ("flaky/x", "3")


def test_a_combo_has_deadlines_of_its_own(there: Gateway) -> None:
    assert route(there, "hasty") == "up/last"


def test_a_model_that_cannot_take_it_is_passed_over(there: Gateway) -> None:
    assert route(there, "shy") == "up/blind"
    picture = [{"role": "user", "content": [PICTURE]}]
    assert route(there, "shy", messages=picture) == "up/sees"
    reply = ask(there, "up/blind", messages=picture)
    assert reply.status_code == 400
    assert "takes no pictures, and the request shows one" in reply.json()["error"]["message"]
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    assert "calls no tools" in ask(there, "up/bare", tools=[tool]).json()["error"]["message"]


def test_the_route_of_one_provider(there: Gateway) -> None:
    path = "/v1/providers/up/chat/completions"
    for model in ("m", "up/m", "org/m"):
        reply = ask(there, model, path)
        assert reply.headers["x-omniroute-route"] == f"up/{model.removeprefix('up/')}"
    refused = ask(there, "openai/gpt-4o", path)
    assert refused.status_code == 400
    assert "this route asks up alone" in refused.json()["error"]["message"]
    assert ask(there, "m", "/v1/providers/nobody/chat/completions").status_code == 404
    assert ask(there, "m", "/v1/providers/up/nothing").status_code == 404
    claude = httpx.post(
        f"{there.url}/v1/providers/up/messages",
        json={"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]},
        trust_env=False,
    )
    assert claude.json()["type"] == "message"


def test_what_can_be_asked_is_listed(there: Gateway) -> None:
    listed = httpx.get(f"{there.url}/v1/models", timeout=PATIENCE, trust_env=False).json()["data"]
    found = {model["id"]: model for model in listed}
    assert [model["owned_by"] for model in listed[:2]] == ["combo", "combo"]
    assert found["up/blind"] | {"context_length": 64_000, "max_output_tokens": 999} == found["up/blind"]
    assert found["shy"]["context_length"] == 64_000
    assert found["quick"]["owned_by"] == "alias"
    assert "gpt-*" not in found


def test_explaining_tells_what_happens_and_takes_no_turn(there: Gateway) -> None:
    for _ in range(3):
        out = CliRunner().invoke(
            main, ["--data-dir", str(there.data_dir), "--json", "route", "explain", "by-round-robin"]
        )
        assert out.exit_code == 0, out.output
        explained = json.loads(out.stdout)["targets"][0]["target"]
    assert route(there, "by-round-robin") == explained


def test_a_blocked_provider_is_asked_and_listed_no_more(upstream: Upstream, lent) -> None:
    running = lent(setup=lambda store: fill(store, upstream))
    assert route(running, "up/m") == "up/m"
    settings.block(running.store, "up")
    until("the block is in force", lambda: ask(running, "up/m").status_code == 400)
    assert "up is blocked here" in ask(running, "up/m").json()["error"]["message"]
    listed = httpx.get(f"{running.url}/v1/models", timeout=PATIENCE, trust_env=False).json()["data"]
    assert not [model for model in listed if model["id"].startswith("up/")]
