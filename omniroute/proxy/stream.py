"""One client request and the attempts to have it answered.

    client_state   mitmproxy's own, up to the whole body; then the `request` hook decides the first attempt
    server_state   connecting → waiting → probing (stream) → streaming → done
                                        → collecting (whole) → done
                                        → draining (an error's body)
    and from every state before the first content: failed → `next_attempt` hook → connecting, or the final answer

Nothing reaches the client before the first content, and then it gets exactly one answer.
"""

import time
import zlib
from typing import TYPE_CHECKING

from mitmproxy import flow, http
from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import DropStream, GetHttpConnectionCompleted, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpRequestHeadersHook, HttpResponseHeadersHook

from omniroute.errors import GatewayError, TooLarge
from omniroute.proxy.attempt import BIG, KEEP, MAX_REPLY, Attempt, NextAttemptHook, ReadReplyHook
from omniroute.proxy.dial import Dial, Late
from omniroute.proxy.failures import fault_of, of_dial, of_fault, of_protocol_error
from omniroute.proxy.inflate import Inflate, inflater
from omniroute.routing.failure import Failure
from omniroute.routing.judge import retry_after

if TYPE_CHECKING:
    from omniroute.proxy.layer import RoutedLayer

MAX_ERROR_BODY = 256 * 1024
MAX_PROBE = 4 * 1024 * 1024
"""Bytes that are held back while a stream has not come to its first content."""
DRAIN = 10.0
"""Seconds for the body of an error, and for the rest of an upload that is refused."""


