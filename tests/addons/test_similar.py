"""Who says nearly the same gets the same answer: the lookup with an embedding model that a test has written."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import orjson
import pytest
from cases import every
from mitmproxy import http
from mitmproxy.test import tflow

from omniroute.addons.cache import Cache
from omniroute.addons.semantic_cache import AT_ONCE, REST, SemanticCache
from omniroute.addons.views import comment
from omniroute.budgets.ledger import Budget
from omniroute.catalog.pricing import Price
from omniroute.catalog.providers import node
from omniroute.config.deadlines import Deadlines
from omniroute.config.model import Account, Alias, Combo, Config, Key, Limit, Place
from omniroute.config.settings import CacheSettings, Settings
from omniroute.dialects.hub import Whole
from omniroute.dialects.ir import Usage
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.gateway.usage_recorder import build_usage_row
from omniroute.mitm.ports import Attempt
from omniroute.netproxy.proxy_url import Proxy
from omniroute.routing.endpoints import claim
from omniroute.routing.target import RoutePath, Target
from omniroute.store.history.usage import UsageRow

SECRET = "sk-of-the-embedder-0123456789"
NODES = (
    node("up", "openai", "http://up/v1"),
    node("em", "openai", "http://em/v1"),
    node("other", "openai", "http://o/v1"),
)
ACCOUNTS = (Account("u", "up", "main"), Account("e", "em", "embeds"), Account("o", "other", "else"))
CONFIG = Config(
    accounts=ACCOUNTS,
    nodes=NODES,
    rules=Settings(cache=CacheSettings(similar="em/e5", similarity=0.8, similar_timeout=5.0)),
    aliases=(Alias("nick", "up/m"),),
    revision=1,
)
REPLY: dict[str, Any] = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
CALLS = {
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}],
            },
            "finish_reason": "tool_calls",
        }
    ]
}


def bag_of_words(text: str) -> list[float]:
    numbers = [0.0] * 64
    for word, count in Counter(text.lower().split()).items():
        numbers[sum(word.encode()) % 64] += count
    return numbers


@dataclass
class Here:
    """The addon, with the model beside it."""

    runtime: Runtime
    addon: Cache
    now: list[float]
    heard: list[httpx.Request] = field(default_factory=list)
    hear: asyncio.Condition = field(default_factory=asyncio.Condition)
    rows: list[UsageRow] = field(default_factory=list)
    embeds: Callable[[httpx.Request], Any] = lambda request: httpx.Response(
        200,
        json={
            "data": [{"embedding": bag_of_words(orjson.loads(request.content)["input"])}],
            "usage": {"prompt_tokens": 4},
        },
    )

    async def model(self, request: httpx.Request) -> httpx.Response:
        async with self.hear:
            self.heard.append(request)
            self.hear.notify_all()
        said = self.embeds(request)
        found: httpx.Response = await said if asyncio.iscoroutine(said) else said
        return found

    def begin(
        self, text: str, *, key: Key | None = None, model: str = "up/m", **more: Any
    ) -> tuple[http.HTTPFlow, Exchange]:
        said: dict[str, Any] = {
            "model": model,
            "temperature": 0,
            "messages": [{"role": "user", "content": text}],
        } | more
        flow = tflow.tflow()
        path = "/v1/chat/completions"
        exchange = Exchange("id", self.runtime.wall(), 0.0, "openai", path, "", (), self.runtime.config, key=key)
        exchange.claimed, exchange.model = claim("POST", path), said["model"]
        exchange.raw_body, exchange.body = orjson.dumps(said), said
        self.runtime.exchanges[flow] = exchange
        return flow, exchange

    async def end(self, flow: http.HTTPFlow, exchange: Exchange, reply: Any = REPLY) -> None:
        """Let the upstream answer, where nobody else has."""
        if flow.response is None:
            target = Target(ACCOUNTS[0], NODES[0], "m", "openai", RoutePath("asked for by name"), "")
            raw = orjson.dumps(reply)
            attempt = Attempt({}, Deadlines(), None, lambda raw: Whole(raw, Usage(), True, None), last=True)
            attempt.content_at, attempt.whole = 1.0, Whole(raw, Usage(3, 2), True, None)
            exchange.attempts_made.append(AttemptRecord(target, attempt))
            flow.response = http.Response.make(200, raw, {"content-type": "application/json"})
        await self.addon.response(flow)

    async def until_heard(self, number: int) -> None:
        async with self.hear:
            await self.hear.wait_for(lambda: len(self.heard) >= number)

    async def ask(self, text: str, *, reply: Any = REPLY, **how: Any) -> Exchange:
        self.now[0] += 1
        flow, exchange = self.begin(text, **how)
        await self.addon.request(flow)
        await self.end(flow, exchange, reply)
        await asyncio.sleep(0)
        self.header = flow.response.headers.get("x-omniroute-similarity") if flow.response else None
        return exchange

    async def hits(self, text: str, **how: Any) -> bool:
        return (await self.ask(text, **how)).replay.source == "similar"


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    now = [1000.0]
    runtime = Runtime(clock=lambda: now[0], wall=lambda: now[0])
    runtime.config, runtime.credentials = CONFIG, {"e": SECRET}
    runtime.prices_known.set()
    runtime.spent.known.set()
    found = Here(runtime, Cache(runtime), now)
    runtime.record = found.rows.append  # type: ignore[method-assign]
    found.addon.similar = SemanticCache(
        runtime, lambda limit, proxy: httpx.AsyncClient(transport=httpx.MockTransport(found.model), timeout=limit)
    )
    yield found
    found.addon.done()
    await asyncio.sleep(0)


def cached(here: Here, **rules: Any) -> None:
    """Have other rules from now on."""
    config = here.runtime.config
    new = replace(config.rules, cache=replace(config.rules.cache, **rules))
    here.runtime.config = replace(config, rules=new, revision=config.revision + 1)


FIRST = "what is the capital city of france please"
NEAR = "what is the capital city of france then please"
FAR = "how many legs does a spider have"


async def test_who_says_nearly_the_same_gets_the_same_answer_and_is_told_so(here: Here) -> None:
    first = await here.ask(FIRST)
    assert (first.replay.status, first.replay.source) == ("MISS", None)
    assert here.header is None
    near = await here.ask(NEAR)
    assert (near.replay.status, near.replay.source) == ("HIT", "similar")
    cosine = sum(a * b for a, b in zip(bag_of_words(FIRST), bag_of_words(NEAR), strict=True))
    cosine /= math.hypot(*bag_of_words(FIRST)) * math.hypot(*bag_of_words(NEAR))
    assert here.header == f"{cosine:.3f}"
    assert f"similarity {cosine:.3f}" in comment(near)
    row = build_usage_row(near, 200, 0.0)
    assert (row.replayed, row.attempts, row.model_served) == ("similar", (), "up/m")
    assert (await here.ask(FAR)).replay.status == "MISS"
    again = await here.ask(FIRST)
    assert (again.replay.source, here.header) == ("cache", None), "the very same comes first, and is no guess"
    assert "cache HIT: the answer of up/m" in comment(again)
    assert len(here.heard) == 3


async def test_what_the_model_is_asked(here: Here) -> None:
    await here.ask(FIRST)
    [request] = here.heard
    assert str(request.url) == "http://em/v1/embeddings"
    assert orjson.loads(request.content) == {"model": "e5", "input": FIRST}
    assert request.headers["authorization"] == f"Bearer {SECRET}"


@every(
    ("one", "other", "how"),
    [
        ("add up 2 and 3 for me now please", "add up 2 and 4 for me now please", {}),
        (FIRST, NEAR, {"seed": 7}),
        (FIRST, NEAR, {"model": "other/m"}),
        (FIRST, NEAR, {"key": Key("k", "laptop", b"")}),
        (FIRST, NEAR, {"temperature": 1}),
        (FIRST, NEAR, {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": NEAR}]}),
    ],
    ids=["a number", "a field", "a model", "a key", "a temperature", "an earlier turn"],
)
async def test_all_else_has_to_be_the_same(here: Here, one: str, other: str, how: dict[str, Any]) -> None:
    assert not await here.hits(one)
    assert not await here.hits(other, **how)


async def test_keys_share_where_that_is_switched_on(here: Here) -> None:
    cached(here, shared=True)
    await here.ask(FIRST, key=Key("a", "a", b""))
    assert await here.hits(NEAR, key=Key("b", "b", b""))
    assert (await here.ask(FIRST, key=Key("c", "c", b""))).replay.source == "cache"


async def test_answers_that_call_tools_are_for_the_very_same_request_alone(here: Here) -> None:
    await here.ask(FIRST, reply=CALLS)
    assert not await here.hits(NEAR)
    assert (await here.ask(FIRST)).replay.source == "cache"


async def test_how_near_is_near_enough_can_be_said_and_acts_at_once(here: Here) -> None:
    await here.ask(FIRST)
    cached(here, similarity=0.999)
    assert not await here.hits(NEAR)
    cached(here, similarity=0.5)
    assert await here.hits("what is the capital city of spain please")
    cached(here, similar="")
    asked = len(here.heard)
    assert not await here.hits("what was the capital city of france please")
    assert len(here.heard) == asked


async def test_the_vectors_of_one_model_are_not_compared_with_those_of_another(here: Here) -> None:
    await here.ask(FIRST)
    cached(here, similar="other/e5")
    assert not await here.hits(NEAR)
    cached(here, similar="em/e5")
    assert await here.hits("what is the capital city of france now please")


async def test_it_is_forgotten_with_its_answer(here: Here) -> None:
    await here.ask(FIRST)
    before = here.runtime.config.rules
    cached(here, cleared=here.now[0])
    here.runtime.replays.follow(here.runtime.config.rules, before)
    assert not await here.hits(NEAR)
    here.now[0] += CONFIG.rules.cache.ttl
    assert not await here.hits(FIRST), "that of just now is too old"


@pytest.mark.parametrize("kind", ["alias", "combo"])
async def test_what_a_name_led_to_before_answers_no_longer(here: Here, kind: str) -> None:
    def lead_to(model: str) -> None:
        config, combos = here.runtime.config, {"nick": Combo("nick", (model,))}
        aliases = (Alias("nick", model),) if kind == "alias" else ()
        found = replace(config, aliases=aliases, combos=combos if kind == "combo" else {}, revision=config.revision + 1)
        here.runtime.config = found

    lead_to("up/m")
    await here.ask(FIRST, model="nick")
    assert (await here.ask(FIRST, model="nick")).replay.source == "cache"
    assert await here.hits(NEAR, model="nick")
    lead_to("other/m")
    assert (await here.ask(FIRST, model="nick")).replay.status == "MISS"
    lead_to("up/m")
    assert (await here.ask(FIRST, model="nick")).replay.source == "cache"


async def slow(request: httpx.Request) -> httpx.Response:
    await asyncio.sleep(30)
    raise AssertionError


FAULTS: dict[str, Any] = {
    "refused": lambda request: httpx.Response(401, json={"error": {"message": f"bad key {SECRET}"}}),
    "broken": lambda request: httpx.Response(503, text=SECRET),
    "no JSON": lambda request: httpx.Response(200, text="hello"),
    "no vector": lambda request: httpx.Response(200, json={"data": []}),
    "nothing": lambda request: httpx.Response(200, json={"data": [{"embedding": [0.0, 0.0]}]}),
    "words": lambda request: httpx.Response(200, json={"data": [{"embedding": ["a"]}]}),
    "endless": lambda request: httpx.Response(200, content=b"[" + b"0," * 1_000_000 + b"0]"),
    "late": slow,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_model_that_fails_is_a_miss_and_is_left_alone_for_a_while(
    here: Here, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    works, here.embeds = here.embeds, FAULTS[fault]
    cached(here, similar_timeout=0.5 if fault == "late" else 5.0)
    with caplog.at_level(logging.INFO, "omniroute"):
        for text in (FIRST, NEAR):
            asked = await here.ask(text)
            assert (asked.replay.status, asked.error) == ("MISS", None)
    assert len(here.heard) == 1
    said = [record.getMessage() for record in caplog.records if "similar" in record.getMessage()]
    assert len(said) == 1
    assert SECRET not in caplog.text
    assert (await here.ask(FIRST)).replay.source == "cache", "it is kept for the very same request"
    here.embeds = works
    here.now[0] += REST
    cached(here, similar_timeout=5.0)
    await here.ask("one more thing that nobody has said before")
    assert await here.hits("one more thing that nobody has said before now")


async def test_a_text_that_the_model_does_not_take_is_no_reason_to_leave_it_alone(here: Here) -> None:
    works, here.embeds = here.embeds, lambda request: httpx.Response(400, json={"error": {"message": "too long"}})
    await here.ask(FIRST)
    here.embeds = works
    await here.ask(FAR)
    assert len(here.heard) == 2


@pytest.mark.parametrize("name", ["nobody/e5", "claude/x", "\x00"])
async def test_a_name_that_nobody_can_be_asked_by_is_a_miss(here: Here, name: str) -> None:
    cached(here, similar=name)
    assert (await here.ask(FIRST)).replay.status == "MISS"
    assert not here.heard


async def test_equal_requests_embed_once_and_all_hear_how_near_it_was(here: Here) -> None:
    await here.ask(FIRST)
    go, works = asyncio.Event(), here.embeds

    async def later(request: httpx.Request) -> httpx.Response:
        await go.wait()
        return works(request)  # type: ignore[no-any-return]

    here.embeds = later
    flows = [here.begin(NEAR) for _ in range(5)]
    async with asyncio.TaskGroup() as group:
        group.create_task(here.addon.request(flows[0][0]))
        await here.until_heard(2)
        for flow, exchange in flows[1:]:
            await here.addon.request(flow)
            assert exchange.replay.following is not None
            exchange.replay.following.waiting[exchange] = lambda: None
        go.set()
    await here.end(*flows[0])
    for flow, exchange in flows[1:]:
        await here.addon.next_attempt(flow)
        assert exchange.replay.source == "similar"
        assert flow.response is not None
        assert flow.response.headers["x-omniroute-similarity"] == f"{exchange.replay.answer.similarity:.3f}"  # type: ignore[union-attr]
    assert len(here.heard) == 2


async def test_who_leads_and_leaves_while_its_text_is_embedded_lets_the_next_one_lead(here: Here) -> None:
    go, works = asyncio.Event(), here.embeds

    async def later(request: httpx.Request) -> httpx.Response:
        await go.wait()
        return works(request)  # type: ignore[no-any-return]

    here.embeds = later
    flows, woken = [here.begin(FIRST) for _ in range(3)], []
    async with asyncio.TaskGroup() as group:
        group.create_task(here.addon.request(flows[0][0]))
        await here.until_heard(1)
        for number, (flow, exchange) in enumerate(flows[1:], 1):
            await here.addon.request(flow)
            assert exchange.replay.following is not None
            exchange.replay.following.waiting[exchange] = lambda number=number: woken.append(number)  # type: ignore[misc]
        go.set()
    here.addon.error(flows[0][0])
    assert woken == [1]
    await here.addon.next_attempt(flows[1][0])
    assert flows[1][1].replay.following is None, "it asks now"
    await here.end(*flows[1])
    assert woken == [1, 2]
    await here.addon.next_attempt(flows[2][0])
    assert flows[2][1].replay.source == "cache"
    assert not here.runtime.replays._flights


async def test_no_more_than_so_many_texts_are_embedded_at_once(here: Here) -> None:
    go, works = asyncio.Event(), here.embeds

    async def later(request: httpx.Request) -> httpx.Response:
        await go.wait()
        return works(request)  # type: ignore[no-any-return]

    here.embeds = later
    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE):
            group.create_task(here.ask(f"{FIRST} {'x' * number}"))
        await here.until_heard(AT_ONCE)
        assert not (await here.ask(FAR)).replay.vector
        go.set()
    assert len(here.heard) == AT_ONCE


async def test_an_account_at_its_limit_is_not_waited_for(here: Here) -> None:
    here.runtime.choosing.admission.set({"e": Limit(rpm=1)})
    await here.ask(FIRST)
    assert (await here.ask(NEAR)).replay.status == "MISS"
    assert len(here.heard) == 1
    assert here.runtime.choosing.admission.in_use("e").in_flight == 0


async def test_what_it_costs_is_logged_and_counts_for_the_key(here: Here) -> None:
    key = Key("k", "laptop", b"")
    budget = Budget("k", "daily", 1.0)
    prices = {("em", "e5"): Price(input=2.0, output=0.0)}
    here.runtime.config = replace(here.runtime.config, budgets={"k": (budget,)}, prices=prices)
    await here.ask(FIRST, key=key)
    [row] = here.rows
    assert (row.model_served, row.key_id, row.input, row.cost, row.status) == ("em/e5", "k", 4, 4 * 2.0 / 1e6, 200)
    [stands] = here.runtime.spending.ledger.status([budget], here.now[0])
    assert stands.spent == pytest.approx(8e-6)
    near = await here.ask(NEAR, key=key)
    assert near.replay.source == "similar"
    here.runtime.spending.ledger.spend("k", 2.0, here.now[0])
    asked = len(here.heard)
    assert (await here.ask("what is the capital city of france today please", key=key)).replay.status == "MISS"
    assert len(here.heard) == asked, "a key that has spent its budget spends nothing more"


async def test_a_large_bucket_is_searched_beside_the_traffic(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omniroute.addons.semantic_cache.QUICK", 0)
    await here.ask(FIRST)
    assert await here.hits(NEAR)


async def test_what_looks_is_loaded_by_the_first_that_needs_it(here: Here) -> None:
    made, here.addon.similar = here.addon.similar, None
    cached(here, similar="")
    await here.ask(FIRST)
    assert here.addon.similar is None
    cached(here, similar="nobody/e5")
    await asyncio.gather(here.ask(NEAR), here.ask(FAR))
    assert isinstance(here.addon.similar, SemanticCache)
    here.addon.similar.close()
    here.addon.similar = made


async def test_it_takes_the_way_that_the_accounts_requests_take(here: Here) -> None:
    proxy = Proxy("http", "proxy.example", 3128)
    ways: list[Proxy | None] = []
    assert here.addon.similar
    connect = here.addon.similar._connect

    def note(limit: float, proxy: Proxy | None) -> httpx.AsyncClient:
        ways.append(proxy)
        return connect(limit, proxy)

    here.addon.similar._connect = note
    place: Place = ("account", "e")
    here.runtime.config = replace(here.runtime.config, proxies={place: proxy})
    here.runtime.proxies = {place: proxy}
    for text in (FIRST, FAR):
        await here.ask(text)
    assert ways == [proxy], "one connection for both"
    assert len(here.heard) == 2
