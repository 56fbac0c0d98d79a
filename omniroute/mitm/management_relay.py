"""Requests about the gateway itself: passed to the panel's own server, and seen by nobody on the way.

Passwords and new keys travel here. No hook fires for these requests, so that no addon shows, saves or dumps them.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import tcp
from mitmproxy.proxy.layers.http import HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import RequestHeaders, ResponseEndOfMessage
from mitmproxy.proxy.layers.http._hooks import HttpRequestHeadersHook, HttpResponseHeadersHook

PEER = "x-omniroute-peer"
"""Says who asks. Only with the secret of this run is it believed, so a client cannot name another."""


@dataclass(frozen=True, slots=True)
class Relay:
    """Where the panel's server is."""

    host: str
    port: int
    secret: str = field(repr=False)

    def log_line(self, peer: str) -> str:
        """Make the header that tells who asks."""
        return f"{self.secret} {peer}"


class ManagementStream(HttpStream):
    """One such request. Bodies pass as they come, in both directions."""

    def __init__(self, context: Context, stream_id: int, relay: Relay) -> None:
        super().__init__(context, stream_id)
        self._relay = relay
        self._asked_for: str | None = None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, RequestHeaders):
            self._asked_for = event.request.host_header  # reverse mode puts another one in its place
        work: Generator[commands.Command, Any, None] = super()._handle_event(event)
        reply: Any = None
        while True:
            try:
                command = work.send(reply)
            except StopIteration:
                return
            reply = None
            if isinstance(command, commands.StartHook):
                self._instead_of(command)
            else:
                reply = yield command

    def _instead_of(self, hook: commands.StartHook) -> None:
        if isinstance(hook, HttpRequestHeadersHook):
            request = self.flow.request
            request.data.host, request.data.port, request.data.scheme = self._relay.host, self._relay.port, b"http"
            request.host_header = self._asked_for
            request.headers[PEER] = self._relay.log_line(
                self.context.client.peername[0]
            )  # in place of all of that name
            request.stream = True
        elif isinstance(hook, HttpResponseHeadersHook) and self.flow.response:
            self.flow.response.stream = True

    def flow_done(self) -> layer.CommandGenerator[None]:
        """Let a WebSocket through as bytes: mitmproxy's own layer for them would show its messages."""
        if self.flow.response is None or self.flow.response.status_code != 101:
            yield from super().flow_done()
            return
        self.child_layer = tcp.TCPLayer(self.context, ignore=True)
        self._handle_event = self.passthrough  # type: ignore[method-assign]
        yield from self.child_layer.handle_event(events.Start())
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
