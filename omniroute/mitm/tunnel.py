"""Tunnels through network proxies: layers of mitmproxy's own kind, below those of TLS and HTTP.

mitmproxy has one for CONNECT, but it takes what opens the proxy from a flow that every addon sees, and it has none
for SOCKS. What is said to either kind of proxy is in `omniroute.netproxy`, which side calls use, too.
"""

from typing import Any

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events, layer, tunnel
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import tls

from omniroute.netproxy.http_connect import Handshake, HttpConnect, TunnelRefused
from omniroute.netproxy.proxy_url import Proxy
from omniroute.netproxy.socks5 import Socks5

PATH_FAILED = "proxy "
"""How the error of a dial begins when the path to the upstream has failed, and not the upstream."""


class _Address(tuple[str, int]):
    """Where a proxy is, and for whom it is asked.

    mitmproxy allows a client five connections to each address. A proxy would have used them up with five upstreams.
    """

    def __new__(cls, host: str, port: int, upstream: object) -> "_Address":
        made = super().__new__(cls, (host, port))
        made._upstream = upstream
        return made

    _upstream: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Address) and tuple(self) == tuple(other) and self._upstream == other._upstream

    def __hash__(self) -> int:
        return hash((*self, self._upstream))


class ProxiedServer(Server):
    """A server that is reached through a proxy. `proxy` is no field of it, as mitmproxy saves and shows the fields."""

    def __init__(self, address: tuple[str, int], proxy: Proxy, *, forwarded: TunnelRefused | None) -> None:
        super().__init__(address=address, transport_protocol="tcp")
        at = (proxy.host, proxy.port)
        self.via = ("tcp" if proxy.tunnels_all else "https" if proxy.scheme == "https" else "http", at)
        self.proxy = proxy
        self.forwarded = forwarded
        """The proxy reads the requests and forwards them itself, since it has refused a tunnel with these words."""
        self.outer = Server(address=_Address(*at, address))
        """The connection to the proxy."""
        self.refused: TunnelRefused | None = None
        """Why there is no tunnel."""


class Tunnel(tunnel.TunnelLayer):
    """Opens the way to one server."""

    def __init__(self, context: Context, server: ProxiedServer, handshake: Handshake | None) -> None:
        super().__init__(context, tunnel_connection=server.outer, conn=server)
        self._server = server
        self._handshake = handshake
        self._started = False

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        """Called without data once the proxy is reached, then with what it says."""
        if self._handshake is None:
            return True, None
        try:
            said = self._handshake.feed(data) if self._started else self._handshake.start()
        except TunnelRefused as refused:
            self._server.refused = refused
            return False, str(refused)
        self._started = True
        if said:
            yield commands.SendData(self.tunnel_connection, said)
        return self._handshake.done, None

    def event_to_child(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Say of whatever kept the tunnel from being opened that it was the proxy."""
        if isinstance(event, events.OpenConnectionCompleted) and event.command is self.command_to_reply_to:
            event = events.OpenConnectionCompleted(event.command, self._named(event.reply))
        yield from super().event_to_child(event)

    def _named(self, error: str | None) -> str | None:
        if error is None or error.startswith(PATH_FAILED):
            return error
        why = "it closed the connection" if error == "connection closed" else f"cannot connect: {error}"
        return f"{PATH_FAILED}{self._server.proxy}: {why}"


def open_tunnel(context: Context, server: ProxiedServer) -> tunnel.LayerStack:
    """Stack the layers that lead to a server, to which `context` belongs; those of its own TLS and HTTP come on top."""
    proxy, stack = server.proxy, tunnel.LayerStack()
    if proxy.scheme == "https":
        server.outer.alpn_offers = tls.HTTP1_ALPNS
        server.outer.sni = proxy.host
        stack /= tls.ServerTLSLayer(context, server.outer)
    stack /= Tunnel(context, server, _handshake(server))
    return stack


def _handshake(server: ProxiedServer) -> Handshake | None:
    address: Any = server.address
    if server.forwarded:
        return None
    return (Socks5 if server.proxy.tunnels_all else HttpConnect)(server.proxy, *address)


def forwarded(request: http.Request, proxy: Proxy) -> None:
    """Write a request, a copy that no flow holds, as a proxy wants it that forwards (RFC 9112 section 3.2.2)."""
    request.data.authority = request.headers["host"].encode()
    if said := proxy.authorization:
        request.headers["proxy-authorization"] = said
