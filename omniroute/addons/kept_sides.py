"""What stays of an exchange with a flow that is over, and how many bytes of memory such a flow takes.

A live exchange is some hundred objects. mitmweb shows both sides of it, so only these stay; equal bodies stay once.
"""

from collections import Counter
from dataclasses import dataclass, field

from mitmproxy import http

from omniroute.gateway.exchange import Exchange
from omniroute.mitm.ports import KEEP

FLOW = 3000
"""Bytes of a flow with its two messages, its comment, its metadata and its place in mitmweb's list, without bodies."""
ATTEMPT = 300
"""Bytes that each attempt takes in the metadata."""
FIELD = 130
"""Bytes of a header field beside its name and value."""
CONNECTION = 700
"""Bytes of a connection; several flows may share it."""
CERTIFICATE = 4096
"""Bytes of one certificate that a connection keeps."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Sides:
    """Both sides of an exchange that is over."""

    dialect: str
    """The client's."""
    client: bytes = field(repr=False)
    """The client's request; the flow itself has the upstream's."""
    route: str | None
    """The dialect and the name of the last target; None where none was tried."""
    upstream: bytes = field(repr=False)
    """The upstream's reply; the flow itself has the client's."""
    secrets: tuple[str, ...] = field(repr=False)


def sides_of(exchange: Exchange, flow: http.HTTPFlow | None = None) -> Sides:
    """Take both sides out of an exchange; bodies that the flow has too are shared with it."""
    last = exchange.last
    client, upstream = exchange.raw_body, bytes(last.attempt.raw[:KEEP]) if last else b""
    if flow is not None:
        client = _shared(client, flow.request.raw_content)
        upstream = _shared(upstream, flow.response.raw_content if flow.response else None)
    route = f"{last.target.dialect}, {last.target.name}" if last else None
    return Sides(exchange.dialect, client, route, upstream, last.attempt.secrets if last else ())


def _shared(ours: bytes, theirs: bytes | None) -> bytes:
    return theirs if theirs is not None and theirs == ours else ours


class Weights:
    """The bytes that the kept flows take, each connection counted once for all its flows."""

    def __init__(self) -> None:
        self.total = 0
        self._flows_of: Counter[str] = Counter()

    def add(self, flow: http.HTTPFlow, sides: Sides | None) -> "Weight":
        """Count a flow; `remove` takes what this returns."""
        parts = {id(body): len(body) for body in _bodies(flow, sides)}
        attempts = flow.metadata.get("omniroute", {}).get("attempts", ())
        own = FLOW + sum(parts.values()) + _fields(flow) + ATTEMPT * len(attempts) + 2 * len(flow.comment)
        shared = []
        for connection in (flow.client_conn, flow.server_conn):
            size = CONNECTION + CERTIFICATE * len(connection.certificate_list)
            shared.append((connection.id, size))
            self._flows_of[connection.id] += 1
            if self._flows_of[connection.id] == 1:
                self.total += size
        self.total += own
        return own, tuple(shared)

    def remove(self, weight: "Weight") -> None:
        """Count a flow no more."""
        own, shared = weight
        self.total -= own
        for id, size in shared:
            self._flows_of[id] -= 1
            if not self._flows_of[id]:
                del self._flows_of[id]
                self.total -= size


type Weight = tuple[int, tuple[tuple[str, int], ...]]
"""The bytes of a flow itself, and its connections with theirs."""


def _bodies(flow: http.HTTPFlow, sides: Sides | None) -> list[bytes]:
    found = [flow.request.raw_content or b"", (flow.response.raw_content or b"") if flow.response else b""]
    return found + ([sides.client, sides.upstream] if sides else [])


def _fields(flow: http.HTTPFlow) -> int:
    messages = (flow.request, flow.response) if flow.response else (flow.request,)
    return sum(FIELD + len(name) + len(value) for each in messages for name, value in each.headers.fields)
