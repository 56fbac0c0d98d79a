"""How mitmproxy shows an exchange: comment, marker, a view of both sides, and only the newest flows."""

import asyncio
import contextlib
import json
from collections import deque
from itertools import zip_longest
from weakref import WeakKeyDictionary, ref

from mitmproxy import contentviews, ctx, flow, http
from mitmproxy.addons.view import View

from omniroute.addons.kept_sides import Sides, Weight, Weights, sides_of
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.redaction import redact

MARK = ":leftwards_arrow_with_hook:"
SOURCES = {
    "cache": "cache HIT: the answer",
    "similar": "cache HIT: the answer to a similar request",
    "idempotency": "sent again: the answer",
}
"""What the comment says of who was not asked anew."""
COLUMN = 48
"""Characters: two columns fit beside mitmweb's list."""
MOST = 256 * 1024 * 1024
"""Bytes of memory that mitmweb's flows take, however few they are."""
EVENTS = 1000
"""Lines of mitmweb's event log that are kept: it would keep ten times as many, and each connection writes several."""
LOOK_AGAIN = 0.5
"""Seconds after which flows that were live are looked at again."""
SHOWN = 200_000
"""Characters of one side: more than a person reads, less than what would hold up the event loop for long."""


class Views:
    name = "omniroute.views"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._over: WeakKeyDictionary[http.HTTPFlow, Sides] = WeakKeyDictionary()
        """What stays of the exchanges that are over."""
        self._sides = SideBySide(runtime.exchanges, self._over)
        self._flows: deque[tuple[ref[http.HTTPFlow], Weight]] = deque()
        self._weights = Weights()
        self._again: asyncio.TimerHandle | None = None

    def running(self) -> None:
        contentviews.add(self._sides)
        if events := getattr(ctx.master, "events", None):
            events.data = deque(events.data, maxlen=EVENTS)

    def done(self) -> None:
        if self._again:
            self._again.cancel()
        contentviews.registry._by_name.pop(self._sides.name.lower(), None)

    def next_attempt(self, flow: http.HTTPFlow) -> None:
        self._describe(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        self._describe(flow)
        self._keep(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._describe(flow)
        self._keep(flow)

    def _keep(self, flow: http.HTTPFlow) -> None:
        """Let the oldest flows go, by number and by weight, so that a window may stay open for weeks."""
        exchange = self.runtime.exchanges.pop(flow, None)
        view = getattr(ctx.master, "view", None)
        if view is None:
            return
        sides = None
        if exchange:
            sides = self._over[flow] = sides_of(exchange, flow)
        self._flows.append((ref(flow), self._weights.add(flow, sides)))
        if self._again is None:
            self._remove_old(view)

    def _remove_old(self, view: View) -> None:
        """Remove the oldest flows. One that is live waits for its end: mitmproxy kills a live flow that it removes."""
        self._again = None
        while self._is_over():
            oldest, weight = self._flows[0]
            if (gone := oldest()) is not None:
                if gone.live:
                    self._again = asyncio.get_running_loop().call_later(LOOK_AGAIN, self._remove_old, view)
                    return
                view.remove([gone])
            self._flows.popleft()
            self._weights.remove(weight)

    def _is_over(self) -> bool:
        many = len(self._flows)
        return many > ctx.options.omniroute_keep_flows or (self._weights.total > MOST and many > 1)

    def _describe(self, flow: http.HTTPFlow) -> None:
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or not exchange.claimed or exchange.claimed.kind != "chat":
            return
        flow.comment = comment(exchange)
        fell_back = any(failed.failure.kind not in ("client_gone", "hedged") for failed in exchange.failures())
        if fell_back and not flow.marked:
            flow.marked = MARK
        flow.metadata["omniroute"] = {
            "id": exchange.id,
            "client": exchange.dialect,
            "model": exchange.model,
            "told": exchange.status,
            "attempts": [
                {
                    "target": a.target.name,
                    "account": a.target.account.name,
                    "failed": failure.label if failure else None,
                }
                for a in exchange.attempts_made
                for failure in [a.attempt.failure]
            ],
        }


def comment(exchange: Exchange) -> str:
    """Say in one line where a request went, what failed on the way, and what it came to."""
    parts = []
    steps = [f"{failed.target} ({failed.account}) ✗ {failed.failure.label}" for failed in exchange.failures()]
    if (served := exchange.served) and not served.attempt.failure:
        steps.append(f"{served.target.name} ({served.target.account.name})")
    parts.append(f"{exchange.model} → {' → '.join(steps)}" if steps else exchange.model or "no model")
    if answer := exchange.replay.answer:
        near = f" (similarity {answer.similarity:.3f})" if answer.similarity is not None else ""
        parts.append(f"{SOURCES[exchange.replay.source or 'cache']} of {answer.route}{near}")
    counted = exchange.usage
    if counted.input is not None or counted.output is not None:
        parts.append(f"{_number(counted.input)} in, {_number(counted.output)} out")
        parts.append(f"${exchange.cost:.6f}" if exchange.cost is not None else "cost unknown")
    if counted.doubted:
        parts.append(f"not believed: {', '.join(counted.doubted)}")
    if hedge := exchange.hedge:
        parts.append(f"hedged with {hedge.target.name} after {hedge.hedge_delay:.1f} s")
    if served and served.resumed is not None:
        parts.append(f"resumed after {served.resumed} characters")
    if served and served.dropped:
        parts.append(f"dropped {', '.join(served.dropped)}")
    if exchange.error:
        parts.append(f"{exchange.status}: {exchange.error}" if exchange.status else exchange.error)
    return " · ".join(parts)


def _number(count: int | None) -> str:
    return "?" if count is None else str(count)


class SideBySide(contentviews.Contentview):
    """Client and upstream beside each other, of the request and of the reply."""

    def __init__(
        self,
        exchanges: "WeakKeyDictionary[http.HTTPFlow, Exchange]",
        over: "WeakKeyDictionary[http.HTTPFlow, Sides]",
    ) -> None:
        self._exchanges, self._over = exchanges, over

    @property
    def name(self) -> str:
        return "omniroute"

    @property
    def syntax_highlight(self) -> contentviews.SyntaxHighlight:
        return "none"

    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        """Never chosen by itself: a person who wants both sides says so."""
        return 0 if self._both(metadata.flow) else -1

    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        sides = self._both(metadata.flow)
        if sides is None:
            raise ValueError("not an exchange of this run: only the upstream's side was saved")
        if isinstance(metadata.http_message, http.Request):
            right = f"upstream ({sides.route})" if sides.route else "upstream (none was asked)"
            return _beside(f"client ({sides.dialect})", sides.client, right, data if sides.route else b"")
        return _beside(f"client ({sides.dialect})", data, "upstream", _upstream_body(sides))

    def _both(self, flow: flow.Flow | None) -> Sides | None:
        if not isinstance(flow, http.HTTPFlow):
            return None
        if (sides := self._over.get(flow)) is not None:
            return sides
        exchange = self._exchanges.get(flow)
        return sides_of(exchange) if exchange else None


def _upstream_body(sides: Sides) -> bytes:
    text = sides.upstream[:SHOWN].decode("utf-8", "replace")
    return redact(text, sides.secrets).encode()  # some repeat the credential in their errors


def _beside(left_name: str, left: bytes, right_name: str, right: bytes) -> str:
    ours, theirs = _lines(left), _lines(right)
    width = max(map(len, [left_name, *ours]))
    head = f"{left_name:<{width}} │ {right_name}\n{'─' * width}─┼─{'─' * max(map(len, [right_name, *theirs]))}"
    rows = zip_longest(ours, theirs, fillvalue="")
    return "\n".join([head, *(f"{a:<{width}} {'│' if a == b else '┃'} {b}" for a, b in rows)])


def _lines(body: bytes) -> list[str]:
    text = body[:SHOWN].decode("utf-8", "replace")
    with contextlib.suppress(ValueError):  # a stream, or cut: shown as it is
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return [line[start : start + COLUMN] for line in text.splitlines() for start in range(0, len(line) or 1, COLUMN)]
