"""One client request and the attempts to have it answered.

The client's half is mitmproxy's own up to the whole body; then the `request` hook decides the first
attempt. From every state before the first content: failed ─► `next_attempt` hook ─► the next attempt,
or the final answer.

After it there is a next attempt only where the desk resumes broken streams. It goes on with the same answer, and
whatever fails further ends that as if nobody had tried.

However often an upstream fails, the client gets exactly one answer.
"""

import time
from typing import TYPE_CHECKING

from mitmproxy import flow, http
from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import DropStream, GetHttpConnectionCompleted, SendHttp
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseEndOfMessage,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)

from omniroute.dialects.hub import Stream
from omniroute.errors import GatewayError, TooLarge
from omniroute.netproxy.handshake import place
from omniroute.proxy.attempt import Attempt, NextAttemptHook
from omniroute.proxy.dial import Dial, Late, Turn
from omniroute.proxy.failures import fault_of, of_dial, of_protocol_error
from omniroute.proxy.heads import copy_head
from omniroute.proxy.reply import DRAIN, Replying
from omniroute.proxy.tunnel import Through, forwarded
from omniroute.routing.failure import Failure

if TYPE_CHECKING:
    from omniroute.proxy.layer import RoutedLayer

WAITED_FOR = {
    "connect": "the connection",
    "first byte": "the first byte",
    "first content": "the first content",
    "idle": "the next piece of the stream",
    "total": "the whole request",
}


