"""Live view of exchanges for the panel: the state of each one, and the most recent ones with their bodies.

Nothing is captured while there is no watcher; the cost is then one check of `active`.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mitmproxy import http

from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.gateway.usage_recorder import build_usage_row
from omniroute.mitm.ports import KEEP
from omniroute.store.history.usage import UsageRow

type State = Literal["waiting", "asking", "answering", "done"]
type Fields = tuple[tuple[bytes, bytes], ...]

SHOWN = 256 * 1024
"""Maximum bytes of one body to capture."""
ENTRIES = 500
"""Maximum number of exchanges to keep."""
MOST = 32 * 1024 * 1024
"""Maximum bytes of all kept exchanges together."""
BESIDE = 2048
"""Bytes that a message, or an exchange, counts in addition to its bodies."""
FRESH = 0.1
"""Seconds after which an unfinished exchange is reported as a change."""
HIDDEN = (b"set-cookie", b"cookie")
"""Headers that are never shown."""


@dataclass(frozen=True, slots=True)
class CapturedMessage:
    """A request or response, with its body cut at `SHOWN` bytes."""

    start: str
    """Its first line: method and URL, or status and reason."""
    fields: Fields
    body: bytes = field(repr=False)
    cut: bool

    @property
    def weight(self) -> int:
        """Bytes that it counts for."""
        return len(self.body) + BESIDE


@dataclass(frozen=True, slots=True)
class CapturedAttempt:
    """An attempt with its request and response."""

    dialect: str
    sent: CapturedMessage | None
    got: CapturedMessage | None
    times: tuple[float | None, ...]
    """Seconds since the start of the exchange: attempt started, request sent, head, first content, end."""
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class CapturedExchange:
    """An exchange with all its messages."""

    request: CapturedMessage
    attempts: tuple[CapturedAttempt, ...]
    reply: CapturedMessage | None


@dataclass(slots=True, eq=False)
class MonitoredExchange:
    """An exchange that is in flight or has ended."""

    id: str
    flow_id: str
    exchange: Exchange | None
    """Set while it is in flight; so is the flow."""
    flow: http.HTTPFlow | None
    request: CapturedMessage
    row: UsageRow = field(init=False)
    """Its state as a usage record, built on demand: most have ended by then."""
    state: State = field(init=False)
    sent: list[tuple[AttemptRecord, CapturedMessage]] = field(default_factory=list)
    taken: CapturedExchange | None = None
    mark: tuple[object, ...] = ()
    """Its state at the last report, to detect changes."""
    weight: int = BESIDE


class LiveMonitor:
    """Count the watchers, and capture exchanges for them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._watchers = 0
        self._seen: OrderedDict[str, MonitoredExchange] = OrderedDict()
        self._running: dict[str, MonitoredExchange] = {}
        self._changed: dict[str, MonitoredExchange] = {}
        self._weight = 0

    @property
    def active(self) -> bool:
        """Whether there is a watcher."""
        return self._watchers > 0

    def add(self) -> None:
        """Add a watcher."""
        self._watchers += 1

    def discard(self) -> None:
        """Remove a watcher. What was captured stays until the next `cleanup`."""
        self._watchers -= 1
        if not self._watchers:
            for id in self._running:  # their end will not be captured
                self._weight -= self._seen.pop(id).weight
            self._running.clear()
            self._changed.clear()

    def cleanup(self) -> None:
        """Drop everything captured if there is no watcher."""
        if not self._watchers:
            self._seen.clear()
            self._weight = 0

    # capturing

    def attempt_started(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Capture an exchange, and the request of its newest attempt."""
        seen = self._seen.get(exchange.id) or self._begin(flow, exchange)
        last = exchange.last
        if last and not any(asked is last for asked, _ in seen.sent):
            request = last.attempt.request or flow.request
            message = _message(f"{request.method} {request.url}", request.headers.fields, request.raw_content or b"")
            seen.sent.append((last, message))
            self._grow(seen, message.weight)

    def ended(self, flow: http.HTTPFlow, exchange: Exchange, status: int) -> None:
        """Capture the end of an exchange, when the client has the complete response."""
        seen = self._seen.get(exchange.id) or self._begin(flow, exchange)
        seen.row, seen.state = exchange.row or build_usage_row(exchange, status, self._clock()), "done"
        seen.taken = _take(seen)
        seen.exchange = seen.flow = None
        seen.sent.clear()
        self._running.pop(seen.id, None)
        self._changed[seen.id] = seen
        got = [tried.got.weight for tried in seen.taken.attempts if tried.got]
        self._grow(seen, sum(got) + (seen.taken.reply.weight if seen.taken.reply else 0))

    def _begin(self, flow: http.HTTPFlow, exchange: Exchange) -> MonitoredExchange:
        path = f"{exchange.path}?{exchange.query}" if exchange.query else exchange.path
        request = _message(f"{flow.request.method} {path}", exchange.headers, exchange.raw_body)
        seen = MonitoredExchange(exchange.id, flow.id, exchange, flow, request)
        self._seen[seen.id] = self._running[seen.id] = seen
        self._weight += seen.weight
        self._grow(seen, request.weight)
        return seen

    def _grow(self, seen: MonitoredExchange, weight: int) -> None:
        if self._seen.get(seen.id) is not seen:
            return  # it was evicted already
        seen.weight += weight
        self._weight += weight
        while self._seen and (self._weight > MOST or len(self._seen) > ENTRIES):
            id, gone = self._seen.popitem(last=False)
            self._weight -= gone.weight
            self._running.pop(id, None)

    # reporting

    def changes(self) -> list[MonitoredExchange]:
        """Return the exchanges that have changed since the last call; an ended one is returned a last time.

        An exchange younger than `FRESH` is left out until it ends: most end before they could be displayed.
        """
        long_ago = self._clock() - FRESH
        for seen in self._running.values():
            exchange = seen.exchange
            assert exchange
            if exchange.started > long_ago:
                continue
            served, failed = (
                exchange.served is not None,
                sum(a.attempt.failure is not None for a in exchange.attempts_made),
            )
            mark = (len(exchange.attempts_made), failed, served, exchange.waiting is not None, exchange.model)
            if mark != seen.mark:
                seen.mark = mark
                self._changed[seen.id] = self._look(seen)
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def recent(self, most: int) -> list[MonitoredExchange]:
        """Return the `most` newest exchanges, oldest first."""
        return [self._look(seen) for seen in list(self._seen.values())[-most:]]

    @property
    def kept(self) -> int:
        """Number of exchanges that are kept."""
        return len(self._seen)

    def find(self, id: str) -> tuple[MonitoredExchange, CapturedExchange] | None:
        """Find an exchange by id, with the messages captured so far; None if it is not kept."""
        seen = self._seen.get(id)
        if seen is None:
            return None
        return self._look(seen), seen.taken or _take(seen)

    def _look(self, seen: MonitoredExchange) -> MonitoredExchange:
        """Refresh the usage record and state of an exchange in flight."""
        if seen.exchange:
            seen.row, seen.state = build_usage_row(seen.exchange, None, self._clock()), _state(seen.exchange)
        return seen


def _state(exchange: Exchange) -> State:
    if exchange.served:
        return "answering"
    return "waiting" if exchange.waiting or not exchange.attempts_made else "asking"


def _take(seen: MonitoredExchange) -> CapturedExchange:
    exchange, flow = seen.exchange, seen.flow
    assert exchange
    assert flow
    sent = {id(asked): message for asked, message in seen.sent}
    tried = tuple(_tried(asked, sent.get(id(asked)), exchange.started) for asked in exchange.attempts_made)
    reply, response = None, flow.response
    if response:
        body = response.raw_content or b""
        streamed = exchange.early_head_sent or (
            exchange.served is not None and exchange.served.attempt.stream is not None
        )
        start = f"{response.status_code} {response.reason}".strip()
        reply = _message(start, response.headers.fields, body, cut=streamed and len(body) >= KEEP)
    return CapturedExchange(seen.request, tried, reply)


def _tried(asked: AttemptRecord, sent: CapturedMessage | None, began: float) -> CapturedAttempt:
    attempt, got = asked.attempt, None
    if head := attempt.upstream:
        cut = attempt.stream is not None and len(attempt.raw) >= KEEP
        got = _message(f"{head.status_code} {head.reason}".strip(), head.headers.fields, attempt.raw, cut=cut)
    times = (attempt.started or None, attempt.sent or None, attempt.head_at, attempt.content_at, attempt.ended)
    since = tuple(None if at is None else at - began for at in times)
    return CapturedAttempt(asked.target.dialect, sent, got, since, attempt.secrets)


def _message(start: str, fields: Fields, body: bytes | bytearray, *, cut: bool = False) -> CapturedMessage:
    shown = tuple(field for field in fields if field[0].lower() not in HIDDEN)
    return CapturedMessage(start, shown, bytes(body[:SHOWN]), cut or len(body) > SHOWN)
