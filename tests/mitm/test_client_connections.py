"""Who gets a connection, and which idle one makes room."""

from dataclasses import dataclass, field

import pytest

from omniroute.access.client_address import source_of
from omniroute.config.server_limits import ServerLimits
from omniroute.mitm.client_connections import SPARE, ClientConnection, ClientConnections

MANY = 100_000


@dataclass
class Layer:
    streams: dict[int, object] = field(default_factory=dict)
    requests: int = 0


class Table:
    def __init__(self, limits: ServerLimits, descriptors: int = MANY) -> None:
        self.table = ClientConnections(lambda: limits, descriptors)
        self.closed: list[ClientConnection] = []

    def connect(
        self, address: str, now: float, *, descriptor: int = 10, exempt: bool = False
    ) -> tuple[str, ClientConnection | None]:
        verdict = self.table.judge(address, descriptor, now, exempt=exempt)
        if verdict == "refuse":
            return verdict, None
        made = ClientConnection(source_of(address), now, lambda: None, exempt=exempt, spare=verdict == "spare")
        made.close = lambda: self.closed.append(made)
        self.table.add(made)
        return verdict, made

    def busy(self, address: str, now: float, **how: bool) -> ClientConnection:
        verdict, made = self.connect(address, now, **how)
        assert verdict == "admit"
        assert made
        made.begun, made.layer = True, Layer({1: object()}, 1)
        return made


def test_the_limit_in_all() -> None:
    t = Table(ServerLimits(connections=10))
    for number in range(10):
        t.busy(f"192.0.2.{number}", 0.0)
    verdicts = [t.connect("198.51.100.1", 100.0)[0] for _ in range(SPARE + 5)]
    assert verdicts == ["spare"] * SPARE + ["refuse"] * 5
    assert t.table.counts.refused == {"connections": 5}
    assert not t.closed, "nothing that is busy makes room"


def test_the_limit_of_an_address_is_that_address_own() -> None:
    t = Table(ServerLimits(connections_per_address=3))
    for _ in range(3):
        t.busy("2001:db8::1", 0.0)
    assert t.connect("2001:db8::2", 0.0)[0] == "spare", "a /64 network counts as one address"
    assert t.connect("2001:db8:1::1", 0.0)[0] == "admit"


def test_trusted_proxies_are_exempt_from_it() -> None:
    t = Table(ServerLimits(connections=6, connections_per_address=2))
    for _ in range(6):
        t.busy("10.0.0.1", 0.0, exempt=True)
    assert t.connect("10.0.0.1", 0.0, exempt=True)[0] == "spare", "the limit in all holds for them too"


def test_the_connection_that_is_idle_for_the_longest_makes_room() -> None:
    t = Table(ServerLimits(connections=3))
    first, second, third = (t.busy("192.0.2.1", 0.0) for _ in range(3))
    for each, at in ((second, 5.0), (first, 6.0)):
        assert each.layer
        each.is_idle(at)
        each.layer.streams = {}
    verdict, _ = t.connect("192.0.2.9", 10.0)
    assert verdict == "admit"
    assert t.closed == [second]
    assert t.connect("192.0.2.9", 10.0)[0] == "admit"
    assert t.closed == [second, first]
    assert third not in t.closed
    assert len(t.table) == 3
    assert t.table.counts.evicted == 2


def test_a_request_since_the_last_look_counts_as_activity() -> None:
    t = Table(ServerLimits(connections=1))
    only = t.busy("192.0.2.1", 0.0)
    only.layer = Layer({}, 1)
    assert only.is_idle(50.0)
    only.layer.requests = 2
    assert t.connect("192.0.2.9", 50.5)[0] == "spare"
    only.queued = True
    assert t.connect("192.0.2.9", 90.0)[0] != "admit" or t.closed[0].spare, "its data wait to be read"


def test_descriptors_bound_connections_too() -> None:
    t = Table(ServerLimits(), descriptors=1024)
    assert t.table.limit == (1024 - 128) // 2
    assert t.connect("192.0.2.1", 0.0, descriptor=890)[0] == "admit"
    assert t.connect("192.0.2.1", 0.0, descriptor=900)[0] == "spare"
    assert t.connect("192.0.2.1", 0.0, descriptor=1000)[0] == "refuse"
    assert t.table.counts.refused == {"descriptors": 1}
    assert Table(ServerLimits(), descriptors=64).table.limit >= 8


def test_idle_and_silent_connections_end_in_time() -> None:
    t = Table(ServerLimits(idle_timeout=300.0, header_timeout=10.0))
    busy, idle = t.busy("192.0.2.1", 0.0), t.busy("192.0.2.1", 0.0)
    _, silent = t.connect("192.0.2.1", 0.0)
    assert idle.layer
    t.table.sweep(1.0)
    idle.layer.streams = {}
    t.table.sweep(9.0)
    assert not t.closed
    t.table.sweep(10.0)
    assert t.closed == [silent]
    t.table.sweep(299.0)
    assert t.closed == [silent]
    t.table.sweep(302.0)
    t.table.sweep(1e6)
    assert t.closed == [silent, idle], "a request under way is never cut"
    assert busy.layer
    assert t.table.counts.timed_out == 2
    assert len(t.table) == 1


def test_removing_twice_counts_once() -> None:
    t = Table(ServerLimits(connections=1, connections_per_address=1))
    only = t.busy("192.0.2.1", 0.0)
    t.table.remove(only)
    t.table.remove(only)
    assert len(t.table) == 0
    assert t.connect("192.0.2.1", 0.0)[0] == "admit"
    t.table.close_all()
    assert len(t.closed) == 1


@pytest.mark.parametrize("settled", [True, False])
def test_a_spare_connection_leaves_its_place(settled: bool) -> None:
    t = Table(ServerLimits(connections=1))
    t.busy("192.0.2.1", 0.0)
    verdict, spare = t.connect("192.0.2.2", 0.0)
    assert verdict == "spare"
    assert spare
    assert t.table.spares == 1
    if settled:
        t.table.remove(spare)
        assert t.table.spares == 0
