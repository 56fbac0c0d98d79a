"""What is set aside for a request, and what it counts as in the end, with a clock that the test moves."""

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from omniroute.budgets.ledger import MIN_SAMPLES, NO_KEY, Budget, BudgetSettings
from omniroute.catalog.pricing import Price
from omniroute.catalog.providers import node
from omniroute.config.model import Account, Config
from omniroute.config.settings import Settings
from omniroute.dialects.hub import Whole
from omniroute.dialects.ir import Usage
from omniroute.dialects.requirements import Needs
from omniroute.errors import Forbidden, RateLimited
from omniroute.gateway.budget_enforcer import BudgetEnforcer
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.mitm.ports import Attempt, Deadlines
from omniroute.routing.failures import Failure
from omniroute.routing.target import RoutePath, Target

UP, DEAR, FREE = (node(name, "openai", "http://127.0.0.1:1") for name in ("up", "dear", "free"))
PRICES = {("up", "m"): Price(input=0, output=1000), ("dear", "m"): Price(input=0, output=3000)}


@dataclass
class Clock:
    now: float = datetime(2026, 11, 23, 23, 59, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spending(clock: Clock) -> BudgetEnforcer:
    made = BudgetEnforcer(clock)
    made.ledger.read({}, ZoneInfo("Europe/Berlin"), clock())
    return made


def config(limit: float, unknown: str = "allow") -> Config:
    rules = Settings(budget=BudgetSettings("Europe/Berlin", unknown))
    return Config(budgets={NO_KEY: (Budget(NO_KEY, "daily", limit),)}, prices=PRICES, rules=rules)


def begin(spending: BudgetEnforcer, clock: Clock, set_up: Config, *at: str, **body: object) -> Exchange:
    made = Exchange("id", clock(), 0.0, "openai", "/", "", (), set_up)
    for name in at or ("up",):
        provider = {"up": UP, "dear": DEAR, "free": FREE}[name]
        made.remaining.append(Target(Account(name, name, name), provider, "m", "openai", RoutePath("asked"), "first"))
    targets = list(made.remaining)
    spending.reserve(made, Needs({"messages": [], **body}), set_up)
    made.attempts_made = [AttemptRecord(targets[0], Attempt({}, Deadlines(), None, Whole, last=True))]  # type: ignore[arg-type]
    return made


def answered(spending: BudgetEnforcer, exchange: Exchange, output: int) -> None:
    attempt = exchange.attempts_made[0].attempt
    attempt.content_at, attempt.whole = 1.0, Whole(b"", Usage(0, output), True, None)
    exchange.cost = output / 1000
    spending.settle(exchange, exchange.config)


def test_it_begins_anew_at_midnight_of_its_zone(spending: BudgetEnforcer, clock: Clock) -> None:
    set_up = config(1.0)
    answered(spending, begin(spending, clock, set_up, max_tokens=1000), 1000)
    with pytest.raises(RateLimited, match="is spent; it begins anew 2026-11-23 23:00 UTC") as told:
        begin(spending, clock, set_up, max_tokens=1)
    assert (told.value.code, told.value.retry_after, told.value.final) == ("insufficient_quota", 60.0, True)
    clock.now += 59
    with pytest.raises(RateLimited):
        begin(spending, clock, set_up, max_tokens=1)
    clock.now += 1
    assert begin(spending, clock, set_up, max_tokens=1000).reservation
    clock.now -= 1
    with pytest.raises(RateLimited):
        begin(spending, clock, set_up, max_tokens=1)


def test_the_dearest_target_counts_and_each_answer_that_is_wanted(spending: BudgetEnforcer, clock: Clock) -> None:
    held = begin(spending, clock, config(100.0), "up", "dear", "free", max_tokens=1000, n=2).reservation
    assert held
    assert held.parts == 6 * 10**12


def test_who_would_fit_if_nothing_else_were_running_may_ask_again_soon(spending: BudgetEnforcer, clock: Clock) -> None:
    set_up = config(1.0)
    running = begin(spending, clock, set_up, max_tokens=900)
    with pytest.raises(RateLimited, match="ask again when those are done") as told:
        begin(spending, clock, set_up, max_tokens=900)
    assert (told.value.final, told.value.retry_after) == (False, 5.0)
    answered(spending, running, 50)
    assert begin(spending, clock, set_up, max_tokens=900).reservation


def test_what_costs_more_than_the_whole_budget_is_told_what_to_do(spending: BudgetEnforcer, clock: Clock) -> None:
    with pytest.raises(RateLimited, match="ask for a shorter answer or set a higher budget"):
        begin(spending, clock, config(1.0), max_tokens=5000)


def test_answers_that_are_known_to_be_short_set_less_aside(spending: BudgetEnforcer, clock: Clock) -> None:
    set_up = config(1000.0)
    for _ in range(MIN_SAMPLES):
        exchange = begin(spending, clock, set_up, max_tokens=32_000)
        assert exchange.reservation
        assert exchange.reservation.tokens_out == 32_000
        answered(spending, exchange, 100)
    held = begin(spending, clock, set_up, max_tokens=32_000).reservation
    assert held
    assert held.tokens_out == 101


def test_a_second_target_needs_room_too_and_counts_what_it_has_read(spending: BudgetEnforcer, clock: Clock) -> None:
    set_up = replace(
        config(10.0), prices={("up", "m"): Price(input=0, output=1000), ("dear", "m"): Price(input=500, output=0)}
    )
    exchange = begin(spending, clock, set_up, max_tokens=1000)
    assert exchange.reservation
    exchange.reservation.tokens_in = 1000
    second = Target(Account("dear", "dear", "dear"), DEAR, "m", "openai", RoutePath("asked"), "first")
    spending.extend_reservation(exchange, second, set_up)
    assert exchange.reservation.parts == 1_500_000_000_000
    attempt = Attempt({}, Deadlines(), None, Whole, last=True)  # type: ignore[arg-type]
    attempt.sent, attempt.failure = 1.0, Failure("hedged", "another was first")
    exchange.attempts_made.append(AttemptRecord(second, attempt))
    answered(spending, exchange, 1000)
    [stands] = spending.ledger.status(spending.budgets(exchange, set_up), clock())
    assert (stands.spent, stands.reserved) == (1.5, 0.0)


def test_a_second_target_that_no_budget_has_room_for_is_not_asked(spending: BudgetEnforcer, clock: Clock) -> None:
    set_up = config(1.5)
    exchange = begin(spending, clock, set_up, max_tokens=1000)
    assert exchange.reservation
    held = exchange.reservation.parts
    with pytest.raises(RateLimited):
        spending.extend_reservation(exchange, exchange.attempts_made[0].target, set_up)
    assert exchange.reservation.parts == held


def test_who_leaves_two_pays_for_what_both_have_read(spending: BudgetEnforcer, clock: Clock) -> None:
    set_up = replace(config(10.0), prices={("up", "m"): Price(input=500, output=0)})
    exchange = begin(spending, clock, set_up, max_tokens=1)
    assert exchange.reservation
    exchange.reservation.tokens_in = 1000
    exchange.attempts_made.append(
        AttemptRecord(exchange.attempts_made[0].target, Attempt({}, Deadlines(), None, Whole, last=True))
    )  # type: ignore[arg-type]
    for asked in exchange.attempts_made:
        asked.attempt.sent, asked.attempt.failure = 1.0, Failure("client_gone", "the client left")
    assert spending.settle(exchange, set_up) == 1.0


def test_what_fails_gives_back_all(spending: BudgetEnforcer, clock: Clock) -> None:
    set_up = config(1.0)
    for _ in range(5):
        spending.settle(begin(spending, clock, set_up, max_tokens=900), set_up)
    [stands] = spending.ledger.status(set_up.budgets[NO_KEY], clock())
    assert (stands.spent, stands.reserved) == (0.0, 0.0)


def test_without_a_price_it_is_counted_as_nothing_or_refused(spending: BudgetEnforcer, clock: Clock) -> None:
    held = begin(spending, clock, config(1.0), "free").reservation
    assert held
    assert held.parts == 0
    with pytest.raises(Forbidden, match="the price of free/m is unknown"):
        begin(spending, clock, config(1.0, "refuse"), "free")
    exchange = begin(spending, clock, config(5.0, "refuse"), "free", "up")
    assert [target.name for target in exchange.remaining] == ["up/m"]
