"""Failover in a real gateway, in front of an upstream that is a process of its own."""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from cases import every
from harness import PATIENCE, Gateway, Upstream, set_deadlines, until
from shared_gateway import SharedGateway

from omniroute.store.config import combos, nodes, settings
from omniroute.store.db.database import Store

SHORT = {"first_byte": 1, "first_content": 1.5, "idle": 1}
"""Seconds for a target that does not answer."""
PATHS = {"openai": "/v1/chat/completions", "claude": "/v1/messages", "responses": "/v1/responses"}
FIELDS: dict[str, dict[str, Any]] = {
    "openai": {"messages": [{"role": "user", "content": "hello"}]},
    "claude": {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 50},
    "responses": {"input": "hello"},
}


def add(store: Store, upstream: Upstream, *behaviours: str, dialect: str = "openai") -> list[str]:
    """Add a node for each behaviour and give the models at them, in that order.

    Who has failed is asked again all the same: these tests are about one request at a time.
    """
    settings.put(store, "cooldowns", "off")
    models = []
    for behaviour in behaviours:
        prefix = f"{dialect[0]}-{behaviour.replace(':', '-').replace(',', '-')}"
        nodes.add(store, prefix, dialect, f"{upstream.base(behaviour)}/v1")
        if behaviour != "ok":
            set_deadlines(store, prefix, SHORT)
        models.append(f"{prefix}/m")
    return models


def port_node(store: Store, upstream: Upstream, name: str, scheme: str = "http") -> str:
    nodes.add(store, name, "openai", f"{scheme}://127.0.0.1:{upstream.ports[name]}/v1")
    set_deadlines(store, name, SHORT)
    return f"{name}/m"


def ask(gateway: Gateway, model: str, *, dialect: str = "openai", stream: bool = False, **more: Any) -> httpx.Response:
    body = {"model": model, **FIELDS[dialect], **({"stream": True} if stream else {}), **more}
    return httpx.post(f"{gateway.url}{PATHS[dialect]}", json=body, timeout=PATIENCE, trust_env=False)


BROKEN_LATE = ("error-late", "cut-late", "hang-late", "stops")


@pytest.fixture(scope="module")
def shared(_upstreams: Callable[..., Upstream], shared_gateway: SharedGateway) -> Iterator[Gateway]:
    """Run one gateway for the tests that change nothing in it; a model is named after its behaviour."""
    upstream = _upstreams()

    def setup(store: Store) -> None:
        for name in ("up", "late"):
            nodes.add(store, name, "openai", f"{upstream.url}/v1")
        set_deadlines(store, "late", SHORT)
        for dialect in PATHS:
            good = add(store, upstream, "ok", dialect=dialect)
            for behaviour in BROKEN_LATE:
                combos.add(store, f"{dialect}-{behaviour}", [*add(store, upstream, behaviour, dialect=dialect), *good])
        first = [port_node(store, upstream, "refused"), port_node(store, upstream, "prose", "https")]
        others = add(store, upstream, "429", "hang", "cut-first", "error-first")
        combos.add(store, "brave", [*first, *others, "o-ok/m"])
        combos.add(store, "openai-error-first-429", ["o-error-first/m", "o-429/m", "o-ok/m"])

    with shared_gateway.lend(setup=setup) as gateway:
        yield gateway


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_document_that_is_asked_for_falls_back_too(shared: Gateway, stream: bool) -> None:
    """Half of one could not be gone on from, but none of it has come."""
    wanted = {"response_format": {"type": "json_object"}, "n": 2}
    reply = ask(shared, "openai-error-first-429", stream=stream, **wanted)
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-omniroute-attempts"] == "3"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_six_failing_targets_before_a_good_one(shared: Gateway, stream: bool) -> None:
    reply = ask(shared, "brave", stream=stream)
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-omniroute-route"] == "o-ok/m"
    assert reply.headers["x-omniroute-attempts"] == "7"
    if stream:
        assert reply.text.endswith("data: [DONE]\n\n")
        assert reply.text.count("[DONE]") == 1
    else:
        assert reply.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("dialect", ["openai", "claude", "responses"])
def test_every_kind_of_failure_is_passed_over(lent: Any, upstream: Upstream, dialect: str) -> None:
    kinds = ["401", "403", "404", "408", "429", "500", "503", "529", "context", "html:502", "html:200", "empty"]
    kinds += ["error-first", "cut-first", "wrong", "broken-json", "not-http", "hang", "hang-headers"]
    streams = ["role-only", "hang-byte", "not-sse", "data-junk"]

    def setup(store: Store) -> None:
        good = add(store, upstream, "ok", dialect=dialect)
        for name, model in zip(
            [*kinds, *streams], add(store, upstream, *kinds, *streams, dialect=dialect), strict=True
        ):
            combos.add(store, name.replace(":", "-"), [model, *good])

    running = lent(setup=setup)
    asked = [(name, stream) for name in [*kinds, *streams] for stream in (False, True) if stream or name in kinds]
    with ThreadPoolExecutor(8) as pool:
        replies = pool.map(lambda a: ask(running, a[0].replace(":", "-"), dialect=dialect, stream=a[1]), asked)
    for (name, stream), reply in zip(asked, replies, strict=True):
        said = f"{name} stream={stream}: {reply.status_code} {reply.headers} {reply.text[:300]}"
        assert reply.status_code == 200, said
        assert reply.headers["x-omniroute-attempts"] == "2", said
    until("nothing is left open", lambda: upstream.stats()["in_flight"] == 0)


