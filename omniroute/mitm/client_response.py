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

from omniroute.mitm.ports import KEEP, Beat, Keepalive

if TYPE_CHECKING:
    from omniroute.mitm.layer import RoutedLayer


class Telling(HttpStream):
    """The client's side of an answer. Whole answers, before which nothing was said, are mitmproxy's own."""

    def __init__(self, context: Context, stream_id: int, parent: "RoutedLayer") -> None:
        super().__init__(context, stream_id)
        self.parent = parent
        self._keepalive: Keepalive | None = None
        self._speak_at: float | None = None
        """When the client is to hear something at the latest; on the same clock."""
        self._beat: Beat | None = None
        self._beat_at: float | None = None
        """When the next beat is due; on the same clock."""
        self._head: http.Response | None = None
        """The head that the client has; until then its answer may still be anything."""

    @property
    def due(self) -> float | None:
        """When the layer is to say `Late`."""
        soonest = self.too_late_at
        for at in (self._speak_at, self._beat_at):
            if at is not None and (soonest is None or at < soonest):
                soonest = at
        return soonest

    @property
    @abstractmethod
    def too_late_at(self) -> float | None:
        """When what is waited for now is too late."""

    @property
    def begun(self) -> bool:
        """Whether the client has the head of a stream."""
        return self._head is not None

    @abstractmethod
    def _give_up(self) -> layer.CommandGenerator[None]:
        """Let go of the upstream at once."""

    @abstractmethod
    def _is_told(self) -> bool:
        """Say whether the client has heard the end of its answer."""

    @abstractmethod
    def rouse(self) -> layer.CommandGenerator[None]:
        """See to it that the layer says `Late` when something is due."""

    def _begin_waiting(self) -> None:
        """Count the silence from here, over all attempts."""
        self._keepalive, self._beat = self.parent.desk.keepalive(self.flow), self.parent.desk.beat(self.flow)
        self._put_off()

    def _put_off(self) -> None:
        if self._keepalive:
            self._speak_at = self.parent.desk.clock() + self._keepalive.every

    def _speak(self) -> layer.CommandGenerator[None]:
        """Break the silence: what was given to the client so far ends with a whole frame, so this may follow."""
        assert self._keepalive
        self._put_off()
        if self._head is None and not (yield from self.begin(self.parent.desk.early_head(self.flow))):
            return
        if not self._is_told():
            yield from self.send(self._keepalive.said)

    def _next_beat(self) -> None:
        if self._beat:
            self._beat_at = self.parent.desk.clock() + self._beat.every

    def _tell_beat(self) -> layer.CommandGenerator[None]:
        """Say what is due, as `_speak` does."""
        assert self._beat
        self._next_beat()
        if not self._is_told():
            yield from self.send(self._beat.say())

    def _fall_silent(self) -> None:
        """Say nothing more by the clock."""
        self._speak_at = self._beat_at = None

    def begin(self, head: http.Response) -> layer.CommandGenerator[bool]:
        """Send the head of a stream; False when the flow ended with the hook that is fired for it."""
        self.flow.response = head
        if not self.parent.desk.dressed(self.flow):
            yield HttpResponseHeadersHook(self.flow)
        if (yield from self.check_killed(True)):
            return False
        if self.flow.response is not head:  # a whole answer, which a hook has put in its place
            yield from self._give_up()
            self._fall_silent()
            yield from self.send_response()
            return False
        self._head = head
        yield SendHttp(ResponseHeaders(self.stream_id, head, end_stream=False), self.context.client)
        self._next_beat()
        yield from self.rouse()
        return True

    def send(self, data: bytes) -> layer.CommandGenerator[None]:
        """Say the next piece of a stream."""
        if data:
            if (room := KEEP - len(self.response_body_buf)) > 0:
                self.response_body_buf += data[:room]
            self._put_off()
            yield SendHttp(ResponseData(self.stream_id, data), self.context.client)

    def finish(self) -> layer.CommandGenerator[None]:
        """End a streamed answer."""
        self._fall_silent()
        assert self.flow.response
        if self.server_state in (self.state_errored, self.state_done):
            return  # a hook has ended it
        self.flow.response.data.content = bytes(self.response_body_buf)
        self.response_body_buf.clear()
        yield from self.send_response(already_streamed=True)

    def answer(self) -> layer.CommandGenerator[None]:
        """Give `flow.response`, which is whole, with the hooks that mitmproxy fires for any response."""
        assert self.flow.response
        self._fall_silent()
        if self._head:
            said = self.parent.desk.last_words(self.flow, self.flow.response)
            self.flow.response = self._head
            yield from self.send(said)
            yield from self.finish()
            return
        self.flow.response.timestamp_start = time.time()
        if not self.parent.desk.dressed(self.flow):
            yield HttpResponseHeadersHook(self.flow)
        if not (yield from self.check_killed(True)):
            yield from self.send_response()
