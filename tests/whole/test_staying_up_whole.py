"""Cool-downs and breakers in a real gateway: who has failed is asked last, and the user can see and end it."""

from collections.abc import Callable
from typing import Any

import httpx
from harness import PATIENCE, Gateway, Upstream, leave, until

from omniroute.store.config import accounts, combos, nodes, settings
from omniroute.store.db.database import Store
from omniroute.store.state import health


def ask(gateway: Gateway, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=PATIENCE, trust_env=False)


def served(reply: httpx.Response) -> tuple[str, str]:
    assert reply.status_code == 200, reply.text
    return reply.headers["x-omniroute-route"], reply.headers["x-omniroute-attempts"]


def add(store: Store, upstream: Upstream, *behaviours: str) -> list[str]:
    for number, behaviour in enumerate(behaviours):
        nodes.add(store, f"n{number}", "openai", f"{upstream.base(behaviour)}/v1")
    return [f"n{number}/m" for number in range(len(behaviours))]


def cooling(gateway: Gateway) -> set[tuple[str, str, str]]:
    return set(health.read(gateway.store).cooling)


def test_who_is_limited_is_passed_over_until_its_time(lent: Callable[..., Gateway], upstream: Upstream) -> None:
    running = lent(setup=lambda store: combos.add(store, "duo", add(store, upstream, "429:600", "ok")))
    assert served(ask(running, "duo")) == ("n1/m", "2")
    assert served(ask(running, "duo")) == ("n1/m", "1")
    alone = ask(running, "n0/m")
    assert alone.status_code == 429, "its provider has named a time, and nobody else can be asked"
    assert 590 < int(alone.headers["retry-after"]) <= 601
    until("it is saved", lambda: ("model", "node:n0", "m") in cooling(running))
    settings.reset_health(running.store, ["node:n0"])
    until("the gateway has forgotten it", lambda: served(ask(running, "duo")) == ("n1/m", "2"))


def test_a_limit_of_one_model_is_none_of_the_account(lent: Callable[..., Gateway], upstream: Upstream) -> None:
    running = lent(setup=lambda store: add(store, upstream, "429:600,ok,ok"))
    assert ask(running, "n0/small").status_code == 429
    assert served(ask(running, "n0/large")) == ("n0/large", "1")


def test_a_short_cool_down_is_waited_for(lent: Callable[..., Gateway], upstream: Upstream) -> None:
    running = lent(setup=lambda store: add(store, upstream, "429:1,ok"))
    assert ask(running, "n0/m").status_code == 429
    assert served(ask(running, "n0/m")) == ("n0/m", "1")


def test_a_refused_credential_rests_and_the_other_accounts_go_on(
    lent: Callable[..., Gateway], upstream: Upstream
) -> None:
    def setup(store: Store) -> None:
        add(store, upstream, "401,ok,ok,ok")
        for name in ("first", "second"):
            accounts.add(store, "n0", api_key=f"key-{name}", name=name)

    running = lent(setup=setup)
    assert served(ask(running, "n0/m")) == ("n0/m", "2")
    assert served(ask(running, "n0/other")) == ("n0/other", "1"), "the refused account rests for every model"
    keys = [asked.headers["authorization"] for asked in upstream.asked()]
    assert keys == ["Bearer key-first", "Bearer key-second", "Bearer key-second"]


def test_it_outlives_a_restart(gateway: Callable[..., Gateway], upstream: Upstream) -> None:
    running = gateway(setup=lambda store: combos.add(store, "duo", add(store, upstream, "429:600", "ok")))
    assert served(ask(running, "duo")) == ("n1/m", "2")
    running.stop()
    assert served(ask(gateway(), "duo")) == ("n1/m", "1")


def test_an_own_fault_of_the_client_and_a_client_that_leaves_are_neutral(
    lent: Callable[..., Gateway], upstream: Upstream
) -> None:
    running = lent(setup=lambda store: combos.add(store, "duo", add(store, upstream, "400,hang,ok", "ok")))
    assert ask(running, "duo").status_code == 400
    body = {"model": "duo", "messages": [{"role": "user", "content": "hello"}]}
    leave(running.url, "/v1/chat/completions", body, when=lambda: len(upstream.asked()) == 2)
    until("the upstream sees it go", lambda: any(asked.cancelled for asked in upstream.asked()))
    assert served(ask(running, "duo")) == ("n0/m", "1")
    assert not cooling(running)


def test_everybody_unwell_is_still_better_than_nobody(lent: Callable[..., Gateway], upstream: Upstream) -> None:
    running = lent(setup=lambda store: combos.add(store, "duo", add(store, upstream, "500,500,ok", "500")))
    assert ask(running, "duo").status_code == 503
    assert ask(running, "duo").status_code == 503
    assert served(ask(running, "duo"))[0] == "n0/m"
