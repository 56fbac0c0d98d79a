"""What an upstream says, state by state, until the client has its answer or the attempt has failed.

    waiting ─► probing (stream) ─► streaming ─► done
            ─► collecting (whole) ─► done
            ─► draining (an error's body) ─► failed

Nothing of it reaches the client before the first content.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mitmproxy.connection import Server
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseEndOfMessage, ResponseHeaders

from omniroute.dialects.hub import Stream
from omniroute.dialects.ir import Fault
from omniroute.dialects.sse import BOM
from omniroute.dialects.stream_framing import CROWDED
from omniroute.mitm.commands import copy_head, stream_failure
from omniroute.mitm.decompress import Pieces, in_pieces
from omniroute.mitm.ports import BIG, KEEP, MAX_REPLY, Attempt, ReadReplyHook
from omniroute.mitm.tunnel import ProxiedServer
from omniroute.routing.failures import Failure
from omniroute.routing.retry_after import parse_retry_after

if TYPE_CHECKING:
    from omniroute.mitm.client_stream import RoutedStream

MAX_ERROR_BODY = 256 * 1024
MAX_PROBE = 4 * 1024 * 1024
"""Bytes that are held back while a stream has not come to its first content."""
MAX_READ = 4 * MAX_PROBE
"""Bytes of a stream that may come before its first content, whatever of them is held back."""
DRAIN = 10.0
"""Seconds for the body of an error, and for the rest of an upload that is refused."""
BROKEN_ENCODING = "the reply's content encoding is broken"


class UpstreamReply(ABC):
    """The states of a reply. `Runner` has what comes before and after."""

    def __init__(self, stream: "RoutedStream", attempt: Attempt) -> None:
        self.stream, self.attempt = stream, attempt
        self.parent = stream.parent
        self.server: Server | None = None
        self.state: Callable[[Any], layer.CommandGenerator[None]] = self.connecting
        self.deadline: float | None = None
        """When the phase that it is in is too late; on the desk's clock."""
        self._held = bytearray()
        self._inflate: Pieces | None = None

    @abstractmethod
    def arm(self, phase: str, seconds: float) -> layer.CommandGenerator[None]:
        """Set the deadline of a phase in place of the last one."""

    @abstractmethod
    def release(self) -> None:
        """Note that the upstream has said all: its connection may serve again."""

    @abstractmethod
    def failed(self, failure: Failure) -> layer.CommandGenerator[None]:
        """End the attempt."""

    def connecting(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        """Nothing comes from a server that is not there yet."""
        yield from ()

    def waiting(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        """Wait for the reply's head."""
        if not isinstance(event, ResponseHeaders):
            return
        attempt = self.attempt
        assert self.server
        now = self.parent.desk.clock()
        attempt.head_at, attempt.upstream = now, event.response
        if self.server.connected:  # it may have gone while a hook held this word up
            self.parent.warm.add(self.server)
        try:
            self._inflate = in_pieces(event.response.headers.get("content-encoding", ""))
        except ValueError as error:
            yield from self.failed(Failure("garbage", f"the reply has {error}"))
            return
        if event.response.status_code < 200:
            # mitmproxy takes it for the whole reply: on this connection the real one would answer a later request.
            yield from self._status_failed()
        elif event.response.status_code >= 300:
            self.state = self.draining
            yield from self.arm("error body", DRAIN)
        elif attempt.stream is None:
            self.state = self.collecting
        else:
            self.state = self.probing
            spent = now - attempt.sent
            yield from self.arm("first content", max(0.0, attempt.deadlines.first_content - spent))

    def is_little(self, data: bytes) -> bool:
        """Return whether data are one piece for sure, as they are not encoded and too few to be crowded."""
        return self._inflate is None and len(data) <= CROWDED

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Give data without its content encoding, in pieces that are little work; zlib.error where that is broken."""
        stream = self.attempt.stream if self.state in (self.probing, self.streaming) else None
        for plain in self._inflate(data) if self._inflate else (data,):
            yield from stream.pieces(plain) if stream else (plain,)

    def broken_encoding(self) -> layer.CommandGenerator[None]:
        """End what cannot be decompressed; of an error's body the status still counts."""
        if self.state == self.draining:
            yield from self._status_failed()
        else:
            yield from self.failed(stream_failure(Fault("garbage", BROKEN_ENCODING)))

    def draining(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        """Read what the upstream says about its error."""
        attempt = self.attempt
        if isinstance(event, ResponseData):
            attempt.raw += event.data
            if len(attempt.raw) > MAX_ERROR_BODY:
                yield from self._status_failed()
        elif isinstance(event, ResponseEndOfMessage):
            self.release()
            yield from self._status_failed()

    def _status_failed(self) -> layer.CommandGenerator[None]:
        attempt, server = self.attempt, self.server
        assert attempt.upstream
        status = attempt.upstream.status_code
        if isinstance(server, ProxiedServer) and server.forwarded and (said := server.forwarded.again(status)):
            yield from self.failed(Failure("proxy", said))
            return
        body = bytes(attempt.raw)
        wait = parse_retry_after(attempt.upstream.headers, body.decode("utf-8", "replace"), time.time())
        yield from self.failed(Failure("status", f"status {status}", status=status, retry_after=wait, body=body))

    def collecting(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        """Take a whole reply; it is content when it is complete and makes sense."""
        attempt = self.attempt
        if isinstance(event, ResponseData):
            attempt.raw += event.data
            if len(attempt.raw) > MAX_REPLY:
                yield from self.failed(Failure("garbage", f"the reply is over {MAX_REPLY} bytes"))
        elif isinstance(event, ResponseEndOfMessage):
            self.release()
            self.deadline = None
            if len(attempt.raw) > BIG:
                attempt.undecoded = True
                yield ReadReplyHook(self.stream.flow)
                attempt.undecoded = False
                if (yield from self.stream.check_killed(True)):
                    return
            else:
                attempt.whole = attempt.read_whole(bytes(attempt.raw))
            yield from self._collected()

    def _collected(self) -> layer.CommandGenerator[None]:
        attempt = self.attempt
        whole = attempt.whole
        assert attempt.upstream
        if whole is None:
            yield from self.failed(Failure("garbage", "the reply could not be read; the gateway's log says why"))
        elif whole.fault:
            yield from self.failed(stream_failure(whole.fault))
        elif not whole.content and not (whole.reason and self._is_last):
            yield from self.failed(Failure("empty", "an empty reply"))
        else:
            yield from self.stream.select_winner(self)
            attempt.content_at = self.parent.desk.clock()
            response = self.stream.flow.response = copy_head(attempt.upstream)
            response.data.content = whole.raw
            yield from self.stream.answer()

    def probing(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        """Hold back what a stream says until it has said something."""
        stream = self.attempt.stream
        assert stream
        if isinstance(event, ResponseData):
            self._held += self._feed(stream, event)
            if stream.fault and not self._goes_on(stream):
                yield from self.failed(stream_failure(stream.fault))
            elif stream.content:
                yield from self._commit()
                if stream.fault:
                    yield from self.failed(stream_failure(stream.fault))
            elif len(self._held) > MAX_PROBE or stream.fed > MAX_READ:
                yield from self.failed(Failure("garbage", f"no content in the first {MAX_PROBE} bytes"))
        elif isinstance(event, ResponseEndOfMessage):
            self.release()
            self._held += stream.finish()
            if stream.fault and not self._goes_on(stream):
                yield from self.failed(stream_failure(stream.fault))
            elif stream.content or (stream.reason and self._is_last):
                yield from self._commit()
                if stream.fault:
                    yield from self.failed(stream_failure(stream.fault))
                else:
                    yield from self.stream.finish()
            else:
                yield from self.failed(Failure("empty", "a stream without content"))

    @property
    def _is_last(self) -> bool:
        """Say whether a reply that is empty on purpose is better than none, as no other target is left."""
        return self.attempt.last and self.stream.single_attempt

    def _goes_on(self, stream: Stream) -> bool:
        """Say whether words of a stream already count as told: its writer has told the beginning of the answer."""
        return stream.resumes and stream.content and bool(self._held)

    def _feed(self, stream: Stream, event: ResponseData) -> bytes:
        if (room := KEEP - len(self.attempt.raw)) > 0:
            self.attempt.raw += event.data[:room]
        return stream.feed(event.data)

    def _commit(self) -> layer.CommandGenerator[None]:
        """Send what was held back: from here on this attempt is the client's answer."""
        attempt = self.attempt
        assert attempt.upstream
        yield from self.stream.select_winner(self)
        attempt.content_at = self.parent.desk.clock()
        self.state = self.streaming
        yield from self.arm("idle", attempt.deadlines.idle)
        if self.stream.begun:
            held = self._held.removeprefix(BOM)  # it would stand in the middle of the client's stream
        elif (yield from self.stream.begin(copy_head(attempt.upstream))):
            # A copy: mitmproxy reads from the original whether the connection is to be closed after it.
            held = self._held
        else:
            return
        yield from self.stream.send(bytes(held))
        self._held.clear()

    def streaming(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        """Pass on what comes, as it comes."""
        stream = self.attempt.stream
        assert stream
        if isinstance(event, ResponseData):
            self.deadline = self.parent.desk.clock() + self.attempt.deadlines.idle
            yield from self.stream.send(self._feed(stream, event))
            if stream.fault:
                yield from self.failed(stream_failure(stream.fault))
        elif isinstance(event, ResponseEndOfMessage):
            self.release()
            yield from self.stream.send(stream.finish())
            if stream.fault:
                yield from self.failed(stream_failure(stream.fault))
            else:
                yield from self.stream.finish()
