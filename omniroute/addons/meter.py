"""What an exchange came to: tokens, cost, time; one log row for each, whatever became of it."""

from datetime import UTC, datetime

from mitmproxy import http

from omniroute.catalog.prices import cost
from omniroute.exchange import Asked, Exchange
from omniroute.runtime import Runtime
from omniroute.store import usage

CLIENT_GONE = 499
"""The status that is logged where the client left before its answer."""


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
        if exchange is None or exchange.metered or not exchange.admitted:
            return
        if exchange.claimed is None or exchange.claimed.kind != "chat":
            return
        exchange.metered = True
        if exchange.waiting and exchange.waiting.ticket:
            self.runtime.choosing.admission.leave(exchange.waiting.ticket)
        exchange.waiting = None
        for asked in exchange.asked:
            self.runtime.choosing.ended(exchange, asked)
        if exchange.replay.answer:
            exchange.cost = 0.0
        elif served := exchange.served:
            await self.runtime.prices_known.wait()
            at = datetime.fromtimestamp(exchange.at, UTC)
            prices = exchange.config.prices
            exchange.cost = cost(served.target.provider, served.target.model, exchange.usage, at, prices)
        self.runtime.settle(exchange)
        self.runtime.record(_row(exchange, status, self.runtime.clock()))


def _row(exchange: Exchange, status: int, now: float) -> usage.UsageRow:
    served = exchange.served
    asked, answer = served or exchange.last, exchange.replay.answer
    counted = exchange.usage
    content_at = served.attempt.content_at if served else None
    return usage.UsageRow(
        id=exchange.id,
        at=exchange.at,
        key_id=exchange.key.id if exchange.key else None,
        key_name=exchange.key.name if exchange.key else None,
        account_id=asked.target.account.id if asked else None,
        account_name=asked.target.account.name if asked else None,
        provider=asked.target.provider.id if asked else None,
        model_asked=exchange.model,
        model_served=served.target.name if served else answer.route if answer else None,
        combo=exchange.plan.combo if exchange.plan else None,
        client_dialect=exchange.dialect,
        upstream_dialect=asked.target.dialect if asked else None,
        path=exchange.path,
        streamed=exchange.stream,
        status=status,
        error=_error(exchange),
        input=counted.input,
        output=counted.output,
        cache_read=counted.cache_read,
        cache_write=counted.cache_write,
        reasoning=counted.reasoning,
        cost=exchange.cost,
        attempts=tuple(_attempt(one, now) for one in exchange.asked),
        latency_ms=(now - exchange.started) * 1000,
        ttft_ms=(content_at - exchange.started) * 1000 if content_at is not None else None,
        overhead_ms=exchange.overhead * 1000 if exchange.overhead is not None else None,
        dropped=served.dropped if served else answer.dropped if answer else (),
        replayed=exchange.replay.source,
    )


def _error(exchange: Exchange) -> str | None:
    """What the client missed: the refusal it was told, or what broke off the answer it was getting."""
    last = exchange.last
    return exchange.error or (last.attempt.failure.message if last and last.attempt.failure else None)


def _attempt(asked: Asked, now: float) -> usage.AttemptRow:
    attempt = asked.attempt
    failure = attempt.failure
    status = failure.status if failure else None
    if status is None and attempt.upstream:
        status = attempt.upstream.status_code
    return usage.AttemptRow(
        target=asked.target.name,
        account=asked.target.account.name,
        outcome=failure.label if failure else "ok",
        status=status,
        ms=((attempt.ended or now) - attempt.started) * 1000 if attempt.started else 0.0,
        detail=failure.message if failure else "",
    )
