"""How mitmproxy shows an exchange: comment, marker, a view of both sides, and only the newest flows."""

import contextlib
import json
from collections import deque
from itertools import zip_longest
from weakref import WeakKeyDictionary, ref

from mitmproxy import contentviews, ctx, flow, http

from omniroute.exchange import Exchange
from omniroute.redact import redact
from omniroute.runtime import Runtime

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
"""Bytes of bodies that mitmweb keeps, of however few flows."""
SHOWN = 200_000
"""Characters of one side: more than a person reads, less than what would hold up the event loop for long."""


class Views:
    name = "omniroute.views"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._sides = SideBySide(runtime.exchanges)
        self._flows: deque[ref[http.HTTPFlow]] = deque()
        self._weights: deque[int] = deque()
        self._weight = 0

    def running(self) -> None:
        contentviews.add(self._sides)

    def done(self) -> None:
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
        exchange = self.runtime.exchanges.get(flow)
        weight = exchange.settle() if exchange else 0
        view = getattr(ctx.master, "view", None)
        if view is None:
            return
        weight += len(flow.request.raw_content or b"")
        weight += len(flow.response.raw_content or b"") if flow.response else 0
        self._flows.append(ref(flow))
        self._weights.append(weight)
        self._weight += weight
        while len(self._flows) > ctx.options.omniroute_keep_flows or (self._weight > MOST and len(self._flows) > 1):
            self._weight -= self._weights.popleft()
            oldest = self._flows.popleft()()
            if oldest is not None:
                view.remove([oldest])

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
                for a in exchange.asked
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
        parts.append(f"hedged with {hedge.target.name} after {hedge.beside:.1f} s")
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

    def __init__(self, exchanges: "WeakKeyDictionary[http.HTTPFlow, Exchange]") -> None:
        self._exchanges = exchanges

    @property
    def name(self) -> str:
        return "omniroute"

    @property
    def syntax_highlight(self) -> contentviews.SyntaxHighlight:
        return "none"

    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        """Never chosen by itself: a person who wants both sides says so."""
        return 0 if self._exchange(metadata.flow) else -1

    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        exchange = self._exchange(metadata.flow)
        if exchange is None:
            raise ValueError("not an exchange of this run: only the upstream's side was saved")
        if isinstance(metadata.http_message, http.Request):
            route = exchange.last.target if exchange.last else None
            right = f"upstream ({route.dialect}, {route.name})" if route else "upstream (none was asked)"
            return _beside(f"client ({exchange.dialect})", exchange.raw, right, data if route else b"")
        return _beside(f"client ({exchange.dialect})", data, "upstream", _upstreams_words(exchange))

    def _exchange(self, flow: flow.Flow | None) -> Exchange | None:
        return self._exchanges.get(flow) if isinstance(flow, http.HTTPFlow) else None


def _upstreams_words(exchange: Exchange) -> bytes:
    if exchange.last is None:
        return b""
    attempt = exchange.last.attempt
    text = attempt.raw[:SHOWN].decode("utf-8", "replace")
    return redact(text, attempt.secrets).encode()  # some repeat the credential in their errors


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
