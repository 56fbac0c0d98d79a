"""Laws that hold however requests overlap: cool-downs, breakers and what each attempt is counted as."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from simulated_gateway import Gateway, Request, accounts, simulated

from omniroute.addons.views import comment
from omniroute.budgets.ledger import Ledger
from omniroute.catalog.pricing import Price
from omniroute.config.model import Combo, Config, Limit
from omniroute.config.settings import HedgeSettings, Settings
from omniroute.dialects.ir import Usage
from omniroute.gateway.exchange import AttemptRecord
from omniroute.routing.failures import Failure, judge

MANY = 1200
MODELS = ("first", "spread", "a/m", "b/m")
COMBOS = {
    "first": Combo("first", ("a/m", "b/m", "b/n")),
    "spread": Combo("spread", ("a/m", "b/m", "c/m"), "round-robin"),
}
RULES = Settings(hedge=HedgeSettings(True, least=0.01, share=1.0), cooldown_wait=5.0)
CONFIG = Config(
    **accounts("abc", each=2), combos=COMBOS, rules=RULES, limits={"a0": Limit(concurrency=1), "b1": Limit(gap=1.0)}
)
TIMES = (0.0, 0.0, 0.01, 1.0, 4.0, 12.0, 45.0)
FAILURES = {
    "rate": Failure("status", "429 slow down", status=429),
    "server": Failure("status", "500 broken", status=500),
    "connect": Failure("connect", "refused"),
    "auth": Failure("status", "401 no", status=401),
    "deadline": Failure("deadline", "too late", phase="first content"),
}


def named(seconds: float, status: int = 429) -> Failure:
    return Failure("status", f"{status} slow down", status=status, retry_after=seconds)


class Providers:
    """What the providers themselves have said: (account, model) -> until when not to ask, and when they said so."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.named: dict[tuple[str, str], tuple[float, float]] = {}
        self.tried: set[AttemptRecord] = set()
        self.broken: list[str] = []

    def look(self) -> None:
        """Note each new attempt, and whether its provider had named a time that is not over."""
        for _, asked in self.gateway.attempts:
            if asked in self.tried:
                continue
            self.tried.add(asked)
            until, _ = self.named.get((asked.target.account.id, asked.target.model), (0.0, 0.0))
            if until > self.gateway.wall:
                self.broken.append(f"{asked.target.account.id} is tried {until - self.gateway.wall} s too early")

    def fail(self, request: Request, asked: AttemptRecord, failure: Failure) -> None:
        place = (asked.target.account.id, asked.target.model)
        if failure.retry_after:
            until = max(self.gateway.wall + failure.retry_after, self.named.get(place, (0.0, 0.0))[0])
            self.named[place] = until, self.gateway.wall
        elif place in self.named and judge(failure).cools == "model" and asked.at >= self.named[place][1]:
            self.named[place] = self.named[place][0], self.gateway.wall
        self.gateway.fail(request, asked, failure)
        self.look()

    def answer(self, request: Request, asked: AttemptRecord) -> None:
        place = (asked.target.account.id, asked.target.model)
        if place in self.named and asked.at >= self.named[place][1]:
            del self.named[place]
        self.gateway.answer(request, asked)
        self.look()

    def check(self) -> None:
        """Check that what providers have named is remembered as such."""
        cooling = self.gateway.runtime.choosing.health.snapshot().cooling
        for (account, model), (until, _) in self.named.items():
            if until > self.gateway.wall:
                kept = cooling.get(("model", account, model))
                assert kept
                assert kept.provider_named
                assert kept.until >= until


