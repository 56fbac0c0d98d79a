"""What an exchange came to: tokens, cost, time; one log row for each, whatever became of it."""

import logging
from datetime import UTC, datetime

from mitmproxy import http

from omniroute.catalog.pricing import cost
from omniroute.gateway.budget_enforcer import estimate_lost
from omniroute.gateway.exchange import CLIENT_GONE, Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.gateway.usage_recorder import build_usage_row
from omniroute.routing.failures import Failure

log = logging.getLogger(__name__)

STOPPED, UNAVAILABLE = "the gateway was stopped", 503


class Meter:
    name = "omniroute.meter"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def response(self, flow: http.HTTPFlow) -> None:
        """The client has its answer, or at least its end."""
        exchange = self.runtime.exchanges.get(flow)
        told = exchange.status if exchange else None
        await self._meter(flow, told or (flow.response.status_code if flow.response else CLIENT_GONE))

    async def error(self, flow: http.HTTPFlow) -> None:
        """The client has left, or a person has killed the flow."""
        await self._meter(flow, CLIENT_GONE)

    async def _meter(self, flow: http.HTTPFlow, status: int) -> None:
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or not _is_due(exchange):
            return
        exchange.metered = True
        if exchange.served and not exchange.replay.answer:
            await self.runtime.prices_known.wait()
        _conclude(self.runtime, exchange, status)


def break_off(runtime: Runtime) -> None:
    """Conclude what is still being answered: the gateway is stopped, and no hook will tell of its end."""
    for exchange in list(runtime.exchanges.values()):
        if not _is_due(exchange):
            continue
        exchange.metered = True
        exchange.error = STOPPED
        for asked in exchange.attempts_made:
            if asked.attempt.ended is None:
                asked.attempt.failure = Failure("client_gone", STOPPED)
                asked.attempt.ended = runtime.clock()
        _conclude(runtime, exchange, UNAVAILABLE)


def _is_due(exchange: Exchange) -> bool:
    """Say whether it is worth a log row, and has none yet."""
    return (
        not exchange.metered and exchange.admitted and exchange.claimed is not None and exchange.claimed.kind == "chat"
    )


def _conclude(runtime: Runtime, exchange: Exchange, status: int) -> None:
    if exchange.waiting and exchange.waiting.ticket:
        runtime.choosing.admission.leave(exchange.waiting.ticket)
    exchange.waiting = None
    if (doubted := exchange.usage.doubted) and exchange.served:
        log.warning(
            "%s reported numbers of tokens that cannot be, and that count as unknown: %s",
            exchange.served.target.name,
            ", ".join(doubted),
        )
    for asked in exchange.attempts_made:
        runtime.choosing.attempt_ended(exchange, asked)
    if exchange.replay.answer:
        exchange.cost = 0.0
    elif exchange.served and runtime.prices_known.is_set():
        exchange.cost = _cost(exchange)
        estimate_lost(exchange)
    exchange.row = build_usage_row(exchange, status, runtime.clock())
    if exchange.internal and exchange.internal.dry_run:
        return
    runtime.settle(exchange)
    runtime.record(exchange.row)


def _cost(exchange: Exchange) -> float | None:
    """Add up what all that the client has got has cost; the attempts but the last broke off."""
    at = datetime.fromtimestamp(exchange.at, UTC)
    prices, costs = exchange.config.prices, []
    for asked in exchange.answering_attempt:
        stream = asked.attempt.stream
        counted = asked.usage if asked is exchange.served or stream is None else stream.own
        costs.append(cost(asked.target.provider, asked.target.model, counted, at, prices))
    return None if None in costs else sum(filter(None, costs))
