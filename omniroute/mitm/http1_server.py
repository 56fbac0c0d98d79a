"""HTTP/1 connection of a client: bounded and strict heads, strict chunked bodies, a deadline for each head.

A violation is answered once, in the dialect of the path where there is one, before any hook fires. The connection is
then closed for writing and drained for a while: closing it at once would reset it and lose the response.

Relied on: `Http1Server` with `buf`, `state`, `read_headers`, `read_body`, `wait`, `done`, `send`, `mark_done`,
`body_reader`, `request`, `response`, `stream_id`.
"""

from collections.abc import Callable
from typing import Protocol

from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server, make_body_reader

from omniroute.config.server_limits import ServerLimits
from omniroute.errors import BadRequest, GatewayError, TimedOut
from omniroute.mitm.http1_heads import read_request
from omniroute.mitm.http1_syntax import ByteBuffer, ChunkedDecoder, HeadLimits, SyntaxViolation, check_request_head

LINGER_SECONDS = 5.0
"""Seconds for which a connection is drained after its last response."""
LINGER_BYTES = 64 * 1024 * 1024
MAX_EMPTY_LINES = 64
"""Bytes of empty lines before a request line."""
PATH = 2048
"""Bytes of a request target in which the path is looked for when the head cannot be read."""


class Gatekeeper(Protocol):
    """What the connection of a client asks the gateway."""

    @property
    def server_limits(self) -> ServerLimits:
        """Return the bounds in force."""

    @property
    def clock(self) -> Callable[[], float]:
        """Give monotonic seconds."""

    def refusal(self, path: str, error: GatewayError) -> http.Response:
        """Write an error in the dialect that a path suggests."""

    def count_protocol_error(self, reason: str, peer: str) -> None:
        """Count a violation of the protocol by a client."""


class StreamFailed(ResponseProtocolError):
    """End a stream after an exception in the gateway itself, with a response where none has begun."""

    def __init__(self, stream_id: int, response: http.Response) -> None:
        super().__init__(stream_id, "the gateway failed", ErrorCode.GENERIC_SERVER_ERROR)
        self.response = response


