"""TLS of clients: a bounded ClientHello, and a deadline for the handshake.

Relied on: `ClientTLSLayer` with `recv_buffer`, `client_hello_parsed`, `receive_handshake_data`, `tunnel_state`.
"""

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ClientTLSLayer
from mitmproxy.proxy.tunnel import TunnelState

from omniroute.mitm.http1_server import Gatekeeper

MAX_CLIENT_HELLO = 64 * 1024
"""Bytes of a ClientHello. mitmproxy parses all that has come anew for every piece, and logs it when it is invalid."""


class BoundedClientTLS(ClientTLSLayer):
    """mitmproxy's layer of a client's TLS with bounds."""

    def __init__(self, context: Context, gatekeeper: Gatekeeper) -> None:
        super().__init__(context)
        self._gatekeeper = gatekeeper
        self._wakeup: commands.RequestWakeup | None = None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            self._wakeup = commands.RequestWakeup(self._gatekeeper.server_limits.header_timeout)
            yield self._wakeup
        elif isinstance(event, events.Wakeup) and event.command is self._wakeup:
            if self.tunnel_state is TunnelState.ESTABLISHING:
                self._gatekeeper.count_protocol_error("tls_timeout", self._peer)
                self.tunnel_state = TunnelState.CLOSED
                yield commands.CloseConnection(self.context.client)
            return
        yield from super()._handle_event(event)

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        if not self.client_hello_parsed and len(self.recv_buffer) + len(data) > MAX_CLIENT_HELLO:
            self.recv_buffer.clear()
            self._gatekeeper.count_protocol_error("tls_size", self._peer)
            return False, f"the ClientHello exceeds the limit of {MAX_CLIENT_HELLO} bytes"
        return (yield from super().receive_handshake_data(data))

    @property
    def _peer(self) -> str:
        return str(self.conn.peername[0]) if self.conn.peername else "unknown"
