"""Puts our HTTP layer on the reverse-proxy port; every other mode stays mitmproxy's own."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from mitmproxy import ctx, http, tls
from mitmproxy.addonmanager import traverse
from mitmproxy.connection import Client, Connection
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import layer, tunnel
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import ReverseMode
from mitmproxy.proxy.server import ConnectionIO

from omniroute.addons.body import READ
from omniroute.addons.failover import handle_lost_hedge
from omniroute.addons.guard import answer
from omniroute.addons.hedging import hedge_attempt
from omniroute.addons.response_headers import apply_gateway_headers, early_head, error_event, refusal
from omniroute.config.server_limits import ServerLimits
from omniroute.dialects.registry import DIALECTS
from omniroute.errors import GatewayError, TooLarge
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.client_tls import BoundedClientTLS
from omniroute.mitm.layer import RoutedLayer
from omniroute.mitm.management_relay import Relay
from omniroute.mitm.ports import BIG, Attempt, Keepalive, ProgressTick
from omniroute.routing.endpoints import dialect_of, is_managed

log = logging.getLogger(__name__)

SWEEP = 1.0
"""Seconds after which all connections that belong to a client have had time to end."""
QUIET = ("omniroute.", "mitmproxy.addons.")
"""Whose `responseheaders` may be left out: ours is called anyway, mitmproxy's own only act on options."""


PROGRESS_EVERY = 2.0
NO_TARGET = "no other target was left"
UNREAD = 64 * 1024
"""Bytes of a body that are taken where a path takes none."""


def _progress(exchange: Exchange) -> bytes:
    """Say how far an answer is; nothing while nobody is being asked for it."""
    stream = exchange.last.attempt.stream if exchange.last else None
    return stream.progress.say() if stream and stream.progress else b""


def is_ours(client: Client) -> bool:
    """Tell whether a client came in on a port of ours: reverse mode of HTTP, wherever it would lead."""
    mode = client.proxy_mode
    return isinstance(mode, ReverseMode) and mode.scheme == "http"


