"""mitmproxy's HTTP layer with attempts in it.

This package is the only seam into mitmproxy's internals. What it relies on, and what a new mitmproxy
release is checked for: `HttpLayer.make_stream`, `.get_connection`, `.register_connection`, `.streams`,
`.connections`, `.command_sources` and `.waiting_for_establishment`; `HttpStream.make_server_connection`,
`.check_body_size`, `.send_response`, `.check_killed` and its two state attributes.
"""

import logging

from mitmproxy.connection import Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpLayer, HTTPMode, RegisterHttpConnection

from omniroute.proxy.attempt import Desk
from omniroute.proxy.dial import Dial, Late
from omniroute.proxy.stream import RoutedStream

log = logging.getLogger(__name__)

LOOK_AGAIN = 0.05
"""Seconds after which a stream that was busy with a hook is asked about its deadline once more."""


class RoutedLayer(HttpLayer):
    """One client connection: its streams, their attempts, and one alarm clock for all their deadlines."""

    def __init__(self, context: Context, mode: HTTPMode, desk: Desk) -> None:
        super().__init__(context, mode)
        self.desk = desk
        self.warm: set[Connection] = set()
        """Server connections that have served a reply: one of these may be closing just as it is used again."""
        self._attempt_id = 1_000_001
        self._alarm: commands.RequestWakeup | None = None
        self._alarm_at = 0.0

    def next_attempt_id(self) -> int:
        """Give a stream id for one attempt, far from the client's own ids, which count from 1.

        A late word of an abandoned connection carries its old id and finds no stream any more.
        """
        self._attempt_id += 2
        return self._attempt_id

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        stream = RoutedStream(self.context.fork(), stream_id, self)
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, events.Start())

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
        if isinstance(event, events.Wakeup) and isinstance(self.command_sources.get(event.command), RoutedStream):
            self.command_sources.pop(event.command)
            if event.command is self._alarm:
                self._alarm = None
                yield from self._ring()
            return
        if isinstance(event, events.ConnectionEvent) and not self._knows(event.connection):
            return
        try:
            yield from super()._handle_event(event)
        except Exception as error:
            if not isinstance(event, events.ConnectionEvent) or not isinstance(event.connection, Server):
                raise
            yield from self._broken(event.connection, error)
        if isinstance(event, events.ConnectionClosed) and isinstance(event.connection, Server):
            self.warm.discard(event.connection)
            if event.connection.state is not ConnectionState.CLOSED:
                yield commands.CloseConnection(event.connection)  # mitmproxy leaves it half open after a 101
            # A client that stays for weeks would collect them.
            self.connections.pop(event.connection, None)

    def _broken(self, connection: Connection, error: Exception) -> layer.CommandGenerator[None]:
        """End what waits for a server whose words mitmproxy cannot read: else it would wait for its deadline.

        One case is known: mitmproxy reads no trailers in HTTP/1, and finds them when the reply is whole.
        """
        trailers = isinstance(error, NotImplementedError) and "trailers" in str(error)
        if not trailers:
            log.error("mitmproxy could not read what %s said", connection.peername, exc_info=error)
        yield commands.CloseConnection(connection)
        for stream in set(self.streams.values()):
            if isinstance(stream, RoutedStream) and stream.serves(connection):
                yield from self.event_to_child(stream, stream.last_word(whole=trailers))

    def _knows(self, connection: Connection) -> bool:
        return connection in self.connections or connection is self.context.server

    def _ring(self) -> layer.CommandGenerator[None]:
        now = self.desk.clock()
        for due, stream in self._due():
            if due <= now:
                yield from self.event_to_child(stream, Late(stream.stream_id))
        if waiting := self._due():
            when, stream = min(waiting, key=lambda pair: pair[0])
            yield from self.alarm(stream, max(when, now + LOOK_AGAIN))

    def _due(self) -> list[tuple[float, RoutedStream]]:
        streams = [stream for stream in set(self.streams.values()) if isinstance(stream, RoutedStream)]
        return [(stream.due, stream) for stream in streams if stream.due is not None]

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> layer.CommandGenerator[None]:
        yield from super().get_connection(event, reuse=reuse and not (isinstance(event, Dial) and event.fresh))

    def register_connection(self, command: RegisterHttpConnection) -> layer.CommandGenerator[None]:
        """Tell who waits how a dial went, and forget a connection that has failed: nobody can ever use it."""
        if command.err:
            self.connections.pop(command.connection, None)
        yield from super().register_connection(command)

    def abandon(self, dial: Dial) -> layer.CommandGenerator[None]:
        """Stop waiting for a connection; close it when nobody else waits for it."""
        self.command_sources.pop(dial, None)
        for connection, dials in self.waiting_for_establishment.items():
            if dial in dials:
                dials.remove(dial)
                if not dials:
                    connection.error = "given up"
                    yield commands.CloseConnection(connection)
                return