class StrictHttp1Server(Http1Server):
    """mitmproxy's connection of an HTTP/1 client with bounds."""

    buf: ByteBuffer  # type: ignore[assignment]  # has the methods that are called

    def __init__(self, context: Context, gatekeeper: Gatekeeper) -> None:
        super().__init__(context)
        self.buf = ByteBuffer()
        self._gatekeeper = gatekeeper
        self._chunked: ChunkedDecoder | None = None
        self._empty = 0
        self._head_due: float | None = None
        """When the head that has begun must be whole."""
        self._wakeup: commands.RequestWakeup | None = None
        self._linger_left = LINGER_BYTES
        self._overrun = False
        """The client has sent more behind the current request than is kept."""

    @property
    def head_limits(self) -> HeadLimits:
        """Return the bounds of a request head."""
        limits = self._gatekeeper.server_limits
        return HeadLimits(limits.header_bytes, limits.header_lines)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Wakeup):
            return self._on_wakeup()
        if self.state == self.lingering:
            return self.lingering(event)
        if isinstance(event, events.DataReceived) and self.state == self.wait:
            return self._keep(event.data)
        return super()._handle_event(event)

    def _keep(self, data: bytes) -> layer.CommandGenerator[None]:
        """Keep what comes behind the current request, within bounds."""
        if len(self.buf) + len(data) > self.head_limits.size:
            self._overrun = True
            self.buf.clear()
        if not self._overrun:
            self.buf += data
        yield from ()

    # heads

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if isinstance(event, events.ConnectionClosed):
            if self.buf:
                self._gatekeeper.count_protocol_error("head_cut", self._peer)
            yield commands.CloseConnection(self.conn)
            return
        begin: bytes | bytearray = self.buf.data
        try:
            self._empty += self.buf.skip_empty_lines()
            if self._empty > MAX_EMPTY_LINES:
                raise SyntaxViolation("too many empty lines before the request line", reason="head_syntax")
            if not self.buf or self.buf.data == b"\r":
                return
            head = self.buf.take_head(self.head_limits)
            if head is None:
                yield from self._arm()
                return
            begin = head
            self._empty, self._head_due = 0, None
            request, size = _read_request(head)
        except SyntaxViolation as error:
            yield from self._refuse(error, _path_in(begin))
            return
        self.request = request
        # Set before the stream hears of the request: it may end the connection, which changes the state.
        self._chunked = None
        if size is None:
            self._chunked = ChunkedDecoder(self.head_limits)
        else:
            self.body_reader = make_body_reader(size)
        self.state = self.read_body
        yield ReceiveHttp(RequestHeaders(self.stream_id, request, end_stream=size == 0))
        if self.state == self.read_body:
            yield from self.state(event)

    def _arm(self) -> layer.CommandGenerator[None]:
        """Start the deadline of a head with its first byte. A wake-up cannot be cancelled, so there is one at most."""
        if self._head_due is None:
            seconds = self._gatekeeper.server_limits.header_timeout
            self._head_due = self._gatekeeper.clock() + seconds
            yield from self._wake_in(seconds)

    def _wake_in(self, seconds: float) -> layer.CommandGenerator[None]:
        if self._wakeup is None:
            self._wakeup = commands.RequestWakeup(seconds)
            yield self._wakeup

    def _on_wakeup(self) -> layer.CommandGenerator[None]:
        self._wakeup = None
        if self.state == self.lingering:
            yield commands.CloseConnection(self.conn)
            self.state = self.done
        elif self._head_due is not None and self.state == self.read_headers:
            left = self._head_due - self._gatekeeper.clock()
            if left > 0:
                yield from self._wake_in(left)
                return
            seconds = self._gatekeeper.server_limits.header_timeout
            message = f"the request head was not complete within {seconds:g} s (setting server.header_timeout)"
            violation = SyntaxViolation(message, reason="head_timeout", status=408)
            yield from self._refuse(violation, _path_in(self.buf.data))

    # bodies

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self._chunked is None:
            yield from super().read_body(event)
            return
        if isinstance(event, events.ConnectionClosed):
            yield from self._cut()
            return
        try:
            content = self._chunked.feed(self.buf.data)
        except SyntaxViolation as error:
            yield from self._refuse(error, self._path, in_body=True)
            return
        if content:
            yield ReceiveHttp(RequestData(self.stream_id, content))
        if self._chunked.ended and self.state == self.read_body:
            yield ReceiveHttp(RequestEndOfMessage(self.stream_id))
            yield from self.mark_done(request=True)

    def _cut(self) -> layer.CommandGenerator[None]:
        """End a request whose client has closed the connection in the middle of a chunked body."""
        self.state = self.done
        yield commands.CloseConnection(self.conn)
        message = "the client closed the connection in the middle of the request body"
        yield ReceiveHttp(RequestProtocolError(self.stream_id, message, ErrorCode.CLIENT_DISCONNECTED))

    # the end

    def mark_done(self, *, request: bool = False, response: bool = False) -> layer.CommandGenerator[None]:
        yield from super().mark_done(request=request, response=response)
        if self._overrun and self.state == self.read_headers:
            self.state = self.done
            yield commands.CloseConnection(self.conn)

    def send(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        if not isinstance(event, ResponseProtocolError):
            yield from super().send(event)
            return
        status = event.code.http_status_code()
        if self._answerable and status is not None:
            if isinstance(event, StreamFailed):
                response = event.response
            else:
                kind = GatewayError if status >= 500 else BadRequest
                response = self._gatekeeper.refusal(self._path, kind(event.message, status=status))
            yield from self._answer(response)
            yield from self._linger()
        else:
            self.state = self.done
            yield commands.CloseConnection(self.conn)

    def _refuse(self, violation: SyntaxViolation, path: str, *, in_body: bool = False) -> layer.CommandGenerator[None]:
        """Answer bytes that are not valid, and end the connection and the stream that reads a body."""
        self._gatekeeper.count_protocol_error(violation.reason, self._peer)
        if self._answerable:
            kind = TimedOut if violation.status == 408 else BadRequest
            error = kind(violation.message, status=violation.status)
            yield from self._answer(self._gatekeeper.refusal(path, error))
        yield from self._linger()
        if in_body:
            message = f"invalid request body: {violation.message}"
            yield ReceiveHttp(RequestProtocolError(self.stream_id, message, ErrorCode.GENERIC_CLIENT_ERROR))

    @property
    def _answerable(self) -> bool:
        """Whether no response has begun; 100 Continue is none."""
        begun = self.response is not None and self.response.status_code != 100
        return not begun and bool(self.conn.state & ConnectionState.CAN_WRITE)

    @property
    def _path(self) -> str:
        return self.request.path if self.request else ""

    def _answer(self, response: http.Response) -> layer.CommandGenerator[None]:
        response.headers["connection"] = "close"
        self.response = response
        body = b"" if self.request and self.request.method == "HEAD" else response.raw_content or b""
        yield commands.SendData(self.conn, http1.assemble_response_head(response) + body)

    def _linger(self) -> layer.CommandGenerator[None]:
        """Close for writing and drain what is still to come, within bounds."""
        self.buf.clear()
        self._head_due = None
        if self.conn.tls or not self.conn.state & ConnectionState.CAN_READ:
            self.state = self.done
            yield commands.CloseConnection(self.conn)
            return
        self.state = self.lingering
        yield commands.CloseTcpConnection(self.conn, half_close=True)
        yield from self._wake_in(LINGER_SECONDS)

    def lingering(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Drop what comes, and what the streams still send."""
        if isinstance(event, events.DataReceived):
            self._linger_left -= len(event.data)
        if isinstance(event, events.ConnectionClosed) or self._linger_left < 0:
            self.state = self.done
            yield commands.CloseConnection(self.conn)

    @property
    def _peer(self) -> str:
        return str(self.conn.peername[0]) if self.conn.peername else "unknown"


def _path_in(begin: bytes | bytearray) -> str:
    """Return the path in the beginning of a head that cannot be read; empty without one."""
    parts = bytes(begin[:PATH]).split(b" ", 2)
    return parts[1].decode("ascii", "replace") if len(parts) > 1 and parts[1].startswith(b"/") else ""


def _read_request(head: bytes) -> tuple[http.Request, int | None]:
    """Parse a head that is whole into a request and the size of its body: None for chunked."""
    check_request_head(head)
    try:
        return read_request(head)
    except ValueError as error:
        raise SyntaxViolation(f"the request head is not valid: {error}"[:300], reason="head_syntax") from error
