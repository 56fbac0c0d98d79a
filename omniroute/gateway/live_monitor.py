"""What passes the gateway while somebody looks: each exchange as it stands, and the last ones with their bodies.

Nothing is noted while nobody looks, and nothing costs more than a look at `watched`.
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
"""Bytes of one body that are shown."""
ENTRIES = 500
"""Exchanges that are kept."""
MOST = 32 * 1024 * 1024
"""Bytes of all that is kept of them."""
BESIDE = 2048
"""Bytes that a message, or an exchange, is counted for beside its bodies."""
FRESH = 0.1
"""Seconds after which an exchange that has not ended is worth a word."""
HIDDEN = (b"set-cookie", b"cookie")
"""Headers that are nobody's business, whoever has sent them."""


@dataclass(frozen=True, slots=True)
class CapturedMessage:
    """A request or a reply, as much of it as is shown."""

    start: str
    """Its first line: where it went, or its status."""
    fields: Fields
    body: bytes = field(repr=False)
    cut: bool

    @property
    def weight(self) -> int:
        """Bytes that it takes to keep it."""
        return len(self.body) + BESIDE


@dataclass(frozen=True, slots=True)
class CapturedAttempt:
    """An attempt with what was said in it."""

    dialect: str
    sent: CapturedMessage | None
    got: CapturedMessage | None
    times: tuple[float | None, ...]
    """When it began, was sent, had a head, had content and ended: seconds after the exchange began."""
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class CapturedExchange:
    """An exchange with all its bodies."""

    request: CapturedMessage
    attempts: tuple[CapturedAttempt, ...]
    reply: CapturedMessage | None


@dataclass(slots=True, eq=False)
class MonitoredExchange:
    """An exchange that passes, or has passed."""

    id: str
    flow_id: str
    exchange: Exchange | None
    """As long as it is under way; so is the flow."""
    flow: http.HTTPFlow | None
    request: CapturedMessage
    row: UsageRow = field(init=False)
    """How it stands, once it is to be told: most have ended by then."""
    state: State = field(init=False)
    sent: list[tuple[AttemptRecord, CapturedMessage]] = field(default_factory=list)
    taken: CapturedExchange | None = None
    mark: tuple[object, ...] = ()
    """How it stood when it was told last."""
    weight: int = BESIDE


class LiveMonitor:
    """Counts who looks, and keeps what they may ask for."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._watchers = 0
        self._seen: OrderedDict[str, MonitoredExchange] = OrderedDict()
        self._running: dict[str, MonitoredExchange] = {}
        self._changed: dict[str, MonitoredExchange] = {}
        self._weight = 0

    @property
    def active(self) -> bool:
        """Whether anybody looks."""
        return self._watchers > 0

    def add(self) -> None:
        """Begin to look."""
        self._watchers += 1

    def discard(self) -> None:
        """Look no more. What was seen stays for a while: see `tidy`."""
        self._watchers -= 1
        if not self._watchers:
            for id in self._running:  # nobody will note how they end
                self._weight -= self._seen.pop(id).weight
            self._running.clear()
            self._changed.clear()

    def cleanup(self) -> None:
        """Let go of everything, if nobody looks any more."""
        if not self._watchers:
            self._seen.clear()
            self._weight = 0

    # what passes

    def attempt_started(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Note an exchange, and what its newest attempt sends."""
        seen = self._seen.get(exchange.id) or self._begin(flow, exchange)
        last = exchange.last
        if last and not any(asked is last for asked, _ in seen.sent):
            request = last.attempt.request or flow.request
            message = _message(f"{request.method} {request.url}", request.headers.fields, request.raw_content or b"")
            seen.sent.append((last, message))
            self._grow(seen, message.weight)

    def ended(self, flow: http.HTTPFlow, exchange: Exchange, status: int) -> None:
        """Note that the client has all that it gets."""
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
            return  # it had to go already
        seen.weight += weight
        self._weight += weight
        while self._seen and (self._weight > MOST or len(self._seen) > ENTRIES):
            id, gone = self._seen.popitem(last=False)
            self._weight -= gone.weight
            self._running.pop(id, None)

    # what is told

    def changes(self) -> list[MonitoredExchange]:
        """Give what has changed since this was asked last; an exchange that has ended is given once more, as it is.

        One that has just begun is not given yet: most are over before anybody could have read of them.
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
        """Give the newest exchanges, the oldest of them first."""
        return [self._look(seen) for seen in list(self._seen.values())[-most:]]

    @property
    def kept(self) -> int:
        """How many exchanges there are to be asked for."""
        return len(self._seen)

    def find(self, id: str) -> tuple[MonitoredExchange, CapturedExchange] | None:
        """Give an exchange with all its bodies, as far as there are any yet."""
        seen = self._seen.get(id)
        if seen is None:
            return None
        return self._look(seen), seen.taken or _take(seen)

    def _look(self, seen: MonitoredExchange) -> MonitoredExchange:
        """See how an exchange stands now."""
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
