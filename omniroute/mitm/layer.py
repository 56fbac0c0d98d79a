"""mitmproxy's HTTP layer with attempts in it.

This package is the only seam into mitmproxy's internals. What it relies on, and what a new mitmproxy
release is checked for: `HttpLayer.make_stream`, `.get_connection`, `.register_connection`, `.streams`,
`.connections`, `.command_sources` and `.waiting_for_establishment`; `HttpStream.make_server_connection`,
`.check_body_size`, `.send_response`, `.check_killed` and its two state attributes; `HttpClient` and `TunnelLayer`;
what the modules `http1_heads`, `http1_server`, `http2_server` and `upstream_http` name in their docstrings.
"""

import logging
import traceback

from mitmproxy.connection import Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events, layer, tunnel
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpLayer, HTTPMode, RegisterHttpConnection
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestHeaders, RequestProtocolError
from mitmproxy.proxy.layers.tls import ServerTLSLayer

from omniroute.mitm.client_stream import RoutedStream
from omniroute.mitm.client_upload import ClientUpload
from omniroute.mitm.commands import Crashed, DeadlineReached, Dial, WaiterNotified
from omniroute.mitm.http1_server import StrictHttp1Server
from omniroute.mitm.http2_server import StrictHttp2Server
from omniroute.mitm.management_relay import ManagementStream
from omniroute.mitm.ports import AttemptDelegate
from omniroute.mitm.tunnel import ProxiedServer, open_tunnel
from omniroute.mitm.upstream_http import UpstreamConnection
from omniroute.netproxy.http_connect import TunnelRefused
from omniroute.netproxy.proxy_url import Proxy

log = logging.getLogger(__name__)

RECHECK_SECONDS = 0.05
"""Seconds after which a stream that was busy with a hook is asked about its deadline once more."""


