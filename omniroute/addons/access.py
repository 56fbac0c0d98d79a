"""Lets in who has a gateway key, and on loopback who has none."""

from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from mitmproxy import http

from omniroute.addons.guard import guard
from omniroute.errors import Forbidden, NotAllowed
from omniroute.exchange import Exchange
from omniroute.routing.config import Key
from omniroute.routing.sources import is_loopback
from omniroute.runtime import Runtime
from omniroute.store import keys

RELAYS = frozenset((b"x-forwarded-for", b"forwarded", b"x-real-ip"))
"""Headers with which a proxy says for whom it asks."""


class Access:
    name = "omniroute.access"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @guard
    def request(self, flow: http.HTTPFlow) -> None:
        """Check the key. A wrong one is refused even where none is needed: its owner should know."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or flow.response or (exchange.claimed and exchange.claimed.kind == "hello"):
            return
        shown, exchange.shown = exchange.shown, ()
        if shown:
            exchange.key = self._key(exchange, shown, flow)
        elif self.runtime.limits.require_key or not _is_here(flow):
            raise NotAllowed("a key is needed: make one with `omniroute-ctl key create NAME`")
        elif _from_elsewhere(flow.request.headers.get("origin", "")):
            raise Forbidden("a web page of another origin may not use this gateway without a key")
        exchange.admitted = True

    def _key(self, exchange: Exchange, shown: tuple[str, ...], flow: http.HTTPFlow) -> Key:
        assert self.runtime.store
        digest = partial(keys.digest, self.runtime.store)
        return self.runtime.gate.key(shown, flow.client_conn.peername[0], exchange.config, digest)


def _is_here(flow: http.HTTPFlow) -> bool:
    """Tell whether this machine is asking, and not somebody behind a proxy on it."""
    relayed = any(name.lower() in RELAYS for name, _ in flow.request.headers.fields)
    return not relayed and is_loopback(flow.client_conn.peername[0])


def _from_elsewhere(origin: str) -> bool:
    """Browsers name the page's origin with every POST; a name that is not this machine's is another's."""
    if not origin:
        return False
    try:
        host = urlsplit(origin).hostname or ""
        return host != "localhost" and not ip_address(host).is_loopback
    except ValueError:
        return True
