"""Client connections: how many there may be, in all and for each address, and which of them are idle."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from omniroute.access.client_address import source_of
from omniroute.config.server_limits import ServerLimits

RESERVED = 128
"""Descriptors kept for the database, the panel, logs and connections that are about to open."""
SPARE = 64
"""Connections over the limits that are served health and management only."""
EVICTABLE_AFTER = 1.0
"""Seconds without a request after which a connection may make room for another one."""
SILENT_EVICTABLE_AFTER = 0.1
"""The same for a connection that has not sent a byte."""
SCAN_EVERY = 0.25
"""Seconds between two searches for idle connections."""

type Verdict = Literal["admit", "spare", "refuse"]


class HasStreams(Protocol):
    """What has to be known of the HTTP layer of a connection."""

    requests: int
    """Requests since the start of the connection."""

    @property
    def streams(self) -> Sized:
        """The requests that are under way."""


@dataclass(slots=True, eq=False)
class ClientConnection:
    """One client connection. It is idle while no request is under way, also before its first byte."""

    source: str
    """The address, or network of IPv6, that it counts for."""
    active_at: float
    """When a request was last seen under way; at first, when the connection was accepted."""
    close: Callable[[], None]
    exempt: bool = False
    """It comes from a trusted proxy: no limit for its address holds."""
    spare: bool = False
    """It is over the limits, and served health and management only."""
    begun: bool = False
    """A byte has come."""
    queued: bool = False
    """Data of it wait in the pacer."""
    layer: HasStreams | None = None
    requests: int = 0
    ends: tuple[Any, Any] = (None, None)
    """The peer's address and ours, once it has a transport."""

    @property
    def evictable_at(self) -> float:
        """When it may make room for another one, if it stays idle."""
        return self.active_at + (EVICTABLE_AFTER if self.begun else SILENT_EVICTABLE_AFTER)

    def is_idle(self, now: float) -> bool:
        """Return whether no request is under way; note the time if one is, or was since the last look."""
        if self.queued:
            return False
        if self.layer is None:
            return True
        if len(self.layer.streams) or self.layer.requests != self.requests:
            self.requests, self.active_at = self.layer.requests, now
        return not len(self.layer.streams)


@dataclass(slots=True)
class ConnectionCounts:
    """What has happened since the start."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By reason: `connections`, `address` or `descriptors`."""
    evicted: int = 0
    """Idle connections closed to make room."""
    timed_out: int = 0
    """Idle connections closed after their time."""


class ClientConnections:
    """All connections of clients. No I/O and no clock of its own."""

    def __init__(self, limits: Callable[[], ServerLimits], descriptors: int) -> None:
        """`descriptors` is how many the process may open."""
        self.counts = ConnectionCounts()
        self._limits = limits
        self._all: dict[ClientConnection, None] = {}
        self._by_source: Counter[str] = Counter()
        self._spares = 0
        reserved = min(RESERVED, descriptors // 4)
        self._most = max(8, (descriptors - reserved) // 2)
        self._ceiling = descriptors - reserved
        self._spare_ceiling = descriptors - reserved // 2
        self._candidates: dict[str, tuple[float, deque[ClientConnection]]] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def limit(self) -> int:
        """Connections in all: each may need as many descriptors for its upstream."""
        return min(self._limits().connections, self._most)

    @property
    def upstream_limit(self) -> int:
        """Connections to upstreams that there are descriptors for."""
        return self._most

    @property
    def spares(self) -> int:
        return self._spares

    def judge(self, address: str, descriptor: int, now: float, *, exempt: bool) -> Verdict:
        """Decide about a connection that was just accepted. An idle one may be closed for it.

        The system gives the lowest free descriptor, so its number says how many are open.
        """
        reason, source = "", source_of(address)
        if descriptor >= self._ceiling:
            reason = "descriptors"
        elif len(self._all) - self._spares >= self.limit:
            reason = "connections"
        elif not exempt and self._by_source[source] >= self._limits().connections_per_address:
            reason = "address"
        if not reason or self.evict(now, source if reason == "address" else ""):
            return "admit" if descriptor < self._spare_ceiling else "refuse"
        if self._spares < SPARE and descriptor < self._spare_ceiling:
            return "spare"
        self.counts.refused[reason] += 1
        return "refuse"

    def add(self, connection: ClientConnection) -> None:
        self._all[connection] = None
        self._by_source[connection.source] += 1
        self._spares += connection.spare
        self.counts.accepted += 1

    def remove(self, connection: ClientConnection) -> None:
        """Forget a connection; safe to repeat."""
        if connection in self._all:
            del self._all[connection]
            self._spares -= connection.spare
            self._by_source[connection.source] -= 1
            if not self._by_source[connection.source]:
                del self._by_source[connection.source]

    def evict(self, now: float, source: str = "") -> bool:
        """Close the connection that has been idle for the longest; return whether there was one."""
        searched, found = self._candidates.get(source, (float("-inf"), deque()))
        if not found and now - searched >= SCAN_EVERY:
            idle = (each for each in self._idle(now, source) if each.evictable_at <= now)
            found = deque(sorted(idle, key=lambda each: each.active_at))
            self._candidates[source] = now, found
        while found:
            each = found.popleft()
            if each in self._all and each.is_idle(now) and each.evictable_at <= now:
                self.counts.evicted += 1
                self._close(each)
                return True
        return False

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long, or has not sent a byte in the time for a head."""
        limits = self._limits()
        self._candidates.clear()
        for each in list(self._idle(now)):
            if now - each.active_at >= (limits.idle_timeout if each.begun else limits.header_timeout):
                self.counts.timed_out += 1
                self._close(each)

    def close_all(self) -> None:
        """Close every connection that has not sent a byte."""
        for each in [each for each in self._all if not each.begun]:
            self._close(each)

    def _idle(self, now: float, source: str = "") -> Iterable[ClientConnection]:
        return (each for each in self._all if (not source or each.source == source) and each.is_idle(now))

    def _close(self, connection: ClientConnection) -> None:
        """Count it out at once: its end may take an iteration of the loop."""
        self.remove(connection)
        connection.close()