class HttpLayer:
    """The `Desk` of the layer, too: what the layer asks is answered from the exchange."""

    name = "omniroute.attach"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.clock: Callable[[], float] = runtime.clock
        self._known: tuple[int, ...] = ()
        self._listeners = True

    @property
    def server_limits(self) -> ServerLimits:
        """Return the bounds on clients that are in force."""
        return self.runtime.config.rules.server

    def check_body(self, flow: http.HTTPFlow, received: int, size: int) -> GatewayError | None:
        """Count the bytes of a body that have arrived; return why it is refused, if it is."""
        limit = self.runtime.limits.max_body
        if size > limit:
            return TooLarge(f"the request body is over the limit of {limit} bytes (option omniroute_max_body)")
        exchange = self.runtime.exchanges.get(flow)
        if size > UNREAD and exchange and exchange.claimed and exchange.claimed.kind not in READ:
            return TooLarge(f"{exchange.path[:200]} takes no body")
        try:
            if received:
                self.runtime.bodies.account(flow).resize(received)
            else:
                self.runtime.bodies.check(size)
        except GatewayError as error:
            return error
        return None

    def over(self, flow: http.HTTPFlow) -> None:
        """Release large bodies where no view shows them: frames of mitmproxy may refer to an ended flow for long."""
        if getattr(ctx.master, "view", None) is None:
            for message in (flow.request, flow.response):
                if message and len(message.raw_content or b"") > BIG:
                    message.data.content = None

    def relay(self, request: http.Request) -> Relay | None:
        """Pass on what is about the gateway itself."""
        return self.runtime.relay if is_managed(request.path) else None

    def wait(self, flow: http.HTTPFlow) -> float | None:
        """Give how long the exchange stands still; no longer when its turn has come while nobody looked."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or (waiting := exchange.waiting) is None:
            return None
        come = waiting.ticket is not None and waiting.ticket.place is not None
        return 0.0 if come else max(0.0, waiting.until - self.clock())

    def attempt(self, flow: http.HTTPFlow) -> Attempt | None:
        """Give what dispatch has decided."""
        exchange = self.runtime.exchanges.get(flow)
        return exchange.last.attempt if exchange and exchange.last else None

    def keepalive(self, flow: http.HTTPFlow) -> Keepalive | None:
        """Keep who waits for a stream, in a dialect that has words for it."""
        exchange, every = self.runtime.exchanges.get(flow), self.runtime.limits.keepalive
        if exchange is None or not exchange.stream or not every:
            return None
        said = DIALECTS[exchange.dialect].keepalive
        return Keepalive(every, said) if said else None

    def progress_tick(self, flow: http.HTTPFlow) -> ProgressTick | None:
        """Tell who asks for it how far its answer is."""
        exchange = self.runtime.exchanges.get(flow)
        return (
            ProgressTick(PROGRESS_EVERY, lambda: _progress(exchange)) if exchange and exchange.tells_progress else None
        )

    def may_resume(self, flow: http.HTTPFlow) -> bool:
        """Let the next target go on, where that is wanted and the client has heard nothing but text."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or not exchange.last:
            return False
        stream, most = exchange.last.attempt.stream, exchange.config.rules.resume.most
        if stream is None:
            return False
        if stream.said is None:
            exchange.last.unresumed = (stream.followed and stream.followed.obstacle) or ""
            return False
        if exchange.resumed >= most or not exchange.remaining:
            exhausted = f"resume.most allows {most} for one answer" if exchange.resumed >= most else NO_TARGET
            exchange.last.unresumed = exhausted
            return False
        exchange.broken = stream
        exchange.resumed += 1
        return True

    def hedge(self, flow: http.HTTPFlow) -> Attempt | None:
        """Give what is to be asked beside the target that is late."""
        exchange = self.runtime.exchanges.get(flow)
        return hedge_attempt(exchange) if exchange else None

    def hedge_lost(self, flow: http.HTTPFlow, attempt: Attempt) -> None:
        """Learn from the end of one of two attempts."""
        try:
            handle_lost_hedge(self.runtime, self.runtime.exchanges[flow], attempt)
        except Exception:  # the other goes on all the same
            log.exception("nothing could be learned from an attempt that has ended")

    def early_head(self, flow: http.HTTPFlow) -> http.Response:
        """Begin a stream; `dress` leaves out of its head what is not known yet."""
        self.runtime.exchanges[flow].early_head_sent = True
        return early_head(flow.request, self.runtime.wall())

    def final_event(self, flow: http.HTTPFlow, answer: http.Response) -> bytes:
        """Say a refusal in a stream, and keep its status for the log: the client's says only that it began."""
        exchange = self.runtime.exchanges[flow]
        if (told := exchange.replay.answer) and told.status == 200:
            return told.body
        exchange.status = answer.status_code
        return error_event(exchange.dialect, answer)

    def try_apply_headers(self, flow: http.HTTPFlow) -> bool:
        """Do without a hook that nobody else listens to: asking some forty addons costs more than all of ours."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or flow.response is None or self._somebody_listens():
            return False
        try:
            self.runtime.choosing.served(exchange)
            apply_gateway_headers(exchange, flow, flow.response)
        except Exception:  # then the hook runs, and its guard makes an answer of what it raises
            log.exception("the head of a reply could not be made")
            return False
        return True

    def _somebody_listens(self) -> bool:
        """Tell whether an addon that is not mitmproxy's or ours, or an option that is set, wants to see heads."""
        manager = ctx.master.addons
        if "modify_headers" in ctx.options and ctx.options.modify_headers:
            return True
        if (known := tuple(map(id, manager.lookup.values()))) != self._known:
            self._known = known
            self._listeners = any(
                hasattr(addon, "responseheaders") and not type(addon).__module__.startswith(QUIET)
                for addon in traverse(manager.chain)
            )
        return self._listeners

    def answer(self, flow: http.HTTPFlow, error: GatewayError) -> http.Response:
        """Say an error in the client's dialect."""
        return answer(self.runtime, flow, error)

    def refusal(self, path: str, error: GatewayError) -> http.Response:
        """Write an error in the dialect that a path suggests, for a request that is no flow."""
        return refusal(dialect_of(path), error)

    def count_protocol_error(self, reason: str, peer: str) -> None:
        """Count a violation of the protocol by a client."""
        self.runtime.tally.protocol_error(reason)
        log.debug("protocol error of %s: %s", peer, reason)

    def next_layer(self, data: layer.NextLayer) -> None:
        """Claim client connections that came in by reverse mode."""
        context = data.context
        if data.layer or len(context.layers) != 1 or not isinstance(context.layers[0], modes.ReverseProxy):
            return
        if not is_ours(context.client):
            return
        stack = tunnel.LayerStack()
        if starts_like_tls_record(data.data_client()):
            stack /= BoundedClientTLS(context, self)
        stack /= (routed := RoutedLayer(context, HTTPMode.transparent, self))
        if self.runtime.clients:
            self.runtime.clients.attach((context.client.peername, context.client.sockname), routed)
        data.layer = stack[0]

    def client_disconnected(self, client: Client) -> None:
        """Look once more, when mitmproxy has ended what belongs to a client, whether it has closed everything.

        It forgets a connection that has just opened as its client leaves: that would stay until the next collection.
        """
        if handler := ctx.master.addons.get("proxyserver").connections.get(client.id):
            asyncio.get_running_loop().call_later(SWEEP, _sweep, handler.transports)

    def tls_start_server(self, data: tls.TlsData) -> None:
        """Offer HTTP/2 to upstreams: mitmproxy offers only what the client does, and ours speak plain HTTP/1."""
        if is_ours(data.context.client) and not data.conn.alpn_offers:
            data.conn.alpn_offers = (b"h2", b"http/1.1") if data.context.options.http2 else (b"http/1.1",)


def _sweep(transports: Mapping[Connection, ConnectionIO]) -> None:
    for each in transports.values():
        if each.writer and (each.handler is None or each.handler.done()):
            each.writer.close()