class RoutedStream(HttpStream):
    """mitmproxy's stream, with the part between request and response replaced."""

    def __init__(self, context: Context, stream_id: int, parent: "RoutedLayer") -> None:
        super().__init__(context, stream_id)
        self.parent = parent
        self.deadline: float | None = None
        """When the layer is to say `Late`; on the desk's clock."""
        self._attempt: Attempt | None = None
        self._attempt_id = 0
        self._dial: Dial | None = None
        self._server: Server | None = None
        self._again = False
        self._phase = ""
        self._held = bytearray()
        self._inflate: Inflate | None = None

    # events

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, GetHttpConnectionCompleted):
            if event.command is self._dial:
                self._dial = None
                yield from self._dialled(*event.reply)
        elif isinstance(event, Late):
            if self.deadline is not None and self.deadline <= self.parent.desk.clock():
                self.deadline = None
                yield from self._late()
        elif not isinstance(event, HttpEvent) or event.stream_id in (self.stream_id, self._attempt_id):
            yield from super()._handle_event(event)
        # Else a word of an attempt that was given up while a hook ran.

    def _arm(self, phase: str, seconds: float) -> layer.CommandGenerator[None]:
        self._phase = phase
        self.deadline = self.parent.desk.clock() + seconds
        yield from self.parent.alarm(self, self.deadline)

    # the request

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """Hold uploads to the limit, whether they say their length or not; replies have limits of their own."""
        if not request:
            return False
        limit = self.parent.desk.max_body
        size = len(self.request_body_buf)
        if not size:
            declared = self.flow.request.headers.get("content-length", "")
            size = int(declared) if declared.isdigit() else 0
        if size <= limit:
            return False
        if not self.request_body_buf:
            yield HttpRequestHeadersHook(self.flow)
        self.request_body_buf.clear()
        self.client_state = self.state_refused
        error = TooLarge(f"the request body is over the limit of {limit} bytes (option omniroute_max_body)")
        self.flow.response = self.parent.desk.answer(self.flow, error)
        self.flow.response.headers["connection"] = "close"
        yield from self._arm("upload", DRAIN)
        yield from self._answer()
        return True

    def state_refused(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Let the rest of a refused upload run out: closing at once would lose the answer on its way."""
        if isinstance(event, RequestEndOfMessage):
            yield from self._done()

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        """Start the first attempt. mitmproxy has nothing more to do with the request after this."""
        yield from self._open()
        return False

    # an attempt

    def _open(self) -> layer.CommandGenerator[None]:
        attempt = self.parent.desk.attempt(self.flow)
        if attempt is None or attempt is self._attempt:
            error = GatewayError("the gateway did not decide where this request goes; its log says why")
            self.flow.response = self.parent.desk.answer(self.flow, error)
            yield from self._answer()
            return
        self._attempt = attempt
        attempt.started = self.parent.desk.clock()
        request = self.flow.request
        self._dial = Dial(
            (request.host, request.port), request.scheme == "https", self.flow.server_conn.via, "tcp", self._again
        )
        self.server_state = self.state_connecting
        self.parent.command_sources[self._dial] = self
        yield from self._arm("connect", attempt.deadlines.connect)
        yield self._dial  # the answer may come while this line runs, so nothing may follow it

    def state_connecting(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Nothing comes from a server that is not there yet."""
        yield from ()

    def _dialled(self, connection: Server | None, error: str | None) -> layer.CommandGenerator[None]:
        assert self._attempt
        if connection is None:
            yield from self._failed(of_dial(error or "no reason given"))
            return
        self._server = self.context.server = self.flow.server_conn = connection
        self._attempt_id = self.parent.next_attempt_id()
        self.parent.streams[self._attempt_id] = self
        self.server_state = self.state_waiting
        limits = self._attempt.deadlines
        wait = limits.first_byte if self._attempt.stream else limits.first_content
        yield from self._arm("first byte" if self._attempt.stream else "first content", wait)
        content = self.flow.request.raw_content or b""
        sent = _with_credential(self.flow.request, self._attempt)
        yield SendHttp(RequestHeaders(self._attempt_id, sent, not content), connection)
        if content:
            yield SendHttp(RequestData(self._attempt_id, content), connection)
        yield SendHttp(RequestEndOfMessage(self._attempt_id), connection)

    def state_waiting(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Wait for the reply's head."""
        if not isinstance(event, ResponseHeaders):
            return
        attempt = self._attempt
        assert attempt
        assert self._server
        now = self.parent.desk.clock()
        attempt.head_at, attempt.upstream = now, event.response
        self.parent.warm.add(self._server)
        try:
            self._inflate = inflater(event.response.headers.get("content-encoding", ""))
        except ValueError as error:
            yield from self._failed(Failure("garbage", f"the reply has {error}"))
            return
        if not 200 <= event.response.status_code < 300:
            self.server_state = self.state_draining
            yield from self._arm("error body", DRAIN)
        elif attempt.stream is None:
            self.server_state = self.state_collecting
        else:
            self.server_state = self.state_probing
            spent = now - attempt.started
            yield from self._arm("first content", max(0.0, attempt.deadlines.first_content - spent))

    def _piece(self, event: ResponseData) -> bytes | None:
        """Give the data without its content encoding; None when it is broken."""
        try:
            return self._inflate(event.data) if self._inflate else event.data
        except (zlib.error, ValueError):
            return None

    def state_draining(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Read what the upstream says about its error."""
        attempt = self._attempt
        assert attempt
        if isinstance(event, ResponseData):
            attempt.raw += self._piece(event) or b""
            if len(attempt.raw) > MAX_ERROR_BODY:
                yield from self._status_failed()
        elif isinstance(event, ResponseEndOfMessage):
            self._release()
            yield from self._status_failed()

    def _status_failed(self) -> layer.CommandGenerator[None]:
        attempt = self._attempt
        assert attempt
        assert attempt.upstream
        status = attempt.upstream.status_code
        wait = retry_after(attempt.upstream.headers, time.time())
        yield from self._failed(
            Failure("status", f"status {status}", status=status, retry_after=wait, body=bytes(attempt.raw))
        )

    def state_collecting(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Take a whole reply; it is content when it is complete and makes sense."""
        attempt = self._attempt
        assert attempt
        if isinstance(event, ResponseData):
            piece = self._piece(event)
            if piece is None:
                yield from self._failed(Failure("garbage", "the reply's content encoding is broken"))
                return
            attempt.raw += piece
            if len(attempt.raw) > MAX_REPLY:
                yield from self._failed(Failure("garbage", f"the reply is over {MAX_REPLY} bytes"))
        elif isinstance(event, ResponseEndOfMessage):
            self._release()
            self.deadline = None
            if len(attempt.raw) > BIG:
                yield ReadReplyHook(self.flow)
                if (yield from self.check_killed(True)):
                    return
            else:
                attempt.whole = attempt.read_whole(bytes(attempt.raw))
            yield from self._collected(attempt)

    def _collected(self, attempt: Attempt) -> layer.CommandGenerator[None]:
        whole = attempt.whole
        assert attempt.upstream
        if whole is None:
            yield from self._failed(Failure("garbage", "the reply could not be read; the gateway's log says why"))
        elif whole.fault:
            yield from self._failed(of_fault(whole.fault))
        elif not whole.content and not attempt.last:
            yield from self._failed(Failure("empty", "an empty reply"))
        else:
            attempt.content_at = self.parent.desk.clock()
            self.flow.response = attempt.upstream
            self.flow.response.data.content = whole.raw
            yield from self._answer()

    def state_probing(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Hold back what a stream says until it has said something."""
        attempt = self._attempt
        assert attempt
        assert attempt.stream
        if isinstance(event, ResponseData):
            self._held += self._feed(attempt, event)
            if attempt.stream.fault:
                yield from self._failed(of_fault(attempt.stream.fault))
            elif attempt.stream.content:
                yield from self._commit(attempt)
            elif len(attempt.raw) >= KEEP and len(self._held) > MAX_PROBE:
                yield from self._failed(Failure("garbage", f"no content in the first {MAX_PROBE} bytes"))
        elif isinstance(event, ResponseEndOfMessage):
            self._release()
            self._held += attempt.stream.finish()
            if attempt.stream.fault:
                yield from self._failed(of_fault(attempt.stream.fault))
            elif attempt.stream.content or attempt.last:
                yield from self._commit(attempt)
                yield from self._finish()
            else:
                yield from self._failed(Failure("empty", "a stream without content"))

    def _feed(self, attempt: Attempt, event: ResponseData) -> bytes:
        assert attempt.stream
        piece = self._piece(event)
        if piece is None:
            # Not the dialect in any case: the stream reads it as garbage and says so.
            piece = event.data
        if (room := KEEP - len(attempt.raw)) > 0:
            attempt.raw += piece[:room]
        return attempt.stream.feed(piece)

    def _commit(self, attempt: Attempt) -> layer.CommandGenerator[None]:
        """Send the head and what was held back: from here on this attempt is the client's answer."""
        assert attempt.upstream
        attempt.content_at = self.parent.desk.clock()
        self.server_state = self.state_streaming
        self.flow.response = attempt.upstream
        yield from self._arm("idle", attempt.deadlines.idle)
        yield HttpResponseHeadersHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, end_stream=False), self.context.client)
        yield from self._send(bytes(self._held))
        self._held.clear()

    def _send(self, data: bytes) -> layer.CommandGenerator[None]:
        if data:
            if (room := KEEP - len(self.response_body_buf)) > 0:
                self.response_body_buf += data[:room]
            yield SendHttp(ResponseData(self.stream_id, data), self.context.client)

    def state_streaming(self, event: events.Event) -> layer.CommandGenerator[None]:
        attempt = self._attempt
        assert attempt
        assert attempt.stream
        if isinstance(event, ResponseData):
            self.deadline = self.parent.desk.clock() + attempt.deadlines.idle
            yield from self._send(self._feed(attempt, event))
            if attempt.stream.fault:
                yield from self._failed(of_fault(attempt.stream.fault))
        elif isinstance(event, ResponseEndOfMessage):
            self._release()
            yield from self._send(attempt.stream.finish())
            if attempt.stream.fault:
                yield from self._failed(of_fault(attempt.stream.fault))
            else:
                yield from self._finish()

    def _finish(self) -> layer.CommandGenerator[None]:
        self.deadline = None
        assert self.flow.response
        if self.server_state == self.state_errored:
            return
        self.flow.response.data.content = bytes(self.response_body_buf)
        self.response_body_buf.clear()
        yield from self.send_response(already_streamed=True)

    # failures

    def _late(self) -> layer.CommandGenerator[None]:
        if self.client_state == self.state_refused:
            yield commands.CloseConnection(self.context.client)
            yield from self._done()
        elif self.server_state == self.state_draining:
            yield from self._status_failed()
        else:
            yield from self._failed(Failure("deadline", f"nothing came: {self._phase} deadline", phase=self._phase))

    def _failed(self, failure: Failure) -> layer.CommandGenerator[None]:
        """End this attempt. Before content another may follow, after it the client is told in its own words."""
        attempt = self._attempt
        assert attempt
        attempt.failure = failure
        yield from self._give_up()
        if self.server_state == self.state_streaming:
            assert attempt.stream
            fault = attempt.stream.fault or fault_of(failure)
            yield from self._send(attempt.stream.fail(fault))
            yield from self._finish()
            return
        self.server_state = self.state_connecting
        self._held.clear()
        self._again = failure.stale
        yield NextAttemptHook(self.flow)
        if (yield from self.check_killed(True)):
            yield from self._done()
        elif self.flow.response:
            yield from self._answer()
        else:
            yield from self._open()

    def _give_up(self) -> layer.CommandGenerator[None]:
        """Let go of the upstream at once, whatever it is still saying."""
        self.deadline = None
        if self._dial:
            yield from self.parent.abandon(self._dial)
            self._dial = None
        if self._attempt_id and self._server:
            self.parent.streams.pop(self._attempt_id, None)
            if self._server in self.parent.connections:
                error = RequestProtocolError(self._attempt_id, "given up", ErrorCode.CANCEL)
                yield SendHttp(error, self._server)
        self._release()

    def _release(self) -> None:
        """Note that the upstream has said all: its connection may serve again, there is nothing to give up."""
        self.parent.streams.pop(self._attempt_id, None)
        self._attempt_id, self._server = 0, None
        if self._attempt:
            self._attempt.ended = self.parent.desk.clock()

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> layer.CommandGenerator[None]:
        if isinstance(event, RequestProtocolError):
            yield from self._client_gone(event)
        elif event.stream_id == self._attempt_id:
            attempt = self._attempt
            assert attempt
            assert self._server
            stale = self._server in self.parent.warm and self.server_state == self.state_waiting and not self._again
            self._release()  # the connection is gone or of no use already
            yield from self._failed(of_protocol_error(event, attempt, stale=stale))

    def _client_gone(self, event: RequestProtocolError) -> layer.CommandGenerator[None]:
        if self._attempt and not self._attempt.failure and self.server_state != self.state_done:
            self._attempt.failure = Failure("client_gone", "the client left")
        yield from self._give_up()
        if self.server_state not in (self.state_done, self.state_errored):
            self.flow.error = flow.Error(event.message)
            yield HttpErrorHook(self.flow)
        yield from self._done()

    def _answer(self) -> layer.CommandGenerator[None]:
        """Send `flow.response`, which is whole, with the hooks that mitmproxy fires for any response."""
        assert self.flow.response
        self.flow.response.timestamp_start = time.time()
        yield HttpResponseHeadersHook(self.flow)
        if not (yield from self.check_killed(True)):
            refused = self.client_state == self.state_refused
            yield from self.send_response()
            if refused:  # the request has not ended, so mitmproxy did not end the response
                yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    def _done(self) -> layer.CommandGenerator[None]:
        self.deadline = None
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield DropStream(self.stream_id)


def _with_credential(request: http.Request, attempt: Attempt) -> http.Request:
    """Copy the head of a request and add what opens the upstream: the flow itself never holds it."""
    headers = request.headers.copy()
    for name, value in attempt.credential.items():
        headers[name] = value
    data = request.data
    return http.Request(
        data.host,
        data.port,
        data.method,
        data.scheme,
        data.authority,
        data.path,
        data.http_version,
        headers,
        None,
        None,
        data.timestamp_start,
        data.timestamp_end,
    )
