"""What an exchange came to: tokens, cost, time; one log row for each, whatever became of it."""

from datetime import UTC, datetime

from mitmproxy import http

from omniroute.catalog.prices import cost
from omniroute.exchange import CLIENT_GONE
from omniroute.rows import row_of
from omniroute.runtime import Runtime


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
        elif served := exchange.served:  # the others broke off
            await self.runtime.prices_known.wait()
            at = datetime.fromtimestamp(exchange.at, UTC)
            prices, costs = exchange.config.prices, []
            for asked in exchange.answering:
                stream = asked.attempt.stream
                counted = asked.usage if asked is served or stream is None else stream.own
                costs.append(cost(asked.target.provider, asked.target.model, counted, at, prices))
            exchange.cost = None if None in costs else sum(filter(None, costs))
        if exchange.visit and exchange.visit.rehearsal:
            return
        self.runtime.settle(exchange)
        self.runtime.record(row_of(exchange, status, self.runtime.clock()))
