"""Lets in who may come and has a gateway key, and on loopback who has none."""

from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from mitmproxy import http

from omniroute.access.client_address import ClientAddress, is_loopback
from omniroute.access.ip_filter import check
from omniroute.addons.guard import guard
from omniroute.addons.intake import read_path
from omniroute.config.model import Key
from omniroute.errors import Forbidden, NotAllowed
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.store.config import keys

KEY_PLACES = (
    "a gateway key counts only in the header Authorization (Bearer), x-api-key, x-goog-api-key or api-key, or in the "
    "query parameter key"
)


class Access:
    name = "omniroute.access"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @guard
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Admit or refuse by address, path and key, at the head: no body is read of a request that is refused."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None:
            return
        try:
            if flow.response is None:
                self._admit(flow, exchange)
        finally:
            if flow.response or not exchange.admitted:
                flow.request.headers.pop("expect", None)  # a client that waits with a body need not send it

    def _admit(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        peer, fields = flow.client_conn.peername[0], flow.request.headers.fields
        visit = exchange.internal
        exchange.client = visit.principal if visit else check(peer, fields, exchange.config.doors, self.runtime.wall())
        if exchange.claimed is None:
            read_path(self.runtime, flow, exchange)
        self._check_key(flow, exchange)

    def _check_key(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Check the key. A wrong one is refused even where none is needed: its owner should know."""
        if exchange.claimed and exchange.claimed.kind == "hello":
            return
        shown, exchange.presented_keys = exchange.presented_keys, ()
        visit = exchange.internal
        if shown:
            self._count(exchange, self._key(exchange, shown))
        elif visit and visit.key:
            self._count(exchange, self.runtime.gate.named(visit.key, exchange.client, self.runtime.config))
        elif visit:
            pass  # whoever asks has logged in
        elif exchange.misplaced_key:
            raise NotAllowed(KEY_PLACES, code="invalid_api_key")
        elif self.runtime.limits.require_key or not _is_here(exchange.client):
            raise NotAllowed("a key is needed: make one with `omniroute-ctl key create NAME`")
        elif _from_elsewhere(flow.request.headers.get("origin", "")):
            raise Forbidden("a web page of another origin may not use this gateway without a key")
        exchange.admitted = True

    def _count(self, exchange: Exchange, key: Key) -> None:
        exchange.key = key
        self.runtime.gate.acquire(key)
        exchange.counted_in_key = True

    def response(self, flow: http.HTTPFlow) -> None:
        """The client has its answer, with the whole of a stream."""
        self._leave(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """The client has left, or a person has killed the flow."""
        self._leave(flow)

    def _leave(self, flow: http.HTTPFlow) -> None:
        exchange = self.runtime.exchanges.get(flow)
        if exchange and exchange.counted_in_key and exchange.key:
            exchange.counted_in_key = False
            self.runtime.gate.release(exchange.key)

    def _key(self, exchange: Exchange, shown: tuple[str, ...]) -> Key:
        assert self.runtime.store
        return self.runtime.gate.key(shown, exchange.client, exchange.config, partial(keys.digest, self.runtime.store))


def _is_here(who: ClientAddress) -> bool:
    """Tell whether this machine is asking, and not somebody behind a proxy on it."""
    return not who.proxied and is_loopback(who.address)


def _from_elsewhere(origin: str) -> bool:
    """Browsers name the page's origin with every POST; a name that is not this machine's is another's."""
    if not origin:
        return False
    try:
        host = urlsplit(origin).hostname or ""
        return host != "localhost" and not ip_address(host).is_loopback
    except ValueError:
        return True