class RoutedStream(Replying):
    """mitmproxy's stream, with the part between request and response replaced."""

    def __init__(self, context: Context, stream_id: int, parent: "RoutedLayer") -> None:
        super().__init__(context, stream_id, parent)
        self._attempt_id = 0
        self._dial: Dial | None = None
        self._again = False
        self._broken: tuple[Stream, Failure] | None = None
        """The stream that the client has the beginning of, and why it has no more of it."""
        self._phase = ""
        self._seconds = self._total = 0.0

    # events

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, GetHttpConnectionCompleted):
            if event.command is self._dial:
                self._dial = None
                yield from self._dialled(*event.reply)
        elif isinstance(event, Late):
            yield from self._on_time(self.parent.desk.clock())
        elif isinstance(event, Turn):
            if self.waits(event.flow) and not (yield from self.check_killed(True)) and self._phase == "turn":
                yield from self._decide()
        elif not isinstance(event, HttpEvent) or event.stream_id in (self.stream_id, self._attempt_id):
            yield from super()._handle_event(event)
        # Else a word of an attempt that was given up while a hook ran.

    def _on_time(self, now: float) -> layer.CommandGenerator[None]:
        """Do the first thing that is due; for the others the layer comes again."""
        if self.too_late_at is not None and self.too_late_at <= now:
            if self.deadline is not None and self.deadline > now:
                self._phase, self._seconds = "total", self._total
            self.deadline = None
            yield from self._late()
        elif self._speak_at is not None and self._speak_at <= now:
            yield from self._speak()
        elif self._beat_at is not None and self._beat_at <= now:
            yield from self._tell_beat()

    def serves(self, connection: Connection) -> bool:
        """Tell whether the attempt that is in flight goes over this connection."""
        return self._attempt_id != 0 and self._server is connection

    def waits(self, flow: http.HTTPFlow) -> bool:
        """Tell whether this is the stream of a flow, and waits for something that somebody else may end."""
        return self._phase != "" and self.deadline is not None and self.flow is flow

    def last_word(self, *, whole: bool) -> HttpEvent:
        """Make the event with which the reply in flight ends."""
        if whole:
            return ResponseEndOfMessage(self._attempt_id)
        return ResponseProtocolError(self._attempt_id, "Cannot parse HTTP response", ErrorCode.GENERIC_SERVER_ERROR)

    def _arm(self, phase: str, seconds: float) -> layer.CommandGenerator[None]:
        self._phase, self._seconds = phase, seconds
        self.deadline = self.parent.desk.clock() + seconds
        yield from self._rouse()

    def _rouse(self) -> layer.CommandGenerator[None]:
        if self.due is not None:
            yield from self.parent.alarm(self, self.due)

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
        error = TooLarge(f"the request body is over the limit of {limit} bytes (option omniroute_max_body)")
        self.flow.response = self.flow.response or self.parent.desk.answer(self.flow, error)
        yield from self._turn_away()
        return True

    def state_wait_for_request_headers(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Answer before the body comes where that is decided: who is kept out need not be listened to."""
        yield from super().state_wait_for_request_headers(event)
        decided = self.client_state == self.state_consume_request_body and self.flow.response
        if decided and isinstance(event, RequestHeaders) and not event.end_stream:
            yield from self._turn_away()

    def state_consume_request_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Let the head of an answer that an addon has given do without a hook that nobody listens to."""
        steps, reply = super().state_consume_request_body(event), None
        while True:
            try:
                command = steps.send(reply)
            except StopIteration:
                return
            hooked = isinstance(command, HttpResponseHeadersHook) and self.parent.desk.dressed(self.flow)
            reply = None if hooked else (yield command)

    def _turn_away(self) -> layer.CommandGenerator[None]:
        """Answer a request that has not ended."""
        assert self.flow.response
        self.client_state = self.state_refused
        self.flow.response.headers["connection"] = "close"
        yield from self._arm("upload", DRAIN)
        yield from self._answer()
        if self.server_state == self.state_done:
            # The request has not ended, so mitmproxy has not ended the response.
            yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    def state_refused(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Let the rest of a refused upload run out: closing at once would lose the answer on its way."""
        if isinstance(event, RequestEndOfMessage):
            yield from self._done()

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        """Start the first attempt. mitmproxy has nothing more to do with the request after this."""
        self._begin_waiting()
        yield from self._open()
        return False

    # an attempt

    def _open(self) -> layer.CommandGenerator[None]:
        wait = self.parent.desk.wait(self.flow)
        if wait is not None:
            self.server_state = self.state_connecting
            yield from self._arm("turn", wait)
            return
        attempt = self.parent.desk.attempt(self.flow)
        if attempt is None or attempt is self._attempt:
            error = GatewayError("the gateway did not decide where this request goes; its log says why")
            self.flow.response = self.parent.desk.answer(self.flow, error)
            yield from self._answer()
            return
        self._attempt = attempt
        self._until, self._total = attempt.until, attempt.deadlines.total
        self.server_state = self.state_connecting
        request = self.flow.request
        attempt.started = self.parent.desk.clock()
        self._dial = Dial(
            (request.host, request.port), request.scheme == "https", None, "tcp", self._again, attempt.proxy
        )
        self.parent.command_sources[self._dial] = self
        yield from self._arm("connect", attempt.deadlines.connect)
        yield self._dial  # the answer may come while this line runs, so nothing may follow it

    def state_connecting(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Nothing comes from a server that is not there yet."""
        yield from ()

    def _dialled(self, connection: Server | None, error: str | None) -> layer.CommandGenerator[None]:
        assert self._attempt
        if connection is None or connection not in self.parent.connections:
            # It may have gone again while the hook for an early head ran.
            yield from self._failed(of_dial(error or "it closed at once"))
            return
        self._server = self.context.server = self.flow.server_conn = connection
        self._attempt_id = self.parent.next_attempt_id()
        self.parent.streams[self._attempt_id] = self
        self.server_state = self.state_waiting
        self._attempt.sent = self.parent.desk.clock()
        limits = self._attempt.deadlines
        wait = limits.first_byte if self._attempt.stream else limits.first_content
        yield from self._arm("first byte" if self._attempt.stream else "first content", wait)
        content = self.flow.request.raw_content or b""
        sent = _with_credential(self.flow.request, self._attempt)
        if isinstance(connection, Through) and connection.forwarded:
            forwarded(sent, connection.proxy)
        yield SendHttp(RequestHeaders(self._attempt_id, sent, not content), connection)
        if content:
            yield SendHttp(RequestData(self._attempt_id, content), connection)
        yield SendHttp(RequestEndOfMessage(self._attempt_id), connection)

    # failures

    def _late(self) -> layer.CommandGenerator[None]:
        if self.client_state == self.state_refused:
            error = ResponseProtocolError(self.stream_id, "the upload has not ended", ErrorCode.CANCEL)
            yield SendHttp(error, self.context.client)
            yield from self._done()
        elif self._phase == "turn":
            yield from self._decide()
        elif self.server_state == self.state_draining:
            yield from self._status_failed()
        elif self._is_whole():
            yield from self._give_up()
            yield from self.server_state(ResponseEndOfMessage(self.stream_id))
        elif self._phase == "connect" and self._dial and self._dial.proxy and not self.parent.in_tunnel(self._dial):
            said = f"proxy {self._dial.proxy}: no tunnel to {place(*self._dial.address)} within {self._seconds:g} s"
            yield from self._failed(Failure("proxy", said))
        else:
            said = f"the deadline for {WAITED_FOR[self._phase]} of {self._seconds:g} s has passed"
            yield from self._failed(Failure("deadline", said, phase=self._phase))

    def _is_whole(self) -> bool:
        """Say whether the stream had come to its end before its connection broke or fell silent."""
        reading = self.server_state in (self.state_probing, self.state_streaming)
        return reading and self._attempt is not None and self._attempt.stream is not None and self._attempt.stream.done

    def _is_told(self) -> bool:
        return self.server_state == self.state_streaming and self._is_whole()

    def _failed(self, failure: Failure) -> layer.CommandGenerator[None]:
        """End this attempt. Before content another may follow, after it the client is told in its own words."""
        attempt = self._attempt
        assert attempt
        failure = attempt.failure = attempt.hide(failure)
        yield from self._give_up()
        if self.server_state == self.state_streaming:
            assert attempt.stream
            self._broken = attempt.stream, failure
            if not self.parent.desk.resumes(self.flow):
                yield from self._answer()
                return
        self.server_state = self.state_connecting
        self._held.clear()
        self._again = failure.stale
        yield from self._decide()

    def _answer(self) -> layer.CommandGenerator[None]:
        """Give the answer; where one has broken off, and nobody goes on with it, its end."""
        if self._broken is None:
            yield from super()._answer()
            return
        stream, failure = self._broken
        self.flow.response = self._head
        yield from self._send(stream.fail(fault_of(failure)))
        yield from self._finish()

    def _decide(self) -> layer.CommandGenerator[None]:
        """Have it said who is asked next."""
        self.deadline = None
        self.flow.response = None  # whatever the hook puts there is the answer; a head that is out is none
        yield NextAttemptHook(self.flow)
        answer, self.flow.response = self.flow.response, self.flow.response or self._head
        if (yield from self.check_killed(True)):
            return
        if answer:
            yield from self._answer()
        else:
            yield from self._open()

    def _give_up(self) -> layer.CommandGenerator[None]:
        """Let go of the upstream at once, whatever it is still saying."""
        self.deadline = self._until = None
        if self._dial:
            yield from self.parent.abandon(self._dial)
            self._dial = None
        attempt_id, server = self._attempt_id, self._server
        self._release()
        if server and server in self.parent.connections:
            yield SendHttp(RequestProtocolError(attempt_id, "given up", ErrorCode.CANCEL), server)

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
            used = self._server in self.parent.warm and not self._server.connected
            stale = used and self.server_state == self.state_waiting and not self._again
            self._release()  # the connection is gone or of no use already
            if self.server_state == self.state_draining:
                yield from self._status_failed()
            elif self._is_whole():
                yield from self.server_state(ResponseEndOfMessage(self.stream_id))
            else:
                yield from self._failed(of_protocol_error(event, attempt, stale=stale))

    def _client_gone(self, event: RequestProtocolError) -> layer.CommandGenerator[None]:
        attempt, told = self._attempt, False
        if attempt and not attempt.failure and self.server_state != self.state_done:
            # SDKs close the connection at the end mark, while the upstream has yet to end its body.
            told = self._is_told()
            attempt.failure = None if told else Failure("client_gone", "the client left")
        yield from self._give_up()
        if told:
            assert self.flow.response
            self.flow.response.data.content = bytes(self.response_body_buf)
            self.flow.response.timestamp_end = time.time()
            yield HttpResponseHook(self.flow)
        elif self.server_state not in (self.state_done, self.state_errored):
            self.flow.error = flow.Error(event.message)
            yield HttpErrorHook(self.flow)
        yield from self._done()

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        """Look whether the client or a person has ended the flow while a hook ran; then nothing of it stays."""
        killed = yield from super().check_killed(emit_error_hook)
        if killed:
            yield from self._give_up()
            yield from self._done()
        return killed

    def _done(self) -> layer.CommandGenerator[None]:
        self.deadline = None
        self._fall_silent()
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield DropStream(self.stream_id)


def _with_credential(request: http.Request, attempt: Attempt) -> http.Request:
    """Copy the head of a request and add what opens the upstream: the flow itself never holds it."""
    sent = copy_head(request)
    for name, value in attempt.credential.items():
        sent.headers[name] = value
    return sent
