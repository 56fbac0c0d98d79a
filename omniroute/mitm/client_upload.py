"""The request body of one exchange: how it is collected, bounded and, where it is refused, drained."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseEndOfMessage,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpRequestHeadersHook, HttpResponseHeadersHook

from omniroute.errors import TimedOut
from omniroute.mitm.body_buffer import BodyBuffer
from omniroute.mitm.client_response import ClientResponse
from omniroute.mitm.upload_pace import LINGER, MAX_DRAINED, Upload
from omniroute.mitm.upstream_reply import DRAIN

if TYPE_CHECKING:
    from omniroute.mitm.layer import RoutedLayer

MAX_DIGITS = 18
"""Digits of a declared length that are read; a longer one is over any limit all the same."""


class ClientUpload(ClientResponse):
    """The client's half of an exchange, up to its whole body."""

    def __init__(self, context: Context, stream_id: int, parent: "RoutedLayer") -> None:
        super().__init__(context, stream_id, parent)
        self.request_body_buf = BodyBuffer()  # type: ignore[assignment]  # the same methods
        self._upload: Upload | None = None
        self._upload_due: float | None = None
        """When the body under way is too slow; on the desk's clock."""
        self._drained = 0
        """Bytes of a refused body that have been dropped."""

    @abstractmethod
    def _arm(self, seconds: float) -> layer.CommandGenerator[None]:
        """Set the deadline of a refused upload."""

    @abstractmethod
    def _done(self) -> layer.CommandGenerator[None]:
        """End the stream."""

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """Hold uploads to the limit, whether they say their length or not; replies have limits of their own."""
        if not request:
            return False
        received = len(self.request_body_buf)
        declared = self.flow.request.headers.get("content-length", "")
        size = received or (int(declared[:MAX_DIGITS]) if declared.isdigit() else 0)
        if (error := self.parent.desk.check_body(self.flow, received, size)) is None:
            return False
        if not received:
            yield HttpRequestHeadersHook(self.flow)
        self.flow.response = self.flow.response or self.parent.desk.answer(self.flow, error)
        yield from self._turn_away()
        return True

    def state_wait_for_request_headers(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Answer before the body comes where that is decided: who is kept out need not be listened to."""
        yield from super().state_wait_for_request_headers(event)
        if not isinstance(event, RequestHeaders) or event.end_stream:
            return
        if self.client_state != self.state_consume_request_body:
            return
        if self.flow.response:
            yield from self._turn_away()
        else:
            self._upload = Upload(self.parent.desk.clock())
            self.parent.uploads.add(self)

    def state_consume_request_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Let the head of an answer that an addon has given do without a hook that nobody listens to."""
        if isinstance(event, RequestEndOfMessage):
            self._end_upload()
        elif self._upload:
            self._upload.last = self.parent.desk.clock()
        steps, reply = super().state_consume_request_body(event), None
        while True:
            try:
                command = steps.send(reply)
            except StopIteration:
                return
            hooked = isinstance(command, HttpResponseHeadersHook) and self.parent.desk.try_apply_headers(self.flow)
            reply = None if hooked else (yield command)

    def watch_upload(self) -> layer.CommandGenerator[None]:
        """Set the time at which the body under way is too slow."""
        if self._upload:
            self._upload_due = self._upload.due(len(self.request_body_buf), self.parent.desk.server_limits)
            yield from self.arm_timer()

    def _end_upload(self) -> None:
        self._upload = self._upload_due = None
        self.parent.uploads.discard(self)

    def _upload_late(self, now: float) -> layer.CommandGenerator[None]:
        """Refuse a body that arrives too slowly, unless enough of it has come since the time was set."""
        yield from self.watch_upload()
        if self._upload_due is None or self._upload_due > now:
            return
        limits = self.parent.desk.server_limits
        error = TimedOut(
            f"the request body arrives too slowly: at least {limits.body_min_rate} bytes a second are needed "
            f"(setting server.body_min_rate), without pauses over {limits.idle_timeout:g} s (setting "
            "server.idle_timeout)",
            status=408,
        )
        self.flow.response = self.parent.desk.answer(self.flow, error)
        yield from self._turn_away(LINGER)

    def _turn_away(self, drain: float = DRAIN) -> layer.CommandGenerator[None]:
        """Answer a request that has not ended. Nothing of its body is kept."""
        assert self.flow.response
        self._end_upload()
        self.request_body_buf.clear()
        self.client_state = self.state_refused
        self.flow.response.headers["connection"] = "close"
        yield from self._arm(drain)
        yield from self.answer()
        if self.server_state == self.state_done:
            # The request has not ended, so mitmproxy has not ended the response.
            yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    def state_refused(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Drain the rest of a refused upload, within bounds: closing at once would lose the answer on its way."""
        if isinstance(event, RequestData):
            self._drained += len(event.data)
            if self._drained > MAX_DRAINED:
                yield from self._cut_upload()
        elif isinstance(event, RequestEndOfMessage):
            yield from self._done()

    def _cut_upload(self) -> layer.CommandGenerator[None]:
        error = ResponseProtocolError(self.stream_id, "the upload has not ended", ErrorCode.CANCEL)
        yield SendHttp(error, self.context.client)
        yield from self._done()
