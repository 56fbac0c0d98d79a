"""What is seen of an exchange while somebody looks, and that nothing is kept while nobody does."""

from typing import Any

import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.test import tflow

from omniroute.addons.monitor import Monitor
from omniroute.catalog.providers import node
from omniroute.config.deadlines import Deadlines
from omniroute.config.model import Account, Config
from omniroute.dialects.hub import Whole
from omniroute.dialects.ir import Usage
from omniroute.gateway import live_monitor
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.ports import Attempt
from omniroute.routing.endpoints import Claim
from omniroute.routing.failures import Failure
from omniroute.routing.target import RoutePath, Target

TARGET = Target(
    Account("a", "up", "main"), node("up", "openai", "http://127.0.0.1:1/v1"), "m", "openai", RoutePath("by name"), ""
)


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(clock=lambda: 10.0)


def began(runtime: Runtime, id: str = "1", body: bytes = b'{"model": "up/m"}') -> tuple[HTTPFlow, Exchange]:
    exchange = Exchange(id=id, at=0.0, started=9.0, dialect="claude", path="/v1/messages", query="",
                        headers=((b"user-agent", b"me"),), config=Config())  # fmt: skip
    exchange.raw_body, exchange.model, exchange.claimed = body, "up/m", Claim("chat", "claude")
    flow = tflow.tflow()
    runtime.exchanges[flow] = exchange
    return flow, exchange


def ask(flow: HTTPFlow, exchange: Exchange, sent: bytes = b"sent", **what: Any) -> Attempt:
    attempt = Attempt({"authorization": "Bearer secret-of-the-account"}, Deadlines(), None,
                      lambda raw: Whole(raw, Usage(), True, None), last=True, started=9.5)  # fmt: skip
    exchange.attempts_made.append(AttemptRecord(TARGET, attempt))
    flow.request.content = sent
    return attempt


def answer(flow: HTTPFlow, exchange: Exchange, body: bytes = b"for the client") -> None:
    attempt = exchange.attempts_made[-1].attempt
    attempt.upstream, attempt.content_at = tflow.tresp(headers=((b"set-cookie", b"x=1"), (b"a", b"b"))), 9.75
    attempt.raw += b"from the upstream"
    flow.response = tflow.tresp(content=body)


def test_a_second_that_is_asked_beside_the_first_is_seen_with_its_own_words(runtime: Runtime) -> None:
    watch, seen = Monitor(runtime), runtime.watching
    seen.add()
    flow, exchange = began(runtime)
    ask(flow, exchange, b"first")
    watch.request(flow)
    ask(flow, exchange, b"first").request = tflow.treq(content=b"second")
    watch.hedge(flow)
    answer(flow, exchange)
    watch.response(flow)
    (now,) = seen.changes()
    assert now.taken
    assert [tried.sent and tried.sent.body for tried in now.taken.attempts] == [b"first", b"second"]


def test_nothing_is_noted_while_nobody_looks(runtime: Runtime) -> None:
    watch = Monitor(runtime)
    flow, exchange = began(runtime)
    watch.request(flow)
    ask(flow, exchange)
    answer(flow, exchange)
    watch.response(flow)
    assert not runtime.watching.changes()
    assert not runtime.watching.recent(10)


def test_an_exchange_from_its_beginning_to_its_end(runtime: Runtime) -> None:
    watch, seen = Monitor(runtime), runtime.watching
    seen.add()
    flow, exchange = began(runtime)
    ask(flow, exchange, b"first")
    watch.request(flow)
    (now,) = seen.changes()
    assert (now.state, now.row.status, [each.outcome for each in now.row.attempts]) == ("asking", None, ["asking"])
    assert not seen.changes()
    exchange.attempts_made[0].attempt.failure = Failure("status", "500 no", status=500)
    ask(flow, exchange, b"second")
    watch.next_attempt(flow)
    answer(flow, exchange)
    (now,) = seen.changes()
    assert (now.state, [each.outcome for each in now.row.attempts]) == ("answering", ["500", "answering"])
    watch.response(flow)
    (now,) = seen.changes()
    assert (now.state, now.row.status, now.row.attempts[1].outcome) == ("done", 200, "ok")
    assert not seen.changes()
    found = seen.find("1")
    assert found
    taken = found[1]
    assert (taken.request.start, taken.request.body) == ("GET /v1/messages", exchange.raw_body)
    assert [tried.sent and tried.sent.body for tried in taken.attempts] == [b"first", b"second"]
    assert taken.attempts[0].got is None
    assert taken.attempts[1].got
    assert (taken.attempts[1].got.body, taken.attempts[1].got.fields) == (b"from the upstream", ((b"a", b"b"),))
    assert taken.attempts[1].times == (0.5, None, None, 0.75, None)
    assert taken.reply
    assert taken.reply.body == b"for the client"
    assert now.exchange is None
    assert now.flow is None


