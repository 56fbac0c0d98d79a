"""Asks another target beside one that is late: whoever says something first has answered, and the other is let go."""

import logging

from mitmproxy import http

from omniroute.addons.attempt_builder import start_attempt
from omniroute.addons.failover import still_open
from omniroute.errors import GatewayError
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.commands import copy_head
from omniroute.mitm.ports import Attempt

log = logging.getLogger(__name__)


class Hedging:
    name = "omniroute.hedge"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def hedge(self, flow: http.HTTPFlow) -> None:
        """Fired by our layer when the attempt is late. Whatever fails here, that one goes on."""
        exchange = self.runtime.exchanges[flow]
        try:
            await self._hedge(flow, exchange)
        except GatewayError as error:
            log.info("exchange %s is not hedged: %s", exchange.id, error.message)
        except Exception:
            log.exception("exchange %s could not be hedged", exchange.id)

    async def _hedge(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        runtime, late = self.runtime, exchange.last
        if late is None or exchange.hedge:
            return
        targets = still_open(exchange, runtime.clock())
        if (found := runtime.choosing.hedge_targets(exchange, late, targets)) is None:
            return
        target, let_in = found
        try:
            runtime.spending.extend_reservation(exchange, target, exchange.config)
            place = exchange.remaining.index(target)
            del exchange.remaining[place]
            try:
                request = copy_head(flow.request)
                asked = await start_attempt(runtime, exchange, target, let_in, request)
            except BaseException:
                exchange.remaining.insert(place, target)
                raise
        except BaseException:
            runtime.choosing.admission.give_back(target.account.id, let_in)
            raise
        asked.attempt.request = request
        asked.hedge_delay = runtime.clock() - late.attempt.started


def hedge_attempt(exchange: Exchange) -> Attempt | None:
    """Give the attempt that is to be made beside another."""
    hedge = exchange.hedge
    return hedge.attempt if hedge and not hedge.attempt.started else None