def log_crash(what: str, error: Exception) -> None:
    """Log an exception in one line, and its traceback at debug level."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    log.error("%s: %s: %s%s", what, type(error).__name__, str(error)[:300], where)
    log.debug("its traceback", exc_info=error)


class RoutedLayer(HttpLayer):
    """One client connection: its streams, their attempts, and one alarm clock for all their deadlines."""

    def __init__(self, context: Context, mode: HTTPMode, desk: AttemptDelegate) -> None:
        super().__init__(context, mode)
        self.desk = desk
        self.warm: set[Connection] = set()
        """Server connections that have served a reply: one of these may be closing just as it is used again."""
        self._failed = False
        """An exception has ended the client connection."""
        self.requests = 0
        """Requests since the start of the connection."""
        self._attempt_id = 1_000_001
        self._alarm: commands.RequestWakeup | None = None
        self._alarm_at = 0.0
        self.uploads: set[ClientUpload] = set()
        """Streams whose request body is under way."""
        self._forwarding: dict[Proxy, TunnelRefused] = {}
        """Proxies that open no tunnels for what is not encrypted."""

    def next_attempt_id(self) -> int:
        """Give a stream id for one attempt, far from the client's own ids, which count from 1.

        A late word of an abandoned connection carries its old id and finds no stream any more.
        """
        self._attempt_id += 2
        return self._attempt_id

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        self.requests += 1
        stream = RoutedStream(self.context.fork(), stream_id, self)
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, events.Start())

    def event_to_child(self, child: layer.Layer, event: events.Event) -> layer.CommandGenerator[None]:
        """Hand a request that is about the gateway itself to another kind of stream, before it has begun."""
        if isinstance(child, RoutedStream) and isinstance(event, RequestHeaders):
            child = yield from self._stream_for(child, event)
        if not isinstance(child, RoutedStream):
            yield from super().event_to_child(child, event)
            return
        try:
            yield from super().event_to_child(child, event)
        except Exception as error:
            if isinstance(event, Crashed):
                raise
            log_crash("a request failed", error)
            yield from self.event_to_child(child, Crashed(child.stream_id))
        if self.streams.get(child.stream_id) is not child and child.ended:
            child.forget()

    def _stream_for(self, stream: RoutedStream, head: RequestHeaders) -> layer.CommandGenerator[layer.Layer]:
        relay = self.desk.relay(head.request)
        if relay is None:
            return stream
        relayed = self.streams[head.stream_id] = ManagementStream(self.context.fork(), head.stream_id, relay)
        yield from super().event_to_child(relayed, events.Start())
        return relayed

    def alarm(self, stream: RoutedStream, when: float) -> layer.CommandGenerator[None]:
        """Make sure that the streams are asked what is due at `when` or a little later.

        mitmproxy cannot cancel a wake-up, so a connection keeps one for all its streams.
        """
        if self._alarm is None or when < self._alarm_at:
            self._alarm = commands.RequestWakeup(max(0.0, when - self.desk.clock()))
            self._alarm_at = when
            self.command_sources[self._alarm] = stream
            yield self._alarm

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            kind = StrictHttp2Server if self.context.client.alpn == b"h2" else StrictHttp1Server
            self.connections[self.context.client] = kind(self.context.fork(), self.desk)
        if isinstance(event, events.Wakeup) and isinstance(self.command_sources.get(event.command), RoutedStream):
            self.command_sources.pop(event.command)
            if event.command is self._alarm:
                self._alarm = None
                yield from self._on_wakeup()
            return
        if isinstance(event, WaiterNotified):
            yield from self._on_waiter_notified(event)
            return
        if isinstance(event, events.ConnectionEvent) and not self._listens_to(event.connection):
            return
        try:
            yield from super()._handle_event(event)
        except Exception as error:
            if isinstance(event, events.ConnectionEvent) and isinstance(event.connection, Server):
                yield from self._server_broken(event.connection, error)
            else:
                yield from self._client_broken(error)
        yield from self._watch_uploads() if self.uploads else ()
        if isinstance(event, events.ConnectionClosed) and isinstance(event.connection, Server):
            if event.connection.state is not ConnectionState.CLOSED:
                yield commands.CloseConnection(event.connection)  # mitmproxy leaves it half open after a 101
            # A client that stays for weeks would collect them.
            self._forget(self._inner(event.connection))

    def _watch_uploads(self) -> layer.CommandGenerator[None]:
        for stream in [stream for stream in self.uploads if stream.due is None]:
            yield from stream.watch_upload()

    def _on_waiter_notified(self, turn: WaiterNotified) -> layer.CommandGenerator[None]:
        for stream in self._streams():
            if stream.is_waiting_for(turn.flow):
                yield from self.event_to_child(stream, turn)

    def _server_broken(self, connection: Connection, error: Exception) -> layer.CommandGenerator[None]:
        """End the attempts on a connection whose data mitmproxy cannot read: they would wait for their deadline."""
        log_crash(f"mitmproxy could not read the reply of {connection.peername}", error)
        yield commands.CloseConnection(connection)
        for stream in self._streams():
            if runner := stream.attempt_on(self._inner(connection)):
                yield from self.event_to_child(stream, runner.unreadable())

    def _client_broken(self, error: Exception) -> layer.CommandGenerator[None]:
        """End a client connection after an exception that belongs to none of its streams."""
        log_crash("a client connection failed", error)
        self._failed = True
        self.desk.count_protocol_error("internal", str((self.context.client.peername or ("unknown",))[0]))
        yield commands.CloseConnection(self.context.client)
        for stream in self._streams():
            message = "the client connection failed"
            event = RequestProtocolError(stream.stream_id, message, ErrorCode.CLIENT_DISCONNECTED)
            yield from self.event_to_child(stream, event)

    def _listens_to(self, connection: Connection) -> bool:
        if self._failed and connection is self.context.client:
            return False
        return connection in self.connections or connection is self.context.server

    def _on_wakeup(self) -> layer.CommandGenerator[None]:
        now = self.desk.clock()
        for due, stream in self._due():
            if due <= now:
                yield from self.event_to_child(stream, DeadlineReached(stream.stream_id))
        if waiting := self._due():
            when, stream = min(waiting, key=lambda pair: pair[0])
            yield from self.alarm(stream, max(when, now + RECHECK_SECONDS))

    def _due(self) -> list[tuple[float, RoutedStream]]:
        return [(stream.due, stream) for stream in self._streams() if stream.due is not None]

    def _streams(self) -> list[RoutedStream]:
        return [stream for stream in set(self.streams.values()) if isinstance(stream, RoutedStream)]

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> layer.CommandGenerator[None]:
        reuse = reuse and not (isinstance(event, Dial) and event.fresh)
        kept = reuse and isinstance(event, Dial) and any(self._serves(event, each) for each in self.connections)
        if isinstance(event, Dial) and not kept:
            yield from self._dial(event)
        else:
            yield from super().get_connection(event, reuse=reuse)

    def _serves(self, dial: Dial, connection: Connection) -> bool:
        """Tell whether mitmproxy would take this connection for the dial, now or when it is open."""
        if not dial.connection_spec_matches(connection):
            return False
        if connection in self.waiting_for_establishment:
            return True
        return connection.connected and (self.context.client.alpn != b"h2" or connection.alpn == b"h2")

    def _dial(self, dial: Dial) -> layer.CommandGenerator[None]:
        """Do what mitmproxy does for a new connection, with our client on top and, for a proxy, our tunnel below."""
        context, stack = self.context.fork(), tunnel.LayerStack()
        if dial.proxy:
            forwarded = None if dial.tls else self._forwarding.get(dial.proxy)
            context.server = through = ProxiedServer(dial.address, dial.proxy, forwarded=forwarded)
            stack = open_tunnel(context, through)
        else:
            context.server = Server(address=dial.address, transport_protocol=dial.transport_protocol)
        server = context.server
        if dial.tls:
            server.sni = dial.address[0]
            stack /= ServerTLSLayer(context)
        stack /= UpstreamConnection(context)
        self.connections[server] = stack[0]
        self.waiting_for_establishment[server].append(dial)
        yield from self.event_to_child(stack[0], events.Start())

    def register_connection(self, command: RegisterHttpConnection) -> layer.CommandGenerator[None]:
        """Tell who waits how a dial went, and forget a connection that has failed: nobody can ever use it.

        A proxy that tunnels to no such port is asked to forward instead, where there is nothing to be kept from it.
        """
        server = command.connection
        if command.err:
            self._forget(server)
            if isinstance(server, ProxiedServer) and server.refused and server.refused.may_forward and not server.tls:
                self._forwarding[server.proxy] = server.refused
                for dial in self.waiting_for_establishment.pop(server):
                    yield from self.get_connection(dial)
                return
        yield from super().register_connection(command)

    def _forget(self, connection: Connection) -> None:
        self.warm.discard(connection)
        self.connections.pop(connection, None)
        if isinstance(connection, ProxiedServer):
            self.connections.pop(connection.outer, None)

    def _inner(self, connection: Connection) -> Connection:
        """Give the server that is behind a connection: another one than itself, if it leads to a proxy."""
        return next((c for c in self.connections if isinstance(c, ProxiedServer) and c.outer is connection), connection)

    def in_tunnel(self, dial: Dial) -> bool:
        """Tell whether a dial that is under way has passed its proxy."""
        return any(
            connection.connected for connection, dials in self.waiting_for_establishment.items() if dial in dials
        )

    def abandon(self, dial: Dial) -> layer.CommandGenerator[None]:
        """Stop waiting for a connection; close it when nobody else waits for it."""
        self.command_sources.pop(dial, None)
        for connection, dials in self.waiting_for_establishment.items():
            if dial in dials:
                dials.remove(dial)
                if not dials:
                    connection.error = "given up"
                    yield commands.CloseConnection(
                        connection.outer if isinstance(connection, ProxiedServer) else connection
                    )
                return