def test_one_that_was_under_way_before_is_seen_from_then_on(runtime: Runtime) -> None:
    flow, exchange = began(runtime)
    ask(flow, exchange)
    runtime.watching.add()
    Monitor(runtime).error(flow)
    (now,) = runtime.watching.changes()
    assert (now.state, now.row.status) == ("done", 499)
    found = runtime.watching.find("1")
    assert found
    assert found[1].reply is None


def test_large_bodies_are_cut_and_say_so(runtime: Runtime) -> None:
    runtime.watching.add()
    flow, exchange = began(runtime, body=b"x" * (live_monitor.SHOWN + 1))
    ask(flow, exchange, b"y" * live_monitor.SHOWN)
    Monitor(runtime).request(flow)
    found = runtime.watching.find("1")
    assert found
    assert (len(found[1].request.body), found[1].request.cut) == (live_monitor.SHOWN, True)
    assert found[1].attempts[0].sent
    assert not found[1].attempts[0].sent.cut


def test_the_oldest_go_when_it_is_too_much(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_monitor, "MOST", 100_000)
    watch, seen = Monitor(runtime), runtime.watching
    seen.add()
    for number in range(50):
        flow, exchange = began(runtime, str(number), b"x" * 10_000)
        ask(flow, exchange, b"y" * 5_000)
        watch.request(flow)
        if number % 2:
            answer(flow, exchange)
            watch.response(flow)
        kept = seen.recent(100)
        assert sum(each.weight for each in kept) <= 100_000
        assert kept[-1].id == str(number)
    assert {each.id for each in seen.changes()} >= {"49", "48"}
    monkeypatch.setattr(live_monitor, "ENTRIES", 2)
    watch.request(began(runtime, "last")[0])
    assert [each.id for each in seen.recent(100)] == ["49", "last"]


def test_what_was_seen_goes_when_nobody_looks_any_more(runtime: Runtime) -> None:
    watch, seen = Monitor(runtime), runtime.watching
    seen.add()
    ended, exchange = began(runtime, "ended")
    ask(ended, exchange)
    answer(ended, exchange)
    watch.response(ended)
    watch.request(began(runtime, "under way")[0])
    seen.discard()
    seen.add()
    assert [each.id for each in seen.recent(9)] == ["ended"]
    seen.cleanup()
    assert seen.find("ended")
    seen.discard()
    seen.cleanup()
    assert seen.find("ended") is None


def test_what_is_asked_for_other_than_models_is_not_shown(runtime: Runtime) -> None:
    runtime.watching.add()
    flow, exchange = began(runtime)
    exchange.claimed = Claim("models", "openai")
    Monitor(runtime).request(flow)
    Monitor(runtime).response(tflow.tflow(resp=True))
    assert not runtime.watching.recent(9)


def test_what_is_over_at_once_is_told_once(runtime: Runtime) -> None:
    watch, seen = Monitor(runtime), runtime.watching
    seen.add()
    flow, exchange = began(runtime)
    exchange.started = 9.95
    ask(flow, exchange)
    watch.request(flow)
    assert not seen.changes()
    assert [(each.id, each.state) for each in seen.recent(9)] == [("1", "asking")]
    answer(flow, exchange)
    watch.response(flow)
    (now,) = seen.changes()
    assert (now.state, now.row.status) == ("done", 200)
    assert not seen.changes()