def test_a_refusal_of_the_clients_own_making_stops(lent: Any, upstream: Upstream) -> None:
    def setup(store: Store) -> None:
        combos.add(store, "duo", add(store, upstream, "400", "ok"))

    reply = ask(lent(setup=setup), "duo")
    assert reply.status_code == 400
    assert reply.headers["x-omniroute-attempts"] == "1"
    assert reply.json()["error"]["message"]


@every(
    ("behaviour", "status"),
    [("429:7", 429), ("429:none", 429), ("500", 500), ("529", 529), ("404", 404), ("401", 502), ("empty", 502),
     ("wrong", 502), ("cut-first", 502), ("hang", 504)],
)  # fmt: skip
def test_one_target_keeps_its_own_status(shared: Gateway, behaviour: str, status: int) -> None:
    model = f"{'late' if behaviour == 'hang' else 'up'}/{behaviour}"
    reply = ask(shared, model)
    assert reply.status_code == status, reply.text
    assert model in reply.json()["error"]["message"]
    if status == 429:
        assert int(reply.headers["retry-after"]) == (7 if behaviour == "429:7" else 5)


def test_all_limited_is_429_with_the_soonest_reset_and_else_503(lent: Any, upstream: Upstream) -> None:
    def setup(store: Store) -> None:
        limited = add(store, upstream, "429:30", "429:9")
        combos.add(store, "limited", limited)
        combos.add(store, "mixed", [*limited, *add(store, upstream, "500")])

    running = lent(setup=setup)
    limited, mixed = ask(running, "limited"), ask(running, "mixed")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "9")
    assert (mixed.status_code, mixed.headers["retry-after"]) == (503, "9")


@every("dialect", ["openai", "claude", "responses"])
@every("behaviour", BROKEN_LATE)
def test_after_content_the_client_is_told_in_its_own_words(shared: Gateway, dialect: str, behaviour: str) -> None:
    reply = ask(shared, f"{dialect}-{behaviour}", dialect=dialect, stream=True)
    assert reply.status_code == 200
    assert reply.headers["x-omniroute-attempts"] == "1"
    payloads = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: {")]
    assert any("error" in p or p.get("type") in ("error", "response.failed") for p in payloads), reply.text


async def test_a_client_that_leaves_cancels_the_upstream_at_once(lent: Any, upstream: Upstream) -> None:
    models: list[str] = []
    running = lent(setup=lambda store: models.extend(add(store, upstream, "hang", "hang-late", "slow:0.2")))
    for model, streams in ((models[0], False), (models[0], True), (models[1], True), (models[2], True)):
        upstream.clear()
        body = {"model": model, "stream": streams, **FIELDS["openai"]}
        async with httpx.AsyncClient(trust_env=False) as client:
            call = asyncio.ensure_future(client.post(f"{running.url}/v1/chat/completions", json=body, timeout=PATIENCE))
            while not upstream.asked():  # noqa: ASYNC110 - nothing here could set an event
                await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        until("the upstream was cancelled", lambda: upstream.asked()[0].cancelled)
    until("nothing is in flight", lambda: upstream.stats()["in_flight"] == 0)


def test_a_keep_alive_client_reaches_a_host_again_that_failed_once(lent: Any, upstream: Upstream) -> None:
    """mitmproxy itself remembers a failed connection for as long as the client stays."""
    models: list[str] = []

    def setup(store: Store) -> None:
        models.append(port_node(store, upstream, "refused"))
        models.extend(add(store, upstream, "500,cut-first,hang,ok"))
        set_deadlines(store, models[1].partition("/")[0], {"first_byte": 5, "first_content": 5})

    running = lent(setup=setup)
    with httpx.Client(base_url=running.url, timeout=PATIENCE, trust_env=False) as client:
        seen = []
        for model in (models[0], models[1], models[0], models[1], models[1], models[0], models[1]):
            body = {"model": model, **FIELDS["openai"]}
            seen.append(client.post("/v1/chat/completions", json=body).status_code)
    assert seen == [502, 500, 502, 502, 504, 502, 200]


def test_a_stale_connection_is_no_failure(lent: Any, upstream: Upstream) -> None:
    """The upstream closes an idle connection just as the next request goes out: ask again, on a fresh one."""
    models: list[str] = []
    running = lent(setup=lambda store: models.extend(add(store, upstream, "stale")))
    with httpx.Client(base_url=running.url, timeout=PATIENCE, trust_env=False) as client:
        for _ in range(4):
            reply = client.post("/v1/chat/completions", json={"model": models[0], **FIELDS["openai"]})
            assert reply.status_code == 200, reply.text


def test_http2_upstreams(gateway: Any, upstream_h2: Upstream) -> None:
    models: list[str] = []

    def setup(store: Store) -> None:
        models.extend(add(store, upstream_h2, "429", "hang", "ok"))
        combos.add(store, "trio", models)

    options = {"ssl_verify_upstream_trusted_ca": str(upstream_h2.ca)}
    running = gateway(setup=setup, options=options)
    for stream in (False, True) * 2:
        reply = ask(running, "trio", stream=stream)
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-omniroute-attempts"] == "3"
    assert {asked.http for asked in upstream_h2.asked()} == {"2"} or all("2" in a.http for a in upstream_h2.asked())


def test_an_untrusted_certificate_is_a_failure_of_the_target(lent: Any, upstream_tls: Upstream) -> None:
    models: list[str] = []
    running = lent(setup=lambda store: models.extend(add(store, upstream_tls, "ok")))
    reply = ask(running, models[0])
    assert reply.status_code == 502
    assert "TLS" in reply.json()["error"]["message"]
    assert not upstream_tls.asked()