class Interleavings(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.opened = simulated(CONFIG)
        self.gateway = self.opened.__enter__()
        self.providers = Providers(self.gateway)
        self.came = 0

    def teardown(self) -> None:
        for request in [*self.gateway.requests]:
            self.gateway.leave(request)
        assert len(self.gateway.rows) == self.came, "each request is logged once"
        assert not self.gateway.runtime.choosing.busy()
        assert not self.gateway.runtime.choosing.health._probes
        assert not len(self.gateway.runtime.choosing.admission.queue)
        self.opened.__exit__(None, None, None)

    @rule(model=st.sampled_from(MODELS))
    def come(self, model: str) -> None:
        self.came += 1
        request = self.gateway.come(model)
        self.providers.look()
        if request.status is not None:
            assert request.status in (429, 503)

    @precondition(lambda self: self.gateway.attempts)
    @rule(n=st.integers(0, 30))
    def answer(self, n: int) -> None:
        attempts = self.gateway.attempts
        self.providers.answer(*attempts[n % len(attempts)])

    @precondition(lambda self: self.gateway.attempts)
    @rule(n=st.integers(0, 30), kind=st.sampled_from([*FAILURES]))
    def fail(self, n: int, kind: str) -> None:
        attempts = self.gateway.attempts
        self.providers.fail(*attempts[n % len(attempts)], FAILURES[kind])

    @precondition(lambda self: self.gateway.attempts)
    @rule(n=st.integers(0, 30), seconds=st.sampled_from([0.5, 4.0, 10.0, 40.0]), status=st.sampled_from([429, 503]))
    def name_a_time(self, n: int, seconds: float, status: int) -> None:
        attempts = self.gateway.attempts
        self.providers.fail(*attempts[n % len(attempts)], named(seconds, status))

    @precondition(lambda self: self.gateway.attempts)
    @rule(n=st.integers(0, 30))
    def hedge(self, n: int) -> None:
        attempts = self.gateway.attempts
        request, _ = attempts[n % len(attempts)]
        if len(request.running) == 1 and request.exchange.hedge is None:
            self.gateway.hedge(request)
            self.providers.look()

    @precondition(lambda self: self.gateway.requests)
    @rule(n=st.integers(0, 30))
    def leave(self, n: int) -> None:
        self.gateway.leave(self.gateway.requests[n % len(self.gateway.requests)])

    @rule(seconds=st.sampled_from(TIMES))
    def wait(self, seconds: float) -> None:
        self.gateway.now += seconds
        self.gateway.wake()
        self.providers.look()

    @invariant()
    def no_attempt_begins_inside_a_named_cooldown(self) -> None:
        assert not self.providers.broken

    @invariant()
    def named_cooldowns_stay(self) -> None:
        self.providers.check()


def test_no_attempt_begins_inside_a_named_cooldown() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Interleavings,
        settings=settings(
            max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )


@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_overlapping_requests_keep_named_cooldowns(seed: int) -> None:
    dice, lost = Random(seed), 0
    with simulated(CONFIG) as gateway:
        providers = Providers(gateway)
        for number in range(MANY):
            gateway.come(dice.choice(MODELS))
            for _ in range(dice.choice((0, 1, 1, 2, 2, 3))):
                providers.look()
                happen(gateway, providers, dice)
                assert not providers.broken
                providers.check()
            if number in (MANY // 3, MANY // 2):  # a process that is killed leaves its requests without an end
                lost += len(gateway.requests)
                gateway.restart()
        while gateway.requests:
            gateway.now += 1.0
            gateway.wake()
            providers.look()
            if gateway.attempts:
                providers.answer(*gateway.attempts[0])
        rows = gateway.rows
        assert len(rows) == MANY - lost, "each request is logged once"
        assert Counter(row.status for row in rows)[200] > MANY // 2
        assert sum(row.status in (429, 503) for row in rows) > MANY // 100, "some found every target cooling down"
        assert sum("hedged" in {one.outcome for one in row.attempts} for row in rows) > MANY // 100
        assert not gateway.runtime.choosing.busy()
        assert not gateway.runtime.choosing.health._probes


def happen(gateway: Gateway, providers: Providers, dice: Random) -> None:
    """Let time pass, and one attempt under way come to something."""
    gateway.now += dice.choice((0.0, 0.01, 0.1, 0.5, 2.0))
    gateway.wake()
    providers.look()
    if not gateway.attempts:
        return
    request, asked = dice.choice(gateway.attempts)
    match dice.choices(("answer", "name", "fail", "hedge", "leave"), (10, 3, 3, 4, 1))[0]:
        case "answer":
            providers.answer(request, asked)
        case "name":
            providers.fail(request, asked, named(dice.choice((0.5, 4.0, 10.0, 40.0))))
        case "fail":
            providers.fail(request, asked, dice.choice([*FAILURES.values()]))
        case "hedge" if len(request.running) == 1 and request.exchange.hedge is None:
            gateway.hedge(request)
            providers.look()
        case "leave":
            gateway.leave(request)


def test_each_attempt_of_a_hedged_request_is_counted_once() -> None:
    """The answer by its own count, what was cancelled by an estimate of its input, and never both."""
    dice = Random(3)
    prices = {(name, "m"): Price(input=1e6 * n, output=2e6 * n) for n, name in enumerate("abc", 1)}
    spent: list[float] = []

    class Recording(Ledger):
        def spend(self, key: str, usd: float, at: float) -> None:
            spent.append(usd)

    with simulated(replace(CONFIG, prices=prices, limits={})) as gateway:
        gateway.runtime.spending.ledger = Recording()
        due = 0.0
        for _ in range(300):
            request = gateway.come("spread")
            gateway.now += 0.1
            hedge = gateway.hedge(request) if dice.random() < 0.6 else None
            if hedge and dice.random() < 0.2:
                gateway.leave(request)
                continue
            winner, *lost = sorted(request.running, key=lambda asked: dice.random())
            counted = Usage(dice.randrange(1, 100), dice.randrange(1, 100))
            gateway.answer(request, winner, counted)
            assert request.row
            price = {asked: prices[asked.target.provider.id, "m"].input / 1e6 for asked in (winner, *lost)}
            assert request.row.cost == pytest.approx(price[winner] * (counted.input + 2 * counted.output))
            estimates = [one.estimate for one in request.row.attempts]
            assert sorted(each for each in estimates if each is not None) == [
                price[each] * counted.input for each in lost
            ]
            assert sorted(one.outcome for one in request.row.attempts) == ["hedged"] * len(lost) + ["ok"]
            assert ("hedged with" in comment(request.exchange)) == bool(lost)
            due += request.row.cost + sum(price[each] * counted.input for each in lost)
        assert sum(spent) == pytest.approx(due)
        assert sum("hedged" in {one.outcome for one in row.attempts} for row in gateway.rows) > 50
