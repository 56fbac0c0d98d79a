"""What mitmweb keeps, and what an exchange lets go of when it is over."""

from collections.abc import Iterator

import pytest
from mitmproxy.addons.view import View
from mitmproxy.http import HTTPFlow
from mitmproxy.test import taddons, tflow

from omniroute.addons import views
from omniroute.addons.lifecycle import Lifecycle
from omniroute.addons.views import Views, comment
from omniroute.catalog.providers import node
from omniroute.dialects.hub import Whole
from omniroute.dialects.ir import Usage
from omniroute.exchange import Asked, Exchange
from omniroute.proxy.attempt import KEEP, Attempt
from omniroute.routing.config import Account, Config
from omniroute.routing.deadlines import Deadlines
from omniroute.routing.failure import Failure
from omniroute.routing.target import Target, Way
from omniroute.runtime import Runtime


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
    monkeypatch.setattr(views, "MOST", 1000)
    first, second = finished(window, 400), finished(window, 400)
    assert first in window[1]
    third = finished(window, 400)
    assert [flow in window[1] for flow in (first, second, third)] == [False, True, True]
    giant = finished(window, 5000)
    assert [flow in window[1] for flow in (second, third, giant)] == [False, False, True]


def test_a_flow_that_somebody_removed_is_no_trouble(window: tuple[Views, View]) -> None:
    gone = finished(window)
    window[1].remove([gone])
    flows = [finished(window) for _ in range(4)]
    assert [flow in window[1] for flow in flows] == [False, True, True, True]


def test_an_exchange_that_is_over_keeps_what_a_person_looks_at_and_no_more() -> None:
    provider = node("up", "openai", "http://127.0.0.1:1/v1")
    target = Target(Account("a", "up", "main"), provider, "m", "openai", Way("asked for by name"), "")
    attempt = Attempt({}, Deadlines(), None, lambda raw: Whole(raw, Usage(), True, None), last=True)
    attempt.raw += b"r" * (KEEP * 3)
    attempt.whole = Whole(b"w" * KEEP, Usage(input=7), True, None)
    exchange = Exchange(id="1", at=0.0, started=0.0, dialect="openai", path="/", query="", headers=(), config=Config())
    exchange.raw, exchange.body = b'{"model": "up/m"}', {"model": "up/m"}
    exchange.asked.append(Asked(target, attempt))
    attempt.content_at = 1.0
    assert exchange.settle() == len(exchange.raw) + KEEP
    assert not exchange.body
    assert len(attempt.raw) == KEEP
    assert not attempt.whole.raw
    assert exchange.usage.input == 7


def test_the_comment_names_both_of_two_that_were_asked_at_once() -> None:
    provider = node("up", "openai", "http://127.0.0.1:1/v1")
    exchange = Exchange(id="1", at=0.0, started=0.0, dialect="openai", path="/", query="", headers=(), config=Config())
    exchange.model = "best"
    for name, beside in (("one", None), ("two", 2.04)):
        target = Target(Account(name, "up", name), provider, name, "openai", Way("asked for by name"), "")
        attempt = Attempt({}, Deadlines(), None, lambda raw: Whole(raw, Usage(), True, None), last=True)
        exchange.asked.append(Asked(target, attempt, beside=beside))
    one, two = (asked.attempt for asked in exchange.asked)
    one.failure, two.content_at = Failure("hedged", "another target has answered first"), 1.0
    assert comment(exchange) == "best → up/one (one) ✗ hedged → up/two (two) · hedged with up/two after 2.0 s"
