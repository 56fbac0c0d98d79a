"""What an upstream says, state by state, until the client has its answer or the attempt has failed.

    waiting ─► probing (stream) ─► streaming ─► done
            ─► collecting (whole) ─► done
            ─► draining (an error's body) ─► failed

Nothing of it reaches the client before the first content.
"""

import time
import zlib
from abc import abstractmethod
from typing import TYPE_CHECKING

from mitmproxy.connection import Server
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseEndOfMessage, ResponseHeaders

from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Fault
from omniroute.dialects.sse import BOM
from omniroute.proxy.attempt import BIG, KEEP, MAX_REPLY, Attempt, ReadReplyHook
from omniroute.proxy.failures import of_fault
from omniroute.proxy.heads import copy_head
from omniroute.proxy.inflate import Inflate, inflater
from omniroute.proxy.telling import Telling
from omniroute.proxy.tunnel import Through
from omniroute.routing.failure import Failure
from omniroute.routing.times import read_wait

if TYPE_CHECKING:
    from omniroute.proxy.layer import RoutedLayer

MAX_ERROR_BODY = 256 * 1024
MAX_PROBE = 4 * 1024 * 1024
"""Bytes that are held back while a stream has not come to its first content."""
DRAIN = 10.0
"""Seconds for the body of an error, and for the rest of an upload that is refused."""
BROKEN_ENCODING = "the reply's content encoding is broken"


class Replying(Telling):
    """The states of a reply. `RoutedStream` has what comes before and after."""

    def __init__(self, context: Context, stream_id: int, parent: "RoutedLayer") -> None:
        super().__init__(context, stream_id, parent)
        self._attempt: Attempt | None = None
        self._server: Server | None = None
        self._held = bytearray()
        self._inflate: Inflate | None = None

    @abstractmethod
    def _arm(self, phase: str, seconds: float) -> layer.CommandGenerator[None]:
        """Set the deadline of a phase in place of the last one."""

    @abstractmethod
    def _release(self) -> None:
        """Note that the upstream has said all: its connection may serve again."""

    @abstractmethod
    def _failed(self, failure: Failure) -> layer.CommandGenerator[None]:
        """End the attempt."""

    def state_waiting(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Wait for the reply's head."""
        if not isinstance(event, ResponseHeaders):
            return
        attempt = self._attempt
        assert attempt
        assert self._server
        now = self.parent.desk.clock()
        attempt.head_at, attempt.upstream = now, event.response
        if self._server.connected:  # it may have gone while a hook held this word up
            self.parent.warm.add(self._server)
        try:
            self._inflate = inflater(event.response.headers.get("content-encoding", ""))
        except ValueError as error:
            yield from self._failed(Failure("garbage", f"the reply has {error}"))
            return
        if event.response.status_code < 200:
            # mitmproxy takes it for the whole reply: on this connection the real one would answer a later request.
            yield from self._status_failed()
        elif event.response.status_code >= 300:
            self.server_state = self.state_draining
            yield from self._arm("error body", DRAIN)
        elif attempt.stream is None:
            self.server_state = self.state_collecting
        else:
            self.server_state = self.state_probing
            spent = now - attempt.sent
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
        server = self.flow.server_conn
        if isinstance(server, Through) and server.forwarded and (said := server.forwarded.again(status)):
            yield from self._failed(Failure("proxy", said))
            return
        body = bytes(attempt.raw)
        wait = read_wait(attempt.upstream.headers, body.decode("utf-8", "replace"), time.time())
        yield from self._failed(Failure("status", f"status {status}", status=status, retry_after=wait, body=body))

    def state_collecting(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Take a whole reply; it is content when it is complete and makes sense."""
        attempt = self._attempt
        assert attempt
        if isinstance(event, ResponseData):
            piece = self._piece(event)
            if piece is None:
                yield from self._failed(Failure("garbage", BROKEN_ENCODING))
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
            self.flow.response = copy_head(attempt.upstream)
            self.flow.response.data.content = whole.raw
            yield from self._answer()

    def state_probing(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Hold back what a stream says until it has said something."""
        attempt = self._attempt
        assert attempt
        assert attempt.stream
        if isinstance(event, ResponseData):
            self._held += self._feed(attempt, event)
            if attempt.stream.fault and not self._goes_on(attempt.stream):
                yield from self._failed(of_fault(attempt.stream.fault))
            elif attempt.stream.content:
                yield from self._commit(attempt)
                if attempt.stream.fault:
                    yield from self._failed(of_fault(attempt.stream.fault))
            elif len(attempt.raw) >= KEEP and len(self._held) > MAX_PROBE:
                yield from self._failed(Failure("garbage", f"no content in the first {MAX_PROBE} bytes"))
        elif isinstance(event, ResponseEndOfMessage):
            self._release()
            self._held += attempt.stream.finish()
            if attempt.stream.fault and not self._goes_on(attempt.stream):
                yield from self._failed(of_fault(attempt.stream.fault))
            elif attempt.stream.content or attempt.last:
                yield from self._commit(attempt)
                if attempt.stream.fault:
                    yield from self._failed(of_fault(attempt.stream.fault))
                else:
                    yield from self._finish()
            else:
                yield from self._failed(Failure("empty", "a stream without content"))

    def _goes_on(self, stream: Stream) -> bool:
        """Say whether words of a stream already count as told: its writer has told the beginning of the answer."""
        return stream.resumes and stream.content and bool(self._held)

    def _feed(self, attempt: Attempt, event: ResponseData) -> bytes:
        assert attempt.stream
        piece = self._piece(event)
        if piece is None:
            attempt.stream.fault = Fault("garbage", BROKEN_ENCODING)
            return b""
        if (room := KEEP - len(attempt.raw)) > 0:
            attempt.raw += piece[:room]
        return attempt.stream.feed(piece)

    def _commit(self, attempt: Attempt) -> layer.CommandGenerator[None]:
        """Send what was held back: from here on this attempt is the client's answer."""
        assert attempt.upstream
        attempt.content_at = self.parent.desk.clock()
        self.server_state = self.state_streaming
        yield from self._arm("idle", attempt.deadlines.idle)
        if self._head:
            held = self._held.removeprefix(BOM)  # it would stand in the middle of the client's stream
        elif (yield from self._begin(copy_head(attempt.upstream))):
            # A copy: mitmproxy reads from the original whether the connection is to be closed after it.
            held = self._held
        else:
            return
        yield from self._send(bytes(held))
        self._held.clear()

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
