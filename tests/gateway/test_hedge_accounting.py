"""Whom a late attempt gets beside it, and what is learned of the two."""

import pytest

from omniroute.addons.failover import handle_lost_hedge
from omniroute.addons.hedging import hedge_attempt
from omniroute.catalog.providers import node
from omniroute.config.deadlines import Deadlines
from omniroute.config.model import Account, Config, Limit
from omniroute.config.settings import HedgeSettings, Settings
from omniroute.dialects.hub import Whole
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.gateway.router import Router
from omniroute.mitm.ports import Attempt
from omniroute.routing.endpoints import claim
from omniroute.routing.failures import Failure, Kind
from omniroute.routing.hedging import ENOUGH
from omniroute.routing.target import RoutePath, Target

UP = node("up", "openai", "http://127.0.0.1:1")
ACCOUNTS = tuple(Account(name, "up", name) for name in "abc")
ONE, TWO, THREE = (Target(account, UP, "m", "openai", RoutePath(""), "") for account in ACCOUNTS)
HEDGED = Config(nodes=(UP,), accounts=ACCOUNTS, rules=Settings(hedge=HedgeSettings(True, least=0.5, share=1.0)))


class Desk:
    """As much of the runtime as is asked here."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.choosing = Router(clock=lambda: self.now, wall=lambda: self.now, dice=lambda: 0.0)

    def exchange(self, *open: Target, config: Config = HEDGED) -> Exchange:
        path = "/v1/chat/completions"
        made = Exchange("id", 0.0, 0.0, "openai", path, "", (), config, claimed=claim("POST", path))
        made.remaining = [*open]
        return made

    def ask(self, exchange: Exchange, target: Target, *, hedge: bool = False) -> AttemptRecord:
        attempt = Attempt({}, Deadlines(), None, lambda raw: Whole(raw), last=not exchange.remaining)
        attempt.hedge_after = self.choosing.hedge_after(exchange, target)
        attempt.started = attempt.sent = self.now
        asked = AttemptRecord(target, attempt, admitted_at=self.now, hedge_delay=1.0 if hedge else None)
        self.choosing.admission.limits.begin(target.account.id, self.now)
        exchange.attempts_made.append(asked)
        self.choosing.attempt_started(exchange, asked)
        return asked

    def end(self, exchange: Exchange, asked: AttemptRecord, seconds: float, failure: Failure | None = None) -> None:
        asked.attempt.ended = asked.attempt.started + seconds
        asked.attempt.failure = failure
        if failure is None:
            asked.attempt.content_at = asked.attempt.ended
        self.choosing.attempt_ended(exchange, asked)

    def known(self, seconds: float = 2.0) -> None:
        """Have the first account answer as often as has to be known."""
        for _ in range(ENOUGH):
            exchange = self.exchange(TWO)
            self.end(exchange, self.ask(exchange, ONE), seconds)

    def chosen(self, exchange: Exchange, late: AttemptRecord) -> str | None:
        found = self.choosing.hedge_targets(exchange, late, exchange.remaining)
        return found[0].account.id if found else None

    def busy(self) -> list[int]:
        return [self.choosing.admission.limits.in_use(account.id, self.now)[0] for account in ACCOUNTS]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_after_how_long_another_is_asked(desk: Desk) -> None:
    assert desk.choosing.hedge_after(desk.exchange(TWO), ONE) is None
    desk.known(2.0)
    assert desk.choosing.hedge_after(desk.exchange(TWO), ONE) == 2.0
    assert desk.choosing.hedge_after(desk.exchange(ONE), TWO) is None
    assert desk.choosing.hedge_after(desk.exchange(), ONE) is None
    off = Config(nodes=(UP,), accounts=ACCOUNTS)
    assert desk.choosing.hedge_after(desk.exchange(TWO, config=off), ONE) is None
    streaming = desk.exchange(TWO)
    streaming.stream = True
    assert desk.choosing.hedge_after(streaming, ONE) is None


def test_everybody_is_given_the_least(desk: Desk) -> None:
    desk.known(0.1)
    assert desk.choosing.hedge_after(desk.exchange(TWO), ONE) == 0.5


def test_an_exchange_is_hedged_once(desk: Desk) -> None:
    desk.known()
    exchange = desk.exchange(TWO, THREE)
    desk.ask(exchange, TWO, hedge=True)
    assert desk.choosing.hedge_after(exchange, ONE) is None


def test_the_next_of_another_account_is_asked(desk: Desk) -> None:
    exchange = desk.exchange(ONE, TWO, THREE)
    late = desk.ask(exchange, ONE)
    assert desk.chosen(exchange, late) == "b"
    assert desk.busy() == [1, 1, 0]


@pytest.mark.parametrize("why", ["cooling", "half open", "full", "shut", "too early"])
def test_only_who_is_ready_is_asked(desk: Desk, why: str) -> None:
    second = TWO
    if why == "cooling":
        exchange = desk.exchange(THREE)
        desk.end(exchange, desk.ask(exchange, TWO), 1.0, Failure("status", "429", status=429))
    elif why == "half open":
        for _ in range(20):
            exchange = desk.exchange(THREE)
            desk.end(exchange, desk.ask(exchange, TWO), 1.0, Failure("status", "500", status=500))
            desk.now += 1
        desk.now += 3600
        desk.choosing.health.reset({"up"})
        assert desk.choosing.health.snapshot().breakers["account", "b"].state(desk.now) == "HALF_OPEN"
    elif why == "full":
        desk.choosing.admission.set({"b": Limit(concurrency=1)})
        desk.ask(desk.exchange(), TWO)
    elif why == "shut":
        desk.choosing.admission.learn("b", "m", 10.0)
    elif why == "too early":
        second = Target(ACCOUNTS[1], UP, "m", "openai", RoutePath(""), "", not_before=desk.now + 1)
    exchange = desk.exchange(second, THREE)
    assert desk.chosen(exchange, desk.ask(exchange, ONE)) == "c"
    exchange = desk.exchange(second)
    assert desk.chosen(exchange, desk.ask(exchange, ONE)) is None


def test_no_more_than_their_share_is_hedged(desk: Desk) -> None:
    config = Config(nodes=(UP,), accounts=ACCOUNTS, rules=Settings(hedge=HedgeSettings(True, share=0.1)))
    hedged = 0
    for _ in range(200):
        exchange = desk.exchange(TWO, config=config)
        hedged += desk.chosen(exchange, desk.ask(exchange, ONE)) is not None
    assert hedged == 20


def race(desk: Desk) -> tuple[Exchange, AttemptRecord, AttemptRecord]:
    exchange = desk.exchange(THREE)
    return exchange, desk.ask(exchange, ONE), desk.ask(exchange, TWO, hedge=True)


def test_what_was_let_go_counts_for_nothing_but_its_time(desk: Desk) -> None:
    desk.known(2.0)
    for loses in (0, 1):
        exchange, *both = race(desk)
        desk.now += 9
        for asked in both:
            asked.attempt.ended = desk.now
        both[loses].attempt.failure = Failure("hedged", "another target has answered first")
        handle_lost_hedge(desk, exchange, both[loses].attempt)  # type: ignore[arg-type]
        assert exchange.last is both[1 - loses]
        assert exchange.remaining == [THREE, both[loses].target]
        assert desk.busy() == [int(loses == 1), int(loses == 0), 0]
        assert desk.choosing.health.all_healthy
        desk.end(exchange, both[1 - loses], 9.0)
        assert desk.busy() == [0, 0, 0]
    assert list(desk.choosing._paces._times["a", "m", False])[-2:] == [9.0, 9.0]
    assert list(desk.choosing._paces._times["b", "m", False]) == [9.0]


@pytest.mark.parametrize(
    ("kind", "status", "open", "stopped"),
    [
        ("status", 500, [THREE], False),
        ("status", 400, [THREE], True),
        ("cut", None, [THREE], False),
        ("unable", None, [], False),
    ],
)
def test_what_fails_beside_another_is_learned_from_at_once(
    desk: Desk, kind: Kind, status: int | None, open: list[Target], stopped: bool
) -> None:
    exchange, first, second = race(desk)
    second.attempt.failure = Failure(kind, "it failed", status=status)
    second.attempt.ended = desk.now
    handle_lost_hedge(desk, exchange, second.attempt)  # type: ignore[arg-type]
    assert exchange.last is first
    assert exchange.remaining == open
    assert exchange.decisive_refusal is (second if stopped else None)
    assert first.attempt.last is not bool(open)
    assert desk.busy() == [1, 0, 0]
    assert desk.choosing.health.all_healthy is (kind in ("unable",) or status == 400)


def test_a_connection_that_was_stale_is_no_failure(desk: Desk) -> None:
    exchange, first, second = race(desk)
    first.attempt.failure = Failure("cut", "it closed", stale=True)
    first.attempt.ended = desk.now
    handle_lost_hedge(desk, exchange, first.attempt)  # type: ignore[arg-type]
    assert exchange.remaining == [ONE, THREE]
    assert exchange.last is second


def test_who_is_asked_beside_is_given_once(desk: Desk) -> None:
    exchange, _, second = race(desk)
    assert hedge_attempt(exchange) is None
    second.attempt.started = 0.0
    assert hedge_attempt(exchange) is second.attempt
