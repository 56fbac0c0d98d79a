"""HTTP connections to upstreams: bounded and strict reply heads, tolerant of interim responses and trailers.

What must not be passed on ends the attempt, so that the next target is asked.

Relied on: `HttpClient.child_layer`; `Http1Client` with `buf`, `state`, `read_headers`, `read_body`, `send`,
`mark_done`; `Http2Client` with `h2_conn`, `handle_h2_event`, `protocol_error`.
"""

import logging
from collections import Counter

import h2.errors
import h2.events
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpClient, RegisterHttpConnection
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, make_body_reader
from mitmproxy.proxy.layers.http._http2 import Http2Client

from omniroute.mitm.http1_heads import body_size, read_response
from omniroute.mitm.http1_syntax import ByteBuffer, ChunkedDecoder, HeadLimits, SyntaxViolation, check_response_head
from omniroute.mitm.http2_server import BAD_VALUE

log = logging.getLogger(__name__)

HEAD_LIMITS = HeadLimits(size=256 * 1024, lines=1000)
"""Bounds of a reply head, and of the trailers of a reply."""
MAX_INTERIM = 16
"""Interim responses (1xx) before a reply."""


class UpstreamConnection(HttpClient):
    """mitmproxy's layer of a server connection, with our clients in it."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        server = self.context.server
        error = None if server.connected else (yield commands.OpenConnection(server))
        if not error:
            kind = StrictHttp2Client if server.alpn == b"h2" else StrictHttp1Client
            self.child_layer = kind(self.context)
            self._handle_event = self.child_layer.handle_event  # type: ignore[method-assign]
            yield from self.child_layer.handle_event(event)
        yield RegisterHttpConnection(server, error)


class StrictHttp1Client(Http1Client):
    """mitmproxy's connection to an HTTP/1 server with bounds."""

    buf: ByteBuffer  # type: ignore[assignment]  # has the methods that are called

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.buf = ByteBuffer()
        self._chunked: ChunkedDecoder | None = None
        self._interim = 0

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if isinstance(event, events.ConnectionClosed):
            yield from self._closed()
            return
        if self.request is None or self.stream_id is None:
            if self.buf:
                log.debug("%s sent %d bytes that were not asked for", self.conn.peername, len(self.buf))
                yield from self._close()
            return
        try:
            response = self._next_head()
            if response is None:
                return
            size = body_size(self.request, response)
        except (SyntaxViolation, ValueError) as error:
            yield from self._fail(f"Cannot parse HTTP response: {error}"[:300])
            return
        self.response, self._interim = response, 0
        self._chunked = None
        if size is None:
            self._chunked = ChunkedDecoder(HEAD_LIMITS)
        else:
            self.body_reader = make_body_reader(size)
        self.state = self.read_body
        yield ReceiveHttp(ResponseHeaders(self.stream_id, response, end_stream=size == 0))
        if self.state == self.read_body:
            yield from self.state(event)

    def _next_head(self) -> http.Response | None:
        """Parse the next reply head; None when it is not there yet. Interim responses but 101 are dropped."""
        while (head := self.buf.take_head(HEAD_LIMITS)) is not None:
            check_response_head(head)
            response = read_response(head)
            if response.status_code >= 200 or response.status_code == 101:
                return response
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise SyntaxViolation(f"more than {MAX_INTERIM} interim responses", reason="interim")
        return None

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self._chunked is None:
            yield from super().read_body(event)
            return
        if isinstance(event, events.ConnectionClosed):
            yield from self._fail("the server closed the connection in the middle of a chunked body")
            return
        assert self.stream_id is not None
        try:
            for content in self._chunked.pieces(self.buf.data):
                yield ReceiveHttp(ResponseData(self.stream_id, content))
                if self.state != self.read_body:
                    return
        except SyntaxViolation as error:
            yield from self._fail(f"HTTP/1 protocol error: {error}")
            return
        if self._chunked.ended and self.state == self.read_body:
            yield ReceiveHttp(ResponseEndOfMessage(self.stream_id))
            yield from self.mark_done(response=True)

    def _closed(self) -> layer.CommandGenerator[None]:
        if self.conn.state & ConnectionState.CAN_WRITE:
            yield commands.CloseConnection(self.conn)
        if self.stream_id:
            message = "unexpected server response" if self.buf else "server closed connection"
            yield ReceiveHttp(ResponseProtocolError(self.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR))

    def _close(self) -> layer.CommandGenerator[None]:
        self.buf.clear()
        self.state = self.done
        yield commands.CloseConnection(self.conn)

    def _fail(self, message: str) -> layer.CommandGenerator[None]:
        yield from self._close()
        assert self.stream_id is not None
        yield ReceiveHttp(ResponseProtocolError(self.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR))


class StrictHttp2Client(Http2Client):
    """mitmproxy's connection to an HTTP/2 server with bounds."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.h2_conn.decoder.max_header_list_size = HEAD_LIMITS.size
        self._interim = Counter[int]()

    def handle_h2_event(self, event: h2.events.Event) -> layer.CommandGenerator[bool]:
        if isinstance(event, h2.events.InformationalResponseReceived):
            assert event.stream_id is not None
            self._interim[event.stream_id] += 1
            if self._interim[event.stream_id] > MAX_INTERIM:
                yield from self.protocol_error(f"HTTP/2 protocol error: more than {MAX_INTERIM} interim responses")
                return True
            return False
        if isinstance(event, h2.events.ResponseReceived):
            assert event.stream_id is not None
            self._interim.pop(event.stream_id, None)
            headers = event.headers or []
            if len(headers) > HEAD_LIMITS.lines or any(BAD_VALUE.search(value) for _, value in headers):
                yield from self._refuse(event.stream_id)
                return False
        return (yield from super().handle_h2_event(event))

    def _refuse(self, stream_id: int) -> layer.CommandGenerator[None]:
        """End one stream whose reply head must not be passed on."""
        self.streams.pop(stream_id, None)
        if not self.is_closed(stream_id):
            self.h2_conn.reset_stream(stream_id, h2.errors.ErrorCodes.PROTOCOL_ERROR)
        message = "Invalid HTTP/2 response headers"
        yield ReceiveHttp(ResponseProtocolError(stream_id, message, ErrorCode.GENERIC_SERVER_ERROR))

    def protocol_error(
        self, message: str, error_code: int = h2.errors.ErrorCodes.PROTOCOL_ERROR
    ) -> layer.CommandGenerator[None]:
        log.debug("%s: %s", self.conn.peername, message[:300])
        self.h2_conn.close_connection(error_code, message[:200].encode())
        yield commands.SendData(self.conn, self.h2_conn.data_to_send())
        yield from self.close_connection(message[:300])
