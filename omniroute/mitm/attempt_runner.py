"""One attempt under way: from its dial to the last word of its upstream."""

import zlib
from typing import TYPE_CHECKING

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseProtocolError,
)

from omniroute.mitm.commands import Dial, connect_failure, copy_head, protocol_failure
from omniroute.mitm.ports import Attempt, NextPieceHook
from omniroute.mitm.tunnel import ProxiedServer, forwarded
from omniroute.mitm.upstream_reply import UpstreamReply
from omniroute.netproxy.http_connect import place
from omniroute.routing.failures import Failure

if TYPE_CHECKING:
    from omniroute.mitm.client_stream import RoutedStream

PHASE_TEXTS = {
    "connect": "the connection",
    "first byte": "the first byte",
    "first content": "the first content",
    "idle": "the next piece of the stream",
    "total": "the whole request",
}


class AttemptRunner(UpstreamReply):
    """What is kept of an attempt only while it is made."""

    def __init__(self, stream: "RoutedStream", attempt: Attempt) -> None:
        super().__init__(stream, attempt)
        self.id = 0
        """Its stream id; 0 while there is nothing to be given up at a server."""
        self.dial: Dial | None = None
        self._fresh = False
        self._phase = ""
        self._seconds = 0.0

    @property
    def request(self) -> http.Request:
        """What it sends, but for the credential."""
        return self.attempt.request or self.stream.flow.request

    def same_origin(self, other: "AttemptRunner") -> bool:
        """Tell whether both lead to the same place by the same way."""
        one, two = self.request, other.request
        same = (one.host, one.port, one.scheme) == (two.host, two.port, two.scheme)
        return same and self.attempt.proxy == other.attempt.proxy

    @property
    def deadline_at(self) -> float | None:
        """When it is too late, by its own deadline or by that of the whole request."""
        if self.deadline is None or self.attempt.deadline is None:
            return self.deadline
        return min(self.deadline, self.attempt.deadline)

    def arm(self, phase: str, seconds: float) -> layer.CommandGenerator[None]:
        """Set the deadline of a phase in place of the last one."""
        self._phase, self._seconds = phase, seconds
        self.deadline = self.parent.desk.clock() + seconds
        yield from self.stream.arm_timer()

    # the way there

    def start(self, *, fresh: bool) -> layer.CommandGenerator[None]:
        """Ask for a connection, if it is to be `fresh` for a new one."""
        self._fresh = fresh
        request, attempt = self.request, self.attempt
        attempt.started = self.parent.desk.clock()
        self.dial = Dial(
            (request.host, request.port), request.scheme == "https", None, "tcp", self._fresh, attempt.proxy
        )
        self.parent.command_sources[self.dial] = self.stream
        yield from self.arm("connect", attempt.deadlines.connect)
        yield self.dial  # the answer may come while this line runs, so nothing may follow it

    def connected(self, connection: Server | None, error: str | None) -> layer.CommandGenerator[None]:
        """Send the request."""
        self.dial = None
        if connection is None or connection not in self.parent.connections:
            # It may have gone again while the hook for an early head ran.
            yield from self.failed(connect_failure(error or "it closed at once"))
            return
        stream, attempt = self.stream, self.attempt
        self.server = connection
        stream.show_server(self)
        self.id = self.parent.next_attempt_id()
        self.parent.streams[self.id] = stream
        self.state = self.waiting
        attempt.sent = self.parent.desk.clock()
        limits = attempt.deadlines
        wait = limits.first_byte if attempt.stream else limits.first_content
        yield from self.arm("first byte" if attempt.stream else "first content", wait)
        content = self.request.raw_content or b""
        sent = _with_credential(self.request, attempt)
        if isinstance(connection, ProxiedServer) and connection.forwarded:
            forwarded(sent, connection.proxy)
        yield SendHttp(RequestHeaders(self.id, sent, not content), connection)
        if content:
            yield SendHttp(RequestData(self.id, content), connection)
        yield SendHttp(RequestEndOfMessage(self.id), connection)

    # the end

    def handle_event(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        """Take a word of the upstream."""
        if isinstance(event, ResponseProtocolError):
            yield from self._broken(event)
        elif isinstance(event, ResponseData) and not self.is_little(event.data):
            yield from self._take(event.data)
        else:
            yield from self.state(event)

    def _take(self, data: bytes) -> layer.CommandGenerator[None]:
        """Take data, in pieces that are each little work; whatever runs between two of them may end the attempt."""
        attempt_id, pieces, many = self.id, self.pieces(data), False
        while self.id == attempt_id:
            try:
                piece = next(pieces, None)
            except (zlib.error, ValueError):
                yield from self.broken_encoding()
                return
            if piece is None:
                return
            if many:
                yield NextPieceHook(self.stream.flow)
                if self.id != attempt_id or (yield from self.stream.check_killed(True)):
                    return
            many = True
            yield from self.state(ResponseData(attempt_id, piece))

    def unreadable(self) -> HttpEvent:
        """Make the event that ends a reply which cannot be read."""
        return ResponseProtocolError(self.id, "Cannot parse HTTP response", ErrorCode.GENERIC_SERVER_ERROR)

    def is_whole(self) -> bool:
        """Say whether the stream had come to its end before its connection broke or fell silent."""
        reading = self.state in (self.probing, self.streaming)
        return reading and self.attempt.stream is not None and self.attempt.stream.done

    def on_timeout(self, now: float) -> layer.CommandGenerator[None]:
        """End what takes too long."""
        phase, seconds = self._phase, self._seconds
        if self.deadline is not None and self.deadline > now:
            phase, seconds = "total", self.attempt.deadlines.total
        self.deadline = None
        if self.state == self.draining:
            yield from self._status_failed()
        elif self.is_whole():
            yield from self.give_up()
            yield from self.state(ResponseEndOfMessage(self.id))
        elif phase == "connect" and self.dial and self.dial.proxy and not self.parent.in_tunnel(self.dial):
            said = f"proxy {self.dial.proxy}: no tunnel to {place(*self.dial.address)} within {seconds:g} s"
            yield from self.failed(Failure("proxy", said))
        else:
            said = f"the deadline for {PHASE_TEXTS[phase]} of {seconds:g} s has passed"
            yield from self.failed(Failure("deadline", said, phase=phase))

    def _broken(self, event: ResponseProtocolError) -> layer.CommandGenerator[None]:
        """End with the connection."""
        assert self.server
        used = self.server in self.parent.warm and not self.server.connected
        stale = used and self.state == self.waiting and not self._fresh
        self.release()  # the connection is gone or of no use already
        if self.state == self.draining:
            yield from self._status_failed()
        elif self.is_whole():
            yield from self.state(ResponseEndOfMessage(self.id))
        else:
            yield from self.failed(protocol_failure(event, self.attempt, stale=stale))

    def failed(self, failure: Failure) -> layer.CommandGenerator[None]:
        """End the attempt: the stream says what comes after it."""
        yield from self.stream.failed(self, failure)

    def give_up(self) -> layer.CommandGenerator[None]:
        """Let go of the upstream at once, whatever it is still saying."""
        self.deadline = None
        if self.dial:
            yield from self.parent.abandon(self.dial)
            self.dial = None
        attempt_id, server = self.id, self.server
        self.release()
        if attempt_id and server in self.parent.connections:
            yield SendHttp(RequestProtocolError(attempt_id, "given up", ErrorCode.CANCEL), server)

    def release(self) -> None:
        """Note that the upstream has said all: its connection may serve again, there is nothing to give up."""
        self.parent.streams.pop(self.id, None)
        self.id = 0
        self.attempt.ended = self.parent.desk.clock()


def _with_credential(request: http.Request, attempt: Attempt) -> http.Request:
    """Copy the head of a request and add what opens the upstream: the flow itself never holds it."""
    sent = copy_head(request)
    for name, value in attempt.credential.items():
        sent.headers[name] = value
    return sent
