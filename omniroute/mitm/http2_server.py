"""HTTP/2 connection of a client: bounded and strict header lists, a deadline for header blocks and the preface.

A header list that can be decoded is answered on its stream: 431 over a bound, 400 where it is not valid. What breaks
the connection's state ends it with GOAWAY. Trailers are dropped.

Relied on: `Http2Server` with `h2_conn`, `streams`, `handle_h2_event`, `protocol_error`, `close_connection`;
`h2_conn.decoder.max_header_list_size`; `h2_conn.incoming_buffer` with `_headers_buffer` and `_data`.
"""

import re
from collections.abc import Iterable

import h2.errors
import h2.events
import h2.settings
from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._http2 import Http2Server

from omniroute.errors import BadRequest, GatewayError
from omniroute.mitm.http1_server import Gatekeeper, StreamFailed

BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
NAME = re.compile(rb":?[!#$%&'*+.^_`|~0-9a-z-]+")
ENTRY = 32
"""Bytes that HTTP/2 adds for each header (RFC 9113 section 6.5.2)."""
SLACK = 2
"""A list of up to so many times the limit is decoded, to be answered on its stream."""
HEADERS, CONTINUATION = 1, 9
"""Types of frames."""

type Fields = Iterable[tuple[bytes, bytes]]


class StrictHttp2Server(Http2Server):
    """mitmproxy's connection of an HTTP/2 client with bounds."""

    def __init__(self, context: Context, gatekeeper: Gatekeeper) -> None:
        super().__init__(context)
        self._gatekeeper = gatekeeper
        limits = gatekeeper.server_limits
        settings = self.h2_conn.local_settings
        settings[h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE] = limits.header_bytes
        settings.acknowledge()
        self.h2_conn.decoder.max_header_list_size = SLACK * limits.header_bytes
        self._begun = False
        """The preface of the client is complete."""
        self._closed = False
        self._due: float | None = None
        """When the preface, or a header block that has begun, must be complete."""
        self._wakeup: commands.RequestWakeup | None = None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Wakeup):
            yield from self._on_wakeup()
            return
        if isinstance(event, StreamFailed) and self._is_answerable(event.stream_id):
            self._answer(event.stream_id, event.response)
            yield commands.SendData(self.conn, self.h2_conn.data_to_send())
            return
        try:
            yield from super()._handle_event(event)
        except Exception as error:
            if not isinstance(event, events.DataReceived):
                raise
            yield from self.protocol_error(f"cannot read the frames: {type(error).__name__}")
            return
        if isinstance(event, events.DataReceived) and not self._closed:
            yield from self._check_block()

    def handle_h2_event(self, event: h2.events.Event) -> layer.CommandGenerator[bool]:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self._begun = True
        elif isinstance(event, h2.events.TrailersReceived):
            return False
        elif isinstance(event, h2.events.RequestReceived) and (error := self._judge(event.headers or ())):
            path = next((value for name, value in event.headers or () if name == b":path"), b"")
            assert event.stream_id is not None
            self._answer(event.stream_id, self._gatekeeper.refusal(path.decode("ascii", "replace"), error))
            if not self.is_closed(event.stream_id):  # its end may be there already, in the same piece of data
                self.h2_conn.reset_stream(event.stream_id, h2.errors.ErrorCodes.NO_ERROR)
            return False
        return (yield from super().handle_h2_event(event))

    def _judge(self, headers: Fields) -> GatewayError | None:
        limits, size, lines, hosts, reason = self._gatekeeper.server_limits, 0, 0, 0, "head_syntax"
        message = ""
        for name, value in headers:
            size += len(name) + len(value) + ENTRY
            lines += name[:1] != b":"
            hosts += name == b"host"
            if NAME.fullmatch(name) is None:
                message = "the name of a header is not valid"
            elif BAD_VALUE.search(value):
                message = "a header has a control character in its value"
            elif name == b":method" and value == b"CONNECT":
                message = "CONNECT is not supported: the gateway is no forward proxy"
        status = 400
        if hosts > 1:
            message = "the request has more than one Host header"
        if size > limits.header_bytes:
            status, reason = 431, "head_size"
            message = f"the request head exceeds the limit of {limits.header_bytes} bytes"
        elif lines > limits.header_lines:
            status, reason = 431, "head_lines"
            message = f"the request has more than the limit of {limits.header_lines} header lines"
        if not message:
            return None
        self._gatekeeper.count_protocol_error(reason, self._peer)
        return BadRequest(message, status=status)

    def _is_answerable(self, stream_id: int) -> bool:
        stream = self.h2_conn.streams.get(stream_id)
        return stream is not None and self.is_open_for_us(stream_id) and not stream.state_machine.headers_sent

    def _answer(self, stream_id: int, response: http.Response) -> None:
        fields = [(name.lower(), value) for name, value in response.headers.fields if name.lower() != b"connection"]
        self.h2_conn.send_headers(stream_id, [(b":status", b"%d" % response.status_code), *fields])
        self.h2_conn.send_data(stream_id, response.raw_content or b"", end_stream=True)

    def _check_block(self) -> layer.CommandGenerator[None]:
        """Bound a header block that has no end yet, in size and in time."""
        frames, rest = self.h2_conn.incoming_buffer._headers_buffer, self.h2_conn.incoming_buffer._data
        partial = len(rest) if len(rest) > 3 and rest[3] in (HEADERS, CONTINUATION) else 0
        limits = self._gatekeeper.server_limits
        if sum(len(frame.data) for frame in frames) + partial > SLACK * limits.header_bytes:
            yield from self.protocol_error("the header block exceeds the limit", h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
        elif self._begun and not frames and not partial:
            self._due = None
        elif self._due is None:
            self._due = self._gatekeeper.clock() + limits.header_timeout
            yield from self._wake_in(limits.header_timeout)

    def _wake_in(self, seconds: float) -> layer.CommandGenerator[None]:
        if self._wakeup is None:
            self._wakeup = commands.RequestWakeup(seconds)
            yield self._wakeup

    def _on_wakeup(self) -> layer.CommandGenerator[None]:
        self._wakeup = None
        if self._due is None or self._closed:
            return
        if (left := self._due - self._gatekeeper.clock()) > 0:
            yield from self._wake_in(left)
        else:
            yield from self.protocol_error("the header block was not complete in time (setting server.header_timeout)")

    def protocol_error(
        self, message: str, error_code: int = h2.errors.ErrorCodes.PROTOCOL_ERROR
    ) -> layer.CommandGenerator[None]:
        self._gatekeeper.count_protocol_error("http2", self._peer)
        self.h2_conn.close_connection(error_code, message[:200].encode())
        yield commands.SendData(self.conn, self.h2_conn.data_to_send())
        yield from self.close_connection(message[:200])

    def close_connection(self, msg: str) -> layer.CommandGenerator[None]:
        self._closed = True
        yield from super().close_connection(msg)

    @property
    def _peer(self) -> str:
        return str(self.conn.peername[0]) if self.conn.peername else "unknown"
