"""Shows what passes to whoever looks at it in the panel. What fails here is in the log, and no exchange's trouble."""

import logging

from mitmproxy import http

from omniroute.gateway.exchange import CLIENT_GONE
from omniroute.gateway.runtime import Runtime

log = logging.getLogger(__name__)


class Monitor:
    name = "omniroute.watch"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def request(self, flow: http.HTTPFlow) -> None:
        """The exchange has begun, and its first attempt is in the flow."""
        if self.runtime.watching.active:
            self._note(flow)

    def next_attempt(self, flow: http.HTTPFlow) -> None:
        """Another attempt may be in the flow."""
        if self.runtime.watching.active:
            self._note(flow)

    def hedge(self, flow: http.HTTPFlow) -> None:
        """Another attempt may be made beside one that is late."""
        if self.runtime.watching.active:
            self._note(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        """The client has its answer, or at least its end."""
        if self.runtime.watching.active:
            exchange = self.runtime.exchanges.get(flow)
            told = exchange.status if exchange else None
            self._note(flow, told or (flow.response.status_code if flow.response else CLIENT_GONE))

    def error(self, flow: http.HTTPFlow) -> None:
        """The client has left, or a person has killed the flow."""
        if self.runtime.watching.active:
            self._note(flow, CLIENT_GONE)

    def _note(self, flow: http.HTTPFlow, status: int | None = None) -> None:
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or exchange.claimed is None or exchange.claimed.kind != "chat":
            return
        try:
            if status is None:
                self.runtime.watching.attempt_started(flow, exchange)
            else:
                self.runtime.watching.ended(flow, exchange, status)
        except Exception:
            log.exception("exchange %s could not be shown", exchange.id)
