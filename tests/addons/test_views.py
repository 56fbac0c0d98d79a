"""What mitmweb keeps, and what an exchange lets go of when it is over."""

import asyncio
import gc
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from weakref import ref

import pytest
from mitmproxy import ctx
from mitmproxy.addons.view import View
from mitmproxy.connection import Client, Server
from mitmproxy.http import Headers, HTTPFlow, Request, Response
from mitmproxy.test import taddons, tflow

from omniroute.addons import views
from omniroute.addons.kept_sides import Sides, Weights, sides_of
from omniroute.addons.lifecycle import Lifecycle
from omniroute.addons.views import Views, comment
from omniroute.catalog.providers import node
from omniroute.config.deadlines import Deadlines
from omniroute.config.model import Account, Config
from omniroute.dialects.hub import Whole
from omniroute.dialects.ir import Usage
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.ports import KEEP, Attempt
from omniroute.routing.failures import Failure
from omniroute.routing.target import RoutePath, Target


@pytest.fixture
def window() -> Iterator[tuple[Views, View]]:
    runtime = Runtime()
    with taddons.context(Lifecycle(runtime)) as context:
        shown = View()
        context.master.view = shown
        context.configure(Lifecycle(runtime), omniroute_keep_flows=3)
        yield Views(runtime), shown


def finished(window: tuple[Views, View], size: int = 10) -> HTTPFlow:
    flow = tflow.tflow(resp=True)
    flow.live = False
    flow.response.content = b"x" * size
    window[1].add([flow])
    window[0].response(flow)
    return flow


def test_the_oldest_flows_go(window: tuple[Views, View]) -> None:
    flows = [finished(window) for _ in range(5)]
    assert [flow in window[1] for flow in flows] == [False, False, True, True, True]


