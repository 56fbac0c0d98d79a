"""Limits of requests a minute outlive a kill: what was saved before it counts after it."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute.config.model import Config, Key, Limit
from omniroute.errors import RateLimited
from omniroute.gateway.authenticator import Authenticator
from omniroute.routing.admission_queue import Admission
from omniroute.routing.rate_limits import MINUTE, InFlight
from omniroute.store.config import limits
from omniroute.store.db.database import Store
from omniroute.store.db.state_tables import LimitsBegun

RPM = 6
START = 1_700_000_000.0


class Clocks:
    """A monotonic clock that begins anew with each process, and one on the wall."""

    def __init__(self) -> None:
        self.wall, self.started = START, START

    def __call__(self) -> float:
        return self.wall - self.started

    def restart(self) -> None:
        self.started = self.wall


def gateway(store: Store, clocks: Clocks) -> Admission:
    """Begin as a gateway does, from what is saved."""
    admission = Admission(InFlight(), clocks)
    admission.set({"a": Limit(rpm=RPM)})
    passed = clocks() - clocks.wall
    for account, times in limits.begun(store, clocks.wall).items():
        admission.limits.take_up(account, [at + passed for at in times])
    return admission


def send(store: Store, clocks: Clocks, admission: Admission, sent: list[float]) -> None:
    """Ask as the gateway does: let in, saved, sent."""
    if admission.limits.wait("a", clocks()):
        return
    admission.limits.begin("a", clocks())
    admission._count("a", clocks())
    admission._note("a")
    if changes := admission.changes():
        limits.save(store, changes, at=clocks.wall)
    sent.append(clocks.wall)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.0, 1e-7, 0.01, 1.0, 9.0]), st.booleans()), max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_no_minute_has_more_than_are_allowed_after_kills(store: Store, steps: list[tuple[float, bool]]) -> None:
    try:
        clocks, sent = Clocks(), list[float]()
        admission = gateway(store, clocks)
        for pause, killed in steps:
            clocks.wall += pause
            if killed:
                clocks.restart()
                admission = gateway(store, clocks)
            send(store, clocks, admission, sent)
        for at in sent:
            assert sum(at <= other < at + MINUTE - 0.001 for other in sent) <= RPM
        assert not steps or sent
    finally:
        with store.change():
            store.run(LimitsBegun.delete())


def test_requests_that_begin_at_the_same_moment_count_each(store: Store) -> None:
    limits.save_begun(store, [("a", 0.0)] * 3, START)
    limits.save_begun(store, [("a", 0.0)] * 2, START)
    assert len(limits.begun(store, START)["a"]) == 5


def test_those_let_in_from_the_queue_at_one_moment_count_each() -> None:
    clocks = Clocks()
    admission = Admission(InFlight(), clocks)
    admission.set({"a": Limit(rpm=RPM, concurrency=1)})
    admission.limits.begin("a", clocks())
    tickets = [admission.queue.join([("a", "m")], lambda: None, 100) for _ in range(3)]
    admission.set({"a": Limit(rpm=RPM)})
    assert all(ticket and ticket.place for ticket in tickets)
    changes = admission.changes()
    assert changes
    assert [account for account, _ in changes.begun] == ["a"] * 3
    assert tickets[0]
    admission.give_back("a", tickets[0].at)
    assert not admission._begun


def test_the_limit_of_a_key_outlives_a_kill(store: Store) -> None:
    clocks = Clocks()
    key = Key("k1", "laptop", b"digest", limit=Limit(rpm=2))
    config = Config(keys=(key,))
    refused = 0
    message = "at its limit of 2 requests a minute"
    for _ in range(4):
        clocks.wall += 10
        clocks.restart()
        gate = Authenticator(clock=clocks, wall=lambda: clocks.wall)
        gate.keep(config, config)
        gate.take_up_begun(limits.begun_by_key(limits.begun(store, clocks.wall)))
        try:
            gate.acquire(key)
        except RateLimited as error:
            refused += message in error.message
        begun = [(limits.of_key(id), age) for id, age in gate.begun()]
        limits.save_begun(store, begun, clocks.wall)
        assert gate.begun() == []
    assert refused == 2
