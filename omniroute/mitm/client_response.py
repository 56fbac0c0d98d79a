"""What the client hears: a head, the pieces of a stream, and in long silences that we are still there.

    nothing said ─► head sent ─► pieces ─► end

A client that hears nothing for too long gives up, however well its answer is coming along. So who asked for a
stream gets a head while the gateway still waits or falls back, and after it what its dialect allows between two
frames. With a head out no other status can be said: an answer that turns out to be an error is then said as the
error of a stream.
"""

import time
from abc import abstractmethod
from typing import TYPE_CHECKING

from mitmproxy import http
from mitmproxy.proxy import layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseHeaders
from mitmproxy.proxy.layers.http._hooks import HttpResponseHeadersHook

from omniroute.mitm.ports import KEEP, Keepalive, ProgressTick

if TYPE_CHECKING:
    from omniroute.mitm.layer import RoutedLayer


class ClientResponse(HttpStream):
    """The client's side of an answer. Whole answers, before which nothing was said, are mitmproxy's own."""

    def __init__(self, context: Context, stream_id: int, parent: "RoutedLayer") -> None:
        super().__init__(context, stream_id)
        self.parent = parent
        self._keepalive: Keepalive | None = None
        self._speak_at: float | None = None
        """When the client is to hear something at the latest; on the same clock."""
        self._beat: ProgressTick | None = None
        self._beat_at: float | None = None
        """When the next beat is due; on the same clock."""
        self._head: http.Response | None = None
        """The head that the client has; until then its answer may still be anything."""

    @property
    def due(self) -> float | None:
        """When the layer is to say `Late`."""
        soonest = self.deadline_at
        for at in (self._speak_at, self._beat_at):
            if at is not None and (soonest is None or at < soonest):
                soonest = at
        return soonest

    @property
    @abstractmethod
    def deadline_at(self) -> float | None:
        """When what is waited for now is too late."""

    @property
    def begun(self) -> bool:
        """Whether the client has the head of a stream."""
        return self._head is not None

    @abstractmethod
    def _give_up(self) -> layer.CommandGenerator[None]:
        """Let go of the upstream at once."""

    @abstractmethod
    def _response_complete(self) -> bool:
        """Say whether the client has heard the end of its answer."""

    @abstractmethod
    def arm_timer(self) -> layer.CommandGenerator[None]:
        """See to it that the layer says `Late` when something is due."""

    def _begin_waiting(self) -> None:
        """Count the silence from here, over all attempts."""
        self._keepalive, self._beat = self.parent.desk.keepalive(self.flow), self.parent.desk.progress_tick(self.flow)
        self._reset_keepalive()

    def _reset_keepalive(self) -> None:
        if self._keepalive:
            self._speak_at = self.parent.desk.clock() + self._keepalive.every

    def _send_keepalive(self) -> layer.CommandGenerator[None]:
        """Break the silence: what was given to the client so far ends with a whole frame, so this may follow."""
        assert self._keepalive
        self._reset_keepalive()
        if self._head is None and not (yield from self.begin(self.parent.desk.early_head(self.flow))):
            return
        if not self._response_complete():
            yield from self.send(self._keepalive.data)

    def _next_progress(self) -> None:
        if self._beat:
            self._beat_at = self.parent.desk.clock() + self._beat.every

    def _send_progress(self) -> layer.CommandGenerator[None]:
        """Say what is due, as `_speak` does."""
        assert self._beat
        self._next_progress()
        if not self._response_complete():
            yield from self.send(self._beat.render())

    def _stop_timers(self) -> None:
        """Say nothing more by the clock."""
        self._speak_at = self._beat_at = None

    def begin(self, head: http.Response) -> layer.CommandGenerator[bool]:
        """Send the head of a stream; False when the flow ended with the hook that is fired for it."""
        self.flow.response = head
        if not self.parent.desk.try_apply_headers(self.flow):
            yield HttpResponseHeadersHook(self.flow)
        if (yield from self.check_killed(True)):
            return False
        if self.flow.response is not head:  # a whole answer, which a hook has put in its place
            yield from self._give_up()
            self._stop_timers()
            yield from self.send_response()
            return False
        self._head = head
        yield SendHttp(ResponseHeaders(self.stream_id, head, end_stream=False), self.context.client)
        self._next_progress()
        yield from self.arm_timer()
        return True

    def send(self, data: bytes) -> layer.CommandGenerator[None]:
        """Say the next piece of a stream."""
        if data:
            if (room := KEEP - len(self.response_body_buf)) > 0:
                self.response_body_buf += data[:room]
            self._reset_keepalive()
            yield SendHttp(ResponseData(self.stream_id, data), self.context.client)

    def finish(self) -> layer.CommandGenerator[None]:
        """End a streamed answer."""
        self._stop_timers()
        assert self.flow.response
        if self.server_state in (self.state_errored, self.state_done):
            return  # a hook has ended it
        self.flow.response.data.content = bytes(self.response_body_buf)
        self.response_body_buf.clear()
        yield from self.send_response(already_streamed=True)

    def answer(self) -> layer.CommandGenerator[None]:
        """Give `flow.response`, which is whole, with the hooks that mitmproxy fires for any response."""
        assert self.flow.response
        self._stop_timers()
        if self._head:
            said = self.parent.desk.final_event(self.flow, self.flow.response)
            self.flow.response = self._head
            yield from self.send(said)
            yield from self.finish()
            return
        self.flow.response.timestamp_start = time.time()
        if not self.parent.desk.try_apply_headers(self.flow):
            yield HttpResponseHeadersHook(self.flow)
        if not (yield from self.check_killed(True)):
            yield from self.send_response()