def test_heavy_flows_go_sooner_but_the_newest_stays(
    window: tuple[Views, View], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MOST", 100_000)
    first, second = finished(window, 40_000), finished(window, 40_000)
    assert first in window[1]
    third = finished(window, 40_000)
    assert [flow in window[1] for flow in (first, second, third)] == [False, True, True]
    giant = finished(window, 500_000)
    assert [flow in window[1] for flow in (second, third, giant)] == [False, False, True]


def test_a_flow_that_somebody_removed_is_no_trouble(window: tuple[Views, View]) -> None:
    gone = finished(window)
    window[1].remove([gone])
    flows = [finished(window) for _ in range(4)]
    assert [flow in window[1] for flow in flows] == [False, True, True, True]


def gone_with(flow: HTTPFlow, gone: asyncio.Event) -> Callable[..., None]:
    def removed(flow_removed: HTTPFlow) -> None:
        if flow_removed is flow:
            gone.set()

    return lambda flow: removed(flow)


async def test_a_live_flow_is_not_killed_but_goes_when_it_is_over(
    window: tuple[Views, View], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MOST", 1000)
    monkeypatch.setattr(views, "LOOK_AGAIN", 0.0)
    flow = tflow.tflow(resp=True)
    flow.live = True  # its response hook has run, but nothing is sent yet
    flow.response.content = b"x" * 800
    window[1].add([flow])
    window[0].response(flow)
    second = finished(window, 800)
    assert flow in window[1]
    assert flow.error is None
    gone = asyncio.Event()
    window[1].sig_store_remove.connect(heard := gone_with(flow, gone))
    flow.live = False
    await asyncio.wait_for(gone.wait(), 10)
    assert heard
    assert flow.error is None
    assert second in window[1]


def test_an_exchange_that_is_over_keeps_both_sides_and_no_more(window: tuple[Views, View]) -> None:
    provider = node("up", "openai", "http://127.0.0.1:1/v1")
    target = Target(Account("a", "up", "main"), provider, "m", "openai", RoutePath("asked for by name"), "")
    attempt = Attempt({}, Deadlines(), None, lambda raw: Whole(raw, Usage(), True, None), last=True)
    attempt.raw += b"r" * (KEEP * 3)
    exchange = Exchange(id="1", at=0.0, started=0.0, dialect="claude", path="/", query="", headers=(), config=Config())
    exchange.raw_body, exchange.body = b'{"model": "up/m"}', {"model": "up/m"}
    exchange.attempts_made.append(AttemptRecord(target, attempt))
    addon, shown = window
    flow = tflow.tflow(resp=True)
    flow.live = False
    addon.runtime.exchanges[flow] = exchange
    assert addon._sides._both(flow) == sides_of(exchange)
    shown.add([flow])
    addon.response(flow)
    assert not addon.runtime.exchanges, "the live objects go with their end"
    sides = addon._sides._both(flow)
    assert sides == Sides("claude", exchange.raw_body, "openai, up/m", b"r" * KEEP, ())
    gone = ref(sides)
    del sides, flow
    for _ in range(3):
        finished(window)
    gc.collect()
    assert gone() is None, "what stays of an exchange goes with its flow"


def test_bodies_that_pass_untouched_are_kept_once(window: tuple[Views, View]) -> None:
    flow = tflow.tflow(resp=True)
    exchange = Exchange(id="1", at=0.0, started=0.0, dialect="openai", path="/", query="", headers=(), config=Config())
    exchange.raw_body = bytes(bytearray(flow.request.content))
    assert sides_of(exchange, flow).client is flow.request.raw_content
    weights = Weights()
    one = weights.add(flow, sides_of(exchange, flow))
    weights.remove(one)
    exchange.raw_body += b"x" * 1000
    weights.add(flow, sides_of(exchange, flow))
    assert weights.total == sum([one[0], *(size for _, size in one[1])]) + len(exchange.raw_body)


def test_a_connection_counts_once_for_all_its_flows() -> None:
    weights, (one, two) = Weights(), (tflow.tflow(resp=True), tflow.tflow(resp=True))
    two.client_conn, two.server_conn = one.client_conn, one.server_conn
    first = weights.add(one, None)
    alone = weights.total
    second = weights.add(two, None)
    assert weights.total == alone + second[0]
    weights.remove(first)
    assert weights.total == alone
    weights.remove(second)
    assert weights.total == 0


@pytest.mark.parametrize(
    ("request_size", "reply_size", "attempts", "fields"),
    [(200, 800, 1, 8), (200, 800, 5, 8), (500, 12_000, 1, 12), (30_000, 200_000, 1, 10), (200, 300, 1, 40)],
)
@pytest.mark.parametrize("keep_alive", [True, False])
def test_the_weight_is_what_flows_take(
    window: tuple[Views, View], request_size: int, reply_size: int, attempts: int, fields: int, keep_alive: bool
) -> None:
    addon, shown = window
    connection = connected()
    many = 100

    def keep() -> None:
        flow = HTTPFlow(*(connection if keep_alive else connected()), live=True)
        flow.live = False
        heads = [Headers([(os.urandom(12), os.urandom(24)) for _ in range(fields)]) for _ in range(2)]
        flow.request = Request.make("POST", f"http://127.0.0.1/v1/{id(flow)}", os.urandom(request_size), heads[0])
        flow.response = Response.make(200, os.urandom(reply_size), heads[1])
        flow.comment = f"best → up/one (main) · 12 in, 34 out · cost unknown {id(flow)}"
        tried = [{"target": f"up/{id(flow)}", "account": f"main {n}", "failed": None} for n in range(attempts)]
        flow.metadata["omniroute"] = {"id": str(id(flow)), "model": f"m{id(flow)}", "attempts": tried}
        addon._over[flow] = Sides("openai", os.urandom(request_size), "openai, up/m", os.urandom(reply_size), ())
        addon._weights.add(flow, addon._over[flow])
        shown.add([flow])

    keep()
    before = addon._weights.total
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(many):
            keep()
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.8 * taken < addon._weights.total - before < 1.2 * taken


def connected() -> tuple[Client, Server]:
    times = time.time()
    client = Client(peername=("127.0.0.1", id(times)), sockname=("127.0.0.1", 20128), timestamp_start=times)
    server = Server(address=("127.0.0.1", id(client)))
    server.peername, server.sockname = ("127.0.0.1", id(client)), ("127.0.0.1", id(times))
    server.timestamp_start, server.timestamp_tcp_setup = times + 1, times + 2
    return client, server


def test_memory_stays_flat_once_the_oldest_flows_go(
    window: tuple[Views, View], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MOST", 3_000_000)
    addon, shown = window
    ctx.options.omniroute_keep_flows = 1000
    sizes = []
    tracemalloc.start()
    try:
        for _ in range(4):
            for n in range(500):
                finished(window, 1000 + 97 * (n % 200))
                assert addon._weights.total <= views.MOST
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
            assert len(shown) == len(addon._flows) < 400
    finally:
        tracemalloc.stop()
    assert max(sizes[1:]) < sizes[0] * 1.1


def test_the_comment_names_both_of_two_that_were_asked_at_once() -> None:
    provider = node("up", "openai", "http://127.0.0.1:1/v1")
    exchange = Exchange(id="1", at=0.0, started=0.0, dialect="openai", path="/", query="", headers=(), config=Config())
    exchange.model = "best"
    for name, beside in (("one", None), ("two", 2.04)):
        target = Target(Account(name, "up", name), provider, name, "openai", RoutePath("asked for by name"), "")
        attempt = Attempt({}, Deadlines(), None, lambda raw: Whole(raw, Usage(), True, None), last=True)
        exchange.attempts_made.append(AttemptRecord(target, attempt, hedge_delay=beside))
    one, two = (asked.attempt for asked in exchange.attempts_made)
    one.failure, two.content_at = Failure("hedged", "another target has answered first"), 1.0
    assert comment(exchange) == "best → up/one (one) ✗ hedged → up/two (two) · hedged with up/two after 2.0 s"
