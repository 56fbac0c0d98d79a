"""Plan, try, hedge and meter exchanges as the gateway does, without sockets: the test moves upstreams and clocks."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.test import taddons, tflow

from omniroute.addons import dispatch, meter
from omniroute.addons.dispatch import Dispatch
from omniroute.addons.failover import handle_lost_hedge
from omniroute.addons.hedging import Hedging, hedge_attempt
from omniroute.catalog.providers import node
from omniroute.config.model import Account, Config
from omniroute.dialects.hub import Whole
from omniroute.dialects.ir import Usage
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.routing.endpoints import claim
from omniroute.routing.failures import Failure
from omniroute.routing.health import Health
from omniroute.store.history.usage import UsageRow

EPOCH = 1_800_000_000.0
PATH = "/v1/chat/completions"
USAGE = Usage(10, 5)


def accounts(names: str, *, each: int = 1) -> dict[str, Any]:
    """Give the part of a configuration that has a node by each letter, with so many accounts."""
    nodes = tuple(node(name, "openai", f"http://{name}.test/v1") for name in names)
    held = tuple(Account(f"{name}{n}", name, f"{name}{n}", priority=n) for name in names for n in range(each))
    return {"nodes": nodes, "accounts": held}


@dataclass(eq=False)
class Request:
    """One client request."""

    flow: HTTPFlow
    exchange: Exchange
    running: list[AttemptRecord] = field(default_factory=list)
    """The attempts under way."""
    status: int | None = None
    row: UsageRow | None = None


class Gateway:
    """As much of a gateway as decides. Requests end in `rows`."""

    def __init__(self, config: Config) -> None:
        self.now = 1000.0
        self.loop = asyncio.new_event_loop()
        self.requests: list[Request] = []
        """Those under way."""
        self.rows: list[UsageRow] = []
        self.woken: list[HTTPFlow] = []
        self.number = 0
        self._open(config)

    def _open(self, config: Config) -> None:
        self.runtime = Runtime(clock=lambda: self.now, wall=lambda: self.now + EPOCH)
        self.runtime.config = config
        self.runtime.choosing.admission.set(config.limits)
        self.runtime.prices_known.set()
        self.dispatch, self.hedger = Dispatch(self.runtime), Hedging(self.runtime)
        self.runtime.pending.record = self.rows.append
        self.runtime.pending.schedule_flush = self.runtime.choosing.changed = lambda: None
        self.runtime.choosing.admission.alarm = lambda seconds: None

    @property
    def wall(self) -> float:
        return self.runtime.wall()

    @property
    def attempts(self) -> list[tuple[Request, AttemptRecord]]:
        """The attempts under way."""
        return [(request, asked) for request in self.requests for asked in request.running]

    def come(self, model: str) -> Request:
        """Let a request arrive."""
        self.number += 1
        flow = tflow.tflow()
        body = {"model": model, "messages": [{"role": "user", "content": f"request {self.number}"}]}
        exchange = Exchange(
            f"x{self.number}",
            self.wall,
            self.now,
            "openai",
            PATH,
            "",
            (),
            self.runtime.config,
            claimed=claim("POST", PATH),
        )
        exchange.raw_body, exchange.body, exchange.model = orjson.dumps(body), body, model
        exchange.received, exchange.admitted = self.now, True
        self.runtime.exchanges[flow] = exchange
        request = Request(flow, exchange)
        self.requests.append(request)
        self.loop.run_until_complete(self.dispatch.request(flow))
        self._go_on(request)
        return request

    def _go_on(self, request: Request) -> None:
        """Start the attempt that was decided on, or end the request."""
        exchange = request.exchange
        if request.flow.response:
            self._conclude(request, request.flow.response.status_code)
        elif exchange.waiting is None:
            assert exchange.last
            assert not exchange.last.attempt.started
            self._start(request, exchange.last)

    def _start(self, request: Request, asked: AttemptRecord) -> None:
        asked.attempt.started = asked.attempt.sent = self.now
        request.running.append(asked)

    def hedge(self, request: Request) -> AttemptRecord | None:
        """Have a second target asked beside a late one, where that is allowed."""
        self.loop.run_until_complete(self.hedger.hedge(request.flow))
        if hedge_attempt(request.exchange) is None:
            return None
        asked = request.exchange.hedge
        assert asked
        self._start(request, asked)
        return asked

    def answer(self, request: Request, asked: AttemptRecord, usage: Usage = USAGE) -> None:
        """Let an attempt be answered whole: the other of two is cancelled."""
        asked.attempt.whole = Whole(b"{}", usage, True, None)
        asked.attempt.content_at = asked.attempt.ended = self.now
        for other in [each for each in request.running if each is not asked]:
            other.attempt.failure = Failure("hedged", "another target has answered first")
            other.attempt.ended = self.now
            handle_lost_hedge(self.runtime, request.exchange, other.attempt)
        self._conclude(request, 200)

    def fail(self, request: Request, asked: AttemptRecord, failure: Failure) -> None:
        """Let an attempt fail before its content."""
        request.running.remove(asked)
        asked.attempt.failure, asked.attempt.ended = failure, self.now
        if request.running:
            handle_lost_hedge(self.runtime, request.exchange, asked.attempt)
        else:
            self._decide(request)

    def leave(self, request: Request) -> None:
        """Let the client hang up."""
        for asked in request.running:
            asked.attempt.failure, asked.attempt.ended = Failure("client_gone", "the client left"), self.now
        self._conclude(request, 499)

    def _decide(self, request: Request) -> None:
        self.loop.run_until_complete(self.dispatch.next_attempt(request.flow))
        self._go_on(request)

    def _conclude(self, request: Request, status: int) -> None:
        request.running.clear()
        self.requests.remove(request)
        request.exchange.metered = True
        meter._conclude(self.runtime, request.exchange, status)
        request.status, request.row = status, request.exchange.row

    def wake(self) -> None:
        """Let those go on that wait no longer."""
        self.runtime.choosing.admission.ring()
        flows, self.woken = self.woken, []
        for request in [*self.requests]:
            waiting = request.exchange.waiting
            if waiting and (request.flow in flows or waiting.until <= self.now):
                self._decide(request)
        if self.woken:
            self.wake()

    def restart(self) -> None:
        """Start anew from what was stored: the requests under way are lost with the process."""
        config, saved = self.runtime.config, self.runtime.choosing.health.snapshot()
        self.requests.clear()
        self._open(config)
        self.runtime.choosing.restore(self.runtime.choosing.turns, Health(saved), config)


@contextmanager
def simulated(config: Config) -> Iterator[Gateway]:
    """Open a gateway for one test."""
    gateway = Gateway(config)
    with taddons.context(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "notify_waiter", lambda runtime, flow: gateway.woken.append(flow))
        yield gateway
    gateway.loop.close()
