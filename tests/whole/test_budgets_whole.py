"""Budgets through a real gateway: what 50 parallel calls may spend, who is told what, and what a kill leaves."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import anthropic
import httpx
import openai
import pytest
from click.testing import CliRunner
from google import genai
from google.genai import errors as google_errors
from harness import PATIENCE, Gateway, Upstream, until
from scripted import replies

from omniroute.catalog.pricing import Price
from omniroute.cli import main
from omniroute.store.config import budgets, combos, keys, nodes, prices, settings
from omniroute.store.db.database import Store
from omniroute.store.history import usage
from omniroute.store.history.reprice import REPRICED

PRICE = Price(input=100.0, output=1000.0)
COST = (replies.INPUT * 100 + replies.OUTPUT * 1000) / 1_000_000
"""Of one reply of the scripted upstream."""
TEXT = "hello " * 100
"""About as long as the upstream says that it is."""
WAYS = {"up": "slow:0.01", "broken": "500", "hang": "hang-late", "silent": "hang", "free": "ok"}
NAMES = ("crowd", "poor", "again", "edited", "left", "broken", "strict", "warned", "gone", "unpriced")


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """Name -> what a client shows."""
    return {}


def set_up(upstream: Upstream, made: dict[str, str]) -> Callable[[Store], None]:
    def setup(store: Store) -> None:
        for name, behaviour in WAYS.items():
            nodes.add(store, name, "openai", f"{upstream.base(behaviour)}/{name}/v1")
            if name != "free":
                prices.put(store, f"{name}/*", PRICE)
        for name in NAMES:
            made[name] = keys.create(store, name)[1]
        combos.add(store, "mixed", ["free/m", "up/m"])
        settings.put(store, "cooldowns", "off")
        settings.put(store, "budget.zone", "UTC")

    return setup


@pytest.fixture(scope="module")
def here(
    _upstreams: Callable[..., Upstream],
    tmp_path_factory: pytest.TempPathFactory,
    made: dict[str, str],
    no_proxies: None,
) -> Iterator[Gateway]:
    upstream = _upstreams()
    with Gateway.start(tmp_path_factory.mktemp("budgets"), setup=set_up(upstream, made)) as gateway:
        yield gateway


def ask(gateway: Gateway, key: str, model: str = "up/m", *, stream: bool = False, **more: Any) -> httpx.Response:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": TEXT}], **more}
    url, headers = f"{gateway.url}/v1/chat/completions", {"authorization": f"Bearer {key}"}
    return httpx.post(url, json=body, headers=headers, timeout=PATIENCE, trust_env=False)


def ctl(gateway: Gateway, *words: str) -> Any:
    result = CliRunner().invoke(main, [*words, "--json", "--data-dir", str(gateway.data_dir)])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def spent(gateway: Gateway, name: str) -> float:
    return sum(row["spent"] for row in ctl(gateway, "budget", "show", name))


def in_force(gateway: Gateway) -> None:
    said = f"configuration revision {gateway.store.revision()} is in force"
    until(said, lambda: said in gateway.log())


def set_budget(gateway: Gateway, name: str, usd: float, period: str = "daily", **more: Any) -> None:
    budgets.put(gateway.store, name, period, usd, **more)
    in_force(gateway)


def rows(gateway: Gateway, name: str) -> list[usage.UsageRow]:
    return [row for row in usage.recent(gateway.store, 500) if row.key_name == name]


@pytest.mark.parametrize("stream", [False, True])
def test_fifty_at_once_do_not_overshoot(here: Gateway, made: dict[str, str], stream: bool) -> None:
    before = sum(row.cost or 0.0 for row in rows(here, "crowd"))
    set_budget(here, "crowd", before + 10 * COST)
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda _: ask(here, made["crowd"], stream=stream, max_tokens=replies.OUTPUT), range(50)))
    codes = [reply.status_code for reply in found]
    assert set(codes) == {200, 429}
    assert codes.count(200) <= 10
    refused = next(reply for reply in found if reply.status_code == 429)
    assert refused.json()["error"]["code"] == "insufficient_quota"
    assert int(refused.headers["retry-after"]) > 0
    until("all are logged", lambda: len([r for r in rows(here, "crowd") if r.streamed is stream]) == 50)
    assert spent(here, "crowd") == pytest.approx(before + codes.count(200) * COST)
    assert spent(here, "crowd") <= before + 10 * COST


def spend_all(gateway: Gateway, key: str, name: str) -> None:
    set_budget(gateway, name, 5.0)
    assert ask(gateway, key).status_code == 200
    until("it is spent", lambda: spent(gateway, name) > 0)
    set_budget(gateway, name, COST / 2)


def test_every_dialects_sdk_raises_what_it_has_for_that_and_does_not_ask_again(
    here: Gateway, made: dict[str, str], upstream: Upstream
) -> None:
    key = made["poor"]
    spend_all(here, key, "poor")
    upstream.clear()
    chat = openai.OpenAI(api_key=key, base_url=f"{here.url}/v1")
    messages: Any = [{"role": "user", "content": "hello"}]
    with pytest.raises(openai.RateLimitError) as told:
        chat.chat.completions.create(model="up/m", messages=messages)
    assert (told.value.code, told.value.type) == ("insufficient_quota", "insufficient_quota")
    assert "the daily budget of $" in told.value.message
    assert "of this key is spent; it begins anew" in told.value.message
    assert told.value.response.headers["x-should-retry"] == "false"
    assert 0 < int(told.value.response.headers["retry-after"]) <= 86400
    with pytest.raises(openai.RateLimitError) as told:
        chat.responses.create(model="up/m", input="hello", stream=True)
    assert told.value.code == "insufficient_quota"
    claude = anthropic.Anthropic(auth_token=key, base_url=here.url)
    with pytest.raises(anthropic.RateLimitError) as hit:
        claude.messages.create(model="up/m", max_tokens=10, messages=messages)
    assert hit.value.body["error"]["type"] == "rate_limit_error"  # type: ignore[index, call-overload]
    google = genai.Client(api_key=key, http_options={"base_url": here.url})
    with pytest.raises(google_errors.ClientError) as failed:
        google.models.generate_content(model="up/m", contents="hello")
    assert (failed.value.code, failed.value.status) == (429, "RESOURCE_EXHAUSTED")
    details = failed.value.details["error"]["details"]
    assert details[0]["@type"].endswith("RetryInfo")
    assert "PerDay" in details[1]["violations"][0]["quotaId"], "Gemini CLI gives up at that"
    assert upstream.asked() == []
    until("each asked once", lambda: len([row for row in rows(here, "poor") if row.status == 429]) == 4)


def test_a_budget_that_is_edited_acts_at_once_and_what_was_spent_before_counts(
    here: Gateway, made: dict[str, str]
) -> None:
    assert ask(here, made["edited"]).status_code == 200
    until("it is logged", lambda: rows(here, "edited"))
    set_budget(here, "edited", COST / 2)
    assert ask(here, made["edited"]).status_code == 429
    set_budget(here, "edited", 5.0)
    assert ask(here, made["edited"]).status_code == 200
    set_budget(here, "edited", COST, "monthly")
    assert ask(here, made["edited"]).status_code == 429
    assert ctl(here, "budget", "clear", "edited")["cleared"] == ["daily", "monthly"]
    in_force(here)
    assert ask(here, made["edited"]).status_code == 200


def test_what_fails_costs_nothing_and_gives_back_what_was_set_aside(here: Gateway, made: dict[str, str]) -> None:
    set_budget(here, "broken", 2 * COST)
    for _ in range(5):
        assert ask(here, made["broken"], "broken/m", max_tokens=replies.OUTPUT).status_code == 500
    assert spent(here, "broken") == 0
    assert ask(here, made["broken"], max_tokens=replies.OUTPUT).status_code == 200


@pytest.mark.parametrize("model", ["hang/m", "silent/m"])
def test_who_leaves_is_charged_an_estimate_that_is_marked(here: Gateway, made: dict[str, str], model: str) -> None:
    name = "left"
    set_budget(here, name, 5.0)
    [before] = ctl(here, "budget", "show", name)
    logged = len(rows(here, name))
    url, headers = f"{here.url}/v1/chat/completions", {"authorization": f"Bearer {made[name]}"}
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": TEXT}], "max_tokens": 100}
    with suppress(httpx.ReadTimeout):
        timeout = httpx.Timeout(30, read=1.0)
        with httpx.stream("POST", url, json=body, headers=headers, timeout=timeout, trust_env=False) as reply:
            next(reply.iter_bytes())
    until("it is logged", lambda: len(rows(here, name)) > logged)
    [shown] = ctl(here, "budget", "show", name)
    more = shown["estimated"] - before["estimated"]
    assert 0 < more < 0.2, "no more than what was set aside"
    assert shown["spent"] == pytest.approx(shown["estimated"])
    assert rows(here, name)[0].cost is None, "the history has no guesses"
    words = CliRunner().invoke(main, ["budget", "show", name, "--data-dir", str(here.data_dir)]).stdout
    assert "of it is estimated" in words


def test_what_has_no_price_is_counted_as_nothing_and_said_or_refused(here: Gateway, made: dict[str, str]) -> None:
    key = made["unpriced"]
    set_budget(here, "unpriced", 5.0)
    assert ask(here, key, "free/m").status_code == 200
    until("it is counted", lambda: ctl(here, "budget", "show", "unpriced")[0]["unpriced"] == 1)
    shown = CliRunner().invoke(main, ["budget", "show", "unpriced", "--data-dir", str(here.data_dir)]).stdout
    assert "1 exchanges of unknown price are not in this" in shown
    settings.put(here.store, "budget.unknown", "refuse")
    in_force(here)
    try:
        reply = ask(here, key, "free/m")
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "price_unknown")
        assert ask(here, key, "mixed").headers["x-omniroute-route"] == "up/m", "another target has a price"
        assert ask(here, made["gone"], "free/m").status_code == 200, "who has no budget may use it"
    finally:
        settings.unset(here.store, "budget.unknown")
        in_force(here)


def test_near_the_end_replies_and_the_log_say_so(here: Gateway, made: dict[str, str]) -> None:
    set_budget(here, "warned", 100 * COST, warn=0.015)
    first = ask(here, made["warned"], max_tokens=replies.OUTPUT)
    assert "x-omniroute-budget-warning" not in first.headers
    ask(here, made["warned"], max_tokens=replies.OUTPUT)
    reply = ask(here, made["warned"], stream=True, max_tokens=replies.OUTPUT)
    assert reply.headers["x-omniroute-budget-warning"].startswith("2% of the daily budget of $")
    until("the log says so", lambda: "the key 'warned': 2% of the daily budget" in here.log())
    ask(here, made["warned"], max_tokens=replies.OUTPUT)
    assert here.log().count("the key 'warned':") == 1, "once a period"
    assert ctl(here, "budget", "show", "warned")[0]["state"] == "warn"


def test_requests_without_a_key_have_a_budget_of_their_own(here: Gateway) -> None:
    url = f"{here.url}/v1/chat/completions"
    body = {"model": "up/m", "messages": [{"role": "user", "content": "hello"}]}
    try:
        set_budget(here, "-", COST / 10)
        assert httpx.post(url, json=body, trust_env=False).status_code == 429
        assert ctl(here, "budget", "show", "-")[0]["key"] == "no key"
    finally:
        budgets.clear(here.store, "-")
        in_force(here)
    assert httpx.post(url, json=body, trust_env=False).status_code == 200


def test_the_budget_of_a_key_goes_with_it(here: Gateway, made: dict[str, str]) -> None:
    set_budget(here, "gone", 1.0)
    keys.revoke(here.store, "gone")
    in_force(here)
    assert ask(here, made["gone"]).status_code == 401
    assert "gone" not in [row["key"] for row in ctl(here, "budget", "show")]


def test_history_that_is_priced_anew_counts_at_once(here: Gateway, made: dict[str, str]) -> None:
    set_budget(here, "again", 1.5 * COST)
    assert ask(here, made["again"], max_tokens=replies.OUTPUT).status_code == 200
    until("it is logged", lambda: rows(here, "again"))
    assert ask(here, made["again"], max_tokens=replies.OUTPUT).status_code == 429
    prices.put(here.store, "up/m", Price(input=0.0, output=0.0))
    done = ctl(here, "usage", "reprice", "--model", "up/m")
    assert done["changed"] > 0
    assert done["after"] == 0.0
    in_force(here)

    def fits() -> bool:
        return ask(here, made["again"], max_tokens=replies.OUTPUT).status_code == 200

    until("what was spent is read anew", fits)
    prices.reset(here.store, "up/m")
    assert REPRICED not in ctl(here, "settings", "get")
    assert ctl(here, "usage", "reprice")["after"] == pytest.approx(done["before"], abs=20 * COST)


def test_what_was_spent_outlives_a_kill(
    gateway: Callable[..., Gateway], upstream: Upstream, tmp_path: Any, no_proxies: None
) -> None:
    made: dict[str, str] = {}
    first = gateway(setup=set_up(upstream, made))
    set_budget(first, "crowd", 2.5 * COST)
    for _ in range(2):
        assert ask(first, made["crowd"], max_tokens=replies.OUTPUT).status_code == 200
    assert ask(first, made["crowd"], max_tokens=replies.OUTPUT).status_code == 429
    until("both are on disk", lambda: len([row for row in rows(first, "crowd") if row.cost]) == 2)
    first.kill()
    second = gateway()
    assert ask(second, made["crowd"], max_tokens=replies.OUTPUT).status_code == 429
    assert spent(second, "crowd") == pytest.approx(2 * COST)
    set_budget(second, "crowd", 3.5 * COST)
    assert ask(second, made["crowd"], max_tokens=replies.OUTPUT).status_code == 200
